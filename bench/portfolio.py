"""Scoring a whole portfolio: `aval score --all` over customers with ten invoices each.

Customers differ in punctuality, size and limits, by arithmetic on their numbers. What is measured
is the command as a user runs it, its start included: wall time, processor time of the command (its
scoring process with it) and of PostgreSQL, and the peak of their memory. It scores by the expert
scorecard, then again, then by a model that `aval train` made of the first customers, then again.
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
from bench.processes import Group, together

INVOICES: Final = 10
LEARNED: Final = 2_000
"""The customers that the model is learned from, at most; whatever their number, all are scored."""

_LATE_DAYS: Final = "5"
_MODEL: Final = "late-payment"
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
SELECT 'P-' || n, 'P ' || n, current_date - 1000 FROM generate_series({first}, {n}) n;
INSERT INTO customer_ref
SELECT 'P-' || n, 'P-' || n FROM generate_series({first}, {n}) n;
INSERT INTO account (account_id, customer_id, segment_id, path, currency, limit_minor,
    open_item_minor) OVERRIDING SYSTEM VALUE
SELECT 1000000 + n, 'P-' || n, 'main', ARRAY[1000000 + n], 'CNY', 50000 + 10000 * (n % 40),
    1000 * (1 + (n * 7 + 13) % 50) FROM generate_series({first}, {n}) n;
DROP TABLE IF EXISTS sold;
CREATE TEMP TABLE sold AS SELECT n, k, n || '-' || k AS name, 1000 * (1 + (n * 7 + k * 13) % 50)
    AS minor, current_date - 45 * k AS issued FROM generate_series({first}, {n}) n,
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
    """Looks now and then how much memory the command, its children and PostgreSQL have."""

    command: Group
    database: Group
    over: threading.Event = field(default_factory=threading.Event)
    command_bytes: int = 0
    database_bytes: int = 0

    def look(self) -> None:
        while not self.over.wait(_LOOK_S):
            self.command_bytes = max(self.command_bytes, together(self.command.pids()))
            self.database_bytes = max(self.database_bytes, together(self.database.pids()))


def measure(folder: Path, customers: int) -> list[str]:
    """Score a portfolio on an embedded database in `folder`; returns a markdown table.

    Raises:
        RuntimeError: A command failed.

    """
    with _database(folder) as url:
        _score(url, folder)  # seeds the scorecard
        start = _score(url, folder)
        learned = min(LEARNED, customers)
        _fill(url, 1, learned)
        _aval(url, folder, "train", "--late-days", _LATE_DAYS, "--register", _MODEL)
        _fill(url, learned + 1, customers)
        runs = [_score(url, folder).line("scorecard, all new", customers, start)]
        runs += [_score(url, folder).line("scorecard, the same again", customers, start)]
        _aval(url, folder, "model", "promote", _MODEL, "1", "--reason", "bench")
        runs += [_score(url, folder).line("model, all new", customers, start)]
        runs += [_score(url, folder).line("model, the same again", customers, start)]
        return [*_HEAD, *runs, "", _trees(folder)]


def _fill(url: str, first: int, last: int) -> None:
    """Add the customers numbered `first` to `last`, both inclusive."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_FILL.format(first=first, n=last, k=INVOICES).encode())
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _trees(folder: Path) -> str:
    text = (folder / "command" / "trained" / _MODEL / "model.txt").read_text()
    leaves = sum(int(line[11:]) for line in text.splitlines() if line.startswith("num_leaves="))
    return f"the model: {text.count('Tree=')} trees, {leaves} leaves"


@contextmanager
def _database(folder: Path) -> Iterator[str]:
    with start_embedded(folder) as server:
        migrate(server.url)
        yield server.url


def _environment(url: str, folder: Path) -> Mapping[str, str]:
    state = str(folder / "command")
    return {**os.environ, "AVAL_DATABASE_URL": url, "AVAL_STATE_DIR": state}


def _aval(url: str, folder: Path, *words: str) -> None:
    """Run a command that is not measured."""
    subprocess.run(  # noqa: S603 - the program beside this one
        [_AVAL, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(url, folder),
        check=True,
    )


def _score(url: str, folder: Path) -> Taken:
    database = Group(postmaster_of(url) or os.getpid(), ended=True)
    before_s, began = database.cpu_s(), monotonic()
    with subprocess.Popen(  # noqa: S603 - the program beside this one
        [_AVAL, "score", "--all"], stdout=subprocess.DEVNULL, env=_environment(url, folder)
    ) as command:
        watch = _Watch(Group(command.pid), database)
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
        watch.command_bytes,
        watch.database_bytes,
    )
