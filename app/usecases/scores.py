"""The score of one customer: read it, have it computed now, or see it on a card."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self

from app.domain.callers import Caller
from app.domain.errors import CustomerUnknownError, NotScoredError
from app.domain.scores import StoredScore, TrafficLight, worse_light
from app.domain.segments import MAIN
from app.store import accounts, customers, groups, scores
from app.store.database import Database, Tx
from app.usecases.accounts import AccountView, look
from app.usecases.scorecards import ActivateScorecard, ReadScorecard
from app.usecases.scoring import RescoreAccounts, ScoreCustomers, score_customers

STALE_AFTER: Final = timedelta(days=35)
"""A score older than this is stale, whatever happened since (exclusive)."""


@dataclass(frozen=True, slots=True)
class ReadScore:
    """Read the stored score of a customer."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, ref: str) -> StoredScore:
        """Return the score of the customer that `ref`, an id or alias, names.

        Raises:
            CustomerUnknownError: Nobody has this id, or it lies out of sight.
            NotScoredError: The customer has no score yet.
            BusyError: The database was out of reach.

        """
        with self.database.read() as tx:
            customer_id = find_customer(tx, caller, ref)
            found = read_score(tx, customer_id, self.now())
        if found is None:
            raise NotScoredError(f"{customer_id} was never scored", "customer_id")
        return found


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
    if found is None:
        return None
    return replace(found, stale=found.stale or at - found.scored_at > STALE_AFTER)


@dataclass(frozen=True, slots=True)
class Card:
    """A customer at a glance, for CRM and phone; `account` is None where there is none in sight.

    The light is the worse of score and account; without a score it is YELLOW or worse.
    """

    customer_id: str
    name: str
    traffic_light: TrafficLight
    score: StoredScore | None
    account: AccountView | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ReadCard:
    """Read a customer's card in one snapshot."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, ref: str, segment_id: str | None = None) -> Card:
        """Return the card; without a segment the account is that of `main`, else the first seen.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id, or it lies out of sight.
            NotFoundError: The customer has no account in the segment that was asked for.
            BusyError: The database was out of reach.

        """
        if segment_id is not None:
            caller.visit(segment_id)
        at = self.now()
        with self.database.read() as tx:
            customer_id = find_customer(tx, caller, ref)
            name = customers.read(tx, customer_id).name
            found = read_score(tx, customer_id, at)
            where = segment_id or _segment_in_sight(tx, caller, customer_id)
            account = None if where is None else look(tx, customer_id, where, at)
        light = found.score.traffic_light if found else TrafficLight.YELLOW
        if account is not None:
            light = worse_light(light, account.traffic_light)
        return Card(customer_id, name, light, found, account, at)


def _segment_in_sight(tx: Tx, caller: Caller, customer_id: str) -> str | None:
    names = [term.segment_id for term in groups.terms(tx, [customer_id])]
    seen = [name for name in names if caller.sees(name)]
    return MAIN if MAIN in seen else next(iter(seen), None)


@dataclass(frozen=True, slots=True)
class Scores:
    """The use cases of scores together, one field each."""

    read_score: ReadScore
    score_customer: ScoreCustomer
    read_card: ReadCard
    score_customers: ScoreCustomers
    rescore: RescoreAccounts
    read_scorecard: ReadScorecard
    activate_scorecard: ActivateScorecard

    @classmethod
    def over(cls, database: Database, now: Callable[[], datetime]) -> Self:
        """Make them on one database."""
        score_customers = ScoreCustomers(database, now)
        return cls(
            ReadScore(database, now),
            ScoreCustomer(database, now),
            ReadCard(database, now),
            score_customers,
            RescoreAccounts(score_customers),
            ReadScorecard(database),
            ActivateScorecard(database),
        )
