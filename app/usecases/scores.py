"""The score of one customer: have it computed now, and how long it holds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

from app.domain.callers import Caller
from app.domain.errors import CustomerUnknownError
from app.domain.scores import StoredScore
from app.store import accounts, groups, scores
from app.store.database import Database, Tx
from app.usecases.scorecards import ActivateScorecard, ReadScorecard
from app.usecases.scoring import RescoreAccounts, ScoreCustomers, score_customers

STALE_AFTER: Final = timedelta(days=35)
"""A score older than this is stale, whatever happened since (exclusive)."""


@dataclass(frozen=True, slots=True)
class ScoreCustomer:
    """Score a customer now."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, ref: str) -> StoredScore:
        """Compute, store and return the score of the customer that `ref`, an id or alias, names.

        Raises:
            CustomerUnknownError: Nobody has this id, or it lies out of sight.
            BusyError: The database was out of reach, or somebody else scores the customer.

        """
        at = self.now()
        with self.database.begin() as tx:
            customer_id = find_customer(tx, caller, ref)
            score_customers(tx, [customer_id], at)
            found = read_score(tx, customer_id, at)
        if found is None:  # merged into another between the two statements
            raise CustomerUnknownError(f"no customer has the id {ref[:64]!r}", "customer_id")
        return found


def find_customer(tx: Tx, caller: Caller, ref: str) -> str:
    """Find the customer that an id or alias names, within what the caller may see.

    Raises:
        CustomerUnknownError: Nobody has this id, or no account of it lies within sight.

    """
    customer_id = accounts.customer_of(tx, ref)
    if caller.segments is None:
        return customer_id
    if not any(caller.sees(term.segment_id) for term in groups.terms(tx, [customer_id])):
        raise CustomerUnknownError(f"no customer has the id {ref[:64]!r}", "customer_id")
    return customer_id


def read_score(tx: Tx, customer_id: str, at: datetime) -> StoredScore | None:
    """Read the score in force and tell whether it is stale: old, or facts came after it."""
    found = scores.read(tx, customer_id)
    return None if found is None else aged(found, at)


def aged(found: StoredScore, at: datetime) -> StoredScore:
    """Call a score stale that is too old at a moment, whatever happened since it was computed."""
    if found.stale or at - found.scored_at <= STALE_AFTER:
        return found
    return replace(found, stale=True)


@dataclass(frozen=True, slots=True)
class Scores:
    """The use cases of scores together, one field each."""

    score_customer: ScoreCustomer
    score_customers: ScoreCustomers
    rescore: RescoreAccounts
    read_scorecard: ReadScorecard
    activate_scorecard: ActivateScorecard

    @classmethod
    def over(cls, database: Database, now: Callable[[], datetime]) -> Self:
        """Make them on one database."""
        score_customers = ScoreCustomers(database, now)
        return cls(
            ScoreCustomer(database, now),
            score_customers,
            RescoreAccounts(score_customers),
            ReadScorecard(database),
            ActivateScorecard(database),
        )
