"""A made-up ledger: each customer has its own habit of paying early or late, and keeps to it."""

import random
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from app.scoring.frames import Ledger

START = date(2024, 1, 8)
TODAY = date(2026, 6, 15)


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice as a test says it; `paid` None is open, `amount` in minor units.

    It is known so from `known_on` on (None: ever since), until `gone_on` (exclusive).
    """

    customer: str
    issued: date
    terms: int = 30
    paid: date | None = None
    amount: int = 10_000
    known_on: date | None = None
    gone_on: date | None = None

    @property
    def due(self) -> date:
        """Count the terms from the day it was issued."""
        return self.issued + timedelta(days=self.terms)


def ledger(bills: list[Bill]) -> Ledger:
    """Make frames of bills; an invoice's number is its place."""
    numbers = range(len(bills))
    invoices = {
        "customer_id": [one.customer for one in bills],
        "invoice": numbers,
        "issue_date": [one.issued for one in bills],
        "due_date": [one.due for one in bills],
        "amount_minor": [one.amount for one in bills],
        "currency": ["CNY"] * len(bills),
        "known_on": [one.known_on for one in bills],
        "gone_on": [one.gone_on for one in bills],
    }
    paid = [(number, one) for number, one in zip(numbers, bills, strict=True) if one.paid]
    payments = {
        "invoice": [number for number, _ in paid],
        "paid_date": [one.paid for _, one in paid],
        "amount_minor": [one.amount for _, one in paid],
    }
    return Ledger.of({"invoices": pl.DataFrame(invoices), "payments": pl.DataFrame(payments)})


def payers(customers: int = 36, each: int = 12, *, habits: bool = True) -> list[Bill]:
    """Draw bills; without `habits` everybody pays late by the same coin."""
    draw = random.Random(7)
    found: list[Bill] = []
    for number in range(customers):
        habit = draw.uniform(-25, 25) if habits else 0.0
        for step in range(each):
            issued = START + timedelta(days=21 * step + draw.randrange(14))
            lag = round(habit + draw.gauss(0, 8))
            paid = max(issued, issued + timedelta(days=30 + lag))
            amount = draw.randrange(1_000, 90_000)
            found.append(Bill(f"C-{number:03}", issued, 30, paid, amount))
    return found
