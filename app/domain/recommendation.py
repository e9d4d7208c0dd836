"""Which limit a customer should have, step by step, so that people can follow the arithmetic.

What it bought in a period, for as long as it takes to pay, times what its class and its way of
paying are worth, capped by class and company size. Every step rounds down to a minor unit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

from app.domain.limits_policy import Adjusting, LimitPolicy
from app.domain.money import DIGITS, MAX_MINOR, Money

StepCode = Literal[
    "LIMIT_TURNOVER",
    "LIMIT_NEED",
    "LIMIT_CLASS",
    "LIMIT_PAYING",
    "LIMIT_PAYING_UNKNOWN",
    "LIMIT_CAP_CLASS",
    "LIMIT_CAP_SIZE",
    "LIMIT_ROUNDED",
]

_WHOLE: Final = 100


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of an account; amounts are minor units of `currency`, caps included.

    `turnover_minor` is what was invoiced in the policy's period. `terms_days` None: none are
    agreed. `days_late` is the average, rounded up (None: nothing was paid or due yet). `size` is
    the company's, `risk_class` N where it was never scored.
    """

    currency: str
    turnover_minor: int
    terms_days: int | None
    risk_class: str
    days_late: int | None
    size: str | None
    class_cap_minor: int | None = None
    size_cap_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its code, what it was reckoned with (as people read it), and what comes out."""

    code: StepCode
    values: Mapping[str, str]
    result: Money


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The recommended limit and how it comes about; the last step's result is the limit."""

    limit: Money
    steps: tuple[Step, ...]
    policy_version: int


def recommend(subject: Subject, policy: LimitPolicy) -> Recommendation:
    """Work out the limit that a policy recommends."""
    walk = _Walk(subject.currency, [], 0)
    walk.take("LIMIT_TURNOVER", subject.turnover_minor, days=policy.period_days)
    terms = policy.default_terms_days if subject.terms_days is None else subject.terms_days
    days = terms + policy.margin_days
    need = walk.minor * days // policy.period_days
    walk.take("LIMIT_NEED", need, terms=terms, margin=policy.margin_days, days=policy.period_days)
    percent = policy.class_percent[subject.risk_class]
    walk.share("LIMIT_CLASS", percent, risk_class=subject.risk_class)
    _judge_paying(walk, subject, policy)
    walk.cap("LIMIT_CAP_CLASS", subject.class_cap_minor, risk_class=subject.risk_class)
    walk.cap("LIMIT_CAP_SIZE", subject.size_cap_minor, size=subject.size or "")
    unit = policy.round_to * 10 ** DIGITS[subject.currency]
    walk.cap("LIMIT_ROUNDED", min(walk.minor, MAX_MINOR) // unit * unit, unit=policy.round_to)
    return Recommendation(walk.money, tuple(walk.steps), policy.version)


@dataclass(slots=True)
class _Walk:
    """The arithmetic as it goes on."""

    currency: str
    steps: list[Step]
    minor: int

    @property
    def money(self) -> Money:
        return Money(self.minor, self.currency)

    def take(self, code: StepCode, minor: int, **values: object) -> None:
        """Go on with another amount."""
        self.minor = minor
        told = {name: str(value) for name, value in values.items()}
        self.steps.append(Step(code, told, self.money))

    def share(self, code: StepCode, percent: int, **values: object) -> None:
        """Go on with a share of the amount, or more than all of it."""
        self.take(code, self.minor * percent // _WHOLE, percent=percent, **values)

    def cap(self, code: StepCode, most: int | None, **values: object) -> None:
        """Go on with no more than a cap; None: there is none, and no step."""
        if most is not None:
            cap = Money(most, self.currency)
            self.take(code, min(self.minor, most), cap=cap, **values)


def _judge_paying(walk: _Walk, subject: Subject, policy: LimitPolicy) -> None:
    late = subject.days_late
    if late is None:
        walk.take("LIMIT_PAYING_UNKNOWN", walk.minor)
        return
    fits = (
        band for band in policy.late_bands if band.up_to_days is None or late <= band.up_to_days
    )
    band = next(fits, None)
    walk.share("LIMIT_PAYING", band.percent if band else 0, late=late)


def to_json(found: Recommendation) -> dict[str, Any]:
    """Write a recommendation as it is kept with a limit that follows it."""
    return {
        "policy_version": found.policy_version,
        "limit": _money(found.limit),
        "steps": [
            {"code": step.code, "values": dict(step.values), "result": _money(step.result)}
            for step in found.steps
        ],
    }


def _money(amount: Money) -> dict[str, str]:
    return {"amount": amount.text, "currency": amount.currency}


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A new base limit, in minor units; a decrease may go into force by itself."""

    limit_minor: int
    decrease: bool


def adjust(
    current_minor: int, recommended_minor: int, decided_on: date, today: date, how: Adjusting
) -> Adjustment | None:
    """Say how a base limit follows what is recommended now; None: not at all.

    `decided_on` is the day of the last decision or proposal on the account's base limit.
    """
    if how.mode == "OFF" or current_minor <= 0:
        return None  # no credit is granted: that is a person's decision
    if today < decided_on + timedelta(days=how.cooldown_days):
        return None
    change = recommended_minor - current_minor
    if abs(change) * _WHOLE < current_minor * max(1, how.min_change_percent):
        return None
    if change < 0:
        most = current_minor * how.max_decrease_percent // _WHOLE
        step = Adjustment(current_minor - min(-change, most), decrease=True)
    else:
        most = current_minor * how.max_increase_percent // _WHOLE
        step = Adjustment(current_minor + min(change, most), decrease=False)
    return None if step.limit_minor == current_minor else step
