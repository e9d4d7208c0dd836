"""A ledger of documents that are told otherwise, in every way there is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import polars as pl

from app.domain.money import Rate
from app.store import rates
from app.store.database import Database
from app.usecases.portfolio import TabulateFeatures
from tests.server import Clock
from tests.usecases.town import Town

PAYERS = ["C-1", "C-2", "C-3", "GROUP"]
FIRST = date(2025, 9, 1)


def table(town: Town, day: date) -> pl.DataFrame:
    """Compute the features of everybody as of the end of a day."""
    return pl.concat(TabulateFeatures(town.database)(day))


def noon(day: date) -> str:
    """Write noon of a day in Shanghai as the ERP does."""
    return datetime.combine(day, datetime.min.time(), UTC).replace(hour=3).isoformat()


Fact = dict[str, Any]


@dataclass
class Ledger:
    """The newest that was told of each document, and ways to tell something else."""

    town: Town
    draw: Random
    told: dict[tuple[str, str], Fact] = field(default_factory=dict)
    queue: list[Fact] = field(default_factory=list)

    def tell(
        self,
        kind: str,
        name: str,
        **fields: Any,  # noqa: ANN401 - any field
    ) -> None:
        """Tell a document anew: a version above all before, on the day `on` (default: today)."""
        on: date | None = fields.pop("on", None)
        before = self.told.get((kind, name), {"version": 0, "customer_id": "C-1"})
        fact = before | fields | {"version": before["version"] + self.draw.randrange(1, 4)}
        self.told[kind, name] = fact
        key = {"dispute": "invoice_id"}.get(kind, f"{kind}_id")
        at = noon(on or self.town.today)
        self.queue.append(self.town.written(kind, **fact, **{key: name, "occurred_at": at}))

    def send(self) -> None:
        """Report what was told, in three batches."""
        third = len(self.queue) // 3 + 1
        for batch in batched(self.queue, third):
            assert set(self.town.report(batch)) == {"applied"}
        self.queue.clear()

    def names(self, kind: str) -> list[str]:
        """List the ids of a kind."""
        return sorted(name for held, name in self.told if held == kind)

    def parts(self, amount: int) -> list[Fact]:
        """Settle one or two invoices."""
        ids = self.draw.sample(self.names("invoice"), self.draw.choice([1, 1, 2]))
        return [{"invoice_id": name, "amount": amount // len(ids)} for name in ids]

    def sell(self, payer: str, issued: date) -> None:
        """Invoice a payer on a day, told today."""
        days = {"issue_date": issued.isoformat()}
        days["due_date"] = (issued + timedelta(days=self.draw.choice([10, 30]))).isoformat()
        name = f"I{self.town.next()}"
        currency = self.draw.choice(["CNY", "CNY", "CNY", "USD"])
        self.tell("invoice", name, customer_id=payer, amount=10_000, currency=currency, **days)

    def pay(self, paid: date) -> None:
        """Pay something, by money or by a bill, or credit it."""
        told: Fact
        name = f"P{self.town.next()}"
        amount = self.draw.choice([10_000, 10_000, 6_000, 16_000])
        if self.draw.random() < 0.25:
            kind = self.draw.choice(["credit_note", "write_off"])
            invoice_id = self.draw.choice(self.names("invoice"))
            told = {"invoice_id": invoice_id, "date": paid.isoformat(), "currency": "CNY"}
            self.tell(kind, name, amount=amount // 2, **told)
            return
        told = {"amount": amount, "currency": "CNY", "paid_date": paid.isoformat()}
        if self.draw.random() < 0.3:
            bill = self.draw.choice([f"N{name}", f"N{self.draw.randrange(3)}"])
            told["note"] = {"note_id": bill, "kind": "BANK", "due_date": "2026-09-30"}
        self.tell("payment", name, allocations=self.parts(amount), **told)

    def retell(self, after: date) -> None:
        """Tell something else of anything, on days after one, in every way there is."""
        days = (self.town.today - after).days
        for _ in range(40):
            on = after + timedelta(days=self.draw.randrange(1, days + 1))
            self.draw.choice(
                [self._payment, self._payment, self._note, self._credit, self._invoice]
            )(on)
        for _ in range(6):
            self.pay(after + timedelta(days=self.draw.randrange(1, days + 1)))
            self.sell(self.draw.choice(PAYERS), after + timedelta(days=1))
        for name in self.draw.sample(self.names("invoice"), 6):
            self.tell("dispute", name, open=self.draw.random() < 0.6)
        self.send()

    def _payment(self, on: date) -> None:
        amount = self.draw.choice([0, 6_000, 10_000, 20_000])
        parts = self.parts(amount) if amount else []
        what: Fact = self.draw.choice(
            [
                {"amount": 0, "allocations": []},
                {"amount": amount, "allocations": parts},
                {"status": "PROVISIONAL"},
                {"status": "FINAL"},
                {"paid_date": self._day().isoformat()},
                {"currency": self.draw.choice(["CNY", "USD"])},
                {"note": {"note_id": "N0", "kind": "BANK", "due_date": "2026-09-30"}},
                {},
            ]
        )
        self.tell("payment", self.draw.choice(self.names("payment")), on=on, **what)

    def _note(self, on: date) -> None:
        bills = [one["note"]["note_id"] for one in self.told.values() if one.get("note")]
        status = self.draw.choice(["DISHONOURED", "DISHONOURED", "PAID", "ENDORSED"])
        self.tell("note", self.draw.choice(bills), on=on, status=status)

    def _credit(self, on: date) -> None:
        kind = self.draw.choice(["credit_note", "write_off"])
        what: Fact = self.draw.choice(
            [
                {"amount": self.draw.choice([0, 1_000, 9_000])},
                {"invoice_id": self.draw.choice(self.names("invoice"))},
                {"date": self._day().isoformat()},
            ]
        )
        if names := self.names(kind):
            self.tell(kind, self.draw.choice(names), on=on, **what)

    def _invoice(self, on: date) -> None:
        issued = self._day()
        what: Fact = self.draw.choice(
            [
                {"amount": self.draw.choice([0, 6_000, 14_000, 10_000])},
                {"customer_id": self.draw.choice(PAYERS)},
                {"currency": self.draw.choice(["CNY", "USD"])},
                {
                    "issue_date": issued.isoformat(),
                    "due_date": (issued + timedelta(days=20)).isoformat(),
                },
            ]
        )
        self.tell("invoice", self.draw.choice(self.names("invoice")), on=on, **what)

    def _day(self) -> date:
        return FIRST + timedelta(days=self.draw.randrange((self.town.today - FIRST).days))


def found(database: Database, clock: Clock, seed: int) -> Ledger:
    """Found a town with a year of invoices and payments, each told on its day or later."""
    town = Town.found(database, clock)
    town.put("GROUP")
    for name in PAYERS[:-1]:
        town.put(name, parent_id="GROUP" if name != "C-3" else None)
    town.limit("C-1", 50_000)
    ledger = Ledger(town, Random(seed))
    for number in range(30):
        ledger.sell(ledger.draw.choice(PAYERS), FIRST + timedelta(days=number * 9))
    for number in range(30):
        ledger.pay(FIRST + timedelta(days=20 + number * 8))
    ledger.send()
    return ledger


def batched(facts: list[Fact], size: int) -> Iterator[list[Fact]]:
    """Cut facts into batches."""
    return (facts[place : place + size] for place in range(0, len(facts), size))


def later(town: Town, days: int) -> None:
    """Let days pass, with the rate of the new day."""
    town.clock.advance(days=days)
    with town.database.begin() as tx:
        rates.add(tx, Rate("USD", "CNY", Decimal(7), town.today.isoformat(), "tests"))
