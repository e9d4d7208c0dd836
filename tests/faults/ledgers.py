"""A ledger with something of everything, made through the service and its use cases alone."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import httpx2

from app.domain.callers import Caller
from app.domain.facts import Result
from app.main import create_app
from app.settings import Settings
from app.store.database import Database
from app.store.holds_lane import HoldLane
from app.store.ids import IdSource
from app.usecases.catch_up import catch_up_on
from app.usecases.escalation import EscalateHolds
from app.usecases.facts import ApplyFacts
from app.usecases.facts_events import parse_events
from app.usecases.facts_lapse import LapseProvisional
from app.usecases.holds_judge import HoldsJudge
from app.usecases.holds_release import ReleaseCleared
from app.usecases.keys import CreateKey
from app.usecases.reconciliation import CLOCKS_APART
from tests.server import NO_TLS, Clock, ServiceThread

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
TODAY = "2026-06-15"
LATER = "2100-01-01T00:00:00Z"
ERP = Caller("erp", frozenset({"admin"}))

Json = dict[str, Any]

_events = count()


def money(amount: str, currency: str = "CNY") -> Json:
    """Write an amount as it goes over the wire."""
    return {"amount": amount, "currency": currency}


@dataclass
class Desk:
    """Speaks to a service as ERP and credit desk do."""

    client: httpx2.Client
    database: Database
    clock: Clock
    keys: Iterator[int] = field(default_factory=count)

    def send(self, method: str, path: str, body: Json) -> Json:
        """Send what must succeed, under a key of its own."""
        headers = {"Idempotency-Key": f"K-{next(self.keys)}", "Aval-Actor": "li.na"}
        answer = self.client.request(method, path, json=body, headers=headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        told: Json = answer.json()
        return told

    def customer(self, customer_id: str, **more: object) -> None:
        """Put master data; what is absent is cleared or kept, as the contract says."""
        self.send("PUT", f"/v1/customers/{customer_id}", {"name": customer_id, **more})

    def limit(self, customer_id: str, amount: str, currency: str = "CNY", **more: object) -> None:
        """Put a base limit in force since January, unless `more` says otherwise."""
        body = {"kind": "base", "limit": money(amount, currency), "valid_from": "2026-01-01"}
        whole = {**body, "reason": "test", **more}
        self.send("POST", f"/v1/customers/{customer_id}/limits", whole)

    def no_limit(self, customer_id: str) -> None:
        """Let a customer draw without a limit of its own."""
        body = {"kind": "base", "unlimited": True, "valid_from": "2026-01-01", "reason": "test"}
        self.send("POST", f"/v1/customers/{customer_id}/limits", body)

    def rate(self, base: str, quote: str, rate: str, day: str = TODAY) -> None:
        """Store a rate: 1 `base` is `rate` `quote`."""
        pair = {"base": base, "quote": quote, "rate": rate}
        self.send("POST", "/v1/fx-rates", {**pair, "rate_date": day, "source": "test"})

    def ask(self, customer_id: str, order_id: str, asked: Json, **more: object) -> Json:
        """Ask to authorize an order at ORDER; returns the decision."""
        return self.send(
            "POST",
            "/v1/authorizations",
            {
                "customer_id": customer_id,
                "check_point": "ORDER",
                "order": {"id": order_id},
                "amount": asked,
                **more,
            },
        )

    def check(self, customer_id: str, order_id: str, asked: Json) -> Json:
        """Check at QUOTE whether an order would pass; returns the decision."""
        ask = {"customer_id": customer_id, "check_point": "QUOTE", "order": {"id": order_id}}
        return self.send("POST", "/v1/limit-checks", {**ask, "amount": asked})

    def facts(self, *events: Json) -> Sequence[Result]:
        """Report facts in one batch, at the moment of the desk's clock."""
        return report(self.database, events, self.clock)


