"""Measuring: one row at a time, its processes' CPU with it, and programs that take turns."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any, TypeVar

from bench import figures
from bench.asks import Source
from bench.databases import Side
from bench.figures import Found, Key
from bench.load import Plan, Requests, drive
from bench.processes import Group
from bench.servers import Server
from bench.tallies import Tally

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Row:
    """What is asked of whom; `served_by` and `stored_by` are whose CPU time is counted."""

    what: str
    side: str
    port: int
    form: str
    customers: int
    served_by: Group
    stored_by: Group | None = None
    token: str = ""
    prefix: str = "B"
    size: int = 1

    def source(self, run: str) -> Source:
        """Make its load; `run` makes keys and orders unique."""
        return Source(self.form, run, self.customers, self.token, self.prefix, self.size)


def of_echo(server: Server) -> Row:
    """Ask the echo."""
    served_by = Group(server.pid)
    return Row(figures.ECHO, figures.NOWHERE, server.port, "echo", 1000, served_by)


def of_naive(side: Side, server: Server, what: str, customers: int, prefix: str = "B") -> Row:
    """Ask the naive service for authorizations."""
    served_by = Group(server.pid)
    at = (what, side.name, server.port, "authorize", customers, served_by, side.stored_by)
    return Row(*at, prefix=prefix)


def of_aval(side: Side, what: str, form: str, customers: int, **more: Any) -> Row:  # noqa: ANN401
    """Ask the service; `more` are `prefix` and `size`."""
    at = (what, side.name, side.service.port, form, customers, side.served_by, side.stored_by)
    return Row(*at, token=side.token, **more)


@dataclass(slots=True)
class Meter:
    """Drives the load's process and keeps what it counts."""

    found: Found
    _load: ProcessPoolExecutor
    _runs: int = 0
    failures: list[str] = field(default_factory=list)
    """Rows whose measurement broke off."""
    spent_s: dict[str, float] = field(default_factory=dict)
    """How long each part of the run took."""

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Take the time of a part of the run; several of one name add up."""
        began_s = time.monotonic()
        try:
            yield
        finally:
            self.spent_s[name] = self.spent_s.get(name, 0.0) + time.monotonic() - began_s

    def load_pid(self) -> int:
        """Name the load's process."""
        return self._load.submit(os.getpid).result()

    def next_run(self) -> str:
        """Give a name that no measurement of this bench has had."""
        self._runs += 1
        return f"{self._runs}"

    def measure(
        self, row: Row, plan: Plan, level: int | None = None, beside: float | None = None
    ) -> float | None:
        """Measure once, and add it to the row; what breaks off is noted, the others go on.

        `level` is the number of connections that the row is kept under, where it is another's;
        `beside` what the echo answered a second right before. Gives its rate, unless it broke off.
        """
        key = Key(row.what, row.side, level or plan.connections)
        say(f"{row.what} on {row.side}, {plan.connections} connections")
        service_s, database_s = _cpu_s(row.served_by), _cpu_s(row.stored_by)
        try:
            tally: Tally = self._load.submit(drive, plan).result()
        except (OSError, TimeoutError) as error:
            self.failures.append(f"{row.what} on {row.side}, {plan.connections}: {error}")
            self.found.missing[row.what, row.side] = str(error)
            return None
        tally.service_s = _cpu_s(row.served_by) - service_s
        tally.database_s = _cpu_s(row.stored_by) - database_s
        tally.besides = [beside] if beside is not None else []
        self.found.add(key, tally)
        return tally.rate

    def for_time(self, row: Row, connections: int, seconds: float, warm_s: float) -> None:
        """Drive a closed loop for some time."""
        source = row.source(self.next_run())
        self.measure(row, Plan(row.port, source, connections, seconds, warm_s))

    def settle(self, row: Row, connections: int, seconds: float) -> None:
        """Drive a closed loop of which nothing is kept."""
        say(f"letting settle: {row.what} on {row.side}")
        source = row.source(self.next_run())
        try:
            self._load.submit(drive, Plan(row.port, source, connections, seconds, 0.0)).result()
        except (OSError, TimeoutError) as error:
            self.failures.append(f"settling {row.what} on {row.side}: {error}")

    def right_after(self, echo: Row, row: Row, connections: int, seconds: float) -> None:
        """Drive a closed loop right after the echo's at as many connections, for half as long."""
        beside = self.measure(echo, self._closed(echo, connections, seconds / 2))
        self.measure(row, self._closed(row, connections, seconds), beside=beside)

    def _closed(self, row: Row, connections: int, seconds: float) -> Plan:
        source = row.source(self.next_run())
        return Plan(row.port, source, connections, seconds, seconds / 4)

    def at_rate(self, row: Row, rate: float, seconds: float, warm_s: float) -> None:
        """Drive an open loop of 64 connections; `warm_s` of it come before and do not count."""
        source = row.source(self.next_run())
        self.measure(row, Plan(row.port, source, 64, seconds, warm_s, rate=rate))

    def whole(self, row: Row, source: Requests, connections: int, each: int) -> float | None:
        """Send so many large requests a connection; all of them count."""
        return self.measure(row, Plan(row.port, source, connections, 0.0, each=each))


@contextmanager
def meter(found: Found) -> Iterator[Meter]:
    """Start the load's process, which ends with the block."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as load:
        yield Meter(found, load)


def in_turns(rows: Sequence[_T], rounds: int) -> Iterator[_T]:
    """Give every row (or side) once a round, in reversed order every other time."""
    for turn in range(rounds):
        yield from _turned(rows, turn)


def _turned(rows: Sequence[_T], turn: int) -> Iterable[_T]:
    return rows if turn % 2 == 0 else reversed(rows)


def _cpu_s(group: Group | None) -> float:
    return group.cpu_s() if group else 0.0


def say(what: str) -> None:
    """Show on a terminal what goes on, in one line that is written over."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{what}\x1b[K")
