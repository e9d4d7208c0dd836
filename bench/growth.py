"""Whether the size of the ledger is felt, and what more workers do: services of their own."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.store.checker import check_ledger
from bench import databases, figures, steps
from bench.rounds import Meter, in_turns, of_aval, say
from bench.seeds import Size, seed
from bench.servers import NotRunningError

Run = Callable[[str], AbstractContextManager[databases.Side]]

_LEVELS: Final = (1, 32)
_ROUNDS: Final = 3
_SETTLING: Final = 5
"""How many times as long as a round both ledgers take orders before it counts.

A ledger is made with a checkpoint at its end, and a page that is met first after one is written
whole into the log. Before two indexes of decisions went (decision 144), 43,000 orders of a large
ledger after one wrote 110,000 pages, and 26,000 orders after 150,000 wrote 2,500; more than a
million fit between two. What those first ones wait is told in rows of their own.
"""
_WORKER_LEVELS: Final = (32, 128)


@dataclass(frozen=True, slots=True)
class Sizes:
    """A small ledger and a large one."""

    small: Size
    large: Size


FULL: Final = Sizes(Size(10_000, 10, 0, 1), Size(1_000_000, 10, 0, 1))


def grow(meter: Meter, sizes: Sizes, folder: Path, seconds: float) -> list[str]:
    """Measure authorizations on both ledgers in turns, on each PostgreSQL, one after the other.

    Returns what the checker said of them, and what the services held.

    Raises:
        NotRunningError: A service did not become ready.

    """
    said = _grown(meter, sizes, lambda name: databases.embedded(folder / name), seconds)
    try:
        said += _grown(meter, sizes, lambda name: databases.system(folder / name), seconds)
    except databases.MissingError as missing:
        meter.found.missing[figures.LARGE, figures.SYSTEM] = str(missing)
    return said


def _grown(meter: Meter, sizes: Sizes, run: Run, seconds: float) -> list[str]:
    """Measure both ledgers of one kind of PostgreSQL; `run` serves a new one of a name."""
    said = []
    with ExitStack() as undo:
        rows = []
        ledgers = {figures.SMALL: sizes.small, figures.LARGE: sizes.large}
        for number, (what, size) in enumerate(ledgers.items()):
            side = undo.enter_context(run(f"ledger-{number}"))
            say(f"making {size.customers:,} customers with {size.open_items} open items each")
            seed(side, size)
            rows.append((side, of_aval(side, what, "authorize", size.customers)))
        for side, row in rows:
            met = of_aval(
                side, f"{row.what}, {figures.MET}", "authorize", ledgers[row.what].customers
            )
            meter.for_time(met, max(_LEVELS), seconds, 0.5)
            meter.settle(row, max(_LEVELS), _SETTLING * seconds)
        for connections in _LEVELS:
            for row in in_turns([row for _, row in rows], _ROUNDS):
                meter.for_time(row, connections, seconds, 0.5)
        for side, row in rows:
            say(f"checking: {row.what}")
            memory = steps.weigh_service(meter, side)
            report = check_ledger(side.url)
            size = ledgers[row.what]
            items = f"{size.customers * size.open_items:,} open items"
            told = f"{row.what} on {side.name}: {size.customers:,} customers and {items} at first"
            held = f"the service held {memory.now / 1e6:.0f} MB, {memory.peak / 1e6:.0f} at most"
            said.append(f"{told}; {held}; `aval check-ledger` after it: {report}")
            if not report.clean:
                meter.failures.append(str(report))
    return said


_COLD_S: Final = 8.0
"""Until a service that was started again has read its pages, and its `aval work` has begun."""


def with_workers(meter: Meter, state: Path, customers: int, seconds: float) -> None:
    """Measure the service that was measured before again, with one, two and four workers."""
    for workers in (1, 2, 4):
        what = f"{figures.WORKERS}: {workers}"
        try:
            with databases.embedded(state, workers) as side:
                row = of_aval(side, what, "authorize", customers)
                for place, connections in enumerate(_WORKER_LEVELS):
                    meter.for_time(row, connections, seconds, 1.0 if place else _COLD_S)
        except NotRunningError as error:
            meter.found.missing[what, figures.EMBEDDED] = str(error)
