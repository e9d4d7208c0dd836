"""The payment that would let a held order pass, tried out on the figures that held it.

What is paid goes to the oldest invoices first, each in its own currency, and what is left over is
a prepayment. All of it counts on every account of the payer's path.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from app.domain.accounts import Account, Use, force
from app.domain.context import worth
from app.domain.decisions import Figures, Situation
from app.domain.groups import RateFinder
from app.domain.money import Money, Rate, convert
from app.domain.rules import Row, Value

_ROUNDS: Final = 50
"""Most attempts at an amount; two or three are the rule, as only roundings are left."""


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """An open invoice of the payer; minor units of its currency."""

    invoice_id: str
    due_date: date
    open: Money


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to pay, in the payer's currency, and which invoices that pays."""

    amount: int
    invoices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """What of a payment reaches one invoice, or is left over."""

    invoice_id: str | None
    currency: str
    use: Use


def plan_payment(
    situation: Situation,
    over: Sequence[Figures],
    late: Sequence[Row],
    invoices: Sequence[OpenInvoice],
    find: RateFinder,
) -> Plan:
    """Pay until no row of `late` fires any more, and until the order fits all accounts of `over`.

    `invoices` come oldest due first. An amount of 0 means that no payment would help.
    """
    payer = situation.accounts[0]
    invoices = [one for one in invoices if _factor(payer, one.open.currency)]
    amount = _for_late(situation, late, invoices) if late else 0
    parts: list[_Part] = []
    for _ in range(_ROUNDS):
        parts = list(_parts(payer, amount, invoices))
        short = max((_short(payer.currency, figures, parts, find) for figures in over), default=0)
        if short <= 0:
            break
        amount += short
    paid = tuple(one.invoice_id for one in parts if one.invoice_id is not None)
    return Plan(amount, paid)


def _factor(payer: Account, currency: str) -> Fraction | None:
    if currency == payer.currency:
        return Fraction(1)
    held = payer.foreign.get(currency)
    return held.rate.factor(currency, payer.currency) if held else None


def _parts(payer: Account, amount: int, invoices: Sequence[OpenInvoice]) -> Iterator[_Part]:
    """Spread a payment over invoices; a part of one is rounded up in the invoice's currency."""
    left = amount
    for one in invoices:
        currency, factor = one.open.currency, _factor(payer, one.open.currency)
        if left <= 0 or factor is None:
            return
        paid = min(one.open.minor, convert(left, 1 / factor, up=True))
        left -= convert(paid, factor, up=True)
        yield _Part(one.invoice_id, currency, Use(open_item=-paid))
    if left > 0:
        yield _Part(None, payer.currency, Use(prepayment=left))


def _short(paid_in: str, figures: Figures, parts: Sequence[_Part], find: RateFinder) -> int:
    """Tell how much is still missing on an account, in the payer's currency, rounded up."""
    account = figures.bare
    for part in parts:
        rate = _rate(account, part.currency, find)
        if rate is None and part.currency != account.currency:
            return 0  # such a payment could not be booked here: nothing to reckon with
        account = force(account, part.currency, part.use, rate)
    missing = account.use.total + figures.needed - (figures.ceiling or 0)
    if missing <= 0 or paid_in == account.currency:
        return missing
    rate = _rate(account, paid_in, find)
    if rate is None:
        return 0
    return convert(missing, 1 / rate.factor(paid_in, account.currency), up=True)


def _rate(account: Account, currency: str, find: RateFinder) -> Rate | None:
    """Find what values a currency in an account's: its own position, else today's rate."""
    if currency == account.currency:
        return None
    held = account.foreign.get(currency)
    return held.rate if held is not None else find(currency, account.currency)


def _for_late(situation: Situation, late: Sequence[Row], invoices: Sequence[OpenInvoice]) -> int:
    """Pay whole invoices, the oldest first, until no overdue rule fires; the payer's currency."""
    payer, overdue = situation.accounts[0], situation.overdue
    late_left, open_left, total = dict(overdue.amounts), dict(overdue.open_items), 0
    for place in range(len(invoices) + 1):
        context = _overdue_context(situation, invoices[place:], late_left, open_left)
        if not any(row.test(context) for row in late):
            return total
        if place < len(invoices):
            one = invoices[place]
            currency, minor = one.open.currency, one.open.minor
            total += worth(payer, {currency: minor}) or 0
            open_left[currency] = open_left.get(currency, 0) - minor
            if one.due_date < situation.today:
                late_left[currency] = late_left.get(currency, 0) - minor
    # the list was cut off: all that is overdue must go
    return worth(payer, overdue.amounts) or total


def _overdue_context(
    situation: Situation,
    left: Sequence[OpenInvoice],
    late_left: Mapping[str, int],
    open_left: Mapping[str, int],
) -> dict[str, Value]:
    """Fill the names of overdue rules as they would be if only this were left open."""
    payer, today = situation.accounts[0], situation.today
    late, still_open = worth(payer, late_left) or 0, worth(payer, open_left) or 0
    days = situation.overdue.days if late else 0
    if left:
        days = max(0, (today - left[0].due_date).days)
    return {
        "account_overdue_days": days,
        "account_overdue_minor": late,
        "account_overdue_share_percent": -(-100 * late // still_open) if late else 0,
    }
