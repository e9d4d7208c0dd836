"""What is open of an order is shown with the deliveries it is made of, and what was billed."""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

import pytest
from sqlalchemy import event

from app.domain.exposure import Document
from app.store.database import Database
from app.store.exposure_deliveries import MOST_SHOWN
from app.usecases.exposure import FigurePage, ListExposure
from tests.server import Clock
from tests.usecases.town import ADMIN, Town

Fact = dict[str, Any]
SO, OTHER = "SO-1", "SO-2"
OTHERS: Final = {"customer_id": "C-2"}


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    town = Town.found(database, clock)
    town.put("G")
    town.put("C-1", parent_id="G")
    town.put("C-2", parent_id="G", currency="USD")
    return town


def entries(town: Town, ref: str, most: int = 50) -> list[Document]:
    """Read the whole figure, a page at a time."""
    read = ListExposure(town.database, town.clock)
    view = read(ADMIN, ref, FigurePage("main", "OPEN_DELIVERY", None, most))
    found = [one for one, _ in view.documents]
    while view.after is not None:
        view = read(ADMIN, ref, FigurePage("main", "OPEN_DELIVERY", view.after, most))
        found += [one for one, _ in view.documents]
    return found


def added(one: Document) -> int:
    """Add up what an entry says it is made of, in minor units."""
    assert one.invoiced is not None
    delivered = [part.invoiced if part.final else part.amount for part in one.deliveries]
    return sum(amount.minor for amount in delivered) - one.invoiced.minor


def delivery(name: str, order_id: str | None, amount: int, **more: object) -> Fact:
    named = {} if order_id is None else {"order_id": order_id}
    return {"kind": "delivery", "delivery_id": name, "amount": amount, **named, **more}


def bill(*lines: Fact, **more: object) -> Fact:
    """Write an invoice of 900."""
    dates = {"issue_date": "2026-05-01", "due_date": "2026-06-14"}
    return {
        "kind": "invoice", "invoice_id": "I-1", "amount": 900, **dates, "lines": [*lines], **more,
    }  # fmt: skip


def of(order_id: str | None, name: str | None, amount: int, *, final: bool = False) -> Fact:
    named = {"order_id": order_id, "delivery_id": name}
    told = {key: value for key, value in named.items() if value is not None}
    return {**told, "amount": amount, "final": final}


def random_facts(town: Town, rng: Random, size: int) -> list[Fact]:
    """Make deliveries and invoices that meet: few ids, two payers and currencies, any line."""
    made = []
    for version in range(1, size + 1):
        customer_id = rng.choice(["C-1", "C-1", "C-1", "C-2"])
        more = {"version": version, "currency": rng.choice(["CNY", "CNY", "CNY", "USD"])}
        fact = rng.choice([_random_delivery, _random_invoice])(rng)
        made.append(town.written(fact.pop("kind"), customer_id, **fact, **more))
    return made


def _random_delivery(rng: Random) -> Fact:
    order_id = rng.choice([None, SO, OTHER])
    return delivery(f"D-{rng.randint(1, 3)}", order_id, rng.choice([0, 300, 500]))


def _random_invoice(rng: Random) -> Fact:
    lines = [
        of(
            *rng.choice([(SO, None), (SO, f"D-{name}"), (OTHER, f"D-{name}"), (None, f"D-{name}")]),
            rng.choice([1, 70, 400]),
            final=rng.random() < 0.2,
        )
        for name in rng.choices([1, 2, 3], k=rng.randint(0, 3))
    ]
    return {**bill(*lines, invoice_id=f"I-{rng.randint(1, 4)}"), "amount": 1200}


@pytest.mark.parametrize("seed", range(3))
def test_deliveries_of_a_random_ledger_add_up(town: Town, seed: int) -> None:
    facts = random_facts(town, Random(seed), 200)
    seen: list[Document] = []
    for first in range(0, 200, 5):
        town.report(facts[first : first + 5])
        found = entries(town, "G", 3)
        assert [added(one) for one in found] == [one.amount.minor for one in found]
        seen += found
    parts = [part for one in seen for part in one.deliveries]
    assert {one.document_type for one in seen} == {"order", "delivery"}
    assert [part for part in parts if part.final and part.invoiced.minor]
    assert [part for part in parts if not part.final and part.invoiced.minor]
    assert [one for one in seen if len(one.deliveries) > 1]
    town.exact()


