"""Payment features say what could have been known on a date, and nothing else."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.features import (
    FEATURES,
    AccountUse,
    Features,
    InvoiceHistory,
    Payment,
    payment_features,
)

TODAY = date(2026, 6, 30)
ACCOUNT = AccountUse("CNY")


def day(offset: int) -> date:
    return TODAY + timedelta(days=offset)


def invoice(due: int, *paid: tuple[int, int], amount: int = 100_00) -> InvoiceHistory:
    """Make an invoice of 30 days; days count from today, payments are (day, minor units)."""
    payments = tuple(Payment(day(when), minor) for when, minor in paid)
    name = f"I{due}-{amount}-{paid}"
    return InvoiceHistory(name, day(due - 30), day(due), amount, "CNY", payments)


def features(*rows: InvoiceHistory, account: AccountUse = ACCOUNT) -> Features:
    return payment_features(rows, account, TODAY)


PAID_ON_TIME = invoice(-10, (-10, 100_00))
PAID_5_LATE = invoice(-20, (-15, 100_00))
OPEN_8_OVERDUE = invoice(-8)

CASES: dict[str, tuple[Features, dict[str, float | None]]] = {
    "nothing-known": (
        features(),
        dict.fromkeys(FEATURES)
        | dict.fromkeys(("invoices_closed", "invoices_known"), 0)
        # nothing overdue is a fact, not a gap
        | {"overdue_amount_minor": 0, "overdue_days": 0},
    ),
    "paid-on-due-day": (
        features(PAID_ON_TIME),
        {"on_time_rate": 1, "mean_days_late": 0, "max_days_late": 0, "invoices_closed": 1},
    ),
    "paid-one-day-late": (
        features(invoice(-10, (-9, 100_00))),
        {"on_time_rate": 0, "mean_days_late": 1, "max_days_late": 1},
    ),
    "paid-early-is-not-negative": (features(invoice(-10, (-30, 100_00))), {"mean_days_late": 0}),
    "one-cent-short": (
        features(invoice(-10, (-12, 99_99))),
        {"on_time_rate": 0, "invoices_closed": 0, "overdue_amount_minor": 1, "overdue_days": 10},
    ),
    "two-parts-close-on-the-second": (
        features(invoice(-10, (-12, 40_00), (-7, 60_00))),
        {"mean_days_late": 3, "invoices_closed": 1, "overdue_amount_minor": 0},
    ),
    "overpaid": (features(invoice(-10, (-10, 120_00))), {"on_time_rate": 1, "overdue_days": 0}),
    "taken-back-is-open-again": (
        features(invoice(-10, (-12, 100_00), (-5, -100_00))),
        {"on_time_rate": 0, "overdue_days": 10, "invoices_closed": 0},
    ),
    "paid-again-after-taken-back": (
        features(invoice(-10, (-12, 100_00), (-5, -100_00), (-4, 100_00))),
        {"mean_days_late": 6, "invoices_closed": 1},
    ),
    "paid-today-has-happened": (features(invoice(-10, (0, 100_00))), {"mean_days_late": 10}),
    "paid-tomorrow-has-not": (
        features(invoice(-10, (1, 100_00))),
        {"invoices_closed": 0, "overdue_days": 10, "max_days_late": 10},
    ),
    "due-today-and-open-is-not-late-yet": (
        features(PAID_ON_TIME, invoice(0)),
        {"on_time_rate": 1, "invoices_known": 1, "overdue_days": 0, "overdue_share": 0},
    ),
    "due-today-and-paid-counts": (
        features(PAID_5_LATE, invoice(0, (-1, 100_00))),
        {"on_time_rate": 0.5, "invoices_known": 2},
    ),
    "due-yesterday-and-open-is-late": (
        features(PAID_ON_TIME, invoice(-1)),
        {"on_time_rate": 0.5, "overdue_days": 1, "overdue_amount_minor": 100_00},
    ),
    "paid-before-its-due-day-flatters-no-rate": (
        features(PAID_5_LATE, invoice(5, (-1, 100_00))),
        {"on_time_rate": 0, "mean_days_late": 2.5, "invoices_known": 2},
    ),
    "issued-tomorrow-is-not-there": (features(invoice(31)), {"tenure_days": None}),
    "issued-today-is-there": (features(invoice(30)), {"tenure_days": 0, "overdue_share": 0}),
    "cancelled-is-not-there": (
        features(invoice(-10, amount=0)),
        {"overdue_days": 0, "on_time_rate": None, "tenure_days": None},
    ),
    "overdue-share-of-what-is-open": (
        features(OPEN_8_OVERDUE, invoice(10, amount=300_00), PAID_ON_TIME),
        {"overdue_share": 0.25, "overdue_amount_minor": 100_00, "overdue_days": 8},
    ),
    "amounts-are-in-the-account's-currency": (
        features(OPEN_8_OVERDUE, replace(invoice(-40), currency="USD")),
        {"overdue_amount_minor": 100_00, "overdue_share": 1, "overdue_days": 40},
    ),
    "no-limit": (features(account=AccountUse("CNY", 5, None)), {"utilization": None}),
    "zero-limit": (features(account=AccountUse("CNY", 5, 0)), {"utilization": None}),
    "limit-exactly-used": (features(account=AccountUse("CNY", 500, 500)), {"utilization": 1}),
    "relation-older-than-invoices": (
        features(PAID_ON_TIME, account=AccountUse("CNY", since=day(-900))),
        {"tenure_days": 900},
    ),
    "relation-of-the-future": (
        features(PAID_ON_TIME, account=AccountUse("CNY", since=day(1))),
        {"tenure_days": 40},
    ),
    "relation-of-the-future-and-no-invoices": (
        features(account=AccountUse("CNY", since=day(1))),
        {"tenure_days": None},
    ),
    "habit-needs-three-before": (features(*[invoice(-9)] * 3), {"order_habit": None}),
    "latest-invoice-against-habit": (
        features(invoice(1, amount=300_00), *[invoice(-9, amount=a) for a in (1, 100_00, 999_00)]),
        {"order_habit": 3},
    ),
    "order-against-habit": (
        features(*[invoice(-9)] * 3, account=AccountUse("CNY", order_minor=250_00)),
        {"order_habit": 2.5},
    ),
    "trend-up": (
        features(*[invoice(-89, (-79, 100_00))] * 3, *[invoice(-90, (-88, 100_00))] * 3),
        {"recent_trend": 8},
    ),
    "trend-needs-three-on-each-side": (
        features(*[invoice(-89, (-79, 100_00))] * 2, *[invoice(-90, (-88, 100_00))] * 3),
        {"recent_trend": None},
    ),
    "trend-leaves-out-what-is-not-due": (
        features(
            *[invoice(-9, (1, 100_00))] * 3,
            *[invoice(9, (-1, 100_00))] * 3,
            *[invoice(-99, (-99, 100_00))] * 3,
        ),
        {"recent_trend": 9},
    ),
    "disputed-today-and-tomorrow": (
        features(*[replace(PAID_ON_TIME, disputed_on=d) for d in (None, TODAY, day(1), None)]),
        {"disputed_share": 0.25},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_boundary(name: str) -> None:
    found, expected = CASES[name]
    assert {key: getattr(found, key) for key in expected} == expected


def test_every_number_has_its_kind() -> None:
    assert {"currency", *FEATURES} == set(Features.__dataclass_fields__)


past = st.integers(-400, 0)
future = st.integers(1, 400)
minor = st.sampled_from([1, 99_99, 100_00, 250_00])


@st.composite
def pay(draw: st.DrawFn, when: st.SearchStrategy[int]) -> Payment:
    return Payment(day(draw(when)), draw(minor | st.just(-1)))


@st.composite
def made(draw: st.DrawFn, issued: st.SearchStrategy[int]) -> InvoiceHistory:
    start = draw(issued)
    return InvoiceHistory(
        invoice_id=draw(st.uuids(version=4)).hex,
        issue_date=day(start),
        due_date=day(start + draw(st.integers(0, 120))),
        amount_minor=draw(minor | st.just(0)),
        currency=draw(st.sampled_from(["CNY", "USD"])),
        payments=tuple(draw(st.lists(pay(past | future), max_size=4))),
        disputed_on=draw(st.none() | (past | future).map(day)),
    )


@st.composite
def rewritten(draw: st.DrawFn, row: InvoiceHistory) -> InvoiceHistory:
    """Keep of an invoice issued by today what is dated by today; make up the rest anew."""
    known = [one for one in row.payments if one.paid_date <= TODAY]
    return replace(
        row,
        payments=(*draw(st.lists(pay(future), max_size=3)), *known),
        due_date=row.due_date if row.due_date <= TODAY else day(draw(future)),
        disputed_on=row.disputed_on
        if row.disputed_on and row.disputed_on <= TODAY
        else draw(st.none() | future.map(day)),
    )


@given(st.data())
def test_the_future_changes_no_feature(data: st.DataObject) -> None:
    rows = data.draw(st.lists(made(past | future), max_size=12))
    known = [data.draw(rewritten(row)) for row in rows if row.issue_date <= TODAY]
    other = known + data.draw(st.lists(made(future), max_size=4))
    assert features(*rows) == features(*other)


@given(st.data())
def test_order_of_rows_changes_no_feature(data: st.DataObject) -> None:
    rows = data.draw(st.lists(made(past), max_size=12))
    mixed = [
        replace(row, payments=tuple(data.draw(st.permutations(row.payments))))
        for row in data.draw(st.permutations(rows))
    ]
    assert features(*rows) == features(*mixed)


def test_what_happened_on_one_day_has_no_order() -> None:
    swapped = [(-12, 100_00), (-5, -100_00), (-5, 100_00)]
    assert features(invoice(-10, *swapped)) == features(invoice(-10, *swapped[::-1]))
    rows = [invoice(-9, amount=amount) for amount in (100, 900, 200, 300)]
    assert features(*rows).order_habit == features(*rows[::-1]).order_habit == 900 / 200


@given(st.lists(made(past), max_size=12), st.integers(-10, 10))
def test_moving_every_date_changes_no_feature(rows: list[InvoiceHistory], days: int) -> None:
    by = timedelta(days=days)
    moved = [
        replace(
            row,
            issue_date=row.issue_date + by,
            due_date=row.due_date + by,
            payments=tuple(replace(one, paid_date=one.paid_date + by) for one in row.payments),
            disputed_on=row.disputed_on + by if row.disputed_on else None,
        )
        for row in rows
    ]
    assert features(*rows) == payment_features(moved, ACCOUNT, TODAY + by)
