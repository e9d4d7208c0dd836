"""Several processes behind one port: one ledger, one set of figures, one beginning and one end."""

import asyncio
import http.client
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import uvloop

from app.cli.children import Child, GaveUpError, Patience, Program, child_environment, kept
from app.settings import Settings
from app.store.checker import check_ledger
from app.store.database import Database
from app.usecases.keys import CreateKey
from tests.conftest import Server
from tests.states import put_state
from tests.test_serve import (
    PATIENCE_S,
    Service,
    await_refusal,
    begin_to_ask,
    free_port,
    get,
    serve,
)

ASKS = 5
ORDER = 30
LIMIT = 1000
EACH = 6
"""Connections to each worker."""


@dataclass(frozen=True, slots=True)
class Team:
    """A service of two workers on a database of its own."""

    service: Service
    ops: int
    database_url: str
    token: str

    @property
    def port(self) -> int:
        return int(self.service.url.rpartition(":")[2])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    def pids(self) -> list[int]:
        """Give the process of each worker that opened last, by worker."""
        opened = re.findall(r'"child":"worker (\d)","pid":(\d+),"event":"child_open"', self.said())
        return [int(pid) for _, pid in sorted(dict(opened).items())]

    def said(self) -> str:
        return self.service.said()

    def metric(self, name: str, **labels: str) -> float:
        page = get(f"http://127.0.0.1:{self.ops}/metrics").text
        wanted = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        line = re.search(rf"^{name}(?:{{{wanted}}})? (\S+)$", page, re.MULTILINE)
        return float(line[1]) if line else 0.0

    def await_metric(self, name: str, value: float, **labels: str) -> None:
        """Wait until a figure is told: another process may count after it answered."""
        until = time.monotonic() + PATIENCE_S
        while (found := self.metric(name, **labels)) != value:
            assert time.monotonic() < until, f"{name} is {found}, not {value}"
            time.sleep(0.02)

    def connect(self, worker: int) -> http.client.HTTPConnection:
        """Connect to one worker: the others cannot take the connection while they stand still."""
        others = [pid for place, pid in enumerate(self.pids()) if place != worker]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
            connection.request("GET", "/livez")
            assert connection.getresponse().read() == b'{"status":"alive"}'
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)
        return connection

    def send(
        self, connection: http.client.HTTPConnection, path: str, key: str, body: object
    ) -> tuple[int, bytes]:
        """Post with a key; what is busy is asked again with the same key."""
        headers = {**self.headers, "Idempotency-Key": key}
        until = time.monotonic() + PATIENCE_S
        while True:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            told = answer.status, answer.read()
            if told[0] != 503 or time.monotonic() > until:
                return told
            time.sleep(0.05)


@contextmanager
def team(folder: Path, database_url: str) -> Iterator[Team]:
    with closing(Database(database_url)) as database:
        token = CreateKey(database, lambda: datetime.now(UTC))("tests", ["admin"])
    ops = free_port()
    given = {"AVAL_DATABASE_URL": database_url, "AVAL_OPS_PORT": str(ops)}
    with serve(folder, "--workers", "2", **given) as service:
        yield Team(service, ops, database_url, token)


@pytest.fixture(scope="module")
def both(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    name = f"aval_workers_{os.getpid()}"
    url = server.create(name, server.template)
    try:
        with team(tmp_path_factory.mktemp("both"), url) as running:
            yield running
    finally:
        server.drop(name)


def new_customer(both: Team, customer_id: str) -> None:
    with closing(both.connect(0)) as connection:
        connection.request("PUT", f"/v1/customers/{customer_id}", b'{"name": "Hot"}', both.headers)
        assert connection.getresponse().read()
        limit = {"amount": f"{LIMIT}.00", "currency": "CNY"}
        body = {"kind": "base", "limit": limit, "valid_from": "2020-01-01", "reason": "test"}
        path = f"/v1/customers/{customer_id}/limits"
        assert both.send(connection, path, f"limit {customer_id}", body)[0] == 201


def order(customer_id: str, order_id: str) -> dict[str, object]:
    return {
        "customer_id": customer_id,
        "check_point": "ORDER",
        "order": {"id": order_id},
        "amount": {"amount": f"{ORDER}.00", "currency": "CNY"},
    }


def race(runners: Sequence[Callable[[], None]]) -> None:
    """Run all at once, from a starting line; a failure of one is raised here."""
    line, failures = threading.Barrier(len(runners)), list[BaseException]()

    def run(runner: Callable[[], None]) -> None:
        line.wait(PATIENCE_S)
        try:
            runner()
        except (AssertionError, OSError, http.client.HTTPException) as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(runner,)) for runner in runners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert failures == []