Part = tuple[str, int, int, bool]
CASES: Final[dict[str, tuple[Sequence[Fact], dict[str, tuple[int, int, list[Part]]]]]] = {
    "one-of-two-is-billed": (
        [delivery("D-2", SO, 300), delivery("D-1", SO, 500), bill(of(SO, "D-1", 500))],
        {SO: (300, 500, [("D-1", 500, 500, False), ("D-2", 300, 0, False)])},
    ),
    "a-line-of-the-order-alone-is-of-no-delivery": (
        [delivery("D-1", SO, 500), bill(of(SO, None, 100))],
        {SO: (400, 100, [("D-1", 500, 0, False)])},
    ),
    "a-line-of-the-delivery-alone": (
        [delivery("D-1", SO, 500), bill(of(None, "D-1", 100))],
        {SO: (400, 100, [("D-1", 500, 100, False)])},
    ),
    "such-a-line-is-of-the-first-order": (
        [delivery("D-1", OTHER, 500), delivery("D-1", SO, 200), bill(of(None, "D-1", 100))],
        {
            SO: (100, 100, [("D-1", 200, 100, False)]),
            OTHER: (500, 0, [("D-1", 500, 0, False)]),
        },
    ),
    "and-of-an-order-before-a-delivery-without-one": (
        [delivery("D-1", None, 500), delivery("D-1", SO, 200), bill(of(None, "D-1", 100))],
        {
            "D-1": (500, 0, [("D-1", 500, 0, False)]),
            SO: (100, 100, [("D-1", 200, 100, False)]),
        },
    ),
    "and-of-no-order-whose-delivery-is-cancelled": (
        [
            delivery("D-1", SO, 500),
            delivery("D-1", SO, 0, version=2),
            delivery("D-1", OTHER, 200),
            bill(of(None, "D-1", 100)),
        ],
        {OTHER: (100, 100, [("D-1", 200, 100, False)])},
    ),
    "and-of-no-order-of-another-payer": (
        [
            delivery("D-1", SO, 500, **OTHERS),
            delivery("D-1", OTHER, 200),
            bill(of(None, "D-1", 100)),
        ],
        {OTHER: (100, 100, [("D-1", 200, 100, False)])},
    ),
    "without-an-order": (
        [delivery("D-1", None, 500), delivery("D-2", None, 9), bill(of(None, "D-1", 100))],
        {
            "D-1": (400, 100, [("D-1", 500, 100, False)]),
            "D-2": (9, 0, [("D-2", 9, 0, False)]),
        },
    ),
    "final-for-less": (
        [delivery("D-1", SO, 500), delivery("D-2", SO, 7), bill(of(SO, "D-1", 450, final=True))],
        {SO: (7, 450, [("D-1", 500, 450, True), ("D-2", 7, 0, False)])},
    ),
    "final-in-a-line-of-another-order-is-not": (
        [delivery("D-1", SO, 500), bill(of(OTHER, "D-1", 450, final=True))],
        {SO: (500, 0, [("D-1", 500, 0, False)])},
    ),
    "cancelled-delivery": (
        [delivery("D-1", SO, 500), delivery("D-1", SO, 0, version=2), delivery("D-2", SO, 7)],
        {SO: (7, 0, [("D-2", 7, 0, False)])},
    ),
    "cancelled-invoice": (
        [
            delivery("D-1", SO, 500),
            bill(of(SO, "D-1", 500)),
            {**bill(of(SO, "D-1", 0, final=True), version=2), "amount": 0},
        ],
        {SO: (500, 0, [("D-1", 500, 0, False)])},
    ),
    "of-another-payer": (
        [
            delivery("D-1", SO, 500),
            delivery("D-2", SO, 300, **OTHERS),
            bill(of(SO, "D-1", 50), **OTHERS),
        ],
        {SO: (500, 0, [("D-1", 500, 0, False)])},
    ),
    "in-another-currency": (
        [
            delivery("D-1", SO, 500),
            bill(of(SO, "D-1", 50), currency="USD"),
            delivery("D-2", OTHER, 300),
        ],
        {
            SO: (500, 0, [("D-1", 500, 0, False)]),
            OTHER: (300, 0, [("D-2", 300, 0, False)]),
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_an_entry_is_made_of(town: Town, name: str) -> None:
    facts, expected = CASES[name]
    for one in facts:
        told = {"customer_id": "C-1", **one}
        kind, customer_id = told.pop("kind"), told.pop("customer_id")
        assert town.fact(kind, customer_id, **told) == "applied"
    found = {
        one.document_id: (
            one.amount.minor,
            None if one.invoiced is None else one.invoiced.minor,
            [
                (part.delivery_id, part.amount.minor, part.invoiced.minor, part.final)
                for part in one.deliveries
            ],
        )
        for one in entries(town, "C-1")
    }
    assert found == expected


def test_payers_and_currencies_of_one_order_are_entries_of_their_own(town: Town) -> None:
    """A group's list has them side by side, and none shows another's deliveries."""
    town.fact("delivery", "C-1", delivery_id="D-1", order_id=SO, amount=1)
    town.fact("delivery", "C-1", delivery_id="D-2", order_id=SO, amount=2, currency="USD")
    town.fact("delivery", "C-2", delivery_id="D-3", order_id=SO, amount=3)
    found = [
        (one.customer_id, one.amount.currency, [part.delivery_id for part in one.deliveries])
        for one in entries(town, "G")
    ]
    assert found == [("C-1", "CNY", ["D-1"]), ("C-1", "USD", ["D-2"]), ("C-2", "CNY", ["D-3"])]


def test_an_order_with_many_deliveries_shows_the_first(town: Town) -> None:
    town.fact("delivery", "C-1", delivery_id="D-000", order_id=OTHER, amount=1)
    for most in (MOST_SHOWN, MOST_SHOWN + 3):
        facts = [
            town.written("delivery", "C-1", delivery_id=f"D-{number:03}", order_id=SO, amount=1)
            for number in range(most)
        ]
        town.report(facts)
        first, other = entries(town, "C-1")
        shown = [part.delivery_id for part in first.deliveries]
        assert shown == [f"D-{number:03}" for number in range(MOST_SHOWN)]
        assert (first.amount.minor, first.deliveries_left_out) == (most, most - MOST_SHOWN)
        assert (len(other.deliveries), other.deliveries_left_out) == (1, 0)


def test_a_page_asks_once_for_all_its_deliveries(town: Town) -> None:
    asked: list[str] = []

    def count(*told: object) -> None:
        asked.append(str(told[2]))

    event.listen(town.database.engine, "before_cursor_execute", count)
    town.fact("delivery", "C-1", delivery_id="D-1", order_id=SO, amount=1)
    asked.clear()
    assert len(entries(town, "C-1")) == 1
    alone = len(asked)
    for number in range(9):
        town.fact("delivery", "C-1", delivery_id=f"L-{number}", amount=1)
        town.fact("delivery", "C-1", delivery_id="D-1", order_id=f"SO-1{number}", amount=1)
    asked.clear()
    assert len(entries(town, "C-1")) == 19
    assert len(asked) == alone
