"""More than one process on one database: no overshoot, no deadlock; and what it takes to see one.

The controls take one thing away each: the judgement's heed of the limit, the guards below it, the
order of locks. Then the checker, or PostgreSQL, must say so.
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from app.domain.rules import read_rule_set
from app.domain.rules_standard import STANDARD
from app.store import lane_sql
from app.store.checker import check_ledger
from app.store.database import Database
from app.usecases.asks import Answer
from app.usecases.authorizations import AuthorizeOrders
from app.usecases.keys import CreateKey
from app.usecases.lanes import BatchingLane
from tests.faults.clients import Crowd, assert_exact, set_up
from tests.faults.service import Service, served
from tests.server import Clock
from tests.usecases.counter import NOW, Counter
from tests.usecases.test_authorizations_guards import heedless
from tests.waits import wait_for

LOAD_S = 1.5
ROOM = 40


def test_two_services_share_a_limit(database: Database, tmp_path: Path) -> None:
    token = CreateKey(database, Clock())("tests", ["admin"])
    given = {"AVAL_DATABASE_URL": database.url}
    with ExitStack() as stack:
        services: list[Service] = [
            stack.enter_context(served(tmp_path / f"state{place}", token, given))
            for place in range(2)
        ]
        with services[0].client() as client:
            set_up(client, ["C-1", "C-2"], f"{ROOM * 10}.00")
        clients = [services[place % 2].client for place in range(6)]
        crowd = Crowd(clients, ["C-1", "C-2"], pause_s=0.002)
        with services[1].client() as client:
            with crowd.at_work():
                time.sleep(LOAD_S)
                wait_for(lambda: _answered(crowd) > 2 * ROOM and _is_used_up(client), 60)
            crowd.learn(client)
            assert _approved(client) == {"C-1": f"{ROOM * 10}.00", "C-2": f"{ROOM * 10}.00"}
    assert_exact(database.url, crowd.log)


def _answered(crowd: Crowd) -> int:
    return sum(one.acknowledged for one in [*crowd.log.requests])


def _is_used_up(client: httpx2.Client) -> bool:
    """Tell whether both have all they may, or more: what is too much is seen later."""
    return min(float(amount) for amount in _approved(client).values()) >= ROOM * 10


def _approved(client: httpx2.Client) -> dict[str, str]:
    found = {}
    for name in ("C-1", "C-2"):
        told = client.get(f"/v1/customers/{name}/account").json()
        found[name] = told["authorized"]["amount"]
    return found


@pytest.fixture
def desk(database: Database) -> Counter:
    desk = Counter.open(database)
    desk.add("C-1", 100_00)
    return desk


def test_without_any_guard_the_checker_sees_the_overshoot(desk: Counter) -> None:
    desk.rows("ALTER TABLE account DROP CONSTRAINT account_never_over_check")
    told = heedless(desk, "60.00", "60.00", guarded=False)
    assert all(isinstance(one, Answer) for one in told), told
    found = check_ledger(desk.database.url).difference
    assert found is not None
    assert "(AUTHORIZE): expected a use of at most 10000 minor units (the limit)" in found


def test_a_judge_of_another_policy_is_seen(desk: Counter) -> None:
    """It tolerates what the rule set that it names does not."""
    lax = replace(read_rule_set(1, STANDARD), tolerance_percent=Decimal(10_000))
    asks = [desk.order(desk.question(f"SO-{place}", "60.00")) for place in range(2)]

    async def ask() -> None:
        judge = AuthorizeOrders(lambda: NOW, desk.new_id, {1: lax})
        (honest,) = desk.lanes().authorizations
        lane = BatchingLane(honest.lane, judge, lambda *_: None)
        await lane.start()
        try:
            await asyncio.gather(*map(lane.ask, asks))
        finally:
            await lane.stop()

    asyncio.run(ask())
    found = check_ledger(desk.database.url).difference
    assert found is not None
    assert "(TOLERANCE): expected a use of at most 10000 minor units, found 12000" in found


def _rounds(url: str, statements: Sequence[str], line: threading.Barrier) -> Iterator[str]:
    """Lock the accounts of a segment again and again; give what went wrong."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET deadlock_timeout = '20ms'")
        line.wait()
        for turn in range(60):
            try:
                with connection.transaction():
                    for statement in statements[turn % len(statements) :: len(statements)]:
                        connection.execute("SELECT pg_sleep(0.001)")
                        for account in statement.split():
                            query = "SELECT FROM account WHERE customer_id = %s FOR NO KEY UPDATE"
                            connection.execute(query, (account,))
            except psycopg.errors.DeadlockDetected as error:
                yield type(error).__name__


def deadlocks(url: str, *orders: Sequence[str]) -> int:
    """Let one session an order take its locks at the same time as the others; count deadlocks."""
    line, found = threading.Barrier(len(orders)), list[str]()
    threads = [
        threading.Thread(target=lambda one=one: found.extend(_rounds(url, one, line)))
        for one in orders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return len(found)


def test_locks_in_one_order_never_deadlock_and_shuffled_ones_do(desk: Counter) -> None:
    for number in range(2, 5):
        desk.add(f"C-{number}", 100_00)
    up = "C-1 C-2 C-3 C-4"
    down = "C-4 C-3 C-2 C-1"
    assert deadlocks(desk.database.url, [up], [up], [up]) == 0
    assert deadlocks(desk.database.url, [up, down], [down, up], [up, down]) > 0


def test_lanes_lock_in_one_order(desk: Counter) -> None:
    """Every lane takes orders, then accounts by id, whatever order the questions came in."""
    assert lane_sql.LOCK_ACCOUNTS.endswith("ORDER BY a.account_id\nFOR NO KEY UPDATE OF a")
    for number in range(2, 7):
        desk.add(f"C-{number}", 100_000_00)
    dice = list(range(1, 7))
    asks: list[Any] = []
    for turn in range(40):
        dice = dice[turn % 5 :] + dice[: turn % 5]
        asks += [
            desk.order(desk.question(f"SO-{turn}-{one}", "1.00", customer_id=f"C-{one}"))
            for one in dice
        ]
    desk.ask(*asks, lanes=4)
    (row,) = desk.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert row["deadlocks"] == 0
    desk.exact()
