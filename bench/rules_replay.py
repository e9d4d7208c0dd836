"""Many stored decisions judged again: how long a trial and a replay of all of them take.

A few thousand decisions are taken over HTTP and multiplied. Each copy is of an order of its own,
and has an id and a moment of its own, so that nothing is spared that a year of orders would cost.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg

from app.store.packing import pack, unpack
from bench import databases
from bench.databases import Side
from bench.figures import Found
from bench.rounds import Meter, meter, of_aval, say
from bench.seeds import Size, seed

MOST_S: Final = 300.0
"""How long a million decisions may take on two cores."""

_CUSTOMERS: Final = 2_000
_PATTERN_S: Final = 4.0
_STEP: Final = timedelta(milliseconds=20)
_COLUMNS: Final = (
    "decision_id",
    "kind",
    "account_id",
    "segment_id",
    "customer_id",
    "order_id",
    "outcome",
    "judged",
    "client",
    "actor",
    "evaluated_at",
    "rule_set_version",
    "input_version",
    "status",
    "record",
)


@dataclass(frozen=True, slots=True)
class Took:
    """How long a command took: wall and CPU seconds of its processes, PostgreSQL's left out."""

    what: str
    wall_s: float
    cpu_s: float
    last_line: str


def replayed(count: int, large: str) -> bool:
    """Print what a trial of the policy `large` and a replay of so many decisions take.

    Tells whether the trial keeps within `MOST_S` for a million.
    """
    with (
        tempfile.TemporaryDirectory(prefix="aval-replay-") as name,
        meter(Found()) as counter,
        databases.embedded(Path(name) / "state") as side,
    ):
        seed(side, Size(_CUSTOMERS))
        _patterns(counter, side)
        with psycopg.connect(side.url) as connection:
            insert = "INSERT INTO rule_set (version, data) VALUES (2, %s::jsonb)"
            connection.execute(insert, [large])
        since, stored = multiply(side.url, count)
        until = datetime.now(UTC).date() + timedelta(days=1)
        say(f"{stored:,} decisions are stored")
        days = ("--since", since.date().isoformat(), "--until", until.isoformat())
        took = [
            _run(side, "try-rules", "2", *days, "--processes", "2"),
            _run(side, "replay", *days[:2]),
        ]
    print(f"| {stored:,} stored decisions | wall s | CPU s | us of CPU a decision | must be |")
    print("|---|--:|--:|--:|--:|")
    for one in took:
        each = 1e6 * one.cpu_s / stored
        bound = f"{MOST_S:g} s a million"
        print(f"| {one.what} | {one.wall_s:.0f} | {one.cpu_s:.0f} | {each:.0f} | {bound} |")
    for one in took:
        print(f"{one.what}: {one.last_line}")
    return all(one.wall_s <= MOST_S * max(1.0, stored / 1e6) for one in took)


def _patterns(counter: Meter, side: Side) -> None:
    row = of_aval(side, "patterns", "authorize", _CUSTOMERS)
    counter.for_time(row, 32, _PATTERN_S, 0.0)


def multiply(url: str, count: int) -> tuple[datetime, int]:
    """Add copies until there are so many decisions; returns the first moment, and how many."""
    with psycopg.connect(url) as connection:
        names = ", ".join(_COLUMNS)
        patterns = connection.execute(f"SELECT {names} FROM decision").fetchall()  # noqa: S608
        end = min(row[_COLUMNS.index("evaluated_at")] for row in patterns)
        missing = max(0, count - len(patterns))
        first = end - _STEP * (missing + 1)
        copy = f"COPY decision ({names}) FROM STDIN"
        with connection.cursor() as cursor, cursor.copy(copy) as out:
            for row in _copies(patterns, missing, first):
                out.write_row(row)
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE decision")
        stored = connection.execute("SELECT count(*) FROM decision").fetchone()
    return first, stored[0] if stored else 0


def _copies(
    patterns: Sequence[tuple[Any, ...]], count: int, first: datetime
) -> Iterator[tuple[Any, ...]]:
    bare = [dict(zip(_COLUMNS, row, strict=True)) for row in patterns]
    parts = [(one, *unpack(bytes(one["record"]))) for one in bare]
    for number in range(count):
        one, inputs, answer = parts[number % len(parts)]
        old, new = f'"{one["order_id"]}"'.encode(), f'"SO-{number}"'.encode()
        at = first + _STEP * number
        copy = one | {
            "decision_id": _id(at, number),
            "order_id": f"SO-{number}",
            "evaluated_at": at,
            "record": pack(inputs.replace(old, new), answer.replace(old, new)),
        }
        yield tuple(copy.values())


def _id(at: datetime, number: int) -> UUID:
    """Make a UUID of version 7: the moment in milliseconds, then the number."""
    ms = int(at.timestamp() * 1000)
    return UUID(int=ms << 80 | 7 << 76 | 2 << 62 | number)


def _run(side: Side, *command: str) -> Took:
    say(" ".join(command))
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(  # noqa: S603 - our own command
        [Path(sys.executable).with_name("aval"), *command],
        env={**os.environ, "AVAL_DATABASE_URL": side.url},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = done.stdout.strip().splitlines()
    told = next((line.strip() for line in lines if '"decisions"' in line), lines[-1])
    return Took(f"`aval {command[0]}`", time.monotonic() - began_s, cpu_s, told)
