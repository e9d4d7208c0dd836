"""What came about in odd ways, and is as it was reported all the same: all exact."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.store.checker import check_ledger
from app.store.database import Database
from tests.faults.ledgers import TODAY, Desk, money, open_desk

BEFORE = "2026-01-01Z"
LAST_VERSION = 2**53 - 1
DAYS = {"issue_date": TODAY, "due_date": TODAY}


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    with open_desk(database.url, tmp_path) as desk:
        yield desk


def known_since(desk: Desk, moment: str, names: str = "%") -> None:
    """Say when customers came to be: else it is later than the desk's clock, and nobody's bills."""
    change = "UPDATE customer SET created_at = %s WHERE customer_id LIKE %s"
    with psycopg.connect(desk.database.url) as connection:
        connection.execute(change, (moment, names))


def told(desk: Desk, *events: dict[str, Any]) -> Sequence[str]:
    """Report facts and list what became of them."""
    return [one.result for one in desk.facts(*events)]


def bill(customer_id: str, invoice_id: str, amount: object, **more: object) -> dict[str, Any]:
    """Write an invoice; an amount of CNY is text."""
    head = {"type": "invoice", "customer_id": customer_id, "invoice_id": invoice_id, **DAYS}
    return {**head, "amount": money(amount) if isinstance(amount, str) else amount, **more}


def exact(desk: Desk) -> None:
    report = check_ledger(desk.database.url)
    assert report.clean, str(report)


def retry(desk: Desk) -> str:
    """Try the one fact that waits again, by hand; returns what became of it."""
    path = "/v1/ledger-events/quarantine"
    (row,) = desk.client.get(path).json()["items"]
    return str(desk.send("POST", f"{path}/{row['quarantine_id']}/retry", {})["result"])


def test_amounts_of_all_currencies_and_fields_left_out(desk: Desk) -> None:
    desk.customer("C-1")
    for number, pair in enumerate((("JPY", "20"), ("BHD", "0.05"))):
        desk.rate("CNY", *pair)
        amounts = ("500" if pair[0] == "JPY" else "5.125", "7.0" if pair[0] == "BHD" else "7")
        events = [
            bill("C-1", f"I-{number}{place}", money(amount, pair[0]))
            for place, amount in enumerate(amounts)
        ]
        assert told(desk, *events) == ["applied", "applied"]
    odd = {"lines": None, "segment": None, "version": LAST_VERSION}
    paid = {"type": "payment", "customer_id": "C-1", "paid_date": TODAY, "amount": money("3.5")}
    note = {"note_id": "N-1", "kind": "BANK", "due_date": TODAY}
    events = [
        bill("C-1", "I-2", "1000000000000.0", **odd),
        {**paid, "payment_id": "P-1", "status": None, "note": note},
        {**paid, "payment_id": "P-2", "allocations": [{"invoice_id": "I-9", "amount": money("1")}]},
        {"type": "delivery", "customer_id": "C-1", "delivery_id": "D-1", "order_id": None,
         "amount": money("2")},
        {"type": "credit_note", "customer_id": "C-1", "credit_note_id": "R-1",
         "amount": money("2"), "invoice_id": "I-9"},
        {"type": "note", "customer_id": "C-1", "note_id": "N-1", "status": "ENDORSED",
         "recourse": False},
        {"type": "dispute", "customer_id": "C-1", "invoice_id": "I-2", "open": False},
    ]  # fmt: skip
    assert told(desk, *events) == ["applied"] * len(events)
    exact(desk)


def test_a_report_under_a_used_id_that_then_waits_for_a_rate(desk: Desk) -> None:
    """Its code is that of the rate by then; it stands in the quarantine alone, however it ends."""
    desk.customer("C-1")
    first = bill("C-1", "I-1", "1.00", event_id="used")
    other = bill("C-1", "I-2", money("9", "JPY"), event_id="used")
    assert told(desk, first, other) == ["applied", "quarantined"]
    assert retry(desk) == "quarantined"
    desk.rate("CNY", "JPY", "20")
    exact(desk)
    assert told(desk, bill("C-1", "I-2", "8.00", version=2)) == ["applied"]
    exact(desk)


def test_a_report_that_waited_for_its_customer(desk: Desk) -> None:
    assert told(desk, bill("C-1", "I-1", "1.00")) == ["quarantined"]
    exact(desk)
    desk.customer("C-1")
    known_since(desk, BEFORE)
    exact(desk)


def test_a_report_that_contradicts_what_is_held(desk: Desk) -> None:
    for name in ("C-1", "C-2"):
        desk.customer(name)
    again = [bill("C-1", "I-1", "2.00"), bill("C-2", "I-1", "1.00"), bill("C-1", "I-1", "1.0")]
    results = told(desk, bill("C-1", "I-1", "1.00"), *again)
    assert results == ["applied", "quarantined", "quarantined", "duplicate"]
    known_since(desk, BEFORE)
    exact(desk)
    assert told(
        desk, bill("C-2", "I-1", "0", version=3), bill("C-1", "I-1", "4.00", version=2)
    ) == [
        "applied",
        "stale",
    ]
    exact(desk)


def test_records_that_are_one_by_now(desk: Desk) -> None:
    """Their bills are the heir's, by whichever id they were told."""
    for name in ("C-1", "C-2", "C-3"):
        desk.customer(name)
    assert told(desk, bill("C-1", "I-1", "1.00"), bill("C-2", "I-2", "1.00")) == ["applied"] * 2
    known_since(desk, BEFORE)
    desk.send("POST", "/v1/customers/C-1/merge", {"into": "C-2"})
    assert told(desk, bill("C-1", "I-3", "1.00"), bill("C-2", "I-1", "1.00")) == [
        "applied",
        "duplicate",
    ]
    desk.send("POST", "/v1/customers/C-2/merge", {"into": "C-3"})
    exact(desk)


def test_an_alias_that_became_a_customer(desk: Desk) -> None:
    desk.customer("C-1", aliases=["C-2"])
    assert told(desk, bill("C-2", "I-1", "1.00")) == ["applied"]
    desk.customer("C-1", aliases=[])
    desk.customer("C-2")
    desk.clock.advance(hours=1)
    assert told(desk, bill("C-2", "I-2", "1.00")) == ["applied"]
    known_since(desk, BEFORE, "C-1")
    known_since(desk, "2026-06-15T04:30:00Z", "C-2")
    exact(desk)


def test_a_limit_that_was_over_before_its_currency_changed(desk: Desk) -> None:
    desk.customer("C-1")
    over = {"valid_from": "2026-05-01", "valid_to": "2026-06-14"}
    desk.limit("C-1", "100.00", "USD", **over)
    desk.limit("C-1", "100.00", "CNY")
    desk.limit("C-1", "9.00", "CNY", kind="temporary", valid_from=TODAY, valid_to="2026-06-20")
    exact(desk)
    desk.clock.advance(days=30)
    exact(desk)
