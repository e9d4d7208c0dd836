"""A service that the tests of a file share, each with customers and orders of its own."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import text

from app.main import create_app
from app.settings import Settings
from app.store.database import Database
from app.store.holds_lane import HoldLane
from app.store.ids import IdSource
from app.usecases.catch_up import catch_up_on
from app.usecases.holds_judge import HoldsJudge
from app.usecases.holds_release import ReleaseCleared
from app.usecases.keys import CreateKey
from tests.conftest import Server
from tests.erp import Erp, money
from tests.server import NO_TLS, Clock, ServiceThread

LIST = "/v1/order-holds"
_numbers = count(1)


@dataclass(frozen=True)
class Own(Erp):
    """An ERP whose names are its own: `C-1` and `SO-1` of one test are not those of another."""

    prefix: str

    def name(self, told: object) -> str:
        """Write a name as the service has it."""
        return f"{self.prefix}.{told}"

    def customer(self, customer_id: str, limit: str | None = "100.00", **fields: object) -> None:
        """Put a customer of this test's."""
        if fields.get("parent_id"):
            fields["parent_id"] = self.name(fields["parent_id"])
        super().customer(self.name(customer_id), limit, **fields)

    def ask(self, order_id: str, amount: str, **more: object) -> dict[str, Any]:
        """Ask for an order of this test's."""
        payer = self.name(more.pop("customer_id", "C-1"))
        return super().ask(self.name(order_id), amount, **{**more, "customer_id": payer})

    def held(self, order_id: str, amount: str, **more: object) -> str:
        """Ask for more than there is, and give the hold's id."""
        told = self.ask(order_id, amount, **more)
        assert told["outcome"] == "HOLD", told
        return str(told["order_hold_id"])

    def place_hold(self, order_id: str | None = None, **fields: object) -> str:
        """Place a forced hold, or without an order a stop; give its id."""
        named = {} if order_id is None else {"order_id": self.name(order_id)}
        payer = self.name(fields.pop("customer_id", "C-1"))
        answer = self.place(customer_id=payer, **named, **fields)
        assert answer.status_code in {200, 201}, answer.text
        return str(answer.json()["order_hold_id"])

    def limit(self, amount: str, customer_id: str = "C-1", **more: object) -> None:
        """Put another limit in force."""
        body = {"kind": "base", "limit": money(amount), **more}
        path = f"/v1/customers/{self.name(customer_id)}/limits"
        answer = self.post(path, body)
        assert answer.status_code == 201, answer.text

    def put(self, customer_id: str = "C-1", **fields: object) -> None:
        """Put a customer's master data anew."""
        if fields.get("parent_id"):
            fields["parent_id"] = self.name(fields["parent_id"])
        body = {"name": customer_id, **fields}
        answer = self.client.put(f"/v1/customers/{self.name(customer_id)}", json=body)
        assert answer.is_success, answer.text

    def fact(self, kind: str, **fields: Any) -> None:  # noqa: ANN401 - fields of an event
        """Report a fact that is applied."""
        head = {"source": "erp", "event_id": str(IdSource()()), "type": kind, "segment": "main"}
        when = {"occurred_at": "2026-06-15T04:00:00Z", "version": 1}
        event = {**head, **when, "customer_id": self.name("C-1"), **fields}
        answer = self.client.post("/v1/ledger-events", json={"events": [event]})
        assert [one["result"] for one in answer.json()["results"]] == ["applied"], answer.text

    def account(self, customer_id: str = "C-1", segment: str = "main") -> dict[str, Any]:
        """Read the figures of a customer of this test's."""
        return super().account(self.name(customer_id), segment)

    def statuses(self, *hold_ids: str) -> list[str]:
        """Read how holds stand."""
        return [str(self.hold(one)["status"]) for one in hold_ids]


@dataclass(frozen=True)
class Town:
    """A service with its database and clock; `speak` makes clients of certain scopes."""

    url: str
    database: Database
    clock: Clock
    admin: httpx2.Client
    closing: ExitStack

    def own(self) -> Own:
        """Give a test names of its own, with a customer C-1 whose limit is 100 CNY."""
        erp = Own(self.admin, f"T{next(_numbers)}")
        erp.customer("C-1")
        return erp

    def speak(self, erp: Own, name: str, *scopes: str, segments: tuple[str, ...] = ()) -> Own:
        """Make a client of this name with a key of these scopes, in the test's own names."""
        make = CreateKey(self.database, lambda: datetime.now(UTC))
        token = make(erp.name(name), scopes or ("hold:read", "hold:release"), segments)
        headers = {"Authorization": f"Bearer {token}", "Aval-Actor": f"E-{name}"}
        client = httpx2.Client(
            base_url=self.url, headers=headers, timeout=20, trust_env=False, verify=NO_TLS
        )
        return Own(self.closing.enter_context(client), erp.prefix)

    def releasing(self, most: int = 100) -> ReleaseCleared:
        """Make the loop that judges holds again, on the town's clock."""
        catch_up = catch_up_on(self.database, most)
        judge = HoldsJudge(lambda: HoldLane(self.database.url), IdSource(), catch_up)
        return ReleaseCleared(self.database, judge, most, lambda _: self.clock())

    def run(self) -> int:
        """Do whole passes until one releases nothing; give how many were released."""
        release, released = self.releasing(), 0
        while items := whole_pass(release):
            released += items
        return released

    def query(self, statement: str, **values: object) -> Any:  # noqa: ANN401 - any one value
        """Read one value."""
        with self.database.read() as tx:
            return tx.execute(text(statement), values).scalar_one()


def whole_pass(release: ReleaseCleared) -> int:
    """Do portion after portion; give how many holds were released."""
    portion = release()
    items = portion.items
    while portion.after is not None:
        portion = release(portion.after)
        items += portion.items
    return items


@contextmanager
def open_town(server: Server, folder: Path) -> Iterator[Town]:
    """Serve a fresh database while the block lasts."""
    name = f"aval_holders_{os.getpid()}_{next(_numbers)}"
    clock = Clock()
    url = server.create(name, server.template)
    try:
        app = create_app(Settings(state_dir=folder), url, clock)
        with ServiceThread(app) as running, closing(Database(url)) as database, ExitStack() as ends:
            token = CreateKey(database, lambda: datetime.now(UTC))("admin", ["admin"])
            headers = {"Authorization": f"Bearer {token}"}
            admin = httpx2.Client(
                base_url=running.url, headers=headers, timeout=20, trust_env=False, verify=NO_TLS
            )
            yield Town(running.url, database, clock, ends.enter_context(admin), ends)
    finally:
        server.drop(name)
