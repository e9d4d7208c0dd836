"""Locks that others hold, statements that hang, clients and backends that vanish."""

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psycopg
import pytest
from prometheus_client import REGISTRY

from app.main import create_app
from app.settings import Settings
from app.store.database import Database
from app.usecases.keys import CreateKey
from tests.faults.client_log import ClientLog
from tests.faults.clients import PATIENCE_S, Crowd, assert_exact, order, send, set_up
from tests.faults.points import Wire
from tests.server import NO_TLS, Clock, ServiceThread

BUSY_S = 4.0
"""By when one that meets a lock must have heard so: three tries of 300 ms, and some slack.

Less than the 5 s after which a statement would be ended without any heed of locks.
"""

TRIES = 6
"""So often all is asked where a busy machine stalls, which is not the service's fault."""

HANGING_S = 20.0
"""By when one whose statement hangs must have heard so: statements end after 5 s, not 60."""

VANISHED_S = 25.0
"""By when a row that a vanished client holds must be free: transactions idle for 5 s are ended."""


@pytest.fixture
def token(database: Database) -> str:
    return CreateKey(database, Clock())("tests", ["admin"])


@contextmanager
def serving(folder: Path, url: str, token: str, **more: str) -> Iterator[httpx2.Client]:
    """Serve a database and speak to the service."""
    settings = Settings.model_validate({"state_dir": folder, **more})
    with ServiceThread(create_app(settings, url, Clock())) as running:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(
            base_url=running.url, headers=headers, timeout=30, trust_env=False, verify=NO_TLS
        ) as client:
            yield client


def clocked(act: Callable[[], httpx2.Response | None]) -> tuple[int, float]:
    """Give the status of an answer and after how many seconds it came."""
    began = time.monotonic()
    told = act()
    assert told is not None
    return told.status_code, time.monotonic() - began


@pytest.mark.parametrize(
    ("table", "held"),
    [
        pytest.param("account", "customer_id = 'C-1'", id="the-hot-account"),
        pytest.param("credit_order", "order_id = 'SO-first'", id="the-order"),
    ],
)
def test_a_row_that_is_held_is_busy_soon_and_nobody_elses_trouble(
    database: Database, tmp_path: Path, token: str, table: str, held: str
) -> None:
    log, body = ClientLog(), order("first", "C-1", "20.00")
    with serving(tmp_path, database.url, token) as client:
        set_up(client, ["C-1", "C-2"])
        assert send(client, log, "before", order("first", "C-1"))
        with psycopg.connect(database.url) as holder:
            holder.execute(f"SELECT FROM {table} WHERE {held} FOR NO KEY UPDATE")
            with ThreadPoolExecutor(1) as pool:

                def told_both(turn: int) -> bool:
                    """Ask for what is held, and for something else at the same time."""
                    key = f"other-{turn}"
                    other = pool.submit(send, client, log, key, order(key, "C-2"))
                    status, seconds = clocked(lambda: send(client, log, "K", body))
                    found = other.result()
                    assert found is not None
                    return (status, seconds < BUSY_S, found.status_code) == (503, True, 201)

                assert any(map(told_both, range(TRIES)))
        assert {one.status for one in log.requests if one.key == "K"} == {503}
        again = send(client, log, "K", body)
        assert again is not None
        assert again.is_success
        assert "Idempotent-Replayed" not in again.headers
    assert_exact(database.url, log)


def test_a_statement_that_hangs_is_ended(database: Database, tmp_path: Path, token: str) -> None:
    log = ClientLog()
    with serving(tmp_path, database.url, token) as client:
        set_up(client, ["C-1", "C-2"])
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute(
                "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$"
            )
            connection.execute(
                "CREATE TRIGGER hang BEFORE INSERT ON credit_order FOR EACH ROW"
                " WHEN (NEW.order_id = 'SO-K') EXECUTE FUNCTION hang()"
            )
            status, seconds = clocked(lambda: send(client, log, "K", order("K", "C-1")))
            assert (status, seconds < HANGING_S) == (503, True), seconds
            assert send(client, log, "next", order("next", "C-1"))
            connection.execute("DROP TRIGGER hang ON credit_order")
        told = send(client, log, "K", order("K", "C-1"))
        assert told is not None
        assert told.status_code == 201
    assert {one.status for one in log.requests if one.key == "next"} == {201}
    assert_exact(database.url, log)


