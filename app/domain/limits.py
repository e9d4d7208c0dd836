"""Which limit is in force on a business date."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from app.domain.accounts import Account, Entry
from app.domain.covers import CoverTerms

LimitKind = Literal["base", "temporary", "cover"]

Paper = Literal["limit", "cover"]
"""What is proposed, decided on and listed; limits and covers share how, never a list."""

KINDS: Final[dict[Paper, frozenset[LimitKind]]] = {
    "limit": frozenset({"base", "temporary"}),
    "cover": frozenset({"cover"}),
}


@dataclass(frozen=True, slots=True)
class CreditLimit:
    """An approved limit. `limit_minor` None and not `unlimited`: no credit is granted.

    `valid_to` is inclusive; None has no end. `order` rises with approval: later wins. A `cover`
    adds `limit_minor` to the limit that holds beside it. `over_when_told`: its last day lay before
    the business day of its approval; it tells of the past and replaces nothing. `limit_id` is the
    record's, where it is known.
    """

    kind: LimitKind
    limit_minor: int | None
    unlimited: bool
    valid_from: date
    valid_to: date | None
    order: int
    over_when_told: bool = False
    limit_id: str | None = field(default=None, compare=False)

    def valid_on(self, on: date) -> bool:
        """Tell whether a business date lies within its dates."""
        return self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)

    def covers_on(self, on: date) -> bool:
        """Tell whether it is a cover that is valid on a business date."""
        return self.kind == "cover" and self.valid_on(on)


@dataclass(frozen=True, slots=True)
class EffectiveLimit:
    """What limits hold from a date until `changes_on` (exclusive; None: for ever).

    `covers_minor` is what covers add to `limit_minor`, which has it in it. `begun`: some limit,
    be it null or over by now, was in force by then.
    """

    limit_minor: int | None
    unlimited: bool
    expired: bool
    changes_on: date | None
    covers_minor: int = 0
    begun: bool = True


def effective_limit(limits: Iterable[CreditLimit], on: date) -> EffectiveLimit:
    """Find the limit of a business date: a valid temporary one, else a valid base one, else none.

    Of several valid ones of a kind the one approved last wins. A base limit that began is replaced
    for good when one that was approved later begins: it does not come back when that one runs out,
    but leaves a null limit that is `expired`. One `over_when_told` replaces none.
    Valid covers add to a limit above 0; beside one of 0, which grants no credit either, a null or
    an unlimited one they count nothing.
    """
    rows = list(limits)
    valid = [row for row in rows if row.valid_on(on)]
    changes_on = _next_change(rows, valid, on)
    best = _holds(rows, on)
    if best is not None:
        return _with_covers(best, valid, changes_on)
    ran_out = any(
        row.kind == "base" and row.valid_to is not None and row.valid_to < on for row in rows
    )
    begun = any(row.kind != "cover" and row.valid_from <= on for row in rows)
    return EffectiveLimit(
        None, unlimited=False, expired=ran_out, changes_on=changes_on, begun=begun
    )


def makes_up(limits: Iterable[CreditLimit], on: date) -> list[CreditLimit]:
    """Give what the effective limit of a business date is made of: one limit, then its covers."""
    rows = list(limits)
    best = _holds(rows, on)
    if best is None or not best.limit_minor:  # covers add to an amount alone
        return [] if best is None else [best]
    return [best, *(row for row in rows if row.covers_on(on))]


def _holds(rows: Sequence[CreditLimit], on: date) -> CreditLimit | None:
    temporary = [row for row in rows if row.kind == "temporary" and row.valid_on(on)]
    return max(temporary, key=lambda row: row.order, default=None) or base_in_force(rows, on)


def _with_covers(
    best: CreditLimit, valid: Iterable[CreditLimit], changes_on: date | None
) -> EffectiveLimit:
    if not best.limit_minor:  # no credit granted, or no bound to it: covers make neither more
        bare, free = best.limit_minor, best.unlimited
        return EffectiveLimit(bare, free, expired=False, changes_on=changes_on)
    covers = sum(row.limit_minor or 0 for row in valid if row.kind == "cover")
    limit = best.limit_minor + covers
    return EffectiveLimit(
        limit, unlimited=False, expired=False, changes_on=changes_on, covers_minor=covers
    )


def _replaced(row: CreditLimit, rows: Iterable[CreditLimit], on: date) -> bool:
    return any(
        other.kind == "base"
        and not other.over_when_told
        and other.order > row.order
        and row.valid_from <= other.valid_from <= on
        for other in rows
    )


def _next_change(
    rows: Iterable[CreditLimit], valid: Iterable[CreditLimit], on: date
) -> date | None:
    changes = [row.valid_from for row in rows if row.valid_from > on]
    changes += [
        row.valid_to + timedelta(days=1)
        for row in valid
        if row.valid_to is not None and row.valid_to < date.max  # 9999-12-31 never passes
    ]
    return min(changes, default=None)


def base_in_force(limits: Iterable[CreditLimit], on: date) -> CreditLimit | None:
    """Find the base limit that holds on a business date, whatever temporary one wins over it."""
    rows = [row for row in limits if row.kind == "base"]
    standing = [row for row in rows if row.valid_on(on) and not _replaced(row, rows, on)]
    return max(standing, key=lambda row: row.order, default=None)


def holds_some_day(limit: CreditLimit, limits: Iterable[CreditLimit], since: date) -> bool:
    """Tell whether a limit is the one of its kind that holds on a day from `since` on."""
    rows = [row for row in limits if row.kind == limit.kind]
    days = {since} | {day for day in changes(rows) if day > since}
    return any(_last_approved(rows, day) == limit for day in days)


def _last_approved(rows: Sequence[CreditLimit], on: date) -> CreditLimit | None:
    standing = [row for row in rows if row.valid_on(on)]
    if any(row.kind == "base" for row in standing):
        return base_in_force(rows, on)
    return max(standing, key=lambda row: row.order, default=None)


def last_day(base: CreditLimit, limits: Iterable[CreditLimit], on: date) -> date | None:
    """Give the last day of a base limit in force on a business date; None: it has no end.

    It ends before another begins that was approved after it.
    """
    ends = [
        row.valid_from - timedelta(days=1)
        for row in limits
        if row.kind == "base" and row.order > base.order and row.valid_from > on
    ]
    return min(ends if base.valid_to is None else [*ends, base.valid_to], default=None)


def changes(limits: Iterable[CreditLimit]) -> set[date]:
    """Name the dates on which what holds may change: a first day, or the day after a last one."""
    rows = list(limits)
    days = {row.valid_from for row in rows}
    return days | {
        row.valid_to + timedelta(days=1)
        for row in rows
        if row.valid_to is not None and row.valid_to < date.max
    }


def grants_more(after: Sequence[CreditLimit], before: Sequence[CreditLimit], since: date) -> bool:
    """Tell whether some limits grant more than others on any day from `since` on."""
    days = {since} | {day for day in changes([*after, *before]) if day > since}
    return any(
        _size(effective_limit(after, day)) > _size(effective_limit(before, day)) for day in days
    )


def _size(found: EffectiveLimit) -> tuple[bool, int]:
    return found.unlimited, found.limit_minor or 0


def in_force(account: Account, found: EffectiveLimit) -> Account:
    """Give an account with an effective limit on it.

    Where nothing is in force any more it is withheld for good: ending the last limit of a group
    must not let its members buy without one.
    """
    granted = found.limit_minor is not None or found.unlimited
    before = was_given_one(account)
    return replace(
        account,
        limit_minor=found.limit_minor,
        unlimited=found.unlimited,
        limit_expired=found.expired,
        limit_withheld=not granted and not found.expired and (found.begun or before),
        limit_changes_on=found.changes_on,
    )


def was_given_one(account: Account) -> bool:
    """Tell whether a limit is in force on an account, or was before; null and unlimited are too."""
    return account.unlimited or account.has_limit


def inherit(heir: Account, source: Account) -> Account:
    """Give the account that goes on after a merge, which ends the other one's limits.

    Where only that one was given any, nothing is granted: else its group's members went free.
    """
    if was_given_one(heir) or not was_given_one(source):
        return heir
    return replace(heir, limit_withheld=True)


def settle(
    account: Account, limits: Iterable[CreditLimit], on: date, ref: str | None = None
) -> tuple[Account, Entry | None]:
    """Put the limit of a business date in force on a locked account, as a fact.

    A cut below what is used is never refused: what stands above it becomes `forced`. `ref` names
    the limit that was decided on (journal kind LIMIT); without it time alone did
    (LIMIT_EFFECTIVE). There is an entry only where the limit itself differs; the account may
    differ without one (`limit_expired`, `limit_withheld`, `limit_changes_on`).
    """
    after = in_force(account, effective_limit(limits, on))
    if (after.limit_minor, after.unlimited) == (account.limit_minor, account.unlimited):
        return after, None
    after = replace(after, forced=after.excess, seq=account.seq + 1)
    if ref is None:
        return after, Entry(after, "LIMIT_EFFECTIVE", on.isoformat())
    return after, Entry(after, "LIMIT", ref)


LimitStatus = Literal["PROPOSED", "APPROVED", "REJECTED", "ENDED"]

LimitOrigin = Literal["MANUAL", "DYNAMIC"]
"""Who thought of a limit: a person, or the policy that adjusts limits."""


@dataclass(frozen=True, slots=True)
class LimitRecord:
    """A limit as it was asked for and decided on; `limit_minor` is in `currency`.

    One of kind `cover` has its terms, and what they contribute as `limit_minor`.

    `proposed_by`, `decided_by` and `ended_by` are authenticated clients, the actors the people that
    they assert stood behind it. A limit that was replaced by a later one stays APPROVED; ENDED
    means that somebody ended it. An APPROVED one whose end was proposed holds until somebody else
    ends it. `evidence` is how a DYNAMIC one was worked out.
    """

    limit_id: str
    account_id: int
    kind: LimitKind
    limit_minor: int | None
    currency: str
    unlimited: bool
    valid_from: date
    valid_to: date | None
    status: LimitStatus
    reason: str | None
    proposed_by: str
    created_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None
    cover: CoverTerms | None = None
    end_proposed_by: str | None = None
    end_proposed_at: datetime | None = None
    origin: LimitOrigin = "MANUAL"
    evidence: Mapping[str, Any] | None = None
    proposed_actor: str | None = None
    decided_actor: str | None = None
    end_proposed_actor: str | None = None
    ended_actor: str | None = None
