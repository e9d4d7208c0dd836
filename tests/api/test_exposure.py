"""A figure's documents over HTTP: pages, what is answered, and what is refused."""

from typing import Any

import httpx2
import pytest

from tests.domain.facts_world import fact, line
from tests.erp import Erp, money, refused

PATH = "/v1/customers/C-1/account/documents"
STRANGE = "SO\u3000\U0001f980"
"""An order id that is printable to the contract, though not to Python."""


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1", "1000.00")
    for order_id, amount in (("SO-1", "1.00"), (STRANGE, "2.00"), ("SO-3", "3.00")):
        assert erp.ask(order_id, amount)["outcome"] == "APPROVE"
    return erp


def report(erp: Erp, kind: str, document_id: str, **fields: object) -> None:
    """Report a fact of C-1; amounts are CNY."""
    told = {**fact(kind, document_id, **fields), "customer_id": "C-1"}  # type: ignore[arg-type]
    answer = erp.client.post("/v1/ledger-events", json={"events": [told]})
    assert [one["result"] for one in answer.json()["results"]] == ["applied"], answer.text


def items(erp: Erp, category: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = erp.client.get(PATH, params={"category": category}).json()[
        "items"
    ]
    return found


def test_pages_of_a_figure(erp: Erp) -> None:
    query = {"category": "AUTHORIZED", "limit": "1"}
    told = erp.client.get(PATH, params=query).json()
    found = told["items"]
    while told["next_cursor"] is not None:
        told = erp.client.get(PATH, params={**query, "cursor": told["next_cursor"]}).json()
        assert (told["totals"], len(told["items"])) == ([money("6.00")], 1)
        found += told["items"]
    assert sorted(one["id"] for one in found) == sorted(["SO-1", "SO-3", STRANGE])
    strange = next(one for one in found if one["id"] == STRANGE)
    expires_at = strange.pop("expires_at")
    assert expires_at.endswith("Z")
    assert strange == {
        "type": "order",
        "id": STRANGE,
        "order_id": STRANGE,
        "note_id": None,
        "note_kind": None,
        "note_status": None,
        "disputed": False,
        "disputed_since": None,
        "customer_id": "C-1",
        "amount": money("2.00"),
        "invoiced": None,
        "deliveries": [],
        "deliveries_left_out": 0,
        "late_interest": None,
        "worth": money("2.00"),
        "due_date": None,
    }
    account = erp.account()
    assert account["authorized"] == money("6.00")
    assert (told["seq"], told["segment"], told["category"]) == (
        account["seq"],
        "main",
        "AUTHORIZED",
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        pytest.param({}, "category", id="no-category"),
        pytest.param({"category": "EVERYTHING"}, "category", id="unknown-category"),
        pytest.param({"category": "OPEN_ITEM", "limit": 501}, "limit", id="too-many"),
        pytest.param({"category": "OPEN_ITEM", "cursor": "x"}, "cursor", id="no-cursor"),
        pytest.param(
            {"category": "OPEN_ITEM", "cursor": "WzEsMCwiIiwiMDAiLCIiXQ"}, "cursor", id="nul"
        ),
        pytest.param(
            {"category": "OPEN_ITEM", "cursor": "WzEsMCwieCIsIjQxIiwiIl0"}, "cursor", id="no-date"
        ),
    ],
)
def test_bad_input(erp: Erp, query: dict[str, str], field: str) -> None:
    refused(erp.client.get(PATH, params=query), 422, "invalid_field", field)


def test_nobody_and_nowhere(erp: Erp) -> None:
    query = {"category": "OPEN_ITEM"}
    nobody = erp.client.get(PATH.replace("C-1", "NOBODY"), params=query)
    refused(nobody, 404, "customer_unknown")
    refused(erp.client.get(PATH, params={**query, "segment": "moon"}), 404, "segment_unknown")