def report(
    database: Database, events: Sequence[Json], now: Callable[[], datetime] = lambda: NOW
) -> Sequence[Result]:
    """Report events; each needs `type`, `customer_id` and the fields of its type."""
    head = {"source": "erp", "segment": "main", "occurred_at": NOW.isoformat(), "version": 1}
    whole = [{**head, "event_id": f"E-{next(_events)}", **event} for event in events]
    return ApplyFacts(database, now, IdSource())(ERP, parse_events(whole))


@contextmanager
def open_desk(url: str, folder: Path) -> Iterator[Desk]:
    """Serve a database while the block lasts, and speak to the service as an administrator."""
    clock = Clock(NOW)
    app = create_app(Settings(state_dir=folder), url, clock)
    with ServiceThread(app) as running, closing(Database(url)) as database:
        token = CreateKey(database, lambda: NOW)("tests", ["admin"])
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(
            base_url=running.url, headers=headers, timeout=20, trust_env=False, verify=NO_TLS
        ) as client:
            yield Desk(client, database, clock)


def build(desk: Desk) -> None:
    """Fill a ledger: groups, currencies, grants, holds, releases, facts of every type."""
    _parties(desk)
    _grants(desk)
    _holds(desk)
    _shipments(desk)
    _money(desk)
    _foreign(desk)
    _moves(desk)
    _next_day(desk)
    _provisional(desk)
    _covered(desk)
    _adjusted(desk)
    _worked(desk)
    _retold(desk)
    told = desk.facts(
        {"type": "invoice", "customer_id": "C-1", "invoice_id": "I-1", "amount": money("1.00"),
         "issue_date": TODAY, "due_date": TODAY},
    )  # fmt: skip
    assert [one.result for one in told] == ["quarantined"]  # that version was another invoice


def _parties(desk: Desk) -> None:
    desk.rate("USD", "CNY", "7.12345")
    desk.rate("CNY", "JPY", "20.3")
    desk.rate("USD", "JPY", "144.61")
    desk.customer("TOP")
    desk.customer("G", parent_id="TOP")
    for name in ("C-1", "C-2"):
        desk.customer(name, parent_id="G")
    for name in ("C-3", "C-4", "C-5", "C-7"):
        desk.customer(name)
    desk.customer("C-6", currency="USD")
    desk.limit("G", "200000.00")
    desk.limit("C-1", "50000.00")
    desk.no_limit("C-2")
    desk.limit("C-4", "100.00")
    desk.limit("C-5", "700.00")
    desk.limit("C-6", "9000.00", "USD")
    desk.limit("C-7", "100.00")


def _grants(desk: Desk) -> None:
    assert desk.ask("C-1", "SO-1", money("1000.00"))["outcome"] == "APPROVE"
    desk.ask("C-1", "SO-2", money("100.00", "USD"))
    desk.ask("C-2", "SO-3", money("50000", "JPY"))
    desk.ask("C-1", "SO-4", money("200.00"))
    desk.ask("C-1", "SO-4", money("300.00"))
    desk.ask("C-1", "SO-4", money("300.00"))
    desk.ask("C-1", "SO-5", money("400.00"))
    desk.ask("C-2", "SO-5", money("450.00", "USD"))
    desk.ask("C-6", "SO-6", money("20000", "JPY"))
    desk.ask("C-6", "SO-7", money("80.10", "USD"))
    desk.ask("C-1", "SO-8", money("10.00"), order={"id": "SO-8", "type": "return"})
    gone = desk.ask("C-1", "SO-9", money("77.00"))
    desk.send("POST", f"/v1/authorizations/{gone['authorization_id']}/release", {})