def test_a_hot_account_is_never_over_its_limit(both: Team) -> None:
    new_customer(both, "HOT")
    outcomes: list[str] = []
    before = {
        outcome: both.metric("aval_decisions_total", check_point="ORDER", outcome=outcome)
        for outcome in ("APPROVE", "HOLD")
    }
    with ExitStack() as stack:
        connections = [
            stack.enter_context(closing(both.connect(place % 2))) for place in range(2 * EACH)
        ]

        def ask(place: int) -> None:
            for number in range(ASKS):
                name = f"hot {place} {number}"
                status, told = both.send(
                    connections[place], "/v1/authorizations", name, order("HOT", name)
                )
                assert status == 201, told
                outcomes.append(json.loads(told)["outcome"])

        race([lambda place=place: ask(place) for place in range(2 * EACH)])  # type: ignore[misc]
    assert outcomes.count("APPROVE") == LIMIT // ORDER
    assert outcomes.count("HOLD") == 2 * EACH * ASKS - LIMIT // ORDER
    account = get(f"{both.service.url}/v1/customers/HOT/account", both.headers).json()
    assert account["authorized"]["amount"] == f"{LIMIT // ORDER * ORDER}.00"
    report = check_ledger(both.database_url)
    assert report.clean, str(report)
    for outcome, count in before.items():
        labels = {"check_point": "ORDER", "outcome": outcome}
        both.await_metric("aval_decisions_total", count + outcomes.count(outcome), **labels)


def test_an_equal_key_has_one_answer_whoever_is_asked(both: Team) -> None:
    new_customer(both, "TWIN")
    answers: dict[str, list[tuple[int, bytes]]] = {f"twin {number}": [] for number in range(15)}
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(both.connect(place % 2))) for place in range(4)]

        def ask(place: int) -> None:
            for key, heard in answers.items():
                body = order("TWIN", f"of {key}")
                heard.append(both.send(connections[place], "/v1/authorizations", key, body))

        race([lambda place=place: ask(place) for place in range(4)])  # type: ignore[misc]
    for heard in answers.values():
        assert len(heard) == 4
        assert len({body for _, body in heard}) == 1
        assert {status for status, _ in heard} == {201}
    assert check_ledger(both.database_url).clean


