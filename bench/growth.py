"""Whether the size of the ledger is felt, and what more workers do: services of their own."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.store.checker import check_ledger
from bench import databases, figures
from bench.rounds import Meter, in_turns, of_aval, say
from bench.seeds import Size, seed
from bench.servers import NotRunningError

_LEVELS: Final = (1, 32)
_ROUNDS: Final = 3
_WORKER_LEVELS: Final = (32, 128)


@dataclass(frozen=True, slots=True)
class Sizes:
    """A small ledger and a large one."""

    small: Size
    large: Size


FULL: Final = Sizes(Size(10_000, 10, 0, 1), Size(1_000_000, 10, 0, 1))


def grow(meter: Meter, sizes: Sizes, folder: Path, seconds: float) -> list[str]:
    """Measure authorizations on both ledgers in turns; returns what the checker said of them.

    Raises:
        NotRunningError: A service did not become ready.

    """
    said = []
    with ExitStack() as undo:
        rows = []
        ledgers = {figures.SMALL: sizes.small, figures.LARGE: sizes.large}
        for number, (what, size) in enumerate(ledgers.items()):
            say(f"making {size.customers:,} customers with {size.open_items} open items each")
            side = undo.enter_context(databases.embedded(folder / f"ledger-{number}"))
            seed(side, size)
            rows.append((side, of_aval(side, what, "authorize", size.customers)))
        for connections in _LEVELS:
            for row in in_turns([row for _, row in rows], _ROUNDS):
                meter.for_time(row, connections, seconds, 0.5)
        for side, row in rows:
            say(f"checking: {row.what}")
            report = check_ledger(side.url)
            size = ledgers[row.what]
            items = f"{size.customers * size.open_items:,} open items"
            told = f"{row.what}: {size.customers:,} customers and {items} at the start"
            said.append(f"{told}; `aval check-ledger` after it: {report}")
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