def test_an_order_shows_its_deliveries_and_what_was_billed(erp: Erp) -> None:
    for name, amount, version in (("D-1", "5.00", 3), ("D-2", "3.00", 1), ("D-3", "0", 2)):
        report(erp, "delivery", name, amount=amount, order_id=STRANGE, version=version)
    report(erp, "delivery", "D-4", amount="0.40")
    lines = [line("4.50", order_id=STRANGE, delivery_id="D-1", final=True),
             line("1.00", order_id=STRANGE), line("0.10", delivery_id="D-4")]  # fmt: skip
    report(erp, "invoice", "I-1", amount="9.00", lines=lines)

    def part(name: str, version: int, amount: str, invoiced: str) -> dict[str, Any]:
        named = {"delivery_id": name, "version": version, "final": name == "D-1"}
        return {**named, "amount": money(amount), "invoiced": money(invoiced)}

    names = ("type", "id", "order_id", "amount", "invoiced", "deliveries", "deliveries_left_out")
    alone, order = [[one[name] for name in names] for one in items(erp, "OPEN_DELIVERY")]
    parts = [part("D-1", 3, "5.00", "4.50"), part("D-2", 1, "3.00", "0.00")]
    assert order == ["order", STRANGE, STRANGE, money("2.00"), money("5.50"), parts, 0]
    parts = [part("D-4", 1, "0.40", "0.10")]
    assert alone == ["delivery", "D-4", None, money("0.30"), money("0.10"), parts, 0]


def test_an_adjustment_of_open_deliveries_has_none(erp: Erp) -> None:
    """Not even where a delivery has its id."""
    moment = erp.account()["as_of"]
    theirs = {"customer_id": "C-1", "category": "OPEN_DELIVERY", "amount": money("7.00")}
    body = {"source": "erp", "snapshot_id": "S-1", "as_of": moment, "items": [theirs]}
    (told,) = erp.client.post("/v1/snapshots", json=body).json()["results"]
    headers = {"Idempotency-Key": "K-1", "Aval-Actor": "li.na"}
    path = f"/v1/snapshots/drifts/{told['drift_id']}/adjust"
    made = erp.client.post(path, json={"reason": "missing"}, headers=headers)
    assert made.status_code == 201, made.text
    named = made.json()["adjustment_id"]
    report(erp, "delivery", named, amount="1.00")
    delivery, adjustment = items(erp, "OPEN_DELIVERY")
    assert [one["delivery_id"] for one in delivery["deliveries"]] == [named]
    assert (adjustment["type"], adjustment["amount"]) == ("adjustment", money("7.00"))
    assert (adjustment["invoiced"], adjustment["deliveries"]) == (None, [])


def test_a_bill_shows_its_kind_and_how_it_stands(erp: Erp) -> None:
    for number, kind in enumerate(("BANK", "COMMERCIAL", "VOUCHER"), start=1):
        bill = {"note_id": f"N-{number}", "kind": kind, "due_date": "2026-09-30"}
        report(erp, "payment", f"P-{number}", amount="4.00", note=bill)
    report(erp, "note", "N-2", status="DISCOUNTED", recourse=True)
    report(erp, "note", "N-3", status="ENDORSED", recourse=True)
    told = {
        one["id"]: (one["note_id"], one["note_kind"], one["note_status"])
        for one in items(erp, "NOTE_RECEIVABLE")
    }
    bills = {
        "P-1": ("N-1", "BANK", "OPEN"),
        "P-2": ("N-2", "COMMERCIAL", "DISCOUNTED"),
        "P-3": ("N-3", "VOUCHER", "ENDORSED"),
    }
    assert told == bills
    report(erp, "note", "N-1", status="PAID")
    report(erp, "payment", "P-4", amount="1.00")
    told = {
        one["id"]: (one["note_id"], one["note_kind"], one["note_status"])
        for one in items(erp, "PREPAYMENT")
    }
    assert told == {**bills, "P-1": ("N-1", "BANK", "PAID"), "P-4": (None, None, None)}


def test_an_invoice_says_since_when_it_is_disputed(erp: Erp) -> None:
    """The day is the segment's: in Shanghai it is the second of June already."""
    for name, due in (("I-1", "2026-06-10"), ("I-2", "2026-06-11"), ("I-3", "2026-06-12")):
        report(erp, "invoice", name, amount="8.00", due_date=due)
    report(erp, "dispute", "I-1", open=True, occurred_at="2026-06-01T20:00:00Z")
    report(erp, "dispute", "I-2", open=True)
    report(erp, "dispute", "I-2", open=False, version=2)
    for category in ("OPEN_ITEM", "OVERDUE"):
        told = [(one["id"], one["disputed"], one["disputed_since"]) for one in items(erp, category)]
        assert told == [("I-1", True, "2026-06-02"), ("I-2", False, None), ("I-3", False, None)]
    report(erp, "payment", "P-1", amount="9.00", allocations=[line("9.00", invoice_id="I-1")])
    over = next(one for one in items(erp, "PREPAYMENT") if one["type"] == "invoice")
    assert (over["id"], over["disputed"], over["disputed_since"]) == ("I-1", True, "2026-06-02")
