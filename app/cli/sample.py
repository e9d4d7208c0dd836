"""A made-up ledger to try the service with: B2B customers over the two years before a day.

Everything comes from the seed; no real company, name or amount is behind it. Customers differ in
size, terms and punctuality, and what they do not tell: a hidden manner of paying, which history
shows and a score can learn.
"""

import heapq
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final, Literal

from app.domain.money import DIGITS, minor_to_text

CUSTOMERS: Final = 300
DAYS: Final = 730
"""How far the ledger goes back from its last day."""

_Manner = Literal["prompt", "slow", "deteriorating", "seasonal", "new"]
_MANNERS: Final[tuple[_Manner, ...]] = ("prompt", "slow", "deteriorating", "seasonal", "new")
_MANNER_WEIGHTS: Final = (46, 24, 12, 10, 8)
_TERMS_DAYS: Final = (30, 60, 90)
_TERMS_WEIGHTS: Final = (55, 30, 15)
_COUNTRIES: Final = {"CNY": "CN", "USD": "US", "JPY": "JP"}
_CURRENCY_WEIGHTS: Final = (90, 6, 4)
_CNY_FOR_ONE: Final = {"CNY": 1.0, "USD": 7.1, "JPY": 0.05}
_INDUSTRIES: Final = ("machinery", "electronics", "chemicals", "textiles", "foodstuffs")

_GROUP_EVERY: Final = 40
_GROUP_CHILDREN: Final = 3
_NEVER: Final = 10_000
_SATURDAY: Final = 5

_DISPUTED_SHARE: Final = 0.015
_HICCUP_SHARE: Final = 0.05
_LONG_SHARE: Final = 0.2
"""Shares of all invoices: disputed, forgotten by somebody prompt, left long by somebody slow."""


@dataclass(frozen=True, slots=True)
class _Payer:
    """A customer and its hidden traits; days count from the ledger's first day (0)."""

    number: int
    parent: int | None
    currency: str
    terms_days: int
    manner: _Manner
    invoice_cny: float
    invoices: int
    first_day: int
    turning_day: int
    last_paying_day: int

    @property
    def customer_id(self) -> str:
        return _customer_id(self.number)

    @property
    def name(self) -> str:
        return f"示例客户 Sample Customer {self.number:03d}"


def sample_ledger(seed: int, today: date, customers: int = CUSTOMERS) -> Iterator[dict[str, str]]:
    """Make ledger rows in order of their issue date, about 50 a customer; all before `today`.

    The keys are the contract's column names. What falls due or is paid after `today` is open.
    """
    payers = _payers(seed, customers)
    yield from heapq.merge(*(_rows(seed, payer, today) for payer in payers), key=_by_issue)


def sample_customers(seed: int, customers: int = CUSTOMERS) -> Iterator[dict[str, str]]:
    """Make master data rows (the columns of `import customers`); a parent comes before its own."""
    for payer in _payers(seed, customers):
        yield {
            "customer_id": payer.customer_id,
            "name": payer.name,
            "kind": "company",
            "country": _COUNTRIES[payer.currency],
            "industry": _INDUSTRIES[payer.number % len(_INDUSTRIES)],
            "parent_id": "" if payer.parent is None else _customer_id(payer.parent),
            "currency": payer.currency,
            "payment_terms_days": str(payer.terms_days),
            "owner": f"specialist-{payer.number % 3 + 1}",
        }


def sample_limits(seed: int, today: date, customers: int = CUSTOMERS) -> Iterator[dict[str, str]]:
    """Make limit rows (the columns of `import limits`), one a customer.

    A limit covers the past year's turnover for the terms and 25 days more, twice; a
    group's covers nine tenths of what it and its members have together.
    """
    payers = _payers(seed, customers)
    turnover_minor: Counter[str] = Counter()
    since = (today - timedelta(days=365)).isoformat()
    for row in sample_ledger(seed, today, customers):
        if row["issue_date"] >= since:
            turnover_minor[row["customer_id"]] += int(row["amount"].replace(".", ""))
    needed: Counter[int] = Counter()
    for payer in payers:
        days = max(30, min(365, DAYS - payer.first_day))
        need = turnover_minor[payer.customer_id] * (payer.terms_days + 25) * 2 // days
        needed[payer.number] += need
        if payer.parent is not None:
            needed[payer.parent] += need
    parents = {payer.parent for payer in payers}
    for payer in payers:
        minor = needed[payer.number] * (9 if payer.number in parents else 10) // 10
        yield {
            "customer_id": payer.customer_id,
            "kind": "base",
            "limit": minor_to_text(_round_up(minor, payer.currency), payer.currency),
            "currency": payer.currency,
            "reason": "sample: from the past year's turnover",
        }


def _customer_id(number: int) -> str:
    return f"C-{1000 + number}"


