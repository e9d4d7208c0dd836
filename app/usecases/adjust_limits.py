"""Base limits follow what the segment's policy recommends: down at once, up when approved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import uuid4

import structlog

from app.domain.callers import Caller
from app.domain.errors import BusyError, RateMissingError
from app.domain.limits import CreditLimit, LimitRecord, base_in_force, last_day
from app.domain.limits_policy import LimitPolicy
from app.domain.money import Money
from app.domain.recommendation import Adjustment, Recommendation, adjust, to_json
from app.domain.segments import Segment
from app.store import accounts, limits, limits_facts, segments
from app.store.database import Database, Tx, moment
from app.store.limits_facts import Adjustable
from app.telemetry.limits import LIMITS_ADJUSTED
from app.texts import text
from app.usecases.books import Books
from app.usecases.dates import business_date
from app.usecases.limits import approve
from app.usecases.limits_policy import policy_of
from app.usecases.portions import LOCK_TIMEOUT_MS, Cursor, Portion
from app.usecases.recommendation import recommend_for

ADJUSTER: Final = Caller("aval-adjust", frozenset({"limit:propose", "limit:approve"}))
"""In whose name limits follow the policy; whoever put the policy in force answers for it."""

_log = structlog.get_logger(__name__)

Policies = Mapping[str, tuple[Segment, LimitPolicy]]


@dataclass(frozen=True, slots=True)
class _Wish:
    """A new base limit for an account from today until a day, and how it was worked out."""

    today: date
    until: date | None
    found: Recommendation
    base: CreditLimit
    step: Adjustment


@dataclass(frozen=True, slots=True)
class AdjustLimits:
    """Adjust the limits of segments whose policy says so, one account a transaction.

    Any number may run at the same time: what was decided meanwhile is seen under the lock.
    """

    database: Database
    most: int
    clock: Callable[[Tx], datetime] = moment

    def __call__(self, after: Cursor | None = None) -> Portion:
        """Look at the next `most` accounts; `after` is the last one's id.

        Raises:
            BusyError: The database was out of reach.

        """
        with self.database.read() as tx:
            policies = _policies(tx)
            place = after[0] if after else 0
            due = limits_facts.adjustable(tx, sorted(policies), place, self.most)
        done, left = 0, 0
        for one in due:
            try:
                done += self._adjust(one, policies[one.segment_id])
            except RateMissingError:
                left += 1
            except BusyError as busy:  # others are served first; the next pass looks again
                _log.info("limit_not_adjusted", account_id=one.account_id, reason=busy.detail)
        place = due[-1].account_id if len(due) == self.most else 0
        return Portion(done, (place,) if place else None, left)

    def _adjust(self, one: Adjustable, by: tuple[Segment, LimitPolicy]) -> bool:
        """Adjust one account, and tell whether anything was done."""
        with self.database.begin(lock_timeout_ms=LOCK_TIMEOUT_MS) as tx:
            at = self.clock(tx)
            wish = _wish(tx, one, by, at)
            if wish is None:
                return False
            books = Books.open(tx, [one.account_id], at)
            again = limits_facts.adjustable(tx, [one.segment_id], one.account_id - 1, 1)
            if again[:1] != [one]:
                return False  # somebody decided on it meanwhile
            books.settle([one.account_id], wish.today)
            record = _record(books, one, wish)
            limits.add(tx, record)
            if wish.step.decrease and by[1].adjust.mode == "AUTO":
                record = approve(books, record, ADJUSTER, wish.today)
            books.close()
        _tell(record, wish.step)
        return True


def _policies(tx: Tx) -> Policies:
    found = {one.segment_id: (one, policy_of(tx, one)) for one in segments.every(tx)}
    return {key: by for key, by in found.items() if by[1].adjust.mode != "OFF"}


def _wish(tx: Tx, one: Adjustable, by: tuple[Segment, LimitPolicy], at: datetime) -> _Wish | None:
    segment, policy = by
    today = business_date(segment, at)
    known = limits.approved(tx, [one.account_id])[one.account_id]
    base = base_in_force(known, today)
    held = accounts.get_many(tx, [one.account_id])[one.account_id]
    if base is None or not base.limit_minor:
        return None
    decided_on = business_date(segment, one.decided_at)
    if (today - decided_on).days < policy.adjust.cooldown_days:
        return None
    found = recommend_for(tx, held, by, at)
    step = adjust(base.limit_minor, found.limit.minor, decided_on, today, policy.adjust)
    return None if step is None else _Wish(today, last_day(base, known, today), found, base, step)


def _record(books: Books, one: Adjustable, wish: _Wish) -> LimitRecord:
    held = books.pool[one.account_id]
    values = {
        "version": str(wish.found.policy_version),
        "recommended": str(wish.found.limit),
        "before": str(Money(wish.base.limit_minor or 0, held.currency)),
    }
    said = text("LIMIT_ADJUSTED_DOWN" if wish.step.decrease else "LIMIT_ADJUSTED_UP", values)
    return LimitRecord(
        limit_id=str(uuid4()),
        account_id=one.account_id,
        kind="base",
        limit_minor=wish.step.limit_minor,
        currency=held.currency,
        unlimited=False,
        valid_from=wish.today,
        valid_to=wish.until,
        status="PROPOSED",
        reason=f"{said.zh} {said.en}",
        proposed_by=ADJUSTER.client,
        created_at=books.at,
        origin="DYNAMIC",
        evidence=to_json(wish.found),
    )


def _tell(record: LimitRecord, step: Adjustment) -> None:
    kind = "DECREASE" if step.decrease else "INCREASE"
    LIMITS_ADJUSTED.labels(kind, record.status).inc()
    _log.info(
        "limit_adjusted",
        limit_id=record.limit_id,
        account_id=record.account_id,
        type=kind,
        status=record.status,
    )