def test_a_vanished_service_that_holds_the_hot_row_is_ended(
    database: Database, tmp_path: Path, token: str
) -> None:
    """One process stands still between its two round trips; another one needs the account."""
    log, goes_on = ClientLog(), threading.Event()
    with (
        Wire(database.url) as wire,
        serving(tmp_path / "a", wire.address, token, prepare="off") as asleep,
        serving(tmp_path / "b", database.url, token) as client,
    ):
        set_up(client, ["C-1"])
        wire.arm("between", goes_on.wait, breaks=False)
        told: list[httpx2.Response | None] = []
        body = order("A", "C-1")
        first = threading.Thread(target=lambda: told.append(send(asleep, log, "A", body)))
        first.start()
        assert wire.reached.wait(PATIENCE_S)
        began = time.monotonic()
        status, _ = clocked(lambda: send(client, log, "B", order("B", "C-1")))
        while status == 503 and time.monotonic() - began < VANISHED_S:
            status, _ = clocked(lambda: send(client, log, "B", order("B", "C-1")))
        goes_on.set()
        assert status == 201
        assert 503 in {one.status for one in log.requests if one.key == "B"}, "nobody held it"
        first.join(PATIENCE_S)
        assert told
        again = send(client, log, "A", body)
        assert again is not None
        assert again.is_success
    assert_exact(database.url, log)


def test_backends_that_are_ended_under_load(database: Database, tmp_path: Path, token: str) -> None:
    with serving(tmp_path, database.url, token) as client:
        set_up(client, ["C-1", "C-2"], "1000000.00")
        crowd = Crowd([lambda: _like(client)] * 6, ["C-1", "C-2"], pause_s=0.002)
        with crowd.at_work(), psycopg.connect(database.url, autocommit=True) as killer:
            began, ended, answered = time.monotonic(), 0, 0
            while time.monotonic() < began + 2 or ended <= 5 or answered <= 20:
                assert time.monotonic() < began + PATIENCE_S
                found = killer.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    " ORDER BY random() LIMIT 1"
                )
                ended += found.rowcount
                answered = sum(one.acknowledged for one in [*crowd.log.requests])
                time.sleep(0.05)
        crowd.learn(client)
    assert_exact(database.url, crowd.log)


def _like(client: httpx2.Client) -> httpx2.Client:
    """Open another client like this one."""
    return httpx2.Client(
        base_url=client.base_url, headers=client.headers, timeout=30, trust_env=False, verify=NO_TLS
    )


def test_clients_that_hang_up_in_mid_request(
    database: Database, tmp_path: Path, token: str
) -> None:
    log, dice = ClientLog(), random.Random(7)
    with serving(tmp_path, database.url, token) as client:
        set_up(client, ["C-1"], "600.00")
        waiting = REGISTRY.get_sample_value("aval_lane_queue")  # of other tests of this process
        keys = [f"H-{number}" for number in range(80)]
        for key in keys:
            request = client.build_request(
                "POST",
                "/v1/authorizations",
                json=order(key, "C-1"),
                headers={"Idempotency-Key": key},
            )
            with log.sending(key):
                _hang_up(request, dice)
        told = [send(client, log, key, order(key, "C-1")) for key in keys]
        assert all(one is not None and one.is_success for one in told)
        outcomes = [one.json()["outcome"] for one in told if one is not None]
        assert outcomes.count("APPROVE") == 60
    assert REGISTRY.get_sample_value("aval_lane_queue") == waiting
    assert_exact(database.url, log)


def _hang_up(request: httpx2.Request, dice: random.Random) -> None:
    """Send a request, some of them in part, and close after up to 10 ms."""
    head = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    whole = head.encode() + b"\r\n" + request.read()
    with socket.create_connection((request.url.host, request.url.port or 80)) as connection:
        connection.sendall(whole[: dice.choice([len(whole), len(whole), len(whole) // 2])])
        time.sleep(dice.random() / 100)
