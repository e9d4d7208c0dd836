"""A credit account: one limit and what uses it, as running balances that only move forward.

Positions are kept per currency in that currency's minor units; what the account's own currency
does not cover is valued by the stored rate. So a position that goes to zero is worth exactly
zero, whatever rates did in between, and moving a customer between groups moves exact sums.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from typing import Final, Literal

from app.domain.money import Rate, RateFinder, convert
from app.domain.values import quick

CATEGORIES: Final = ("authorized", "open_delivery", "open_item", "note_receivable", "prepayment")

Kind = Literal[
    "AUTHORIZE",
    "TOLERANCE",
    "RELEASE",
    "FREE",
    "FACT",
    "LIMIT",
    "LIMIT_EFFECTIVE",
    "FX_REVALUATION",
    "REGROUP",
    "MERGE",
    "CURRENCY",
    "ADJUSTMENT",
]


@quick
@dataclass(frozen=True, slots=True)
class Use:
    """Minor units of one currency by category; as a position none is negative, as a delta any."""

    authorized: int = 0
    open_delivery: int = 0
    open_item: int = 0
    note_receivable: int = 0
    prepayment: int = 0

    def __add__(self, other: "Use") -> "Use":
        """Add category by category."""
        return Use(
            self.authorized + other.authorized,
            self.open_delivery + other.open_delivery,
            self.open_item + other.open_item,
            self.note_receivable + other.note_receivable,
            self.prepayment + other.prepayment,
        )

    def __neg__(self) -> "Use":
        """Turn every sign."""
        return Use(
            -self.authorized,
            -self.open_delivery,
            -self.open_item,
            -self.note_receivable,
            -self.prepayment,
        )

    def __bool__(self) -> bool:
        """Tell whether anything is there."""
        # written out: a comparison with nothing would make two tuples
        return bool(
            self.authorized
            or self.open_delivery
            or self.open_item
            or self.note_receivable
            or self.prepayment
        )

    @property
    def exposure(self) -> int:
        """What is owed or delivered; prepayment lowers it, so it may be negative."""
        return self.open_delivery + self.open_item + self.note_receivable - self.prepayment

    @property
    def total(self) -> int:
        """All that counts against the limit: exposure and open reservations."""
        # `exposure` written out: a decision asks for a dozen totals
        owed = self.open_delivery + self.open_item + self.note_receivable - self.prepayment
        return owed + self.authorized

    def valued(self, factor: Fraction) -> "Use":
        """Convert: what uses credit is rounded up, what gives credit down."""
        return Use(
            convert(self.authorized, factor, up=True),
            convert(self.open_delivery, factor, up=True),
            convert(self.open_item, factor, up=True),
            convert(self.note_receivable, factor, up=True),
            convert(self.prepayment, factor, up=False),
        )


_NOTHING: Final = Use()


@dataclass(frozen=True, slots=True)
class ForeignUse:
    """A position in another currency, and the rate by which it is valued at the moment."""

    use: Use
    rate: Rate

    def valued(self, currency: str, own: str) -> Use:
        """Give the position's worth in the account's currency `own`."""
        return self.use.valued(self.rate.factor(currency, own))


@quick
@dataclass(frozen=True, slots=True)
class Account:
    """An account as it stands under its lock (or in one snapshot).

    `use` is the valued total in the account's currency, foreign positions included. `path` holds
    its own id, then those of its groups upwards. `limit_minor` is the effective limit (None: no
    credit granted). `limit_withheld`: none is granted though one was in force before, or a null one
    is, and no base limit expired. `limit_changes_on` is the first business date on which the
    effective limit may differ (None: never).
    """

    account_id: int
    customer_id: str
    segment_id: str
    path: tuple[int, ...]
    currency: str
    status: Literal["OPEN", "STOPPED"] = "OPEN"
    limit_minor: int | None = None
    unlimited: bool = False
    limit_expired: bool = False
    limit_withheld: bool = False
    limit_changes_on: date | None = None
    use: Use = _NOTHING
    foreign: Mapping[str, ForeignUse] = field(default_factory=dict)
    forced: int = 0
    seq: int = 0
    input_version: int = 0
    quarantined: int = 0

    @property
    def has_limit(self) -> bool:
        """Whether orders must fit here though it is only a group.

        Only who was never given a limit, or is unlimited, is passed by: a limit that is null, was
        ended or lapsed grants nothing.
        """
        if self.unlimited:
            return False
        return self.limit_minor is not None or self.limit_expired or self.limit_withheld

    @property
    def headroom(self) -> int | None:
        """Effective limit − exposure − authorized, in minor units; None where unlimited."""
        return None if self.unlimited else (self.limit_minor or 0) - self.use.total

    @property
    def excess(self) -> int:
        """What stands above the limit at the moment, never negative."""
        return over(self, self.use)

    def position(self, currency: str) -> Use:
        """Give the exact position in one currency."""
        if currency == self.currency:
            own = self.use
            for code, foreign in self.foreign.items():
                own = own + -foreign.valued(code, self.currency)
            return own
        found = self.foreign.get(currency)
        return found.use if found else _NOTHING


@quick
@dataclass(frozen=True, slots=True)
class Entry:
    """A journal entry: which account changed, why, and how it stands after."""

    account: Account
    kind: Kind
    ref: str
    decision_id: str | None = None


def stands(
    account: Account, use: Use, foreign: Mapping[str, ForeignUse] | None = None, forced: int = 0
) -> Account:
    """Give an account as it stands after one more change of its balances.

    Written out, because every decision makes at least one and `replace` costs several times this.
    """
    return Account(
        account.account_id,
        account.customer_id,
        account.segment_id,
        account.path,
        account.currency,
        account.status,
        account.limit_minor,
        account.unlimited,
        account.limit_expired,
        account.limit_withheld,
        account.limit_changes_on,
        use,
        account.foreign if foreign is None else foreign,
        forced,
        account.seq + 1,
        account.input_version,
        account.quarantined,
    )


def over(account: Account, use: Use) -> int:
    """Say how much of `use` stands above the account's limit, in minor units."""
    return 0 if account.unlimited else max(0, use.total - (account.limit_minor or 0))


