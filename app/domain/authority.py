"""Who may release up to which amount: a matrix of role, class and amount, and who stands in.

Amounts are compared in the currency of the matrix, converted upwards: never a cent too generous.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

from app.domain.callers import Caller
from app.domain.errors import FieldError
from app.domain.money import Money, Rate, convert

CLASSES: Final = ("A", "B", "C", "D", "E", "N")
"""Risk classes of a score; N where there is too little history, or no score."""

ANY: Final = "*"
RiskClass = Literal["A", "B", "C", "D", "E", "N", "*"]

FindRate = Callable[[str, str], Rate | None]
"""Gives the rate between two currencies that counts today; None: none is fresh."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A row of the matrix: `most` None is without a bound, `segment_id` None every segment."""

    risk_class: RiskClass
    most: Money | None
    segment_id: str | None = None

    def fits(self, segment_id: str, risk_class: str) -> bool:
        """Tell whether it speaks of a segment and class."""
        return self.segment_id in {None, segment_id} and self.risk_class in {ANY, risk_class}

    def is_seen_by(self, caller: Caller) -> bool:
        """Tell whether it speaks of a segment within a caller's sight."""
        return self.segment_id is None or caller.sees(self.segment_id)


@dataclass(frozen=True, slots=True)
class Role:
    """A role with its rows; the most specific row that fits counts, segment before class."""

    role: str
    name_zh: str
    name_en: str
    grants: tuple[Grant, ...]

    def grant(self, segment_id: str, risk_class: str) -> Grant | None:
        """Give the row that counts; None: the role may release nothing there."""
        fitting = [one for one in self.grants if one.fits(segment_id, risk_class)]
        return max(fitting, key=_how_specific, default=None)


def _how_specific(grant: Grant) -> tuple[bool, bool]:
    return grant.segment_id is not None, grant.risk_class != ANY


def check_role(role: Role) -> None:
    """Insist that no two rows speak of the same segment and class.

    Raises:
        FieldError: Two do; names the second.

    """
    seen: set[tuple[str | None, str]] = set()
    for place, grant in enumerate(role.grants):
        key = grant.segment_id, grant.risk_class
        if key in seen:
            raise FieldError("this segment and class have a row already", f"grants[{place}]")
        seen.add(key)


@dataclass(frozen=True, slots=True)
class Delegation:
    """A subject lends all it may to another, on business dates, both inclusive."""

    delegation_id: str
    from_subject: str
    to_subject: str
    valid_from: date
    valid_to: date
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed what: `data` is as it was put, None where it was taken away."""

    change_id: int
    what: Literal["ROLE", "SUBJECT", "DELEGATION", "SEGMENT"]
    name: str
    data: Mapping[str, Any] | None
    client: str
    actor: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """A hold that is open for `after_s` seconds is for this role to look at."""

    role: str
    after_s: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What a segment asks for: two persons above an amount (None: never), and who hears when."""

    segment_id: str
    two_above: Money | None = None
    escalation: tuple[Step, ...] = ()

    def step_due(self, opened_at: datetime, level: int, now: datetime) -> int | None:
        """Give the level a hold of `level` escalates to now, the highest that is due; None: none.

        Levels count from 1; 0 is the account's owner.
        """
        age_s = (now - opened_at).total_seconds()
        due = sum(step.after_s <= age_s for step in self.escalation)
        return due if due > level else None


def check_policy(policy: Policy) -> None:
    """Insist that each step comes later than the one before.

    Raises:
        FieldError: One does not; names it.

    """
    last = 0
    for place, step in enumerate(policy.escalation):
        if step.after_s <= last:
            raise FieldError("must be later than the step before", f"escalation[{place}].after")
        last = step.after_s


@dataclass(frozen=True, slots=True)
class Matrix:
    """All that is configured; empty: everybody who may release at all may release everything."""

    roles: Mapping[str, Role]
    subjects: Mapping[str, str]
    delegations: Sequence[Delegation] = ()

    @property
    def configured(self) -> bool:
        """Whether amounts are bounded at all."""
        return bool(self.roles)

    def roles_of(self, subject: str, today: date) -> tuple[Role, ...]:
        """Give a subject's role and those lent to it today; what was lent is not lent on."""
        lenders = [
            one.from_subject
            for one in self.delegations
            if one.to_subject == subject and one.valid_from <= today <= one.valid_to
        ]
        names = dict.fromkeys(
            self.subjects[one] for one in (subject, *lenders) if one in self.subjects
        )
        return tuple(self.roles[name] for name in names)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an amount meets what somebody may: `best` is the widest grant that was compared."""

    allowed: bool
    best: tuple[str, Money] | None = None
    rate_missing: bool = False


def weigh(amount: Money, roles: Iterable[Role], place: tuple[str, str], find: FindRate) -> Standing:
    """Tell whether one of these roles may release an amount; `place` is (segment, class)."""
    best: tuple[str, Money] | None = None
    rate_missing = False
    for role in roles:
        grant = role.grant(*place)
        if grant is None:
            continue
        if grant.most is None:
            return Standing(allowed=True)
        asked = worth(amount, grant.most.currency, find)
        if asked is None:
            rate_missing = True
        elif asked.minor <= grant.most.minor:
            return Standing(allowed=True)
        elif best is None or grant.most.minor > best[1].minor:
            best = role.role, grant.most
    return Standing(allowed=False, best=best, rate_missing=rate_missing)


def worth(amount: Money, currency: str, find: FindRate) -> Money | None:
    """Value an amount in another currency, rounded up; None: no rate is fresh enough."""
    if amount.currency == currency:
        return amount
    rate = find(amount.currency, currency)
    if rate is None:
        return None
    factor = rate.factor(amount.currency, currency)
    return Money(convert(amount.minor, factor, up=True), currency)
