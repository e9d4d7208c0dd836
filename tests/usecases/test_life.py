"""The life of orders at random: whatever is asked, told and decided, the books are the model's.

Hypothesis draws sequences of asks, amendments, facts, releases, holds, limits and moves between
groups, and lets time pass; `tests.model` predicts each answer and every counter; the checker has
the last word.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, ClassVar, Final

import httpx2
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from app.store.checker import check_ledger
from app.store.database import Database
from app.usecases.expiry import ExpireAuthorizations
from app.usecases.facts_lapse import LapseProvisional
from app.usecases.horizons import CountOrders
from tests.model import Limit, Model, Terms, Told
from tests.server import Clock

CUSTOMERS: Final = ("C1", "C2", "C3")
GROUPS: Final = ("G1", "G2")
ORDERS: Final = ("O1", "O1", "O2", "O3")
TODAY: Final = "2026-06-15"
EXAMPLES: Final = 20
STEPS: Final = 30
HORIZON: Final = 30
HAIRCUT: Final = 50
HOUR: Final = timedelta(hours=1)
LONG: Final = timedelta(days=3650)

DEFAULT: Final = timedelta(days=90)
"""How long an authorization lasts where nobody says it."""

When = tuple[timedelta | None, int | None]
"""How long an authorization lasts, and how many days ahead its goods ship."""
NO_END: Final[When] = (None, None)

payers = st.sampled_from(["C1", "C1", "C2", "C3"])
names = st.sampled_from(ORDERS)
amounts = st.integers(1, 15).map(lambda tens: 10 * tens)
changes = st.sampled_from([0, 10, 20, 30, 50, 80])
limits: st.SearchStrategy[Limit] = st.sampled_from([0, 50, 100, 200, None, "unlimited"])
documents = st.sampled_from(["1", "2", "3"])
lasts = st.sampled_from([None, None, 2 * HOUR, 240 * HOUR, DEFAULT])
days_ahead = st.sampled_from([None, None, None, HORIZON, HORIZON + 1, 2 * HORIZON, 6 * HORIZON])
whens = st.tuples(lasts, days_ahead)
soon = st.sampled_from([None, None, 2 * HOUR, 240 * HOUR])
ways = st.sampled_from(["cash", "cash", "BANK", "COMMERCIAL", 2 * HOUR, 240 * HOUR])
mistakes = st.sampled_from([False, False, False, True])

FIGURES: Final = text("""
SELECT customer_id, authorized_minor / 100 AS authorized,
    open_delivery_minor / 100 AS open_delivery, open_item_minor / 100 AS open_item,
    note_receivable_minor / 100 AS note_receivable,
    prepayment_minor / 100 AS prepayment, forced_minor / 100 AS forced