def _holds(desk: Desk) -> None:
    over = desk.ask("C-4", "SO-20", money("150.00"))
    assert over["outcome"] == "HOLD"
    released = {"reason_code": "KNOWN", "note": "pays on Friday"}
    desk.send("POST", f"/v1/order-holds/{over['order_hold_id']}/release", released)
    assert desk.ask("C-4", "SO-20", money("150.00"))["outcome"] == "APPROVE"
    assert desk.ask("C-4", "SO-21", money("1.00"))["outcome"] == "HOLD"
    assert desk.ask("C-3", "SO-22", money("5.00"))["outcome"] == "HOLD"
    assert desk.ask("C-7", "SO-24", money("150.00"))["outcome"] == "HOLD"
    assert desk.check("C-1", "SO-99", money("60000.00"))["outcome"] == "HOLD"
    assert desk.check("C-7", "SO-98", money("150.00"))["outcome"] == "HOLD"
    place = {"reason_code": "DISPUTE", "note": "see mail"}
    desk.send("POST", "/v1/order-holds", {"customer_id": "C-1", "order_id": "SO-23", **place})
    desk.send("POST", "/v1/order-holds", {"customer_id": "C-5", **place})
    assert desk.ask("C-1", "SO-23", money("1.00"))["outcome"] == "HOLD"
    assert desk.ask("C-5", "SO-25", money("1.00"))["outcome"] == "HOLD"


def _shipments(desk: Desk) -> None:
    invoice = {"type": "invoice", "customer_id": "C-1", "issue_date": TODAY, "due_date": TODAY}
    delivery = {"type": "delivery", "customer_id": "C-1"}
    line = {"order_id": "SO-4", "delivery_id": "D-4"}
    desk.facts(
        {**delivery, "delivery_id": "D-1", "order_id": "SO-1", "amount": money("600.00")},
        {**delivery, "delivery_id": "D-2", "amount": money("40.00")},
        {**delivery, "delivery_id": "D-4", "order_id": "SO-4", "amount": money("120.00")},
        {**invoice, "invoice_id": "I-1", "amount": money("250.00"),
         "lines": [{"order_id": "SO-1", "amount": money("200.00")}]},
        {**invoice, "invoice_id": "I-2", "amount": money("30.00"),
         "lines": [{"delivery_id": "D-2", "amount": money("30.00")}]},
        {**invoice, "invoice_id": "I-4", "amount": money("110.00"),
         "lines": [{**line, "amount": money("110.00"), "final": True}]},
        {**invoice, "customer_id": "C-2", "invoice_id": "I-5", "amount": money("99.99", "USD")},
        {"type": "order", "customer_id": "C-2", "order_id": "SO-30", "amount": money("12.00"),
         "status": "OPEN"},
        {"type": "dispute", "customer_id": "C-1", "invoice_id": "I-2", "open": True},
    )  # fmt: skip


def _money(desk: Desk) -> None:
    paid = {"type": "payment", "customer_id": "C-1", "paid_date": TODAY}
    note = {"note_id": "N-1", "kind": "BANK", "due_date": "2026-09-01"}
    part = {"invoice_id": "I-1", "amount": money("90.00"), "discount": money("1.00")}
    much = {"invoice_id": "I-2", "amount": money("35.00")}
    desk.facts(
        {**paid, "payment_id": "P-1", "amount": money("150.00"), "allocations": [part, much]},
        {**paid, "payment_id": "P-2", "amount": money("44.00"), "note": note,
         "allocations": [{"invoice_id": "I-1", "amount": money("44.00")}]},
        {**paid, "payment_id": "P-3", "amount": money("7.00"), "status": "PROVISIONAL"},
        {**paid, "payment_id": "P-4", "amount": money("8.00"),
         "allocations": [{"invoice_id": "I-0", "amount": money("8.00")}]},
        {"type": "credit_note", "customer_id": "C-1", "credit_note_id": "R-1",
         "invoice_id": "I-4", "amount": money("10.00")},
        {"type": "credit_note", "customer_id": "C-1", "credit_note_id": "R-2",
         "amount": money("3.00")},
        {"type": "write_off", "customer_id": "C-1", "write_off_id": "W-1",
         "invoice_id": "I-4", "amount": money("1.00")},
    )  # fmt: skip