def _by_issue(row: dict[str, str]) -> tuple[str, str]:
    return row["issue_date"], row["invoice_id"]


def _payers(seed: int, customers: int) -> list[_Payer]:
    return [_payer(seed, number, customers) for number in range(1, customers + 1)]


def _payer(seed: int, number: int, customers: int) -> _Payer:
    rng = _random(seed, "payer", number)
    place = (number - 1) % _GROUP_EVERY
    grouped = place <= _GROUP_CHILDREN < customers
    currency = rng.choices(tuple(_COUNTRIES), _CURRENCY_WEIGHTS)[0]
    manner = rng.choices(_MANNERS, _MANNER_WEIGHTS)[0]
    first_day = rng.randint(0, 40)
    stops = {"deteriorating": 0.4, "new": 0.2}.get(manner, 0.0)
    if manner == "new":
        first_day = DAYS - rng.randint(90, 270)
    return _Payer(
        number=number,
        parent=number - place if grouped and place else None,
        # One currency in a group, so that its pool needs no rate.
        currency="CNY" if grouped else currency,
        terms_days=rng.choices(_TERMS_DAYS, _TERMS_WEIGHTS)[0],
        manner=manner,
        invoice_cny=rng.lognormvariate(math.log(20_000), 1.0),
        invoices=round(min(260, max(8, rng.lognormvariate(3.75, 0.8)))),
        first_day=first_day,
        turning_day=DAYS - rng.randint(150, 500),
        last_paying_day=DAYS - rng.randint(30, 140) if rng.random() < stops else _NEVER,
    )


def _random(seed: int, *what: object) -> Random:
    """Make a generator of its own for each thing, so that none depends on the order of another."""
    return Random(f"{seed}:{what}")  # noqa: S311 - a sample must come out the same again


def _rows(seed: int, payer: _Payer, today: date) -> Iterator[dict[str, str]]:
    rng = _random(seed, "rows", payer.number)
    start = today - timedelta(days=DAYS)
    day = payer.first_day + rng.expovariate(payer.invoices / DAYS)
    count = 0
    while day < DAYS:
        count += 1
        issue = start + timedelta(days=int(day))
        due = issue + timedelta(days=payer.terms_days)
        disputed = rng.random() < _DISPUTED_SHARE
        late_days = _late_days(rng, payer, int(day), due.month) + disputed * rng.randint(15, 60)
        paid = _next_weekday(max(issue, due + timedelta(days=late_days)))
        is_open = paid > today or (paid - start).days > payer.last_paying_day
        yield {
            "customer_id": payer.customer_id,
            "invoice_id": f"INV-{payer.number:04d}-{count:04d}",
            "issue_date": issue.isoformat(),
            "due_date": due.isoformat(),
            "amount": _amount(rng, payer),
            "currency": payer.currency,
            "paid_date": "" if is_open else paid.isoformat(),
            "customer_name": payer.name,
            "country": _COUNTRIES[payer.currency],
            "disputed": "true" if disputed else "false",
            "order_id": f"SO-{payer.number:04d}-{count:04d}",
        }
        day += rng.expovariate(payer.invoices / DAYS)


def _late_days(rng: Random, payer: _Payer, day: int, due_month: int) -> int:
    """Draw how many days after the due date (before: negative) an invoice of `day` is paid."""
    hiccup = rng.expovariate(1 / 18) if rng.random() < _HICCUP_SHARE else 0.0
    punctual = rng.gauss(-2, 4)
    slow = rng.gauss(14, 9) + (rng.expovariate(1 / 25) if rng.random() < _LONG_SHARE else 0.0)
    if payer.manner == "slow":
        days = slow
    elif payer.manner == "deteriorating":
        months = max(0, day - payer.turning_day) / 30
        days = punctual + months * 4.5 + abs(rng.gauss(0, 3 + months))
    elif payer.manner == "seasonal":
        days = punctual + (rng.gauss(32, 10) if due_month in {1, 2, 8} else 0.0)
    elif payer.manner == "new":
        days = rng.choice((punctual, slow)) + 3
    else:
        days = punctual
    return round(days + hiccup)


def _next_weekday(day: date) -> date:
    while day.weekday() >= _SATURDAY:
        day += timedelta(days=1)
    return day


def _amount(rng: Random, payer: _Payer) -> str:
    value = payer.invoice_cny * rng.lognormvariate(0, 0.5) / _CNY_FOR_ONE[payer.currency]
    minor = max(1, round(value * 10 ** DIGITS[payer.currency]))
    return minor_to_text(minor, payer.currency)


def _round_up(minor: int, currency: str) -> int:
    """Round up to two leading digits, and to a hundred major units at least."""
    least: int = 100 * 10 ** DIGITS[currency]
    step: int = max(least, 10 ** max(0, len(str(minor)) - 2))
    return max(step, -(-minor // step) * step)
