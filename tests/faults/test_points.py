"""kill -9 at the named points of a decision: it happened or it did not, and its key tells which."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx2
import psycopg
import pytest

from app.main import create_app
from app.settings import Settings
from app.store.checker import check_ledger
from app.store.database import Database
from app.store.embedded import start_embedded
from app.usecases.keys import CreateKey
from tests.faults.client_log import ClientLog
from tests.faults.points import Point, Wire
from tests.faults.service import PATIENCE_S, served
from tests.server import NO_TLS, Clock, ServiceThread
from tests.states import put_state

POINTS: list[tuple[Point, bool]] = [
    ("between", False),
    ("before-commit", False),
    ("after-commit", True),
]
"""The points, and whether what was asked has happened."""

UNPREPARED = {"AVAL_PREPARE": "off"}


def money(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "CNY"}


def set_up(client: httpx2.Client) -> None:
    """Make a customer with room for ten orders of 10.00."""
    assert client.put("/v1/customers/C-1", json={"name": "C-1"}).is_success
    body = {"kind": "base", "limit": money("100.00"), "valid_from": "2020-01-01", "reason": "t"}
    headers = {"Idempotency-Key": "limit"}
    assert client.post("/v1/customers/C-1/limits", json=body, headers=headers).is_success


def ask(client: httpx2.Client, log: ClientLog, key: str) -> httpx2.Response | None:
    """Ask for an order of 10.00; None where the connection broke."""
    body = {
        "customer_id": "C-1",
        "check_point": "ORDER",
        "order": {"id": f"SO-{key}"},
        "amount": money("10.00"),
    }
    with log.sending(key) as answered:
        try:
            told = client.post("/v1/authorizations", json=body, headers={"Idempotency-Key": key})
        except httpx2.TransportError:
            return None
        answered(told.status_code, told.content)
        return told


def is_decided(url: str, key: str) -> bool:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT FROM request_key WHERE key = %s", (key,))
        return found.rowcount == 1


def converges(client: httpx2.Client, log: ClientLog, key: str, *, happened: bool) -> None:
    """Ask again until there is an answer, and once more: it is the same."""
    first, second = ask(client, log, key), ask(client, log, key)
    assert first is not None
    assert second is not None
    assert first.is_success, first.text
    assert (first.headers.get("Idempotent-Replayed") == "true") == happened
    assert second.headers["Idempotent-Replayed"] == "true"
    assert first.content == second.content


def exact(url: str, log: ClientLog) -> None:
    report = check_ledger(url)
    assert report.clean, str(report)
    assert log.difference(url) is None


def token_of(database: Database) -> str:
    return CreateKey(database, Clock())("tests", ["admin"])


@pytest.mark.parametrize(("point", "happened"), POINTS)
def test_the_service_is_killed(
    database: Database, tmp_path: Path, point: Point, *, happened: bool
) -> None:
    log, token = ClientLog(), token_of(database)
    with Wire(database.url) as wire:
        given = {**UNPREPARED, "AVAL_DATABASE_URL": wire.address}
        with served(tmp_path / "state", token, given) as service, service.client() as client:
            set_up(client)
            assert ask(client, log, "before")
            wire.arm(point, service.process.kill)
            assert ask(client, log, "K-1") is None
            assert wire.reached.wait(PATIENCE_S)
            service.process.wait(PATIENCE_S)
    assert is_decided(database.url, "K-1") == happened
    app = create_app(Settings(state_dir=tmp_path), database.url, Clock())
    with ServiceThread(app) as running:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(
            base_url=running.url, headers=headers, timeout=30, trust_env=False, verify=NO_TLS
        ) as client:
            converges(client, log, "K-1", happened=happened)
            assert ask(client, log, "after")
    exact(database.url, log)


@pytest.fixture
def state(tmp_path: Path, ready_state: Path) -> Path:
    """Make a state directory with a database at the newest schema."""
    put_state(ready_state, tmp_path / "state")
    return tmp_path / "state"


def run_on_a_database(
    folder: Path, options: dict[str, str], act: Callable[[str, Callable[[], None]], None]
) -> None:
    """Let a block work with the PostgreSQL of `folder`, which it can kill and which comes back.

    The block gets the address and what kills the first process; what it leaves is recovered.
    """
    with start_embedded(folder, options=options) as server:
        act(server.url, lambda: os.kill(server.pid, signal.SIGKILL))


@pytest.mark.parametrize(("point", "happened"), POINTS)
def test_the_database_is_killed(state: Path, point: Point, *, happened: bool) -> None:
    log = ClientLog()

    def until_it_dies(url: str, kill: Callable[[], None]) -> None:
        with Wire(url) as wire:
            settings = Settings(state_dir=state.parent, prepare="off")
            app = create_app(settings, wire.address, Clock())
            with ServiceThread(app) as running, client_of(running.url, url) as client:
                set_up(client)
                assert ask(client, log, "before")
                wire.arm(point, kill)
                told = ask(client, log, "K-1")
                assert told is not None
                assert told.status_code == 503, told.text
                assert wire.reached.is_set()

    run_on_a_database(state, {}, until_it_dies)
    with start_embedded(state) as server:
        assert is_decided(server.url, "K-1") == happened
        app = create_app(Settings(state_dir=state.parent), server.url, Clock())
        with ServiceThread(app) as running, client_of(running.url, server.url) as client:
            converges(client, log, "K-1", happened=happened)
        exact(server.url, log)


def client_of(service: str, url: str) -> httpx2.Client:
    """Speak to a service with a key of its database, always of the same client."""
    database = Database(url)
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM api_key")
    headers = {"Authorization": f"Bearer {token_of(database)}"}
    database.close()
    return httpx2.Client(
        base_url=service, headers=headers, timeout=20, trust_env=False, verify=NO_TLS
    )


def test_without_durable_commits_the_client_log_sees_the_loss(state: Path) -> None:
    """The control: with asynchronous commit a kill takes back what was acknowledged."""
    log = ClientLog()

    def until_it_dies(url: str, kill: Callable[[], None]) -> None:
        app = create_app(Settings(state_dir=state.parent), url, Clock())
        with ServiceThread(app) as running, client_of(running.url, url) as client:
            set_up(client)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("CHECKPOINT")
            told = ask(client, log, "K-1")
            assert told is not None
            assert told.is_success
            kill()

    loose = {"synchronous_commit": "off", "wal_writer_delay": "10s"}
    run_on_a_database(state, loose, until_it_dies)
    with start_embedded(state) as server:
        assert log.difference(server.url) == "key K-1: acknowledged, and there is no such decision"
