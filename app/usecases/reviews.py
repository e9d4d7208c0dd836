"""The review calendar of limits, and limits that end soon: lists for people, counts for alarms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import structlog

from app.domain.callers import Caller
from app.domain.errors import NotFoundError
from app.domain.limits_policy import LimitPolicy
from app.domain.reviews import Ending, Review
from app.domain.segments import Segment
from app.store import accounts, reviews, segments
from app.store.database import Database, Tx, moment
from app.store.reviews import Asked
from app.telemetry.limits import LIMIT_REVIEWS_DUE, LIMITS_ENDING
from app.usecases.accounts import not_here
from app.usecases.asks import Answer
from app.usecases.dates import business_date
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.limits_policy import policy_of
from app.usecases.portions import Cursor, Portion

KINDS: Final = ("base", "temporary", "cover")
_ALL: Final = 2**31

_log = structlog.get_logger(__name__)

By = Mapping[str, tuple[Segment, LimitPolicy]]


@dataclass(frozen=True, slots=True)
class ListAsk:
    """Which part of a list: of which segment (None: all within sight), of whose customers.

    `until` is the last day, inclusive; None: today for reviews, `warn_days` ahead for ends.
    """

    segment_id: str | None
    owner: str | None
    until: date | None
    after: tuple[date, str] | None
    most: int


@dataclass(frozen=True, slots=True)
class ListReviews:
    """List accounts whose limit is to be reviewed, the longest due first."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, ask: ListAsk) -> list[Review]:
        """Return a page.

        Raises:
            SegmentUnknownError: No such segment within sight.

        """
        with self.database.read() as tx:
            by = _in_sight(tx, caller, ask.segment_id)
            return reviews.due(tx, _asked(ask, by, self.now()), _days(by))


@dataclass(frozen=True, slots=True)
class ListEnding:
    """List limits and covers that end soon and have no successor, the next to end first."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, ask: ListAsk) -> list[Ending]:
        """Return a page; without a day each segment's own `warn_days` count.

        Raises:
            SegmentUnknownError: No such segment within sight.

        """
        with self.database.read() as tx:
            by = _in_sight(tx, caller, ask.segment_id)
            return reviews.ending(tx, _asked(ask, by, self.now()), _warn_days(by))


@dataclass(frozen=True, slots=True)
class RecordReview:
    """Keep that somebody looked at a customer's limit and left it; the next review moves on."""

    database: Database
    now: Callable[[], datetime]

    def __call__(
        self,
        keyed: Keyed,
        account: tuple[str, str],
        note: str | None,
        render: Callable[[Review], Answer],
    ) -> Answer:
        """Answer the account with its next review; `account` is (id or alias, segment).

        Raises:
            ForbiddenError: The caller may neither propose nor approve limits.
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id.
            NotFoundError: The customer has no account, or no base limit, there.
            KeyReusedError: The key was used with another question.

        """
        caller = keyed.caller
        if not caller.may("limit:approve"):
            caller.need("limit:propose")
        caller.visit(account[1])
        with self.database.begin() as tx:
            return once(
                tx,
                caller,
                keyed.key,
                keyed.digest,
                lambda: render(self._record(tx, caller, account, note)),
            )

    def _record(self, tx: Tx, caller: Caller, account: tuple[str, str], note: str | None) -> Review:
        ref, segment_id = account
        at = self.now()
        by = _in_sight(tx, caller, segment_id)
        held = accounts.find(tx, accounts.customer_of(tx, ref), segment_id)
        if held is None:
            raise not_here(caller, ref, segment_id)
        today = business_date(by[segment_id][0], at)
        reviews.add(tx, held.account_id, today, note, (caller, at))
        asked = Asked(date.max, {segment_id: today}, None, None, 1, at)
        found = reviews.due(tx, asked, _days(by), held.account_id)
        if not found:
            raise NotFoundError(f"{ref!r} has no base limit in {segment_id!r}", "customer_id")
        return found[0]


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """Count what ends soon and what is due for a review, for metrics and the log."""

    database: Database
    clock: Callable[[Tx], datetime] = moment

    def __call__(self, after: Cursor | None = None) -> Portion:
        """Count over all segments; it is one portion.

        Raises:
            BusyError: The database was out of reach.

        """
        del after
        with self.database.read() as tx:
            by = {one.segment_id: (one, policy_of(tx, one)) for one in segments.every(tx)}
            everything = ListAsk(None, None, None, None, _ALL)
            asked = _asked(everything, by, self.clock(tx))
            ending = reviews.count_ending(tx, asked, _warn_days(by))
            due = reviews.count_due(tx, asked, _days(by))
        for kind in KINDS:
            LIMITS_ENDING.labels(kind).set(ending.get(kind, 0))
        LIMIT_REVIEWS_DUE.set(due)
        if due or ending:
            _log.info("limits_watched", reviews_due=due, ending=ending)
        return Portion(0)


def _in_sight(tx: Tx, caller: Caller, segment_id: str | None) -> By:
    if segment_id is not None:
        caller.visit(segment_id)
        seen = [segments.read(tx, segment_id)]
    else:
        seen = [one for one in segments.every(tx) if caller.sees(one.segment_id)]
    return {one.segment_id: (one, policy_of(tx, one)) for one in seen}


def _days(by: By) -> dict[str, dict[str, int]]:
    return {key: dict(one[1].review_days) for key, one in by.items()}


def _warn_days(by: By) -> dict[str, int]:
    return {key: one[1].warn_days for key, one in by.items()}


def _asked(ask: ListAsk, by: By, at: datetime) -> Asked:
    today = {key: business_date(one[0], at) for key, one in by.items()}
    return Asked(ask.until, today, ask.owner, ask.after, ask.most, at)