def _foreign(desk: Desk) -> None:
    paid = {"type": "payment", "customer_id": "C-2", "paid_date": TODAY}
    desk.facts({**paid, "payment_id": "P-9", "amount": money("10.01", "USD")})
    desk.facts(
        {
            "type": "invoice",
            "customer_id": "C-6",
            "invoice_id": "I-9",
            "amount": money("777", "JPY"),
            "issue_date": TODAY,
            "due_date": TODAY,
        }
    )


def _provisional(desk: Desk) -> None:
    """Let money count before it is FINAL, and some of it lapse; the haircut stays at 40 %."""
    desk.send("PUT", "/v1/segments/main", {"name": "main", "provisional_haircut_percent": 40})
    desk.customer("C-P")
    told = {"type": "payment", "customer_id": "C-P", "paid_date": TODAY, "status": "PROVISIONAL"}
    ends = desk.clock() + timedelta(hours=1)
    desk.facts(
        {**told, "payment_id": "P-5", "amount": money("10.00"), "expires_at": LATER},
        {**told, "payment_id": "P-6", "amount": money("4.00"), "expires_at": ends.isoformat()},
    )
    assert LapseProvisional(desk.database)(ends, 10) == 1


def _moves(desk: Desk) -> None:
    """Join two records that have facts of one order, and move a customer with its use."""
    for name in ("C-8", "C-9"):
        desk.customer(name)
        desk.limit(name, "900.00")
    bill = {"type": "invoice", "issue_date": TODAY, "due_date": TODAY, "customer_id": "C-9"}
    left = {"type": "delivery", "customer_id": "C-8", "delivery_id": "D-8", "order_id": "SO-8A"}
    line = {"order_id": "SO-8A", "amount": money("30.00"), "final": True}
    desk.ask("C-8", "SO-8A", money("60.00"))
    desk.facts({**left, "amount": money("50.00")})
    desk.facts({**bill, "invoice_id": "I-8", "amount": money("30.00"), "lines": [line]})
    desk.customer("C-8", parent_id="G")
    desk.send("POST", "/v1/customers/C-9/merge", {"into": "C-8"})
    desk.customer("C-8", parent_id="TOP")


def _next_day(desk: Desk) -> None:
    """Let a temporary limit lapse, rates change, and a limit be cut below its use."""
    desk.limit("C-1", "60000.00", kind="temporary", valid_from=TODAY, valid_to=TODAY)
    desk.ask("C-1", "SO-40", money("1.00"))
    desk.clock.advance(days=1)
    desk.rate("USD", "CNY", "7.2", "2026-06-16")
    for name in ("C-1", "C-2"):  # it meets a limit and rates that nobody has written yet
        desk.check(name, f"SO-97-{name}", money("1.00"))
    desk.ask("C-1", "SO-41", money("2.00"))
    desk.ask("C-2", "SO-42", money("3.00", "USD"))
    desk.limit("C-8", "10.00")
    cut = desk.ask("C-8", "SO-43", money("1.00"))
    assert [row["code"] for row in cut["reasons"]] == ["OVER_LIMIT"]


def _covered(desk: Desk) -> None:
    """Back a limit by a cover for good, and by one that lapses."""
    desk.customer("C-10")
    desk.limit("C-10", "100.00")
    half = {"kind": "INSURANCE", "percentage": "45.5", "cap": money("200.01")}
    dated = {"kind": "DEPOSIT", "percentage": "100", "cap": money("5.00")}
    desk.send("POST", "/v1/customers/C-10/covers", half)
    dated |= {"valid_from": "2026-06-01", "valid_to": "2026-06-30"}
    desk.send("POST", "/v1/customers/C-10/covers", dated)
    assert desk.ask("C-10", "SO-50", money("196.00"))["outcome"] == "APPROVE"


