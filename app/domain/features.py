"""How a customer has paid, as anyone could have known it on a date.

As of a date means the end of that day: an invoice issued later is not there, a payment dated later
has not happened, a dispute raised later is not known. What is open is therefore computed from the
amount and the payments up to the date, never read from today's balance. What documents say is what
the caller knows of them, as a rule their newest version.

Currencies: rates and days count invoices, so every invoice weighs one in whichever currency it is.
Amounts (`overdue_amount_minor`, `overdue_share`) are those in the account's currency, because a
sum over currencies needs a rate, and a rate of another day would break the date. Order habit
compares amounts of one currency.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from statistics import median
from typing import Final

TREND_DAYS: Final = 90
"""What fell due in so many days before the date (the date included) is recent."""

TREND_INVOICES: Final = 3
"""A trend or a habit needs at least so many invoices on a side to be more than an accident."""


@dataclass(frozen=True, slots=True)
class Payment:
    """What lowered an invoice on `paid_date`: money, discount, credit note or write-off.

    `amount_minor` is in the invoice's currency; negative takes an earlier one back.
    """

    paid_date: date
    amount_minor: int


@dataclass(frozen=True, slots=True)
class InvoiceHistory:
    """An invoice and all that became of it; an `amount_minor` of 0 or less counts as cancelled.

    `disputed_on` is the day on which a dispute was raised, whether or not it was settled later;
    None where there was none or its day is not known (a flag without a day cannot be placed).
    """

    invoice_id: str
    issue_date: date
    due_date: date
    amount_minor: int
    currency: str
    payments: tuple[Payment, ...] = ()
    disputed_on: date | None = None


@dataclass(frozen=True, slots=True)
class AccountUse:
    """The account on the date of the features; amounts are in minor units of `currency`.

    `limit_minor` is the effective limit, None where there is none. `since` is the start of the
    relation as master data has it. `order_minor` is the order in question; without one the latest
    invoice is held against the habit.
    """

    currency: str
    used_minor: int = 0
    limit_minor: int | None = None
    since: date | None = None
    order_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Features:
    """Payment behaviour as of a date; None says that there was nothing to compute it from.

    - `on_time_rate`: share of the invoices due by the date that were paid in full by their due
      date, 0 to 1. One that is open on its due day is not counted yet.
    - `mean_days_late`, `max_days_late`: over invoices paid in full or past due; paid early is 0,
      an open one counts its days so far.
    - `recent_trend`: mean days late of what fell due in the last 90 days minus that of what fell
      due before; positive is getting slower.
    - `overdue_amount_minor`, `overdue_share`: past due and open, and its share of all that is open.
    - `overdue_days`: age of the oldest past-due item, 0 where none is.
    - `utilization`: used ÷ effective limit; None without a positive limit.
    - `tenure_days`: since the relation began or the first invoice, whichever is earlier.
    - `order_habit`: the latest order or invoice ÷ the median of the invoices before it.
    - `invoices_closed`: paid in full; `invoices_known`: paid in full or past due.
    - `disputed_share`: share of the issued invoices with a dispute raised by the date.
    """

    currency: str
    on_time_rate: float | None
    mean_days_late: float | None
    max_days_late: int | None
    recent_trend: float | None
    overdue_share: float | None
    overdue_amount_minor: int
    overdue_days: int
    utilization: float | None
    tenure_days: int | None
    order_habit: float | None
    invoices_closed: int
    invoices_known: int
    disputed_share: float | None


class Unit(StrEnum):
    """How a feature is written for people."""

    SHARE = "share"
    DAYS = "days"
    CHANGE_DAYS = "change_days"
    MONEY = "money"
    TIMES = "times"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class FeatureKind:
    """What a feature measures, and which way is worse: more of it, or less of it."""

    unit: Unit
    worse_when_higher: bool


FEATURES: Final[dict[str, FeatureKind]] = {
    "on_time_rate": FeatureKind(Unit.SHARE, worse_when_higher=False),
    "mean_days_late": FeatureKind(Unit.DAYS, worse_when_higher=True),
    "max_days_late": FeatureKind(Unit.DAYS, worse_when_higher=True),
    "recent_trend": FeatureKind(Unit.CHANGE_DAYS, worse_when_higher=True),
    "overdue_share": FeatureKind(Unit.SHARE, worse_when_higher=True),
    "overdue_amount_minor": FeatureKind(Unit.MONEY, worse_when_higher=True),
    "overdue_days": FeatureKind(Unit.DAYS, worse_when_higher=True),
    "utilization": FeatureKind(Unit.SHARE, worse_when_higher=True),
    "tenure_days": FeatureKind(Unit.DAYS, worse_when_higher=False),
    "order_habit": FeatureKind(Unit.TIMES, worse_when_higher=True),
    "invoices_closed": FeatureKind(Unit.COUNT, worse_when_higher=False),
    "invoices_known": FeatureKind(Unit.COUNT, worse_when_higher=False),
    "disputed_share": FeatureKind(Unit.SHARE, worse_when_higher=True),
}
"""Every number of `Features` by its name: what a scorecard or a model may be built on."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """An invoice as it stood at the end of a day; `days_late` None: neither paid nor past due."""

    invoice: InvoiceHistory
    open_minor: int
    closed: bool
    days_late: int | None


def payment_features(
    invoices: Iterable[InvoiceHistory], account: AccountUse, as_of: date
) -> Features:
    """Compute the features as of the end of `as_of`, in any order of `invoices`."""
    seen = [_see(row, as_of) for row in invoices if row.issue_date <= as_of]
    seen = [row for row in seen if row.invoice.amount_minor > 0]
    late = [row.days_late for row in seen if row.days_late is not None]
    overdue = [row for row in seen if not row.closed and row.invoice.due_date < as_of]
    owed = _sum_open(seen, account.currency)
    overdue_minor = _sum_open(overdue, account.currency)
    disputed = [row.invoice.disputed_on for row in seen]
    return Features(
        currency=account.currency,
        on_time_rate=_on_time_rate(seen, as_of),
        mean_days_late=_mean(late),
        max_days_late=max(late, default=None),
        recent_trend=_trend(seen, as_of),
        overdue_share=overdue_minor / owed if owed else None,
        overdue_amount_minor=overdue_minor,
        overdue_days=max(((as_of - row.invoice.due_date).days for row in overdue), default=0),
        utilization=_utilization(account),
        tenure_days=_tenure_days(seen, account.since, as_of),
        order_habit=_order_habit(seen, account),
        invoices_closed=sum(row.closed for row in seen),
        invoices_known=len(late),
        disputed_share=_mean([day is not None and day <= as_of for day in disputed]),
    )


def _see(invoice: InvoiceHistory, as_of: date) -> _Seen:
    """Forget everything about an invoice that came after `as_of`."""
    paid, closed_on = 0, None
    known = (row for row in invoice.payments if row.paid_date <= as_of)
    for row in sorted(known, key=lambda one: (one.paid_date, one.amount_minor)):
        paid += row.amount_minor
        if paid < invoice.amount_minor:
            closed_on = None
        elif closed_on is None:
            closed_on = row.paid_date
    days = ((closed_on or as_of) - invoice.due_date).days
    counts = closed_on is not None or days > 0
    return _Seen(
        invoice=invoice,
        open_minor=max(0, invoice.amount_minor - paid),
        closed=closed_on is not None,
        days_late=max(0, days) if counts else None,
    )


def _mean(numbers: Sequence[int]) -> float | None:
    return sum(numbers) / len(numbers) if numbers else None


def _sum_open(rows: Iterable[_Seen], currency: str) -> int:
    return sum(row.open_minor for row in rows if row.invoice.currency == currency)


def _on_time_rate(seen: Iterable[_Seen], as_of: date) -> float | None:
    # Invoices not yet due are left out even where they are paid: only the punctual ones among them
    # can be known so far, and counting those alone would flatter a slow payer.
    due = [row.days_late for row in seen if row.invoice.due_date <= as_of]
    return _mean([days == 0 for days in due if days is not None])


def _trend(seen: Iterable[_Seen], as_of: date) -> float | None:
    border = as_of - timedelta(days=TREND_DAYS)
    recent: list[int] = []
    before: list[int] = []
    for row in seen:
        if row.days_late is not None and row.invoice.due_date <= as_of:
            (recent if row.invoice.due_date > border else before).append(row.days_late)
    if min(len(recent), len(before)) < TREND_INVOICES:
        return None
    return sum(recent) / len(recent) - sum(before) / len(before)


def _utilization(account: AccountUse) -> float | None:
    if account.limit_minor is None or account.limit_minor <= 0:
        return None
    return account.used_minor / account.limit_minor


def _tenure_days(seen: Iterable[_Seen], since: date | None, as_of: date) -> int | None:
    starts = [row.invoice.issue_date for row in seen]
    if since is not None and since <= as_of:
        starts.append(since)
    return (as_of - min(starts)).days if starts else None


def _order_habit(seen: Iterable[_Seen], account: AccountUse) -> float | None:
    # Of several invoices of the last day the largest counts: the same answer in any order of rows.
    rows = [row.invoice for row in seen]
    rows.sort(key=lambda one: (one.issue_date, one.amount_minor, one.currency))
    latest, currency = account.order_minor, account.currency
    if latest is None and rows:
        last = rows.pop()
        latest, currency = last.amount_minor, last.currency
    before = [one.amount_minor for one in rows if one.currency == currency]
    if latest is None or len(before) < TREND_INVOICES:
        return None
    return latest / median(before)
