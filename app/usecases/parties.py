"""The use cases of parties together: segments, customers, accounts, limits, rates."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.store.database import Database
from app.usecases.causes import Requeue
from app.usecases.changes import ListChanges
from app.usecases.customer_lists import ListCustomers
from app.usecases.customers import PutCustomer, ReadCustomer
from app.usecases.financials import ListStatements, PutStatement
from app.usecases.limits import ListLimits, ProposeLimit
from app.usecases.limits_decisions import DecideLimit
from app.usecases.limits_sets import Limits
from app.usecases.merges import MergeCustomers
from app.usecases.rates import AddRate, ListRates
from app.usecases.segments import PutSegment, ReadSegments
from app.usecases.terms import PutTerms


@dataclass(frozen=True, slots=True)
class Parties:
    """One field a use case."""

    put_segment: PutSegment
    read_segments: ReadSegments
    put_customer: PutCustomer
    read_customer: ReadCustomer
    list_customers: ListCustomers
    merge_customers: MergeCustomers
    put_terms: PutTerms
    propose_limit: ProposeLimit
    decide_limit: DecideLimit
    list_limits: ListLimits
    decide_cover: DecideLimit
    list_covers: ListLimits
    limits: Limits
    add_rate: AddRate
    list_rates: ListRates
    put_statement: PutStatement
    list_statements: ListStatements
    list_changes: ListChanges

    @classmethod
    def over(cls, database: Database, now: Callable[[], datetime], requeue: Requeue) -> Self:
        """Make them on one database; `requeue` applies the facts that wait for a cause."""
        return cls(
            PutSegment(database, now),
            ReadSegments(database),
            PutCustomer(database, now, requeue),
            ReadCustomer(database),
            ListCustomers(database, now),
            MergeCustomers(database, now, requeue),
            PutTerms(database, now),
            ProposeLimit(database, now),
            DecideLimit(database, now),
            ListLimits(database, now),
            DecideLimit(database, now, "cover"),
            ListLimits(database, now, "cover"),
            Limits.over(database, now),
            AddRate(database, now, requeue),
            ListRates(database),
            PutStatement(database, now),
            ListStatements(database),
            ListChanges(database),
        )