def _adjusted(desk: Desk) -> None:
    """Adjust figures to the ERP's: one gives way in part to the money, one is taken back."""
    desk.customer("C-11")
    bill = {"invoice_id": "I-11", "amount": money("100.00"), "issue_date": TODAY, "due_date": TODAY}
    desk.facts({"type": "invoice", "customer_id": "C-11", **bill})
    _drift(desk, "OPEN_ITEM", money("70.00"))
    parts = [{"invoice_id": "I-11", "amount": money("80.00")}]
    paid = {"payment_id": "P-11", "paid_date": TODAY, "allocations": parts}
    desk.facts({"type": "payment", "customer_id": "C-11", "amount": money("80.00"), **paid})
    made = _drift(desk, "PREPAYMENT", money("5.00"))
    desk.send("POST", f"/v1/adjustments/{made['adjustment_id']}/reverse", {"reason": "came"})


def _worked(desk: Desk) -> None:
    """Let a hold go by itself, another be escalated, a third be released by two persons."""
    desk.customer("C-12")
    desk.limit("C-12", "100.00")
    for number, amount in enumerate(("150.00", "950.00", "960.00")):
        desk.ask("C-12", f"SO-6{number}", money(amount))
    desk.limit("C-12", "160.00")
    url = desk.database.url
    judge = HoldsJudge(lambda: HoldLane(url), IdSource(), catch_up_on(desk.database, 10))
    assert ReleaseCleared(desk.database, judge, 10, lambda _: desk.clock())().items == 1
    role = {"name_zh": "主管", "name_en": "Head", "grants": []}
    desk.send("PUT", "/v1/authorities/roles/head", role)
    policy = {"two_approvals_above": money("900.00"), "escalation": [{"role": "head", "after": 1}]}
    desk.send("PUT", "/v1/authorities/segments/main", policy)
    desk.clock.advance(seconds=1)
    EscalateHolds(desk.database, 100, lambda _: desk.clock())()
    wanted = {"order_id": "SO-62"}
    (hold,) = desk.client.get("/v1/order-holds", params=wanted).json()["items"]
    path, reason = f"/v1/order-holds/{hold['order_hold_id']}", {"reason_code": "KNOWN"}
    assert desk.send("POST", f"{path}/release", reason)["proposal"]["status"] == "PROPOSED"
    second = CreateKey(desk.database, lambda: NOW)("second", ["admin"])
    headers = {"Authorization": f"Bearer {second}", "Idempotency-Key": "second"}
    told = desk.client.post(f"{path}/approve", json=reason, headers=headers)
    assert told.json()["status"] == "RELEASED", told.text


def _retold(desk: Desk) -> None:
    """Take a payment back, and dishonour the bill of another one."""
    desk.customer("C-13")
    bill = {"type": "invoice", "customer_id": "C-13", "issue_date": TODAY, "due_date": TODAY}
    paid = {"type": "payment", "customer_id": "C-13", "paid_date": TODAY, "amount": money("9.00")}
    for number in ("13", "14"):
        desk.facts({**bill, "invoice_id": f"I-{number}", "amount": money("9.00")})
        parts = [{"invoice_id": f"I-{number}", "amount": money("9.00")}]
        note = {"note_id": "N-14", "kind": "BANK", "due_date": "2026-09-01"}
        by = {"note": note} if number == "14" else {}
        desk.facts({**paid, **by, "payment_id": f"P-{number}", "allocations": parts})
    gone = {"amount": money("0.00"), "version": 2, "payment_id": "P-13"}
    note = {"type": "note", "customer_id": "C-13", "note_id": "N-14", "status": "DISHONOURED"}
    desk.facts({**paid, **gone}, note)


def _drift(desk: Desk, category: str, theirs: Json) -> Json:
    """Let the ERP tell a figure of C-11 that differs, and adjust it."""
    desk.clock.advance(seconds=1)
    item = {"customer_id": "C-11", "category": category, "amount": theirs}
    as_of = desk.clock() + CLOCKS_APART  # nothing is told in between
    body = {"source": "erp", "snapshot_id": category, "as_of": as_of.isoformat()}
    told = desk.send("POST", "/v1/snapshots", {**body, "items": [item]})
    path = f"/v1/snapshots/drifts/{told['results'][0]['drift_id']}/adjust"
    return desk.send("POST", path, {"reason": "missing"})


