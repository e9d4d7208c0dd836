"""An ERP that speaks to the service: asks, holds, releases; and what must be true at any time."""

import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2
from sqlalchemy import text

from app.store.database import Database


def money(amount: str, currency: str = "CNY") -> dict[str, str]:
    """Write an amount as the wire does."""
    return {"amount": amount, "currency": currency}


@dataclass(frozen=True)
class Erp:
    """Every question has a key of its own unless `key` is given."""

    client: httpx2.Client

    def post(self, path: str, body: object = None, key: str | None = None) -> httpx2.Response:
        """Post under a key; without a body nothing is sent at all."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        if body is None:
            return self.client.post(path, headers=headers)
        return self.client.post(path, json=body, headers=headers)

    def customer(self, customer_id: str, limit: str | None = "100.00", **fields: object) -> None:
        """Put a customer with a base limit in CNY; None: without one."""
        put = self.client.put(f"/v1/customers/{customer_id}", json={"name": customer_id, **fields})
        assert put.status_code == 201, put.text
        if limit is not None:
            body = {"kind": "base", "limit": money(limit)}
            answer = self.post(f"/v1/customers/{customer_id}/limits", body)
            assert answer.status_code == 201, answer.text

    def ask(self, order_id: str, amount: str, **more: object) -> dict[str, Any]:
        """Ask for an authorization, of C-1 and in CNY unless the fields say otherwise."""
        asked = money(amount, str(more.pop("currency", "CNY")))
        order = {"id": order_id} | ({"version": more.pop("version")} if "version" in more else {})
        body = {"customer_id": "C-1", "check_point": "ORDER", "amount": asked}
        answer = self.post("/v1/authorizations", {**body, "order": order, **more})
        assert answer.status_code in {200, 201}, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def held(self, order_id: str, amount: str, **more: object) -> str:
        """Ask for more than there is, and give the hold's id."""
        told = self.ask(order_id, amount, **more)
        assert told["outcome"] == "HOLD", told
        return str(told["order_hold_id"])

    def place(self, **fields: object) -> httpx2.Response:
        """Place a forced hold on an order of C-1, or a stop."""
        body = {"customer_id": "C-1", "reason_code": "DISPUTE", "note": "call first", **fields}
        return self.post("/v1/order-holds", body)

    def decide(
        self, hold_id: str, action: str, key: str | None = None, **fields: object
    ) -> httpx2.Response:
        """Release, reject or cancel a hold."""
        body = {"reason_code": "OK", **fields}
        return self.post(f"/v1/order-holds/{hold_id}/{action}", body, key)

    def hold(self, hold_id: str) -> dict[str, Any]:
        """Read a hold with its history."""
        told: dict[str, Any] = self.client.get(f"/v1/order-holds/{hold_id}").json()
        return told

    def account(self, customer_id: str = "C-1", segment: str = "main") -> dict[str, Any]:
        """Read a customer's figures in a segment."""
        path = f"/v1/customers/{customer_id}/account"
        told: dict[str, Any] = self.client.get(path, params={"segment": segment}).json()
        return told

    def authorized(self, customer_id: str = "C-1") -> str:
        """Give what is reserved on a customer's account in `main`."""
        return str(self.account(customer_id)["authorized"]["amount"])


def refused(answer: httpx2.Response, status: int, code: str, field: str | None = None) -> None:
    """Insist on a problem; `field` is the only one it names."""
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    if field is not None:
        assert [one["field"] for one in problem["errors"]] == [field], problem


def together(*acts: Callable[[], httpx2.Response]) -> list[httpx2.Response]:
    """Let all begin at once, each in its own thread."""
    line = threading.Barrier(len(acts))

    def go(act: Callable[[], httpx2.Response]) -> httpx2.Response:
        line.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(go, acts))


_DRIFT = text("""
SELECT a.customer_id, a.authorized_minor, sums.reserved, j.authorized_minor AS journalled, a.seq
FROM account a
CROSS JOIN LATERAL (
    SELECT coalesce(sum(o.reserved_minor), 0) AS reserved
    FROM credit_order o JOIN account b ON b.account_id = o.account_id
    WHERE a.account_id = any(b.path)) AS sums
LEFT JOIN journal j ON j.account_id = a.account_id AND j.seq = a.seq
WHERE a.authorized_minor <> sums.reserved
    OR (a.seq > 0 AND j.authorized_minor IS DISTINCT FROM a.authorized_minor)
    OR (SELECT count(*) FROM journal k WHERE k.account_id = a.account_id) <> a.seq
""")
_ASTRAY = text("""
SELECT h.hold_id, h.status, o.order_id FROM order_hold h
FULL JOIN credit_order o ON o.hold_id = h.hold_id
WHERE h.kind IS DISTINCT FROM 'STOP'
    AND (o.hold_id IS NOT NULL OR h.hold_id IS NOT NULL)
    AND ((h.status = 'OPEN') IS DISTINCT FROM (o.hold_id IS NOT NULL)
        OR h.kind IS DISTINCT FROM o.hold_kind AND h.status = 'OPEN')
""")


def assert_exact(database: Database) -> None:
    """Accounts (all in one currency) hold what their orders reserve; open holds are orders'."""
    with database.begin() as tx:
        drift: Sequence[object] = tx.execute(_DRIFT).all()
        astray: Sequence[object] = tx.execute(_ASTRAY).all()
    assert (drift, astray) == ([], [])
