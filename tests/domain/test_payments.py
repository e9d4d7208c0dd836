"""What a payment reaches, held against paying invoice by invoice."""

from datetime import timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from app.domain.accounts import Account, Use, force
from app.domain.decisions import Situation
from app.domain.money import Money, Rate, convert
from app.domain.payments import OpenInvoice, Wallet
from tests.domain.situations import TODAY, Desk, account, question, rate
from tests.domain.worlds import overdue_of

CODES = ("CNY", "USD", "JPY")
"""The payer's own, one that its account holds a position in, and one that nothing values."""

owed = st.lists(
    st.builds(
        OpenInvoice,
        st.sampled_from(["", *"ABCDEFG"]),
        st.integers(-9, 30).map(lambda late: TODAY - timedelta(days=late)),
        st.builds(Money, st.integers(1, 400), st.sampled_from(CODES)),
    ),
    max_size=12,
)


def situation(invoices: list[OpenInvoice], used: Rate) -> Situation:
    held: Account = account(1)
    for code in ("CNY", "USD"):
        sums = sum(one.open.minor for one in invoices if one.open.currency == code)
        held = force(held, code, Use(open_item=sums + 1), None if code == "CNY" else used)
    desk = Desk.of(held)
    desk.overdue = overdue_of(invoices)
    return desk.situation(question(1))


def paid_one_by_one(
    invoices: list[OpenInvoice], factor: Fraction, amount: int
) -> tuple[list[int], int]:
    """Pay the oldest first; returns what each gets in its currency, and what is left over."""
    found = []
    for one in invoices:
        if amount <= 0 or one.open.currency == "JPY":
            found.append(0)
        elif one.open.currency == "CNY":
            found.append(min(one.open.minor, amount))
            amount -= found[-1]
        else:
            found.append(min(one.open.minor, convert(amount, 1 / factor, up=True)))
            amount -= convert(found[-1], factor, up=True)
    return found, max(0, amount)


@given(owed, st.integers(0, 9000), st.sampled_from(["7", "0.5", "1", "6.8731"]))
def test_a_payment_reaches_what_it_would_one_by_one(
    invoices: list[OpenInvoice], amount: int, worth: str
) -> None:
    used = rate("USD", "CNY", worth)
    now = situation(invoices, used)
    wallet = Wallet(now, invoices, lambda *_: None)
    paid, ahead = paid_one_by_one(invoices, used.factor("USD", "CNY"), amount)
    reached = [one for one, some in zip(invoices, paid, strict=True) if some]
    assert wallet.named(amount) == tuple(one.invoice_id for one in reached if one.invoice_id)
    after = wallet.pay(amount)
    assert after is not None
    before, held = now.accounts[0], after.accounts[0]
    dollars = sum(
        some for one, some in zip(invoices, paid, strict=True) if one.open.currency == "USD"
    )
    assert before.use.prepayment + ahead == held.use.prepayment
    assert before.position("USD").open_item - dollars == held.position("USD").open_item
    rest = [
        OpenInvoice(one.invoice_id, one.due_date, Money(one.open.minor - some, one.open.currency))
        for one, some in zip(invoices, paid, strict=True)
        if some < one.open.minor
    ]
    assert after.overdue == overdue_of(rest)