def booked(
    account: Account, currency: str, delta: Use, rate: Rate | None
) -> tuple[Use, Mapping[str, ForeignUse]]:
    """Work out the valued total and the foreign positions after a change.

    Raises:
        ValueError: Nothing values `currency` here; the caller checks that first.

    """
    if currency == account.currency:
        return account.use + delta, account.foreign
    before = account.foreign.get(currency)
    if rate is None:
        if before is None:
            message = f"no rate from {currency} to {account.currency}: the caller checks first"
            raise ValueError(message)
        rate = before.rate
    after = ForeignUse((before.use if before else _NOTHING) + delta, rate)
    use = account.use + after.valued(currency, account.currency)
    if before:
        use = use + -before.valued(currency, account.currency)
    others = {code: held for code, held in account.foreign.items() if code != currency}
    if after.use:
        others[currency] = after
    return use, others


def force(account: Account, currency: str, delta: Use, rate: Rate | None) -> Account:
    """Book a change that nobody refuses: what then stands above the limit is `forced`."""
    use, foreign = booked(account, currency, delta, rate)
    return stands(account, use, foreign, over(account, use))


def revalue(account: Account, rates: Mapping[str, Rate]) -> Account:
    """Value foreign positions by `rates` (currency → rate); a fact.

    Returns the account itself where no rate differs.
    """
    changed = {
        code: replace(held, rate=rates[code])
        for code, held in account.foreign.items()
        if code in rates and rates[code] != held.rate
    }
    if not changed:
        return account
    use = account.use
    for code, held in changed.items():
        before = account.foreign[code].valued(code, account.currency)
        use = use + -before + held.valued(code, account.currency)
    after = replace(account, use=use, foreign={**account.foreign, **changed}, seq=account.seq + 1)
    return replace(after, forced=after.excess)


def revalued(account: Account, find: RateFinder) -> tuple[Account, list[Entry]]:
    """Value foreign positions by the newest rates, with the journal entry that says so.

    What no rate values stays as it is; where nothing does there is no entry.
    """
    newer = {code: find(code, account.currency) for code in account.foreign}
    after = revalue(account, {code: rate for code, rate in newer.items() if rate})
    if after is account:
        return account, []
    return after, [Entry(after, "FX_REVALUATION", _revaluation_ref(account, after))]


def _revaluation_ref(before: Account, after: Account) -> str:
    """Name the rates by which a revaluation values anew, for the journal.

    Such as `fx_revaluation:USD/CNY 7.1012 of 2026-11-25`: 1 base = rate quote, and the rate's date.
    """
    rates = [
        held.rate
        for code, held in sorted(after.foreign.items())
        if code not in before.foreign or before.foreign[code].rate != held.rate
    ]
    told = [f"{rate.base}/{rate.quote} {rate.rate:f} of {rate.rate_date}" for rate in rates]
    return "fx_revaluation:" + ", ".join(told)
