"""The faults, each a function of the ground; it may last a moment, and what it broke comes back."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
import psycopg

from app.store.embedded import EmbeddedPostgres, start_embedded
from tests.faults.clients import order
from tests.faults.points import Point, Wire
from tests.faults.service import PATIENCE_S, Service, await_ready, end, start, start_work, stop
from tests.torture.load import SHARED

UNPREPARED: Final = {"AVAL_PREPARE": "off"}


@dataclass
class Ground:
    """Two services on one PostgreSQL, and background work beside them.

    The first service reaches it through a wire, the others directly.
    """

    folder: Path
    wire: Wire
    token: str
    database: EmbeddedPostgres
    dice: random.Random
    services: list[Service]
    work: subprocess.Popen[bytes] | None = None

    def address(self, place: int) -> str:
        """Where a service finds the database."""
        return self.wire.address if place == 0 else self.database.url

    def start(self, place: int) -> None:
        """Start a service, and wait until it is ready; the one before has ended."""
        settings = {**UNPREPARED, "AVAL_DATABASE_URL": self.address(place)}
        service = start(self.folder / f"state{place}", self.token, settings)
        self.services[place : place + 1] = [service]
        await_ready(service)

    def begin_work(self) -> None:
        """Start background work; the one before has ended."""
        self.work = start_work(self.folder / "work", self.database.url)

    def revive(self) -> None:
        """Bring back whatever has ended."""
        self.wire.flowing.set()
        if not self.database.alive():
            self.database.stop()
            self.database = start_embedded(self.folder / "database")
        for place, service in enumerate(self.services):
            if service.process.poll() is not None:
                self.start(place)
        if self.work is None or self.work.poll() is not None:
            self.begin_work()


Fault = Callable[[Ground], None]


def await_database(url: str) -> None:
    """Wait until the database has recovered from what was done to it."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert time.monotonic() < until, "the database never came back"
            time.sleep(0.05)
        else:
            return


def kill_service(ground: Ground) -> None:
    """Kill one of the services."""
    ground.dice.choice(ground.services).kill()


def kill_database(ground: Ground) -> None:
    """Kill PostgreSQL."""
    _kill(ground.database)
    time.sleep(0.1)


def kill_all(ground: Ground) -> None:
    """Kill everything at once, as a power cut does."""
    _kill(ground.database)
    for service in ground.services:
        service.kill()
    kill_work(ground)


def kill_work(ground: Ground) -> None:
    """Kill background work: whatever it was at is left to the next."""
    if ground.work is not None:
        ground.work.kill()
        ground.work.wait(PATIENCE_S)


def _kill(database: EmbeddedPostgres) -> None:
    """Kill PostgreSQL and wait for its end: what still ends looks alive, and is not revived."""
    os.kill(database.pid, signal.SIGKILL)
    until = time.monotonic() + PATIENCE_S
    while database.alive() and time.monotonic() < until:
        time.sleep(0.005)


def kill_at_a_point(ground: Ground) -> None:
    """Kill the first service, or PostgreSQL, at a named point of a decision."""
    points: tuple[Point, ...] = ("between", "before-commit", "after-commit")
    victim: Callable[[], object] = ground.services[0].process.kill
    if ground.dice.random() < 0.5:
        pid = ground.database.pid
        victim = lambda: os.kill(pid, signal.SIGKILL)  # noqa: E731 - as short as the other
    ground.wire.arm(ground.dice.choice(points), victim)
    ground.wire.reached.wait(5)
    ground.wire.disarm()
    time.sleep(0.2)


def restart_service(ground: Ground) -> None:
    """Stop a service as a deployment does."""
    stop(ground.dice.choice(ground.services))


def freeze_service(ground: Ground) -> None:
    """Let a service stand still for a moment, with whatever it has locked."""
    process = ground.dice.choice(ground.services).process
    process.send_signal(signal.SIGSTOP)
    time.sleep(ground.dice.choice((0.2, 1.0, 7.0)))
    process.send_signal(signal.SIGCONT)


def cut_the_wire(ground: Ground) -> None:
    """Break every connection of the first service, and refuse new ones for a moment."""
    ground.wire.down = True
    ground.wire.cut()
    time.sleep(ground.dice.random())
    ground.wire.down = False


def stall_the_wire(ground: Ground) -> None:
    """Let nothing through for a moment, in either direction."""
    ground.wire.flowing.clear()
    time.sleep(ground.dice.choice((0.3, 2.0, 7.0)))
    ground.wire.flowing.set()


def end_backends(ground: Ground) -> None:
    """End some of PostgreSQL's sessions."""
    with psycopg.connect(ground.database.url, autocommit=True) as connection:
        for _ in range(ground.dice.randrange(1, 6)):
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                " current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 2"
            )
            time.sleep(0.05)


def cancel_statements(ground: Ground) -> None:
    """Cancel whatever is under way, a few times, as time-outs of statements do."""
    with psycopg.connect(ground.database.url, autocommit=True) as connection:
        for _ in range(ground.dice.randrange(5, 40)):
            connection.execute(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname ="
                " current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
            )
            time.sleep(0.02)


def hold_a_row(ground: Ground) -> None:
    """Hold the row of a shared account for a moment."""
    query = "SELECT FROM account WHERE customer_id = %s FOR NO KEY UPDATE"
    with psycopg.connect(ground.database.url) as connection:
        connection.execute(query, (ground.dice.choice(SHARED),))
        time.sleep(ground.dice.choice((0.1, 0.5, 1.5)))


def hang_up(ground: Ground) -> None:
    """Ask and hang up at once, many times."""
    service = ground.services[1]
    for _ in range(30):
        key = f"hang-{ground.dice.randrange(10**9)}"
        asked = httpx2.Request(
            "POST",
            f"{service.url}/v1/authorizations",
            json=order(key, ground.dice.choice(SHARED)),
            headers={"Idempotency-Key": key, "Authorization": f"Bearer {ground.token}"},
        )
        head = "".join(f"{name}: {value}\r\n" for name, value in asked.headers.items())
        whole = f"POST /v1/authorizations HTTP/1.1\r\n{head}\r\n".encode() + asked.read()
        with suppress(OSError), socket.create_connection(("127.0.0.1", service.port)) as line:
            line.sendall(whole[: ground.dice.choice((len(whole), len(whole) // 2))])
            time.sleep(ground.dice.random() / 100)


FAULTS: Final[tuple[Fault, ...]] = (
    kill_service,
    kill_database,
    kill_all,
    kill_at_a_point,
    restart_service,
    freeze_service,
    cut_the_wire,
    stall_the_wire,
    end_backends,
    cancel_statements,
    kill_work,
    hold_a_row,
    hang_up,
)


def pause(ground: Ground, until: float) -> None:
    """Let the load work undisturbed for up to two seconds."""
    time.sleep(max(0.0, min(2 * ground.dice.random(), until - time.monotonic())))


def halt(ground: Ground) -> None:
    """End every service, whatever became of it."""
    for service in ground.services:
        with suppress(ProcessLookupError):
            service.process.send_signal(signal.SIGCONT)
        if service.process.poll() is None:
            stop(service)
        service.process.wait(PATIENCE_S)
    if ground.work is not None and ground.work.poll() is None:
        end(ground.work)
