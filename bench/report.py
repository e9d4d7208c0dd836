"""The machine in words, and the measurements as a markdown table."""

import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

import psycopg

from bench.load import Tally

_WRITES: Final = 50
_HEAD: Final = """\
# Results of `make bench`

Written by the last run; a run takes about a minute and a half. Absolute figures move with the
machine: compare within one run, as a share of the echo.
"""
_NOTES: Final = """
Clients are closed loops on keep-alive connections, in a process of their own on the same machine:
they, the service and PostgreSQL share its cores, and at one connection a request waits for each of
them in turn. The echo is a bare FastAPI that reads the same body through a model and sends it
back: no token, log, metrics or database. The service runs as it ships: API key, request log,
metrics, every decision stored and committed with `fsync` before it is answered. Programs take
turns in rounds whose order is reversed each time; figures are over all rounds of a run. `of echo`
is the rate as a share of the echo's at the same number of connections.
"""


def fsync_ms(folder: Path) -> float:
    """Measure a small durable write where the database will lie: the median, in milliseconds."""
    taken_s = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_WRITES):
            began_s = time.perf_counter()
            os.write(file.fileno(), b"x" * 8192)
            os.fsync(file.fileno())
            taken_s.append(time.perf_counter() - began_s)
    return median(taken_s) * 1000


def told_busy(seconds: float = 1.0) -> str:
    """Measure how busy other programs keep the processors, as a percentage of all of them."""
    place = Path("/proc/stat")
    if not place.exists():
        return "an unknown share"
    before = _ticks(place)
    time.sleep(seconds)
    idle, total = (after - first for after, first in zip(_ticks(place), before, strict=True))
    return f"{100 * (1 - idle / total):.0f} %"


def _ticks(place: Path) -> tuple[int, int]:
    """Read idle ticks (waiting for disks included) and all ticks since the machine started."""
    ticks = [int(field) for field in place.read_text(encoding="ascii").splitlines()[0].split()[1:]]
    return ticks[3] + ticks[4], sum(ticks[:8])


def machine(database_url: str, folder: Path) -> list[str]:
    """Describe what was measured on, a line a thing."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    server = row[0] if row else "unknown"
    return [
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.machine()}",
        (
            f"Python {platform.python_version()}, FastAPI {version('fastapi')},"
            f" uvicorn {version('uvicorn')} with uvloop and httptools, one process"
        ),
        (
            f"PostgreSQL {server}, embedded, default settings of the service; a write of 8 KiB with"
            f" fsync takes {fsync_ms(folder):.2f} ms"
        ),
        f"Aval {version('aval')}, {time.strftime('%Y-%m-%d', time.gmtime())}",
    ]


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def table(
    names: Sequence[str], levels: Sequence[int], found: Mapping[tuple[str, int], Tally]
) -> str:
    """Write the measurements; the first name is what the others are a share of."""
    head = "| connections |" + "".join(f" {level} | | | |" for level in levels)
    rule = "|---|" + "--:|" * (4 * len(levels))
    columns = "| |" + " req/s | p50 ms | p99 ms | of echo |" * len(levels)
    rows = []
    for name in names:
        row = f"| {name} |"
        for level in levels:
            tally = found[name, level]
            share = tally.rate / found[names[0], level].rate
            row += f" {tally.rate:,.0f} | {tally.percentile_ms(50):.2f} |"
            row += f" {tally.percentile_ms(99):.2f} | {share:.2f} |"
        rows.append(row)
    return "\n".join([head, rule, columns, *rows])


def page(told: Sequence[str], measured: str, remarks: Sequence[str]) -> str:
    """Put the page together; `remarks` are lines on how the run went."""
    machine_lines = "\n".join(f"- {line}" for line in told)
    remark_lines = "\n".join(f"- {line}" for line in remarks)
    return f"{_HEAD}\n{machine_lines}\n\n{measured}\n{_NOTES}\n{remark_lines}\n"
