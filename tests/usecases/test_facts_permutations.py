"""All permutations of an order's facts, with repeats, on the database: one and the same state.

Every permutation is an order of its own. What comes first in each of them is reported in one
batch, then what comes second; so all that one batch leaves behind is read again by the next.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any, Final

import pytest

from app.store.database import Database
from app.store.ids import IdSource
from app.usecases.facts import ApplyFacts
from app.usecases.facts_events import parse_events
from tests.domain.facts_model import add_up
from tests.usecases.counter import NOW, TESTER, Counter, outcomes

Event = Mapping[str, Any]

ASK: Final[Event] = {"type": "ask", "amount": 100}
TODAY: Final = NOW.date().isoformat()

SHRINKING: Final[Sequence[Event]] = (
    ASK,
    {"type": "delivery", "version": 1, "amount": 60},
    {"type": "delivery", "version": 2, "amount": 40},
    {"type": "invoice", "version": 1, "amount": 70, "final": False},
    {"type": "invoice", "version": 2, "amount": 35, "final": True},
    {"type": "payment", "version": 1, "amount": 50, "settles": 35},
)
CLOSED: Final[Sequence[Event]] = (
    {"type": "order", "version": 1, "amount": 100, "status": "OPEN"},
    {"type": "order", "version": 2, "amount": 80, "status": "CLOSED"},
    {"type": "delivery", "version": 1, "amount": 60},
    {"type": "invoice", "version": 1, "amount": 75, "final": False},
    {"type": "payment", "version": 1, "amount": 75, "settles": 75},
    {"type": "payment", "version": 2, "amount": 0, "settles": 0},
)
DISHONOURED: Final[Sequence[Event]] = (
    {"type": "order", "version": 1, "amount": 100, "status": "OPEN"},
    {"type": "invoice", "version": 1, "amount": 90, "final": True},
    {"type": "payment", "version": 1, "amount": 70, "settles": 70, "note": True},
    {"type": "note", "version": 1, "status": "DISHONOURED"},
    {"type": "credit_note", "version": 1, "amount": 10},
    {"type": "write_off", "version": 1, "amount": 5},
)

STATES: Final = (
    # an order that was closed before anybody told of it never had an authorization to release
    "SELECT order_id, state = 'LIVE' AS live, reserved_minor, closed_version FROM credit_order",
    "SELECT order_id, delivered_minor, invoiced_minor FROM order_use",
    "SELECT invoice_id, amount_minor, open_minor, excess_minor FROM invoice",
    "SELECT payment_id, prepayment_minor, note_receivable_minor FROM payment",
    "SELECT credit_id, kind, prepayment_minor FROM credit",
)


def money(whole: int) -> dict[str, str]:
    return {"amount": str(whole), "currency": "CNY"}


def written(event: Event, place: int) -> dict[str, Any]:
    """Write an event of permutation `place` as the ERP does."""
    kind = event["type"]
    fact: dict[str, Any] = {"type": kind, "customer_id": "C-1", "version": event["version"]}
    fact[f"{kind}_id"] = f"{place}"
    if "amount" in event:
        fact["amount"] = money(event["amount"])
    match kind:
        case "order":
            fact["status"] = event["status"]
        case "delivery":
            fact["order_id"] = f"{place}"
        case "invoice":
            line = {"order_id": f"{place}", "delivery_id": f"{place}", "amount": fact["amount"]}
            fact |= {"issue_date": TODAY, "due_date": TODAY}
            fact["lines"] = [{**line, "final": event["final"]}]
        case "payment":
            part = {"invoice_id": f"{place}", "amount": money(event["settles"])}
            fact |= {"paid_date": TODAY, "allocations": [part] if event["settles"] else []}
            if event.get("note"):
                fact["note"] = {"note_id": f"{place}", "kind": "BANK", "due_date": TODAY}
        case "note":
            fact |= {"status": event["status"], "recourse": True}
        case _:
            fact["invoice_id"] = f"{place}"
    return fact


def rounds(events: Sequence[Event], dice: random.Random) -> Iterator[list[tuple[int, Event]]]:
    """Give what is reported at once: the next of every permutation, some repeated later."""
    lines = []
    for place, line in enumerate(permutations(events)):
        again = list(line)
        first = dice.randrange(len(line))
        again.insert(dice.randint(first + 1, len(line)), line[first])
        lines.append([(place, event) for event in again])
    yield from (list(at_once) for at_once in zip(*lines, strict=True))
    yield [dice.choice(line) for line in lines]


def report(desk: Counter, told: list[tuple[int, Event]], numbers: Iterator[int]) -> None:
    """Report a round, its asks first; an ask that comes again has the key it had."""
    asks = [
        desk.order(desk.question(f"{place}", "100.00"), f"K-{place}")
        for place, event in told
        if event is ASK
    ]
    assert set(outcomes(desk.ask(*asks))) <= {"APPROVE"}
    head = {"source": "erp", "segment": "main", "occurred_at": NOW.isoformat()}
    facts = [
        {**head, "event_id": f"E-{next(numbers)}", **written(event, place)}
        for place, event in told
        if event is not ASK
    ]
    apply = ApplyFacts(desk.database, lambda: NOW, IdSource())
    results = apply(TESTER, parse_events(facts))
    assert {one.result for one in results} <= {"applied", "stale", "duplicate"}


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(SHRINKING, id="shrinking-versions-and-a-final-line"),
        pytest.param(CLOSED, id="closed-and-the-payment-taken-back"),
        pytest.param(DISHONOURED, id="dishonoured-credited-and-written-off"),
    ],
)
def test_every_permutation_ends_in_the_same_state(
    database: Database, events: Sequence[Event]
) -> None:
    desk = Counter.open(database)
    desk.add("C-1", unlimited=True)
    numbers = iter(range(1_000_000))
    for told in rounds(events, random.Random(1)):
        report(desk, told, numbers)
    for statement in STATES:
        found: dict[str, set[tuple[Any, ...]]] = {}
        for row in desk.rows(statement):
            name, *rest = row.values()
            found.setdefault(name, set()).add(tuple(rest))
        assert len({frozenset(rows) for rows in found.values()}) <= 1, statement
        assert len(found) in {0, 720}, statement
    desk.exact()
    facts = [written(event, 0) for event in events if event is not ASK]
    sums = add_up(facts)["C-1", "CNY"]
    use = desk.account().use
    asked = 720 * 65_00 if ASK in events else 720 * sums["authorized"]
    assert use.authorized == asked
    for category in ("open_delivery", "open_item", "note_receivable", "prepayment"):
        assert getattr(use, category) == 720 * sums[category], category
