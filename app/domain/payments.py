"""A payment of the payer, tried out on the situation in which an order was held.

What is paid goes to the oldest invoices first, each in its own currency, and what is left over is
a prepayment. All of it counts on every account of the payer's path.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import accumulate
from typing import Final

from app.domain.accounts import Account, Use, force
from app.domain.decisions import Figures, Overdue, Situation
from app.domain.money import MAX_MINOR, Money, Rate, RateFinder, convert

_SAME: Final = Fraction(1)

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
    """How far a payment reaches: the first `whole` invoices, `part` of the next, `ahead` is left.

    `part` is in the currency of that invoice, `ahead` in the payer's. Invoices that nothing values
    are passed over: none of it is theirs.
    """

    whole: int
    part: int
    ahead: int


class _Sums:
    """Of every number of invoices, from the first on: what they cost, and what is paid with them.

    Advice tries out dozens of payments over hundreds of invoices, under the locks of the order.
    """

    def __init__(self, invoices: Sequence[OpenInvoice], payer: Account, today: date) -> None:
        """Add up once, from the oldest on."""
        codes = dict.fromkeys(one.open.currency for one in invoices)
        self.factors = {code: _factor(payer, code) for code in codes}
        self.costs = [0]
        self.paid = {code: [0] for code in codes}
        self.late = {code: [0] for code in codes}
        self.passed_over = [today]  # the oldest due date of those that nothing values
        for one in invoices:
            minor, due, factor = one.open.minor, one.due_date, self.factors[one.open.currency]
            cost = 0 if factor is None else _converted(minor, factor)
            self.costs.append(self.costs[-1] + cost)
            oldest = self.passed_over[-1]
            self.passed_over.append(min(oldest, due) if factor is None else oldest)
            for code in codes:
                more = minor if code == one.open.currency and factor is not None else 0
                self.paid[code].append(self.paid[code][-1] + more)
                self.late[code].append(self.late[code][-1] + (more if due < today else 0))
        dues = accumulate((one.due_date for one in reversed(invoices)), min, initial=today)
        self.oldest = list(dues)[::-1]  # of those from a place on


@dataclass(frozen=True, slots=True)
class Wallet:
    """What the payer could pay in the situation.

    `invoices` come oldest due first, what has no id last (`with_rest`). `find` finds the rate
    that a payment of today takes.
    """

    situation: Situation
    invoices: Sequence[OpenInvoice]
    find: RateFinder
    _sums: _Sums = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Add up what every trial asks for."""
        sums = _Sums(self.invoices, self.payer, self.situation.today)
        object.__setattr__(self, "_sums", sums)

    @property
    def payer(self) -> Account:
        """The account of the customer who pays, in whose currency amounts are."""
        return self.situation.accounts[0]

    @property
    def converts(self) -> bool:
        """Whether some of the figures are in another currency, where roundings add up."""
        held = {one.currency for one in self.situation.accounts}
        return len(held | self._sums.paid.keys()) > 1

    def whole(self, count: int) -> int:
        """Say what the first `count` invoices cost, those left out that nothing values here."""
        return self._sums.costs[count]

    def named(self, amount: int) -> tuple[str, ...]:
        """Name the invoices that a payment reaches, the last one perhaps in part."""
        spread, factors = self._spread(amount), self._sums.factors
        reached = self.invoices[: spread.whole + bool(spread.part)]
        valued = (one for one in reached if factors[one.open.currency] is not None)
        return tuple(one.invoice_id for one in valued if one.invoice_id)

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
            uses = self._uses(_Spread(0, 0, amount) if ahead else self._spread(amount))
            short = max((self._short(figures, uses) for figures in over), default=0)
            if short <= 0:
                break
            amount += short
        return amount

    def pay(self, amount: int, *, ahead: bool = False) -> Situation | None:
        """Give the situation after a payment; None where some account could not book it."""
        spread = _Spread(0, 0, amount) if ahead else self._spread(amount)
        uses = self._uses(spread)
        accounts = [self._booked(account, uses) for account in self.situation.accounts]
        if None in accounts:
            return None
        held = tuple(account for account in accounts if account is not None)
        return replace(self.situation, accounts=held, overdue=self._overdue(spread))

    def _spread(self, amount: int) -> _Spread:
        """Spread a payment over invoices; a part of one is rounded up in the invoice's currency."""
        sums = self._sums
        # what nothing values costs nothing: it is passed over here, and never the next one
        whole = bisect_right(sums.costs, max(0, amount)) - 1
        left = max(0, amount - sums.costs[whole])
        if not left or whole == len(self.invoices):
            return _Spread(whole, 0, left)
        one = self.invoices[whole]
        part = _converted(left, 1 / (sums.factors[one.open.currency] or _SAME))
        return _Spread(whole, min(one.open.minor, part), 0)

    def _uses(self, spread: _Spread) -> dict[str, Use]:
        """Sum a payment by currency, as accounts book it."""
        sums = {code: paid[spread.whole] for code, paid in self._sums.paid.items()}
        if spread.part:
            sums[self.invoices[spread.whole].open.currency] += spread.part
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

    def _overdue(self, spread: _Spread) -> Overdue:
        """Say what is late after a payment."""
        before, today = self.situation.overdue, self.situation.today
        sums, whole = self._sums, spread.whole
        late, still_open = dict(before.amounts), dict(before.open_items)
        for code in sums.paid:
            if paid := sums.paid[code][whole]:
                still_open[code] = still_open.get(code, 0) - paid
            if paid := sums.late[code][whole]:
                late[code] = late.get(code, 0) - paid
        rest = whole
        if spread.part:
            one = self.invoices[whole]
            code = one.open.currency
            still_open[code] = still_open.get(code, 0) - spread.part
            if one.due_date < today:
                late[code] = late.get(code, 0) - spread.part
            rest += spread.part == one.open.minor
        oldest = min(sums.passed_over[whole], sums.oldest[rest])
        return Overdue(_positive(late), _positive(still_open), (today - oldest).days)


def _converted(minor: int, factor: Fraction) -> int:
    return minor if factor == 1 else convert(minor, factor, up=True)


def _positive(amounts: dict[str, int]) -> dict[str, int]:
    return {code: minor for code, minor in amounts.items() if minor > 0}


def _factor(payer: Account, currency: str) -> Fraction | None:
    if currency == payer.currency:
        return _SAME
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
