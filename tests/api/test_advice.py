"""The advice of the real service, followed over HTTP: ask, do as told, ask again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx2

from app.store import accounts
from app.store.checker import check_ledger
from app.store.database import Database
from app.store.inputs import change
from tests.erp import Erp, money
from tests.server import Clock

TODAY = "2026-06-15"
LATE = "2026-04-01"
NUMBERS = count(1)


@dataclass
class Case:
    """A customer with an order that is held; `more` are fields of the question."""

    erp: Erp
    database: Database
    clock: Clock
    customer_id: str
    order_id: str
    amount: str = "90.00"
    more: dict[str, Any] = field(default_factory=dict)

    def ask(self) -> dict[str, Any]:
        more = {"customer_id": self.customer_id, **self.more}
        return self.erp.ask(self.order_id, self.amount, **more)

    def put(self, limit: str | None = "100.00", **fields: object) -> None:
        self.erp.customer(self.customer_id, limit, **fields)

    def fact(self, kind: str, **fields: object) -> dict[str, Any]:
        told = {
            "source": "erp",
            "event_id": f"e{next(NUMBERS)}",
            "type": kind,
            "customer_id": self.customer_id,
            "segment": "main",
            "occurred_at": self.clock().isoformat(),
            "version": 1,
        }
        answer = self.erp.client.post("/v1/ledger-events", json={"events": [told | fields]})
        found: dict[str, Any] = answer.json()["results"][0]
        return found

    def invoice(self, amount: str, due: str, currency: str = "CNY") -> None:
        told = {"issue_date": "2026-01-01", "due_date": due, "amount": money(amount, currency)}
        self.fact("invoice", invoice_id=f"I-{next(NUMBERS)}", **told)

    def pay(self, advice: dict[str, Any]) -> None:
        """Pay an amount: the invoices that are named first, then ahead."""
        parts, left = [], round(float(advice["amount"]["amount"]) * 100)
        path = f"/v1/customers/{self.customer_id}/account/documents"
        listed = self.erp.client.get(path, params={"category": "OPEN_ITEM"}).json()["items"]
        owed = {one["id"]: one["amount"]["amount"] for one in listed}
        for name in advice["invoices"]:
            part = min(left, round(float(owed[name]) * 100))
            left -= part
            parts.append({"invoice_id": name, "amount": money(f"{part / 100:.2f}")})
        told: dict[str, Any] = {"amount": advice["amount"], "paid_date": TODAY}
        if parts:
            told["allocations"] = parts
        assert self.fact("payment", payment_id=f"P-{next(NUMBERS)}", **told)["problem"] is None

    def over(self) -> None:
        self.put()
        self.invoice("30.00", TODAY)

    def waiting(self) -> None:
        self.over()
        body = {"kind": "base", "limit": money("120.00"), "valid_from": "2026-06-17"}
        self.post(f"/v1/customers/{self.customer_id}/limits", body)

    def late(self) -> None:
        self.put("1000.00")
        self.invoice("10.00", LATE)
        self.invoice("20.00", LATE)
        self.invoice("40.00", TODAY)

    def foreign(self) -> None:
        self.put("1000.00")
        self.more["currency"] = "USD"

    def inactive(self) -> None:
        self.put(active=False)

    def rejected(self) -> None:
        self.put()
        self.amount = "150.00"
        self.post(f"/v1/order-holds/{self.ask()['order_hold_id']}/reject", {"reason_code": "NO"})
        self.amount = "90.00"

    def forced(self) -> None:
        self.put()
        self.erp.place(customer_id=self.customer_id, order_id=self.order_id)

    def stopped(self) -> None:
        self.put()
        self.erp.place(customer_id=self.customer_id, order_id=None)

    def quarantined(self) -> None:
        self.put("1000.00")
        self.invoice("1.00", TODAY, "BRL")

    def risky(self) -> None:
        self.put("1000.00")
        with self.database.begin() as tx:
            held = accounts.find(tx, self.customer_id, "main")
            assert held is not None
            score = {"risk_class": "E", "score": 100, "scored_at": self.clock().isoformat()}
            change(tx, [held.account_id], {"score": score})

    def stale(self) -> None:
        self.put("1000.00")
        self.invoice("1.00", "2026-12-31")
        self.clock.advance(days=9)

    def post(self, path: str, body: object) -> None:
        answer = self.erp.post(path, body)
        assert answer.status_code in {200, 201}, answer.text

    def follow(self, advice: dict[str, Any], held: dict[str, Any]) -> None:
        """Do what is advised, by the call that a person would make."""
        path = f"/v1/customers/{advice['subject'] or self.customer_id}"
        match advice["action"]:
            case "PAY" | "PREPAY":
                self.pay(advice)
            case "SHIP_UP_TO":
                self.amount = advice["amount"]["amount"]
            case "RAISE_LIMIT":
                dates = {"valid_from": TODAY, "valid_to": TODAY}
                body = {"kind": "temporary", "limit": advice["amount"], **dates}
                self.post(f"{path}/limits", body)
            case "ADD_COVER":
                body = {"kind": "DEPOSIT", "percentage": "100", "cap": advice["amount"]}
                self.post(f"{path}/covers", body)
            case "WAIT_UNTIL":
                assert advice["until"] == "2026-06-17"
                self.clock.advance(days=2)
            case _:
                self.tell(advice["action"], held)

    def tell(self, action: str, held: dict[str, Any]) -> None:
        """Do what helps against a reason that neither money nor time removes."""
        erp = self.erp
        match action:
            case "POST_RATE":
                rate = {"base": "USD", "quote": "CNY", "rate": "7.1", "rate_date": TODAY}
                self.post("/v1/fx-rates", rate | {"source": "tests"})
            case "ACTIVATE_CUSTOMER":
                put = erp.client.put(f"/v1/customers/{self.customer_id}", json={"name": "x"})
                assert put.status_code == 200
            case "PLACE_NEW_ORDER":
                self.order_id += "-new"
            case "LIFT_HOLD" | "ASK_RELEASE":
                path = f"/v1/order-holds/{held['order_hold_id']}/release"
                self.post(path, {"reason_code": "OK"})
            case "LIFT_STOP":
                query = {"customer_id": self.customer_id, "status": "OPEN"}
                holds = erp.client.get("/v1/order-holds", params=query).json()["items"]
                (stop,) = [one for one in holds if one["kind"] == "STOP"]
                path = f"/v1/order-holds/{stop['order_hold_id']}/release"
                self.post(path, {"reason_code": "OK"})
            case "CLEAR_QUARANTINE":
                listed = erp.client.get("/v1/ledger-events/quarantine").json()["items"]
                path = f"/v1/ledger-events/quarantine/{listed[0]['quarantine_id']}/close"
                closed = erp.client.post(path, json={"reason": "typing error"})
                assert closed.status_code in {200, 204}, closed.text
            case "REPORT_LEDGER":
                self.invoice("1.00", "2026-12-31")
            case unknown:
                raise AssertionError(unknown)


KINDS: list[tuple[Callable[[Case], None], str]] = [
    (Case.over, "PAY"),
    (Case.over, "PREPAY"),
    (Case.over, "SHIP_UP_TO"),
    (Case.over, "RAISE_LIMIT"),
    (Case.over, "ADD_COVER"),
    (Case.late, "PAY"),
    (Case.foreign, "POST_RATE"),
    (Case.inactive, "ACTIVATE_CUSTOMER"),
    (Case.rejected, "PLACE_NEW_ORDER"),
    (Case.forced, "LIFT_HOLD"),
    (Case.stopped, "LIFT_STOP"),
    (Case.quarantined, "CLEAR_QUARANTINE"),
    (Case.risky, "ASK_RELEASE"),
    (Case.waiting, "WAIT_UNTIL"),
    (Case.stale, "REPORT_LEDGER"),
]
"""What is done to an order, and the advice that is followed; what moves the clock comes last."""


def test_who_follows_the_service_gets_the_order_through(
    client: httpx2.Client, database: Database, clock: Clock
) -> None:
    for number, (trouble, action) in enumerate(KINDS):
        case = Case(Erp(client), database, clock, f"C-{number}", f"SO-{number}")
        trouble(case)
        held = case.ask()
        assert held["outcome"] != "APPROVE", action
        (advice,) = [one for one in held["unblock"] if one["action"] == action]
        assert advice["suffices"], (action, held)
        assert {one["code"] for one in advice["removes"]} == {
            one["code"] for one in held["reasons"]
        }
        case.follow(advice, held)
        told = case.ask()
        assert told["outcome"] == "APPROVE", (action, told["reasons"])
    report = check_ledger(database.url)
    assert report.clean, report.difference


def test_how_much_is_advised(client: httpx2.Client, database: Database, clock: Clock) -> None:
    case = Case(Erp(client), database, clock, "C-1", "SO-1")
    case.over()
    found = {one["action"]: one for one in case.ask()["unblock"]}
    assert {action: one["amount"]["amount"] for action, one in found.items()} == {
        "PAY": "20.00",
        "PREPAY": "20.00",
        "SHIP_UP_TO": "70.00",
        "RAISE_LIMIT": "120.00",
        "ADD_COVER": "20.00",
    }
    assert found["PREPAY"]["percent"] == "22.23"
    assert "22.23%" in found["PREPAY"]["zh"]
    assert found["RAISE_LIMIT"]["subject"] == "C-1"
    assert {action: one["scope"] for action, one in found.items() if one["scope"]} == {
        "RAISE_LIMIT": "limit:approve",
        "ADD_COVER": "limit:approve",
    }
    removed = {"code": "OVER_LIMIT", "rule_id": "over-limit", "customer_id": "C-1"}
    assert all(one["removes"] == [removed] for one in found.values())
