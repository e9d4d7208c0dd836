"""Scoring a whole portfolio: `aval score --all` over customers with ten invoices each.

Customers differ in punctuality, size and limits, by arithmetic on their numbers. What is measured
is the command as a user runs it, its start included: wall time, processor time of the command and
of PostgreSQL, and the peak of their memory, for a first run and for one a day later.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final

import psycopg

from app.store.embedded import start_embedded
from app.store.migrate import migrate
from bench.databases import postmaster_of
from bench.processes import Group, memory_of, together

INVOICES: Final = 10
_AVAL: Final = Path(sys.executable).with_name("aval")
_MIB: Final = 1 << 20
_MILLION: Final = 1_000_000
_LOOK_S: Final = 0.2

_COLUMNS: Final = (
    "| run | customers | s | minutes for 1,000,000 | CPU µs a customer: command | PostgreSQL"
    " | MiB: command | PostgreSQL |"
)
_HEAD: Final = (
    f"aval score --all: {INVOICES} invoices a customer, features, PD and reasons, stored",
    "",
    _COLUMNS,
    "|---|---|---|---|---|---|---|---|",
)

_FILL: Final = """
SET session_replication_role = replica;
INSERT INTO customer (customer_id, name, since)
SELECT 'P-' || n, 'P ' || n, current_date - 1000 FROM generate_series(1, {n}) n;
INSERT INTO customer_ref SELECT 'P-' || n, 'P-' || n FROM generate_series(1, {n}) n;
INSERT INTO account (account_id, customer_id, segment_id, path, currency, limit_minor,
    open_item_minor) OVERRIDING SYSTEM VALUE
SELECT 1000000 + n, 'P-' || n, 'main', ARRAY[1000000 + n], 'CNY', 50000 + 10000 * (n % 40),
    1000 * (1 + (n * 7 + 13) % 50) FROM generate_series(1, {n}) n;
CREATE TEMP TABLE sold AS SELECT n, k, n || '-' || k AS name, 1000 * (1 + (n * 7 + k * 13) % 50)
    AS minor, current_date - 45 * k AS issued FROM generate_series(1, {n}) n,
    generate_series(1, {k}) k;
INSERT INTO invoice (segment_id, invoice_id, version, account_id, currency, amount_minor,
    issue_date, due_date, open_minor, content)
SELECT 'main', 'I-' || name, 1, 1000000 + n, 'CNY', minor, issued, issued + 30,
    CASE WHEN k = 1 THEN minor ELSE 0 END, '\\x00' FROM sold;
INSERT INTO payment (segment_id, payment_id, version, account_id, currency, amount_minor,
    paid_date, content)
SELECT 'main', 'Z-' || name, 1, 1000000 + n, 'CNY', minor,
    issued + 30 + (n * 31 + k * 17) % 23 - 15 + n % 9, '\\x00' FROM sold WHERE k > 1;
INSERT INTO allocation (segment_id, payment_id, line_no, invoice_id, amount_minor)
SELECT 'main', 'Z-' || name, 1, 'I-' || name, minor FROM sold WHERE k > 1
"""


@dataclass(slots=True)
class Taken:
    """One run: seconds of the clock and of processors, and peaks of memory in bytes."""

    wall_s: float
    command_s: float
    database_s: float
    command_bytes: int
    database_bytes: int

    def line(self, what: str, customers: int, start: "Taken") -> str:
        """Write it as a row of the table; a customer's share is without what a start takes."""
        per_s = _MILLION / customers
        minutes = (start.wall_s + (self.wall_s - start.wall_s) * per_s) / 60
        return (
            f"| {what} | {customers:,} | {self.wall_s:.1f} | {minutes:.1f}"
            f" | {(self.command_s - start.command_s) * per_s:.0f}"
            f" | {(self.database_s - start.database_s) * per_s:.0f}"
            f" | {self.command_bytes / _MIB:.0f} | {self.database_bytes / _MIB:.0f} |"
        )


@dataclass(slots=True)
class _Watch:
    """Looks now and then how much memory the command and PostgreSQL have."""

    pid: int
    database: Group
    over: threading.Event = field(default_factory=threading.Event)
    command_bytes: int = 0
    database_bytes: int = 0

    def look(self) -> None:
        while not self.over.wait(_LOOK_S):
            self.command_bytes = max(self.command_bytes, memory_of(self.pid).peak)
            self.database_bytes = max(self.database_bytes, together(self.database.pids()))


def measure(folder: Path, customers: int) -> list[str]:
    """Score a portfolio twice on an embedded database in `folder`; returns a markdown table.

    Raises:
        RuntimeError: The command failed.

    """
    with _database(folder) as url:
        _score(url, folder)  # seeds the scorecard
        start = _score(url, folder)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_FILL.format(n=customers, k=INVOICES).encode())
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")
        runs = ("every score is new", "the same again")
        return [*_HEAD, *(_score(url, folder).line(what, customers, start) for what in runs)]


@contextmanager
def _database(folder: Path) -> Iterator[str]:
    with start_embedded(folder) as server:
        migrate(server.url)
        yield server.url


def _score(url: str, folder: Path) -> Taken:
    environment: Mapping[str, str] = {
        **os.environ,
        "AVAL_DATABASE_URL": url,
        "AVAL_STATE_DIR": str(folder / "command"),
    }
    database = Group(postmaster_of(url) or os.getpid(), ended=True)
    before_s, began = database.cpu_s(), monotonic()
    with subprocess.Popen(  # noqa: S603 - the program beside this one
        [_AVAL, "score", "--all"], stdout=subprocess.DEVNULL, env=environment
    ) as command:
        watch = _Watch(command.pid, database)
        looking = threading.Thread(target=watch.look)
        looking.start()
        _, status, used = os.wait4(command.pid, 0)
        command.returncode = os.waitstatus_to_exitcode(status)
        wall_s = monotonic() - began
        watch.over.set()
        looking.join()
    if command.returncode:
        raise RuntimeError(f"aval score --all: exit {command.returncode}")
    return Taken(
        wall_s,
        used.ru_utime + used.ru_stime,
        database.cpu_s() - before_s,
        max(watch.command_bytes, used.ru_maxrss * 1024),
        watch.database_bytes,
    )