FROM account WHERE customer_id LIKE :names
""")


def money(whole: int) -> dict[str, str]:
    return {"amount": str(whole), "currency": "CNY"}


@dataclass
class World:
    """A service that all examples share; each has names of its own."""

    client: httpx2.Client
    database: Database
    clock: Clock
    numbers: Iterator[int] = field(default_factory=count)

    def sweep(self) -> None:
        """Do what the background does as time passes."""
        for sweeper in (ExpireAuthorizations, CountOrders):
            portion = sweeper(self.database, 100, lambda _: self.clock())()
            assert portion.after is None
        while LapseProvisional(self.database)(self.clock(), 100):
            pass

    def send(self, method: str, path: str, body: object) -> httpx2.Response:
        headers = {"Idempotency-Key": f"k{next(self.numbers)}"}
        return self.client.request(method, path, json=body, headers=headers)


class Life(RuleBasedStateMachine):
    """One example: three customers, two groups, three orders."""

    world: ClassVar[World]

    def __init__(self) -> None:
        """Begin with names that no other example has."""
        super().__init__()
        self.model = Model(at=self.world.clock(), horizon=HORIZON, haircut=HAIRCUT)
        self.place = f"x{next(self.world.numbers)}"
        self.versions = count(1)
        self.holds: dict[str, str] = {}
        self.asked: dict[str, dict[str, Any]] = {}
        self.swept = True

    def name(self, short: str) -> str:
        return f"{self.place}-{short}"

    def done(self, method: str, path: str, body: object) -> dict[str, Any]:
        answer = self.world.send(method, path, body)
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        return told

    @initialize()
    def begin(self) -> None:
        parents = {"G1": None, "G2": None, "C1": "G1", "C2": "G1", "C3": None}
        first: dict[str, Limit] = {
            "G1": 200,
            "G2": "never",
            "C1": 100,
            "C2": "unlimited",
            "C3": 100,
        }
        for short in (*GROUPS, *CUSTOMERS):
            self.model.parents[self.name(short)] = None
            self.model.limits[self.name(short)] = "never"
        for short, parent in parents.items():
            self.put(short, parent)
            if first[short] != "never":
                self.set_limit(short, first[short])

    def put(self, short: str, parent: str | None) -> None:
        above = None if parent is None else self.name(parent)
        body = {"name": short, "parent_id": above}
        self.done("PUT", f"/v1/customers/{self.name(short)}", body)
        self.model.parents[self.name(short)] = above

    def set_limit(self, short: str, limit: Limit) -> None:
        amount = money(limit) if isinstance(limit, int) else None
        terms = {"unlimited": True} if limit == "unlimited" else {"limit": amount}
        today = self.model.today.isoformat()
        body = {"kind": "base", "valid_from": today, "reason": "test", **terms}
        self.done("POST", f"/v1/customers/{self.name(short)}/limits", body)
        self.model.limits[self.name(short)] = limit

    @rule(
        short=st.sampled_from([*CUSTOMERS, *GROUPS]),
        limit=limits,
        parent=st.sampled_from([None, *GROUPS]),
        moves=st.booleans(),
    )
    def change_terms(self, short: str, limit: Limit, parent: str | None, *, moves: bool) -> None:
        """Change a limit, or move a customer to another group."""
        if moves and short in CUSTOMERS:
            self.put(short, parent)
        else:
            self.set_limit(short, limit)

    @rule(
        payer=payers,
        order=names,
        amount=amounts,
        known=st.sampled_from(["", "", "new", "old"]),
        when=whens,
    )
    def ask(
        self, payer: str, order: str, amount: int, known: str = "", when: When = NO_END
    ) -> None:
        version = {"": None, "new": next(self.versions), "old": 0}[known]
        terms, body = self.question(payer, order, amount, when)
        if version is not None:
            body["order"]["version"] = version
        expected = self.model.ask(self.name(payer), self.name(order), amount, version, terms)
        answer = self.world.send("POST", "/v1/authorizations", body)
        self.compare(expected, answer)
        told = answer.json()
        if told.get("order_hold_id"):
            self.holds[order] = told["order_hold_id"]
        self.asked[order] = body

    def question(
        self, payer: str, order: str, amount: int, when: When
    ) -> tuple[Terms, dict[str, Any]]:
        """Ask whether an order may go: for so long, and shipping so many days ahead."""
        last, ahead = when
        ships = None if ahead is None else self.model.today + timedelta(days=ahead)
        body: dict[str, Any] = {
            "customer_id": self.name(payer),
            "check_point": "ORDER",
            "order": {"id": self.name(order)},
            "amount": money(amount),
        }
        if last != DEFAULT:
            body["expires_in"] = None if last is None else int(last.total_seconds())
        if ships is not None:
            body["ship_date"] = ships.isoformat()
        return Terms(last, ships, default=last == DEFAULT), body

    @rule(payer=payers, order=names, amount=amounts, when=whens)
    def check(self, payer: str, order: str, amount: int, when: When) -> None:
        """Ask without any effect: the answer is that of an order, and nothing moves."""
        terms, body = self.question(payer, order, amount, when)
        self.model.catch_up(self.name(payer))
        unmoved = deepcopy(self.model)
        expected = unmoved.ask(self.name(payer), self.name(order), amount, terms=terms)
        self.compare(expected, self.world.send("POST", "/v1/limit-checks", body))

    @rule(hours=st.sampled_from([1, 1, 3, 24, 24, 240, 24 * HORIZON]), sweeps=st.booleans())
    def wait(self, hours: int, *, sweeps: bool) -> None:
        """Let time pass; what it ends or begins is judged so at once, whether swept or not."""
        self.world.clock.advance(hours=hours)
        self.model.at = self.world.clock()
        self.swept = sweeps
        if sweeps:
            self.world.sweep()
            self.model.pass_by()
        # an ERP that is silent for long holds all orders
        nothing = {"delivery_id": self.name("D0"), "amount": money(0)}
        self.tell("delivery", "C3", order_id=self.name("O0"), **nothing)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), amount=amounts, more=changes)
    def amend_and_deliver(self, data: st.DataObject, amount: int, more: int) -> None:
        """Ask again for an order as it stands, up or down, and let some of it leave."""
        order = data.draw(st.sampled_from(sorted(self.asked)))
        payer = self.payer_of(order, "C1", strays=False)
        self.ask(payer, order, amount)
        self.deliver(payer, order, "1", more, strays=False)
        self.ask(payer, order, amount + more)

    @rule(payer=payers, order=names, amount=amounts, sweeps=st.booleans())
    def outlive(self, payer: str, order: str, amount: int, *, sweeps: bool) -> None:
        """Let an authorization run out, and tell its order as it is: an ERP knows of no expiry."""
        self.ask(payer, order, amount, when=(2 * HOUR, None))
        self.wait(3, sweeps=sweeps)
        self.report_order(payer, order, amount, "OPEN", repeats=True)

    def payer_of(self, order: str, drawn: str, *, strays: bool) -> str:
        """Give the payer of an order, where it has one and nobody makes a mistake."""
        root = self.model.orders.get(self.name(order))
        return drawn if root is None or strays else root.payer.removeprefix(f"{self.place}-")

    @staticmethod
    def compare(expected: Told, answer: httpx2.Response) -> None:
        told = answer.json()
        said = told.get("outcome") or told.get("code") or told.get("status")
        reasons = told["reasons"] if "outcome" in told else ()
        codes = frozenset(one["code"] for one in reasons)
        assert (said, codes) == (expected.said, expected.reasons), told

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(sorted(self.asked)))
        root = self.model.orders.get(self.name(order))
        payer = root.payer if root else self.asked[order]["customer_id"]
        body = {"customer_id": payer, "order_id": self.name(order)}
        answer = self.world.send("POST", "/v1/authorizations/release", body)
        assert answer.status_code in {200, 404}, answer.text
        if answer.status_code == 200 and root is not None:
            self.model.give_back(self.name(order))

    def tell(self, kind: str, payer: str, **fields: object) -> None:
        version = fields.pop("version", None) or next(self.versions)
        fact = {"type": kind, "customer_id": self.name(payer), "version": version, **fields}
        head = {"source": "erp", "segment": "main", "occurred_at": f"{TODAY}T04:00:00Z"}
        event = {**head, "event_id": f"e{next(self.world.numbers)}", **fact}
        told = self.done("POST", "/v1/ledger-events", {"events": [event]})
        expected = self.model.fact(fact)
        assert [one["result"] for one in told["results"]] == [expected], told

    @rule(payer=payers, order=names, document=documents, amount=changes, strays=mistakes)
    def deliver(self, payer: str, order: str, document: str, amount: int, *, strays: bool) -> None:
        payer = self.payer_of(order, payer, strays=strays)
        name = self.name(f"D{document}")
        self.tell(
            "delivery", payer, delivery_id=name, order_id=self.name(order), amount=money(amount)
        )

    @rule(payer=payers, order=names, document=documents, amount=changes, final=st.booleans())
    def invoice(self, payer: str, order: str, document: str, amount: int, *, final: bool) -> None:
        """Bill, also less than before, as final, for one delivery or all of the order."""
        payer = self.payer_of(order, payer, strays=document == "3")
        line = {"order_id": self.name(order), "amount": money(amount), "final": final}
        if document == "1":
            line["delivery_id"] = self.name("D1")
        self.tell(
            "invoice",
            payer,
            invoice_id=self.name(f"I{document}"),
            amount=money(amount),
            issue_date=TODAY,
            due_date=(self.model.at + LONG).date().isoformat(),
            lines=[line] if amount else [],
        )

    @rule(payer=payers, document=documents, paid=changes, of=st.integers(0, 3), way=ways)
    def pay(self, payer: str, document: str, paid: int, of: int, way: timedelta | str) -> None:
        """Pay, pay too much, take it back (0), by a bill, or say that money is on its way."""
        part = min(paid, 10 * of)
        parts = [{"invoice_id": self.name(f"I{document}"), "amount": money(part)}] if part else []
        self.tell(
            "payment",
            payer,
            payment_id=self.name(f"P{document}"),
            amount=money(paid),
            paid_date=TODAY,
            allocations=parts,
            **self.terms_of(document, way),
        )

    def terms_of(self, document: str, way: timedelta | str) -> dict[str, object]:
        """Say how money comes: provisionally until a while from now, in cash, or by a bill."""
        if isinstance(way, timedelta):
            return {"status": "PROVISIONAL", "expires_at": (self.model.at + way).isoformat()}
        if way == "cash":
            return {}
        due = (self.model.at + LONG).date().isoformat()
        return {"note": {"note_id": self.name(f"B{document}"), "kind": way, "due_date": due}}

    @rule(
        payer=payers,
        document=documents,
        status=st.sampled_from(["PAID", "DISCOUNTED", "ENDORSED", "DISHONOURED"]),
        recourse=st.booleans(),
    )
    def report_bill(self, payer: str, document: str, status: str, *, recourse: bool) -> None:
        name = self.name(f"B{document}")
        self.tell("note", payer, note_id=name, status=status, recourse=recourse)

    @rule(
        payer=payers,
        document=documents,
        amount=changes,
        kind=st.sampled_from(["credit_note", "write_off"]),
        loose=st.booleans(),
    )
    def credit(self, payer: str, document: str, amount: int, kind: str, *, loose: bool) -> None:
        """Credit, or give up, what is owed on an invoice or not."""
        on = {} if loose else {"invoice_id": self.name(f"I{document}")}
        name = {f"{kind}_id": self.name(f"N{document}")}
        self.tell(kind, payer, amount=money(amount), **name, **on)

    @rule(
        payer=payers,
        order=names,
        amount=amounts,
        status=st.sampled_from(["OPEN", "OPEN", "CLOSED"]),
        repeats=st.booleans(),
    )
    def report_order(
        self, payer: str, order: str, amount: int, status: str, *, repeats: bool
    ) -> None:
        """Report an order, half the time as it is known: so a list of all that is open does."""
        root = self.model.orders.get(self.name(order))
        if repeats and root is not None and root.authorized:
            payer, amount = self.payer_of(order, payer, strays=False), root.authorized
        self.tell("order", payer, order_id=self.name(order), amount=money(amount), status=status)

    @rule(payer=payers, document=documents)
    def tell_the_past(self, payer: str, document: str) -> None:
        """Report a version that every other one is newer than."""
        name = self.name(f"D{document}")
        told = [one for one in self.model.facts if one.get("delivery_id") == name]
        if told:
            order = told[0]["order_id"]
            old = {**told[0], "version": min(one["version"] for one in told) - 1}
            if old["version"] > 0:
                fields = {"order_id": order, "amount": money(77), "version": old["version"]}
                self.tell("delivery", payer, delivery_id=name, **fields)

    @rule(payer=payers, order=names)
    def force_hold(self, payer: str, order: str) -> None:
        body = {
            "customer_id": self.name(payer),
            "order_id": self.name(order),
            "reason_code": "DISPUTE",
            "note": "call first",
        }
        told = self.done("POST", "/v1/order-holds", body)
        self.holds[order] = told["order_hold_id"]
        self.model.force_hold(self.name(payer), self.name(order))

    @precondition(lambda self: self.holds)
    @rule(
        data=st.data(),
        action=st.sampled_from(["release", "release", "release", "reject", "cancel"]),
        lets=soon,
    )
    def decide(self, data: st.DataObject, action: str, lets: timedelta | None) -> None:
        order = data.draw(st.sampled_from(sorted(self.holds)))
        root = self.model.orders[self.name(order)]
        path = f"/v1/order-holds/{self.holds[order]}/{action}"
        asked = root.hold is not None and root.hold.customer is not None
        until = self.model.at + lets if lets and asked and action == "release" else None
        end = {} if until is None else {"valid_until": until.isoformat()}
        answer = self.world.send("POST", path, {"reason_code": "OK", "note": "known", **end})
        if root.hold is None:
            self.compare(Told("hold_not_open"), answer)
        elif action == "release":
            self.compare(self.model.release_hold(self.name(order), until), answer)
        else:
            assert answer.is_success, answer.text
            self.model.end_hold(self.name(order), reject=action == "reject")

    @invariant()
    def the_books_are_the_models(self) -> None:
        with self.world.database.read() as tx:
            rows = tx.execute(FIGURES, {"names": f"{self.place}-%"}).mappings().all()
        expected = {
            name: {**use, "forced": self.model.forced(name, use)}
            for name, use in self.model.figures().items()
        }
        found = {str(row["customer_id"]): dict(row) for row in rows}
        # expired money counts in the books until it is swept out, and for nobody who is judged
        behind = set() if self.swept else {"prepayment", "forced"}
        for name, row in found.items():
            told = {what: row[what] for what in expected[name] if what not in behind}
            assert told == {what: expected[name][what] for what in told}, name

    def teardown(self) -> None:
        self.world.sweep()
        report = check_ledger(self.world.database.url)
        assert report.clean, report.difference


def test_whatever_happens_is_what_the_model_says(
    client: httpx2.Client, database: Database, clock: Clock
) -> None:
    class Here(Life):
        world = World(client, database, clock)

    terms = {"name": "main", "credit_horizon_days": HORIZON, "provisional_haircut_percent": HAIRCUT}
    assert client.put("/v1/segments/main", json=terms).is_success

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            # shrinking would outlast the test's time limit; thirty steps can be read as they are
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
