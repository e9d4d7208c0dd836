"""The machine in words, and what was found as markdown tables."""

import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

from bench import figures
from bench.databases import Side, ask
from bench.figures import Found, Key
from bench.reach import LEVEL, reach
from bench.steps import SETTLE_S
from bench.tallies import Tally

_SHOWN: Final = (
    *("server_version", "shared_buffers", "max_wal_size", "checkpoint_timeout"),
    *("wal_init_zero", "wal_sync_method", "autovacuum_vacuum_cost_delay"),
    *("fsync", "synchronous_commit"),
)
_WRITES: Final = 50
_LOOPS: Final = 50
_COLUMNS: Final = (
    "| what | on | connections | a second | of echo | p50 ms | p99 ms | p99.9 ms"
    " | CPU µs: service | PostgreSQL | clients |"
)
_HEAD: Final = """\
# Results of `make bench`

Written by the last full run. Absolute figures move with the machine: compare within one run, as a
ratio.
"""
_NOTES: Final = """
Clients are keep-alive connections in one process on the same machine: they, the service and
PostgreSQL share its cores, and at one connection a request waits for each of them in turn. They are
closed loops unless a row says otherwise; an open loop sends by a fixed schedule and counts latency
from when a request was due, so that waiting is not hidden. It comes in nine portions, at half of
what 128 connections reached right before each; the first begins half a minute before it counts,
after waiting (two minutes at most) for vacuums and writes that earlier rows left behind.
The echo is a bare FastAPI that reads the same body through a model and sends it back: no token,
log, metrics or database. The naive service is one ORM session and one transaction a request
(`bench/naive.py`), on the same PostgreSQL. Aval runs as it ships: API key, request log, metrics,
every decision stored and committed with `fsync` before it is answered. Programs take turns in
rounds whose order is reversed each time; figures are over all rounds. `a second` counts
authorizations and events where a request carries many. Of requests that carry many every one
counts, from the first to the last, though one side or the other has nothing to do at both ends;
batches take six seconds and more at 8 and 32 connections, so that it is little. `of echo` is that
rate as a share of the echo's requests. At 32 connections, and for batches, the echo is asked right
beside each round (before it; before and after batches), and the share is the middle one of all
rounds: a machine that is shared with others may be half as quick ten seconds later. Elsewhere it is
the echo's rate at the same number of connections. The echo around batches has 32 of its own, and
the row has the number of theirs. CPU is user and system time, in
microseconds for each authorization, event or request: of the service's processes, of all of
PostgreSQL's, and of the clients. Disk is what tables and indexes grew by. Memory is what the
serving process holds when a run of it is over, and counts the largest of them, that on the large
ledger too. More workers share the processors with PostgreSQL and the clients, and make smaller
batches: on two cores they hardly pay (decision 20); they answer the same, whoever is asked.
The small and the large ledger take orders for five times a round before they are compared; what
they did right after the checkpoint that ended their making is told in rows of its own.
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


def loop_ms() -> float:
    """Measure 100,000 turns of a plain loop: the median, in milliseconds.

    Two builds of one Python differ by a fifth here, and two machines by more.
    """
    taken_s = []
    for _ in range(_LOOPS):
        began_s, total = time.perf_counter(), 0
        for number in range(100_000):
            total += number & 255
        taken_s.append(time.perf_counter() - began_s)
    return median(taken_s) * 1000


def told_busy(seconds: float = 1.0) -> str:
    """Measure how busy other programs keep the processors, as a percentage of all of them."""
    before = _ticks()
    time.sleep(seconds)
    idle, total = (after - first for after, first in zip(_ticks(), before, strict=True))
    return f"{100 * (1 - idle / total):.0f} %"


def _ticks() -> tuple[int, int]:
    """Read idle ticks (waiting for disks included) and all ticks since the machine started."""
    first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    ticks = [int(field) for field in first.split()[1:]]
    return ticks[3] + ticks[4], sum(ticks[:8])


def machine(sides: Sequence[Side], found: Found, folder: Path) -> list[str]:
    """Describe what was measured on, a line a thing."""
    told = [
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.machine()}",
        (
            f"Python {platform.python_version()}, FastAPI {version('fastapi')},"
            f" uvicorn {version('uvicorn')} with uvloop and httptools, one process"
        ),
        f"a loop of 100,000 turns takes this Python {loop_ms():.1f} ms",
        f"a write of 8 KiB with fsync takes {fsync_ms(folder):.2f} ms",
    ]
    for side in sides:
        settings = {name: ask(side.url, f"SHOW {name}") for name in _SHOWN}
        rest = ", ".join(f"{name} {value}" for name, value in settings.items() if "ver" not in name)
        told.append(f"{side.name}: PostgreSQL {settings['server_version']}, {rest}")
    measured = {side.name for side in sides}
    told += [
        f"{name}: not measured, {found.why_not('', name)}"
        for name in figures.SIDES
        if name not in measured
    ]
    return [*told, f"Aval {version('aval')}, {time.strftime('%Y-%m-%d', time.gmtime())}"]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def table(found: Found) -> str:
    """Write every row that was measured, then a row for each that was not, with the reason."""
    lines = [_COLUMNS, "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    lines += [_row(key, tally, found.tallies) for key, tally in found.rows()]
    lines += [
        f"| {what or 'everything'} | {side} | | not measured: {reason} | | | | | | | |"
        for (what, side), reason in found.missing.items()
    ]
    return "\n".join(lines)


def _row(key: Key, tally: Tally, tallies: Mapping[Key, Tally]) -> str:
    echo, share = tallies.get(Key(figures.ECHO, figures.NOWHERE, key.connections)), tally.share
    if share is None and echo and echo.rate:
        share = tally.rate / echo.rate
    known = bool(tally.latencies_s)
    latencies = " | ".join(
        f"{value:.2f}" if known else "" for value in tally.percentiles_ms(50, 99, 99.9)
    )
    used = (tally.service_s, tally.database_s, tally.load_s)
    cpu = " | ".join(f"{tally.each_us(one):.0f}" if one else "" for one in used)
    connections = f"| {key.what} | {key.side} | {key.connections} |"
    of_echo = "" if share is None else f"{share:.2f}"
    return f"{connections} {tally.rate:,.0f} | {of_echo} | {latencies} | {cpu} |"


def remarks(found: Found) -> list[str]:
    """Say what the table does not: answers that were not as wished, disk, how far rounds differ."""
    tallies = found.tallies.values()
    odd = sum(tally.odd for tally in tallies)
    spreads = sorted(tally.spread for tally in tallies if len(tally.rates) > 1)
    shed = sum(tally.shed for tally in tallies)
    lines = [f"answers that were not as wished: {odd}; items shed with 503: {shed}"]
    lines += [
        f"{key.what}, {key.side}, {key.connections} connections: {tally.shed} items were shed"
        for key, tally in found.rows()
        if tally.shed
    ]
    for side in figures.SIDES:
        if (figures.DISK, side) in found.numbers:
            disk, wal = found.numbers[figures.DISK, side], found.numbers[figures.WAL, side]
            lines.append(
                f"{side}: an authorization takes {disk:,.0f} bytes of disk,"
                f" and {wal:,.0f} bytes of write-ahead log"
            )
    for side in figures.SIDES:
        if (figures.ASIDE, side) in found.numbers:
            aside = found.numbers[figures.ASIDE, side]
            lines.append(
                f"{side}: {aside:.0f} of PostgreSQL's processes left a processor to the service"
            )
        half = found.best(figures.HALF, side)
        if half is not None:
            portions = ", ".join(f"{one:.1f}" for one in half.p99s_ms)
            lines.append(f"{side}: p99 of the portions at half the maximum load: {portions} ms")
        if (figures.WAITED, side) in found.numbers:
            waited_s = found.numbers[figures.WAITED, side]
            end = ", and then no longer" if waited_s >= SETTLE_S else ""
            lines.append(f"{side}: the fixed schedule waited {waited_s:.0f} s for vacuums{end}")
    paces = [rate for tally in _echoes(found) for rate in tally.rates]
    if paces:
        lines.append(
            f"the echo at {LEVEL} connections answered {min(paces):,.0f} to {max(paces):,.0f} a"
            f" second over the run, {median(paces):,.0f} in the middle"
        )
    if spreads:
        lines.append(
            f"the fastest round of a row was {median(spreads):.2f} times its slowest (median),"
            f" {spreads[-1]:.2f} times at most"
        )
    return lines


def _echoes(found: Found) -> list[Tally]:
    """Give what was measured of the echo at 32 connections, around batches too."""
    return [
        tally
        for key, tally in found.tallies.items()
        if key.what == figures.BESIDE or (key.what == figures.ECHO and key.connections == LEVEL)
    ]


def page(told: Sequence[str], found: Found, processes: str, said: Sequence[str]) -> str:
    """Put the page together; `said` are lines on how the run went."""
    parts = [
        _HEAD,
        "\n".join(f"- {line}" for line in told),
        "",
        table(found),
        _NOTES,
        processes,
        "",
        "\n".join(f"- {line}" for line in said),
        "\n## Reach\n",
        "Computed from this run. Numbers of connections are those at which rates are compared.",
        "",
        reach(found),
    ]
    return "\n".join(parts) + "\n"
