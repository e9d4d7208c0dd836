"""A flood of slow requests of one client: no other waits behind it to be known and answered."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.store.database import Database
from app.usecases.keys import CreateKey
from tests.erp import Erp, money
from tests.server import NO_TLS
from tests.waits import wait_for

FLOOD = 80
"""More than there are threads for, of which each waits for the lock as long as it may."""

AT_ONCE = FLOOD // 4
"""Who waits behind the flood is answered when half of it was, or not at all: no clock is needed."""

WAITING = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


Flood = list[Future[httpx2.Response]]


@pytest.fixture
def flood(client: httpx2.Client, database: Database, database_url: str) -> Iterator[Flood]:
    """Flood the service with requests for an order that somebody holds locked."""
    erp = Erp(client)
    erp.customer("C-1")
    assert erp.place(order_id="SO-1", segment="main").status_code == 201

    begun: list[None] = []

    def place() -> httpx2.Response:
        begun.append(None)
        return erp.place(order_id="SO-1", segment="main")

    def waits() -> bool:
        with database.read() as tx:
            return len(begun) == FLOOD and bool(tx.execute(WAITING).scalar_one() >= 10)

    with psycopg.connect(database_url) as holder, ThreadPoolExecutor(FLOOD) as pool:
        holder.execute("SELECT FROM credit_order FOR UPDATE")
        placing = [pool.submit(place) for _ in range(FLOOD)]
        wait_for(waits)
        yield placing
        holder.rollback()
        assert {one.result().status_code for one in placing} <= {200, 503}


@pytest.fixture
def stranger(service: str, database: Database) -> Iterator[Erp]:
    """Speak with a key that was never seen before."""
    token = CreateKey(database, lambda: datetime.now(UTC))("other", ["admin"])
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(
        base_url=service, headers=headers, timeout=30, trust_env=False, verify=NO_TLS
    ) as client:
        yield Erp(client)


def test_who_waits_to_have_holds_judged_takes_nobodys_thread(
    app: FastAPI, client: httpx2.Client, stranger: Erp
) -> None:
    """Holds are judged by one at a time: the others wait for it, up to ten seconds each."""
    erp, desk = Erp(client), app.state.desk
    erp.customer("C-1")
    erp.held("SO-1", "150.00")
    begun: list[None] = []

    def again() -> httpx2.Response:
        begun.append(None)
        return erp.post("/v1/order-holds/re-evaluate", {})

    with ThreadPoolExecutor(FLOOD) as pool:
        with desk.orders.reevaluate_holds.judge.turn:  # as if another's were judged for long
            asking = [pool.submit(again) for _ in range(FLOOD)]
            wait_for(lambda: len(begun) == FLOOD)
            time.sleep(2.0)  # until they have gone as far as they can
            listed = partial(stranger.client.get, "/v1/order-holds", params={"limit": 1})
            status, behind = overtaken(asking, listed)
        assert {one.result().status_code for one in asking} <= {200, 503}
    assert (status, behind < AT_ONCE) == (200, True), behind


def overtaken(flood: Flood, act: Callable[[], httpx2.Response]) -> tuple[int, int]:
    """Give an answer's status, and how many of the flood were answered meanwhile."""
    before = sum(one.done() for one in flood)
    return act().status_code, sum(one.done() for one in flood) - before


def test_a_flood_keeps_no_other_client_waiting(flood: Flood, stranger: Erp) -> None:
    asked = {"customer_id": "C-1", "check_point": "ORDER", "amount": money("1.00")}
    body = {**asked, "order": {"id": "SO-2"}}
    status, behind = overtaken(flood, lambda: stranger.client.post("/v1/limit-checks", json=body))
    assert (status, behind < AT_ONCE) == (200, True), behind


def test_a_flood_does_not_end_readiness(flood: Flood, stranger: Erp) -> None:
    status, behind = overtaken(flood, lambda: stranger.client.get("/readyz"))
    assert (status, behind < AT_ONCE) == (200, True), behind


def test_a_flood_keeps_no_lane_from_having_an_account_made(
    stranger: Erp, database: Database, request: pytest.FixtureRequest
) -> None:
    """What a lane waits for all wait for whose orders are in it."""
    with database.begin() as tx:
        tx.execute(text("INSERT INTO segment (segment_id, name, mode) VALUES ('n', 'n', 'SHADOW')"))
    flood = request.getfixturevalue("flood")
    asked = {"customer_id": "C-1", "segment": "n", "check_point": "ORDER", "amount": money("1.00")}
    body = {**asked, "order": {"id": "SO-2"}}
    status, behind = overtaken(flood, lambda: stranger.post("/v1/authorizations", body))
    assert (status, behind < AT_ONCE) == (201, True), behind