def await_line(both: Team, pattern: str, count: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while len(re.findall(pattern, both.said())) < count:
        assert time.monotonic() < until, both.said()
        time.sleep(0.05)


def await_first_pass(running: Team) -> None:
    """Wait until background work, which is open before it begins, was done once."""
    until = time.monotonic() + PATIENCE_S
    while running.metric("aval_work_runs_total", loop="expire", result="done") < 1:
        assert time.monotonic() < until, running.said()
        time.sleep(0.05)


def test_a_worker_that_dies_is_replaced(both: Team) -> None:
    first, second = both.pids()
    counted = both.metric("aval_requests_total", method="GET", route="/livez", status="200")
    opened = both.said().count("child_open")
    restarts = both.metric("aval_process_restarts_total", type="api")
    os.kill(first, signal.SIGKILL)
    await_line(both, '"how":"signal 9"', 1)
    both.await_metric("aval_processes", 1, type="api")
    alive = get(f"{both.service.url}/readyz")
    assert alive.status_code == 200
    await_line(both, "child_open", opened + 1)
    assert both.pids()[0] != first
    assert both.pids()[1] == second
    both.await_metric("aval_processes", 2, type="api")
    assert get(f"{both.service.url}/readyz").status_code == 200
    assert both.metric("aval_pool_connections", state="size") <= 2 * 8  # the dead one has none
    both.await_metric("aval_process_restarts_total", restarts + 1, type="api")
    with closing(both.connect(0)):  # what the dead one counted is kept
        labels = {"method": "GET", "route": "/livez", "status": "200"}
        both.await_metric("aval_requests_total", counted + 1, **labels)


def test_both_drain_after_the_signal(tmp_path: Path, ready_state: Path) -> None:
    """On the embedded database, which goes last; a second signal changes nothing."""
    state = tmp_path / "state"
    put_state(ready_state, state)
    body = b'{"customer_id": "C-1", "check_point": "ORDER"}'
    ops = free_port()
    given = {"AVAL_STATE_DIR": str(state), "AVAL_OPS_PORT": str(ops)}
    with serve(tmp_path, "--workers", "2", **given) as service:
        token = (state / "api-key").read_text(encoding="ascii").strip()
        running = Team(service, ops, "", token)
        await_line(running, '"child":"aval work","pid":\\d+,"event":"child_open"', 1)
        assert running.metric("aval_processes", type="work") == 1
        await_first_pass(running)
        socks = [running.connect(worker).sock for worker in (0, 1)]
        for sock in socks:
            begin_to_ask(sock, token, body)
        service.process.send_signal(signal.SIGTERM)
        await_refusal(running.port)
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert service.process.poll() is None
        for sock in socks:
            sock.sendall(body[10:])
            assert sock.recv(20).startswith(b"HTTP/1.1 422")
            sock.close()
        assert service.process.wait(PATIENCE_S) == 0, service.said()
        assert "Traceback" not in service.said()
    assert not (state / "pg" / "postmaster.pid").exists()
    for pid in running.pids():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


OTHERS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def test_workers_end_with_their_parent(tmp_path: Path, database_url: str) -> None:
    with (
        team(tmp_path, database_url) as running,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        assert connection.execute(OTHERS).fetchall()
        running.service.process.kill()
        running.service.process.wait(PATIENCE_S)
        await_refusal(running.port)
        until = time.monotonic() + PATIENCE_S
        while connection.execute(OTHERS).fetchall():
            assert time.monotonic() < until
            time.sleep(0.05)


@pytest.mark.nightly  # it waits for several starts
def test_a_worker_that_cannot_start_ends_the_service(tmp_path: Path, database_url: str) -> None:
    with team(tmp_path, database_url) as running:
        with psycopg.connect(database_url) as connection:
            connection.execute("UPDATE alembic_version SET version_num = 'elsewhere'")
            connection.execute("UPDATE schema_terms SET programs_since = 'elsewhere'")
        os.kill(running.pids()[1], signal.SIGKILL)
        assert running.service.process.wait(PATIENCE_S) == 1
        last = running.said().splitlines()[-1]
        assert re.fullmatch(
            r"aval: worker 2 could not start 3 times in a row \(exit code 1\); .*", last
        )
        assert running.said().count("the database schema is at revision elsewhere") == 3
        assert "Traceback" not in running.said()


async def keep(program: Program, patience: Patience) -> None:
    """Keep a program until it is open, or given up."""
    over = asyncio.Event()
    child = Child(program, patience)
    async with kept([child], over.set):
        opening = asyncio.create_task(child.opened.wait())
        giving_up = asyncio.create_task(over.wait())
        await asyncio.wait([opening, giving_up], return_when=asyncio.FIRST_COMPLETED)
        opening.cancel()
        giving_up.cancel()


@pytest.mark.parametrize(
    "new_loop",
    [
        pytest.param(asyncio.new_event_loop, id="the-parent-of-workers"),
        pytest.param(uvloop.new_event_loop, id="one-that-answers-itself"),
    ],
)
def test_background_work_is_kept_running(
    new_loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path, database_url: str
) -> None:
    settings = Settings(state_dir=tmp_path, ops_port=free_port())
    environment = child_environment(settings, database_url, str(tmp_path))
    program = Program("work", "aval work", ["work"], environment)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(keep(program, Patience(stop_s=PATIENCE_S)))


@pytest.mark.nightly  # it waits for several starts
def test_what_never_starts_is_given_up(tmp_path: Path) -> None:
    nobody = "postgresql://127.0.0.1:1/aval"
    program = Program(
        "work", "aval work", ["work"], child_environment(Settings(), nobody, str(tmp_path))
    )
    with pytest.raises(GaveUpError) as given_up:
        asyncio.run(keep(program, Patience(stop_s=5, first_s=0.01)))
    assert str(given_up.value).startswith(
        "aval work could not start 3 times in a row (exit code 1)"
    )


@pytest.mark.parametrize(
    ("falls", "pause_s"),
    [
        pytest.param(1, 0.5, id="first"),
        pytest.param(2, 1.0, id="second"),
        pytest.param(6, 16.0, id="last-below-the-bound"),
        pytest.param(7, 30.0, id="bound-reached"),
        pytest.param(10_000, 30.0, id="for-ever"),
    ],
)
def test_pauses_are_bounded(falls: int, pause_s: float) -> None:
    assert Patience(stop_s=1).pause_s(falls) == pause_s


def test_settings_are_handed_on_as_they_are_in_force() -> None:
    """`aval run` changes some, which are in no environment."""
    settings = Settings(lanes=2).model_copy(update={"log_level": "warning"})
    handed = child_environment(settings, "postgresql://x/y", "/figures")
    ours = {name: value for name, value in handed.items() if name.startswith("AVAL_")}
    assert ours == {
        "AVAL_LANES": "2",
        "AVAL_LOG_LEVEL": "warning",
        "AVAL_DATABASE_URL": "postgresql://x/y",
    }
    assert handed["PROMETHEUS_MULTIPROC_DIR"] == "/figures"