def random_events(seed: int, size: int) -> list[Json]:
    """Make facts that meet each other: few ids, few payers, every type, versions in any order."""
    dice = _Dice(Random(seed))
    return [dice.event(place) for place in range(size)]


@dataclass
class _Dice:
    rng: Random
    currency: str = "CNY"

    def name(self, kind: str, most: int) -> str:
        return f"{kind}-{self.rng.randint(1, most)}"

    def amount(self, most: int) -> Json:
        return money(f"{self.rng.randint(0, most)}.{self.rng.randint(0, 99):02d}", self.currency)

    def either(self, total: str) -> Json:
        """Give an amount, or 0, which cancels."""
        return money(self.rng.choice([total, total, "0.00"]), self.currency)

    def event(self, place: int) -> Json:
        self.currency = self.rng.choice(["CNY", "CNY", "CNY", "USD"])
        kinds = [self.order, self.delivery, self.invoice, self.payment, self.note, self.credit]
        made = self.rng.choice([*kinds, self.delivery, self.invoice, self.payment])()
        customer = self.rng.choice(["C-1", "C-1", "C-2"])
        return {"customer_id": customer, "version": place + self.rng.randint(2, 20), **made}

    def order(self) -> Json:
        status = self.rng.choice(["OPEN", "OPEN", "CLOSED"])
        whole = self.either("85.00")
        return {"type": "order", "order_id": self.name("RO", 4), "amount": whole, "status": status}

    def delivery(self) -> Json:
        of_order = {"order_id": self.name("RO", 4)} if self.rng.random() < 0.7 else {}
        named = {"type": "delivery", "delivery_id": self.name("RD", 5), **of_order}
        return {**named, "amount": self.either(f"{self.rng.randint(1, 60)}.50")}

    def invoice(self) -> Json:
        total = self.either("99.99")
        lines = [self.line() for _ in range(self.rng.randint(0, 3))]
        if total["amount"] == "0.00":
            lines = []
        named = {"type": "invoice", "invoice_id": self.name("RI", 6)}
        return {**named, "amount": total, "issue_date": TODAY, "due_date": TODAY, "lines": lines}

    def line(self) -> Json:
        of_order, of_delivery = (
            {"order_id": self.name("RO", 4)},
            {"delivery_id": self.name("RD", 5)},
        )
        named = self.rng.choice([of_order, of_delivery, {**of_order, **of_delivery}])
        return {"amount": self.amount(20), **named, "final": self.rng.random() < 0.3}

    def payment(self) -> Json:
        total = self.either("70.00")
        parts = [
            {
                "invoice_id": self.name("RI", 6),
                "amount": self.amount(30),
                "discount": self.amount(3),
            }
            for _ in range(self.rng.randint(0, 2))
        ]
        if total["amount"] == "0.00":
            parts = []
        note = {"note_id": self.name("RN", 3), "kind": "BANK", "due_date": "2026-09-01"}
        made = {"type": "payment", "payment_id": self.name("RP", 6), "paid_date": TODAY}
        made["status"] = self.rng.choice(["FINAL", "FINAL", "FINAL", "PROVISIONAL"])
        with_note = {"note": note} if self.rng.random() < 0.4 else {}
        return {**made, **with_note, "amount": total, "allocations": parts}

    def note(self) -> Json:
        status = self.rng.choice(["PAID", "DISCOUNTED", "ENDORSED", "DISHONOURED"])
        named = {"type": "note", "note_id": self.name("RN", 3)}
        return {**named, "status": status, "recourse": self.rng.random() < 0.5}

    def credit(self) -> Json:
        kind = self.rng.choice(["credit_note", "write_off"])
        on = {"invoice_id": self.name("RI", 6)} if self.rng.random() < 0.7 else {}
        return {"type": kind, f"{kind}_id": self.name("RC", 4), "amount": self.either("9.00"), **on}
