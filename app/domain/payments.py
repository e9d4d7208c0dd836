"""A payment of the payer, tried out on the situation in which an order was held.

What is paid goes to the oldest invoices first, each in its own currency, and what is left over is
a prepayment. All of it counts on every account of the payer's path.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import chain, repeat
from typing import Final

from app.domain.accounts import Account, Use, force
from app.domain.decisions import Figures, Overdue, Situation
from app.domain.groups import RateFinder
from app.domain.money import MAX_MINOR, Money, Rate, convert

_ROUNDS: Final = 50
"""Most attempts at an amount; two or three are the rule, as only roundings are left."""


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """An open invoice of the payer; minor units of its currency."""

    invoice_id: str
    due_date: date
    open: Money


def with_rest(situation: Situation, invoices: Sequence[OpenInvoice]) -> list[OpenInvoice]:
    """Add what a list that was cut off has not: without an id, as old as its last one at most."""
    today, overdue = situation.today, situation.overdue
    found = list(invoices)
    last = max((one.due_date for one in invoices), default=today - timedelta(days=overdue.days))
    for late, sums in ((True, overdue.amounts), (False, overdue.open_items)):
        for currency, minor in sums.items():
            listed = sum(
                one.open.minor
                for one in found
                if one.open.currency == currency and (one.due_date < today or not late)
            )
            due = min(last, today - timedelta(days=1)) if late else max(last, today)
            if minor > listed:
                found.append(OpenInvoice("", due, Money(minor - listed, currency)))
    return found


@dataclass(frozen=True, slots=True)
class _Spread:
    """What of a payment reaches each invoice, in the invoice's currency, and what is left over.

    `paid` goes by the invoices' places and ends with the last one that is reached.
    """

    paid: Sequence[int]
    ahead: int


@dataclass(frozen=True, slots=True)
class Wallet:
    """What the payer could pay in the situation.

    `invoices` come oldest due first, what has no id last (`with_rest`). `find` finds the rate
    that a payment of today takes.
    """

    situation: Situation
    invoices: Sequence[OpenInvoice]
    find: RateFinder

    @property
    def payer(self) -> Account:
        """The account of the customer who pays, in whose currency amounts are."""
        return self.situation.accounts[0]

    @property
    def converts(self) -> bool:
        """Whether some of the figures are in another currency, where roundings add up."""
        held = {one.currency for one in self.situation.accounts}
        return len(held | {one.open.currency for one in self.invoices}) > 1

    def whole(self, count: int) -> int:
        """Say what the first `count` invoices cost, those left out that nothing values here."""
        return sum(self._worth(one) or 0 for one in self.invoices[:count])

    def named(self, amount: int) -> tuple[str, ...]:
        """Name the invoices that a payment reaches, the last one perhaps in part."""
        reached = zip(self.invoices, self._spread(amount).paid, strict=False)
        return tuple(one.invoice_id for one, paid in reached if paid and one.invoice_id)

    def most(self, tested: Sequence[Figures]) -> int:
        """Give a payment that is more than enough: everything owed, and the order in full."""
        amount = self.whole(len(self.invoices))
        for figures in tested:
            missing = max(0, figures.bare.use.total + figures.needed)
            amount += self._in_own(missing, figures.bare) or 0
        return min(amount, MAX_MINOR)

    def enough(self, least: int, over: Sequence[Figures], *, ahead: bool = False) -> int:
        """Raise a payment until the order fits all accounts of `over`, as far as money can.

        `ahead`: all of it is a prepayment, no invoice is paid.
        """
        amount = least
        for _ in range(_ROUNDS):
            uses = self._uses(_Spread((), amount) if ahead else self._spread(amount))
            short = max((self._short(figures, uses) for figures in over), default=0)
            if short <= 0:
                break
            amount += short
        return amount

    def pay(self, amount: int, *, ahead: bool = False) -> Situation | None:
        """Give the situation after a payment; None where some account could not book it."""
        spread = _Spread((), amount) if ahead else self._spread(amount)
        uses = self._uses(spread)
        accounts = [self._booked(account, uses) for account in self.situation.accounts]
        if None in accounts:
            return None
        held = tuple(account for account in accounts if account is not None)
        return replace(self.situation, accounts=held, overdue=self._overdue(spread))

    def _spread(self, amount: int) -> _Spread:
        """Spread a payment over invoices; a part of one is rounded up in the invoice's currency."""
        left, own = amount, self.payer.currency
        factors = {
            code: _factor(self.payer, code)
            for code in {one.open.currency for one in self.invoices} - {own}
        }
        found: list[int] = []
        for one in self.invoices:
            if left <= 0:
                break
            paid = cost = min(one.open.minor, left)
            if one.open.currency != own:
                factor = factors[one.open.currency]
                paid = 0 if factor is None else convert(left, 1 / factor, up=True)
                paid = min(one.open.minor, paid)
                cost = 0 if factor is None else convert(paid, factor, up=True)
            found.append(paid)
            left -= cost
        return _Spread(found, max(0, left))

    def _uses(self, spread: _Spread) -> dict[str, Use]:
        """Sum a payment by currency, as accounts book it."""
        sums: dict[str, int] = {}
        for one, paid in zip(self.invoices, spread.paid, strict=False):
            sums[one.open.currency] = sums.get(one.open.currency, 0) + paid
        uses = {code: Use(open_item=-paid) for code, paid in sums.items() if paid}
        if spread.ahead:
            own = self.payer.currency
            uses[own] = uses.get(own, Use()) + Use(prepayment=spread.ahead)
        return uses

    def _booked(self, account: Account, uses: Mapping[str, Use]) -> Account | None:
        for currency, use in uses.items():
            rate = _rate(account, currency, self.find)
            if rate is None and currency != account.currency:
                return None
            account = force(account, currency, use, rate)
        return account

    def _short(self, figures: Figures, uses: Mapping[str, Use]) -> int:
        """Tell how much is still missing on an account, in the payer's currency, rounded up."""
        account = self._booked(figures.bare, uses)
        if account is None or figures.ceiling is None:
            return 0  # such a payment could not be booked here, or changes nothing
        missing = account.use.total + figures.needed - figures.ceiling
        return missing if missing <= 0 else self._in_own(missing, account) or 0

    def _in_own(self, minor: int, account: Account) -> int | None:
        """Value an account's amount in the payer's currency, rounded up."""
        paid_in = self.payer.currency
        if paid_in == account.currency:
            return minor
        rate = _rate(account, paid_in, self.find)
        if rate is None:
            return None
        return convert(minor, 1 / rate.factor(paid_in, account.currency), up=True)

    def _worth(self, one: OpenInvoice) -> int | None:
        if one.open.currency == self.payer.currency:
            return one.open.minor
        factor = _factor(self.payer, one.open.currency)
        return None if factor is None else convert(one.open.minor, factor, up=True)

    def _overdue(self, spread: _Spread) -> Overdue:
        """Say what is late after a payment."""
        before, today = self.situation.overdue, self.situation.today
        late, still_open = dict(before.amounts), dict(before.open_items)
        oldest = today
        for one, paid in zip(self.invoices, chain(spread.paid, repeat(0)), strict=False):
            currency, due = one.open.currency, one.due_date
            if paid < one.open.minor:
                oldest = min(oldest, due)
            if paid:
                still_open[currency] = still_open.get(currency, 0) - paid
                if due < today:
                    late[currency] = late.get(currency, 0) - paid
        return Overdue(_positive(late), _positive(still_open), (today - oldest).days)


def _positive(amounts: dict[str, int]) -> dict[str, int]:
    return {code: minor for code, minor in amounts.items() if minor > 0}


def _factor(payer: Account, currency: str) -> Fraction | None:
    if currency == payer.currency:
        return Fraction(1)
    held = payer.foreign.get(currency)
    return held.rate.factor(currency, payer.currency) if held else None


def _rate(account: Account, currency: str, find: RateFinder) -> Rate | None:
    """Find what values a currency in an account's: its own position, else today's rate."""
    if currency == account.currency:
        return None
    held = account.foreign.get(currency)
    return held.rate if held is not None else find(currency, account.currency)


def least(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Find the least number of `low` to `high` for which something holds; it does for `high`."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return high
