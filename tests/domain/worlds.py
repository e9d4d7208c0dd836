"""Random accounts, groups, currencies and orders for the properties of judging."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Final

from hypothesis import strategies as st

from app.domain.accounts import Account, Use, force
from app.domain.decisions import Overdue, Question
from app.domain.money import Money, Rate
from app.domain.orders import Order, OrderUse
from app.domain.payments import OpenInvoice
from tests.domain.situations import TODAY, Desk, question, rate, with_tolerance

CURRENCIES: Final = ("CNY", "USD", "JPY")
RATES: Final[dict[tuple[str, str], Rate]] = {
    ("USD", "CNY"): rate("USD", "CNY", "7.0713"),
    ("CNY", "USD"): rate("USD", "CNY", "7.0713"),
    ("JPY", "CNY"): rate("JPY", "CNY", "0.04617"),
    ("CNY", "JPY"): rate("JPY", "CNY", "0.04617"),
    ("USD", "JPY"): rate("USD", "JPY", "153.31"),
    ("JPY", "USD"): rate("USD", "JPY", "153.31"),
}
GROUP: Final = 9
MEMBERS: Final = (1, 2, 3)

limits = st.sampled_from([None, 0, 1, 5_000, 100_000]) | st.integers(0, 200_000)
amounts = st.integers(1, 60_000)


@st.composite
def accounts(draw: st.DrawFn) -> list[Account]:
    """Draw three customers, some in one group, with any limits and currencies."""
    found = [_account(draw, GROUP, ())]
    for number in MEMBERS:
        groups = (GROUP,) if draw(st.booleans()) else ()
        found.append(_account(draw, number, groups))
    return found


def _account(draw: st.DrawFn, number: int, groups: tuple[int, ...]) -> Account:
    nothing_limits = draw(st.integers(0, 4)) == 0
    limit = None if nothing_limits else draw(limits)
    return Account(
        account_id=number,
        customer_id=f"C-{number}",
        segment_id="main",
        path=(number, *groups),
        currency=draw(st.sampled_from(CURRENCIES)),
        limit_minor=limit,
        unlimited=nothing_limits,
        limit_expired=limit is None and not nothing_limits and draw(st.booleans()),
    )


@st.composite
def desks(draw: st.DrawFn) -> Desk:
    """Draw accounts with what is owed and paid ahead; some are over their limits already."""
    desk = Desk.of(*draw(accounts()), rates=RATES)
    desk.rules = with_tolerance(draw(st.sampled_from(["0", "5", "0.37"])))
    for number in MEMBERS:
        for currency in draw(st.lists(st.sampled_from(CURRENCIES), max_size=2, unique=True)):
            owed, ahead = draw(st.integers(0, 40_000)), draw(st.integers(0, 20_000))
            book(desk, number, currency, Use(open_item=owed, prepayment=ahead))
    return desk


def book(desk: Desk, number: int, currency: str, use: Use) -> None:
    """Book a fact on every account of a path."""
    for held in desk.path(number):
        found = RATES.get((currency, held.currency))
        if use:
            desk.accounts[held.account_id] = force(held, currency, use, found)


questions = st.builds(
    lambda minor, order, payer, currency: question(minor, f"SO-{order}", payer, currency=currency),
    amounts,
    st.integers(1, 4),
    st.sampled_from(MEMBERS),
    st.sampled_from(CURRENCIES),
)


@st.composite
def indebted(draw: st.DrawFn) -> tuple[Desk, list[OpenInvoice], Question]:
    """Draw a customer with open invoices, some late, and an order of its."""
    desk = Desk.of(*draw(accounts()), rates=RATES)
    invoices = sorted(draw(st.lists(_invoices(), max_size=6)), key=lambda one: one.due_date)
    named = [replace(one, invoice_id=f"I-{place}") for place, one in enumerate(invoices)]
    for one in named:
        book(desk, 1, one.open.currency, Use(open_item=one.open.minor))
    desk.overdue = overdue_of(named)
    return desk, named, replace(draw(questions), customer_id="C-1")


@st.composite
def _invoices(draw: st.DrawFn) -> OpenInvoice:
    due = TODAY + timedelta(days=draw(st.integers(-60, 30)))
    money = Money(draw(st.integers(1, 30_000)), draw(st.sampled_from(CURRENCIES)))
    return OpenInvoice("", due, money)


def overdue_of(invoices: list[OpenInvoice], today: date = TODAY) -> Overdue:
    """Sum up what is open and late."""
    late: dict[str, int] = {}
    still_open: dict[str, int] = {}
    for one in invoices:
        code = one.open.currency
        still_open[code] = still_open.get(code, 0) + one.open.minor
        if one.due_date < today:
            late[code] = late.get(code, 0) + one.open.minor
    days = max(((today - one.due_date).days for one in invoices), default=0)
    return Overdue(late, still_open, max(0, days))


def pay(desk: Desk, minor: int, named: list[OpenInvoice]) -> list[OpenInvoice]:
    """Let C-1 pay an amount of its own currency: named invoices first, the rest ahead."""
    payer, left = desk.accounts[1], minor
    unpaid = []
    for one in named:
        code = one.open.currency
        factor = Fraction(1)
        if code != payer.currency:
            factor = RATES[code, payer.currency].factor(code, payer.currency)
        paid = min(one.open.minor, max(0, -(-left // factor)))
        left -= -(-paid * factor // 1)
        book(desk, 1, code, Use(open_item=-paid))
        unpaid.append(replace(one, open=Money(one.open.minor - paid, code)))
    if left > 0:
        book(desk, 1, payer.currency, Use(prepayment=int(left)))
    return [one for one in unpaid if one.open.minor]


def reserved(desk: Desk, account_id: int, currency: str) -> int:
    """Sum up the reservations that stand on an account, by the orders."""
    return sum(_shares(desk, account_id, currency))


def _shares(desk: Desk, account_id: int, currency: str) -> Iterator[int]:
    for order in desk.orders.values():
        if order.currency == currency and account_id in desk.accounts[order.account_id].path:
            yield order.left(_use(desk, order))


def _use(desk: Desk, order: Order) -> OrderUse:
    return desk.uses.get((order.order_id, order.account_id, order.currency), OrderUse())
