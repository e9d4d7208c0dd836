"""kill -9 under load: of the service, of its database, of both. Nothing acknowledged is lost."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psycopg
import pytest

from app.store.checker import check_ledger
from app.store.embedded import running_url, start_embedded
from tests.faults.service import PATIENCE_S, Service, served
from tests.states import put_state
from tests.waits import wait_for

CLIENTS = 8
CUSTOMERS = 4
LOAD_S = 0.5


@dataclass
class Load:
    """Clients that authorize without a pause and keep what was acknowledged."""

    acknowledged: dict[str, bytes] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def ask(self, client: httpx2.Client, key: str) -> httpx2.Response:
        number = int(key.split("-")[1])
        body = {
            "customer_id": f"C-{number % CUSTOMERS}",
            "check_point": "ORDER",
            "order": {"id": f"SO-{key}"},
            "amount": {"amount": "10.00", "currency": "CNY"},
        }
        return client.post("/v1/authorizations", json=body, headers={"Idempotency-Key": key})

    def drive(self, service: Service, place: int, line: threading.Barrier) -> None:
        """Ask until the service dies or the load is over."""
        with service.client() as client:
            line.wait()
            number = place
            while not self.over.is_set():
                key = f"K-{number}"
                number += CLIENTS
                try:
                    answer = self.ask(client, key)
                except httpx2.TransportError:
                    self.unknown.append(key)
                    return
                if answer.is_success:
                    self.acknowledged[key] = answer.content
                else:
                    assert answer.status_code == 503, answer.text
                    self.unknown.append(key)


def set_up(service: Service) -> None:
    with service.client() as client:
        for number in range(CUSTOMERS):
            path = f"/v1/customers/C-{number}"
            assert client.put(path, json={"name": f"Customer {number}"}).is_success
            limit = {"amount": "5000.00", "currency": "CNY"}
            body = {"kind": "base", "limit": limit, "valid_from": "2020-01-01", "reason": "test"}
            key = {"Idempotency-Key": f"limit {number}"}
            assert client.post(f"{path}/limits", json=body, headers=key).is_success


def kill_service(service: Service) -> None:
    service.kill()


def kill_database(service: Service) -> None:
    service.kill_database()


def kill_both(service: Service) -> None:
    service.process.kill()
    service.kill_database()
    service.process.wait(PATIENCE_S)


@pytest.mark.parametrize(
    "kill",
    [
        pytest.param(kill_service, marks=pytest.mark.nightly),
        pytest.param(kill_database, marks=pytest.mark.nightly),
        kill_both,
    ],
)
def test_nothing_acknowledged_is_lost(
    tmp_path: Path, ready_state: Path, kill: Callable[[Service], None]
) -> None:
    state = tmp_path / "state"
    put_state(ready_state, state)
    load = Load()
    with ExitStack() as stack:
        service = stack.enter_context(served(state))
        set_up(service)
        line = threading.Barrier(CLIENTS + 1)
        threads = [
            threading.Thread(target=load.drive, args=(service, place, line))
            for place in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        line.wait()
        time.sleep(LOAD_S)
        wait_for(lambda: load.acknowledged, PATIENCE_S)
        kill(service)
        load.over.set()
        for thread in threads:
            thread.join(PATIENCE_S)
    with served(state) as service, service.client() as client:
        for key, body in load.acknowledged.items():
            again = load.ask(client, key)
            assert again.content == body, f"{key} was acknowledged and is not what it was"
            assert again.headers["Idempotent-Replayed"] == "true"
        for key in load.unknown:
            first, second = load.ask(client, key), load.ask(client, key)
            assert first.content == second.content
        url = running_url(state)
        assert url is not None
        report = check_ledger(url)
    assert report.clean, str(report)


def test_a_database_without_durability_is_caught(tmp_path: Path, ready_state: Path) -> None:
    """The control: with asynchronous commit an acknowledged write is gone, and that is seen."""
    state = tmp_path / "state"
    put_state(ready_state, state)
    slow = {"synchronous_commit": "off", "wal_writer_delay": "10s"}
    with (
        start_embedded(state, options=slow) as server,
        psycopg.connect(server.url, autocommit=True) as connection,
    ):
        connection.execute("CREATE TABLE acknowledged (one integer)")
        connection.execute("CHECKPOINT")
        connection.execute("INSERT INTO acknowledged VALUES (1)")
        os.kill(server.pid, signal.SIGKILL)
    with start_embedded(state) as server, psycopg.connect(server.url) as connection:
        found = connection.execute("SELECT count(*) FROM acknowledged").fetchone()
    assert found == (0,)
