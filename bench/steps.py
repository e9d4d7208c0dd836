"""The parts of a run beside the closed loops: disk, slow commits, a fixed schedule, memory."""

import os
import time
from collections.abc import Sequence
from typing import Final

import psycopg

from bench import figures
from bench.databases import Side, ask, slow_commits
from bench.processes import Memory, apart, memory_of, own_cpu_s, together
from bench.rounds import Meter, Row, in_turns, of_aval
from bench.seeds import MEMBERS
from bench.servers import Server

_SIZE = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind IN ('r', 'm')"
_VACUUMING = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
SETTLE_S: Final = 120.0
"""How long the fixed schedule waits for vacuums at most."""
PORTIONS: Final = 9
"""An odd number: what is told is the middle one."""
TOP_CONNECTIONS: Final = 128
REST_S: Final = 1.0
"""How long a load of the fixed schedule runs before it counts, after the first portion."""
_WRITTEN = "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"
_AUTHORIZED = "SELECT count(*) FROM decision WHERE kind = 'AUTHORIZATION'"


def weigh(meter: Meter, side: Side, customers: int, seconds: float) -> None:
    """Measure what an authorization adds to the disk, from a load of new orders at 32 clients.

    Tables and indexes after a VACUUM, so that what updates left behind does not count twice; the
    write-ahead log as it was written.
    """
    _tidy(side.url)
    size, count, wal = (int(ask(side.url, query)) for query in (_SIZE, _AUTHORIZED, _WRITTEN))
    row = of_aval(side, figures.FRESH, "authorize", customers)
    meter.for_time(row, 32, seconds, 0.0)
    wal = int(ask(side.url, _WRITTEN)) - wal
    count = int(ask(side.url, _AUTHORIZED)) - count
    _tidy(side.url)
    size = int(ask(side.url, _SIZE)) - size
    if count:
        meter.found.numbers[figures.DISK, side.name] = size / count
        meter.found.numbers[figures.WAL, side.name] = wal / count


def _tidy(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM")
        connection.execute("CHECKPOINT")


def slowly(meter: Meter, side: Side, naive: Row, seconds: float, rounds: int) -> None:
    """Measure one hot group while every commit waits 3 ms, here and in the naive service."""
    ours = of_aval(side, figures.SLOW_GROUP, "authorize", MEMBERS, prefix="G")
    with slow_commits(side.url) as refusal:
        if refusal:
            meter.found.missing[figures.SLOW_GROUP, side.name] = refusal
            return
        for row in in_turns([naive, ours], rounds):
            meter.for_time(row, 64, seconds, 1.0)


def on_schedule(
    meter: Meter, sides: Sequence[Side], customers: int, seconds: float, warm_s: float
) -> None:
    """Send at half the maximum, whatever the service does; in `PORTIONS`, the sides in turns.

    The maximum is what a closed loop reaches right before each portion: a machine that others have
    a part of may be twice as quick as it was a minute ago. What the loads before it left to do, for
    either server and for the system, is over by then, and `warm_s` of this load have been.
    """
    found = meter.found
    tops = [of_aval(side, figures.TOP, "authorize", customers) for side in sides]
    halves = {side.name: of_aval(side, figures.HALF, "authorize", customers) for side in sides}
    waited_s = _settle(sides)
    found.numbers |= {(figures.WAITED, side.name): waited_s for side in sides}
    for turn, top in enumerate(in_turns(tops, PORTIONS)):
        meter.for_time(top, TOP_CONNECTIONS, seconds / PORTIONS / 8, REST_S)
        reached = found.tallies.get(figures.Key(figures.TOP, top.side, TOP_CONNECTIONS))
        if reached is not None:
            before_s = warm_s if turn < len(sides) else REST_S
            meter.at_rate(halves[top.side], reached.rates[-1] / 2, seconds / PORTIONS, before_s)


def _settle(sides: Sequence[Side]) -> float:
    """Wait until nobody vacuums, at most `SETTLE_S`, and what is written lies on the disk.

    Gives the seconds that were waited for vacuums.
    """
    waited_s = 0.0
    while any(ask(side.url, _VACUUMING) for side in sides) and waited_s < SETTLE_S:
        time.sleep(1.0)
        waited_s += 1.0
    os.sync()
    return waited_s


def weigh_service(meter: Meter, side: Side) -> Memory:
    """Read what the serving process holds; what is kept of a side is the most of all its runs."""
    memory, key = memory_of(side.served_by.busiest()), (figures.MEMORY, side.name)
    meter.found.numbers[key] = max(memory.now, meter.found.numbers.get(key, 0))
    return memory


def processes(meter: Meter, sides: Sequence[Side], others: Sequence[tuple[str, Server]]) -> str:
    """Write what each process used; keeps what the serving ones have at the end."""
    lines = [
        "| process | CPU s | peak resident MB | resident MB at the end |",
        "|---|--:|--:|--:|",
    ]
    for side in sides:
        serving = side.served_by.busiest()
        weigh_service(meter, side)
        lines.append(_line(f"Aval on {side.name}, the serving process", serving))
        rest = [pid for pid in side.served_by.pids() if pid != serving]
        lines += _sum(f"Aval on {side.name}, its other processes", rest)
        if side.stored_by:
            pids, used_s = side.stored_by.pids(), side.stored_by.cpu_s()
            meter.found.numbers[figures.ASIDE, side.name] = apart(pids)
            cells = f"{used_s:.0f} | | {together(pids) / 1e6:.0f}"
            lines.append(f"| PostgreSQL, {side.name}, all processes | {cells} |")
    lines += [_line(name, server.pid) for name, server in others]
    lines.append(_line("clients", meter.load_pid()))
    return "\n".join(lines)


def _line(name: str, pid: int) -> str:
    memory = memory_of(pid)
    resident = f"{memory.peak / 1e6:.0f} | {memory.now / 1e6:.0f}"
    return f"| {name} | {own_cpu_s(pid):.0f} | {resident} |"


def _sum(name: str, pids: Sequence[int]) -> list[str]:
    used_s = sum(own_cpu_s(pid) for pid in pids)
    return [f"| {name} | {used_s:.0f} | | {together(pids) / 1e6:.0f} |"] if pids else []
