"""`make bench`: Aval beside a bare echo and a naive service; prints tables, writes `RESULTS.md`.

A run on a quiet machine; Linux only. `--quick` takes four minutes and writes nothing; `--growth`
adds ledgers of 10,000 and 1,000,000 customers. `--portfolio N` does only that: score N customers.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from app.store.checker import check_ledger
from bench import bulk, databases, figures, growth, naive, portfolio, servers, steps
from bench.databases import Side
from bench.figures import Found
from bench.growth import Sizes
from bench.reach import LEVEL
from bench.report import machine, page, remarks, told_busy
from bench.rounds import Meter, in_turns, meter, of_aval, of_echo, of_naive, say
from bench.seeds import LIMIT_MINOR, MEMBERS, Size, seed

RESULTS: Final = Path(__file__).with_name("RESULTS.md")
_CLOSED: Final = (
    (figures.UNIFORM, "authorize"),
    (figures.CHECK, "check"),
    (figures.ACCOUNT, "account"),
    (figures.SCORE, "score"),
    (figures.CARD, "card"),
)


@dataclass(frozen=True, slots=True)
class Run:
    """How long each part takes, in seconds, how often it is repeated, and over what.

    `compared` are the rounds of the closed loops whose rates are compared, `repeats` those of
    batches and of slow commits.
    """

    seconds: float = 1.2
    warm_s: float = 0.5
    rounds: int = 2
    compared: int = 6
    customers: int = 100_000
    levels: tuple[int, ...] = (1, 8, 32, 128)
    weigh_s: float = 10.0
    slow_s: float = 3.0
    scheduled_s: float = 60.0
    settling_s: float = 30.0
    worker_s: float = 4.0
    grown_s: float = 4.0
    batches: tuple[tuple[int, int], ...] = ((1, 8), (8, 20), (32, 5), (128, 1))
    repeats: int = 3
    facts: tuple[tuple[int, int], ...] = ((1, 10), (8, 4), (32, 1), (128, 1))
    turns: int = 3
    sizes: Sizes | None = None
    out: Path | None = RESULTS
    portfolio: int | None = None


QUICK: Final = Run(
    *(0.5, 0.4, 1, 1, 5_000),
    weigh_s=2.0,
    slow_s=1.5,
    scheduled_s=3.0,
    settling_s=1.0,
    worker_s=1.0,
    grown_s=1.0,
    batches=((1, 2), (8, 1)),
    repeats=1,
    facts=((1, 2), (8, 1)),
    turns=0,
    out=None,
)
_QUICK_SIZES: Final = Sizes(Size(1_000, 10, 0, 1), Size(20_000, 10, 0, 1))


def main() -> int:
    """Run everything; exit 1 if an answer was not as wished or the checker found a difference."""
    run = _arguments()
    if run.portfolio is not None:
        with tempfile.TemporaryDirectory(prefix="aval-bench-") as name:
            print("\n".join(portfolio.measure(Path(name), run.portfolio)))
        return 0
    busy, began_s = told_busy(), time.monotonic()
    found = Found()
    with tempfile.TemporaryDirectory(prefix="aval-bench-") as name, meter(found) as counter:
        folder = Path(name)
        told, processes, checked = _compare(counter, run, folder)
        with counter.part("workers"):
            growth.with_workers(counter, folder / figures.EMBEDDED, run.customers, run.worker_s)
        if run.sizes is not None:
            with counter.part("growth"):
                checked += growth.grow(counter, run.sizes, folder, run.grown_s)
    said = [
        (
            f"{run.rounds} rounds of {run.seconds:g} s each, {run.compared} where rates are"
            f" compared, {run.customers:,} customers;"
            f" {time.monotonic() - began_s:.0f} s in all: "
            + ", ".join(f"{part} {spent_s:.0f} s" for part, spent_s in counter.spent_s.items())
        ),
        f"before it, other programs kept the processors busy by {busy}",
        *remarks(found),
        *checked,
        *(f"broke off: {failure}" for failure in counter.failures),
    ]
    say("")
    text = page(told, found, processes, said)
    print(text)
    if run.out is not None:
        run.out.write_text(text, encoding="utf-8")
    odd = sum(tally.odd for tally in found.tallies.values())
    return 1 if odd or counter.failures else 0


def _arguments() -> Run:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four minutes; rough, writes nothing")
    parser.add_argument("--growth", action="store_true", help="also 1,000,000 customers")
    parser.add_argument("--portfolio", type=int, help="only score so many customers, twice")
    parser.add_argument("--seconds", type=float, help="of one measurement")
    parser.add_argument("--rounds", type=int, help="how often each is repeated")
    parser.add_argument("--customers", type=int, help="that the load is spread over")
    parser.add_argument("--out", type=Path, help="where to write instead of bench/RESULTS.md")
    given = vars(parser.parse_args())
    quick, grown = given.pop("quick"), given.pop("growth")
    sizes = (_QUICK_SIZES if quick else growth.FULL) if grown else None
    set_ = {name: value for name, value in given.items() if value is not None}
    return replace(QUICK if quick else Run(), sizes=sizes, **set_)


def _compare(counter: Meter, run: Run, folder: Path) -> tuple[list[str], str, list[str]]:
    """Measure everything side by side; returns machine, processes and what the checker said."""
    with ExitStack() as undo:
        echo = undo.enter_context(servers.echo(folder))
        sides = [undo.enter_context(databases.embedded(folder / figures.EMBEDDED))]
        try:
            sides.append(undo.enter_context(databases.system(folder / figures.SYSTEM)))
        except (databases.MissingError, servers.NotRunningError) as missing:
            counter.found.missing["", figures.SYSTEM] = str(missing)
        with counter.part("making customers"):
            naives = [undo.enter_context(_made(side, run, folder)) for side in sides]
        told = machine(sides, counter.found, folder)
        with counter.part("disk"):
            for side in sides:
                steps.weigh(counter, side, run.customers, run.weigh_s)
        with counter.part("closed loops"):
            _closed(counter, run, sides, naives, echo)
        with counter.part("slow commits"):
            for side, server in zip(sides, naives, strict=True):
                slow = of_naive(side, server, figures.SLOW_NAIVE, MEMBERS, "G")
                steps.slowly(counter, side, slow, run.slow_s, run.repeats)
        with counter.part("open loop"):
            steps.on_schedule(counter, sides, run.customers, run.scheduled_s, run.settling_s)
        with counter.part("batches"):
            for side in in_turns(sides, run.repeats):
                bulk.in_batches(counter, side, of_echo(echo), run.customers, dict(run.batches))
        with counter.part("facts"):
            for side in sides:
                _facts(counter, run, side)
        others = [("echo", echo)]
        others += [(f"naive on {side.name}", one) for side, one in zip(sides, naives, strict=True)]
        processes = steps.processes(counter, sides, others)
        with counter.part("checking"):
            return told, processes, [_checked(counter, side) for side in sides]


@contextmanager
def _made(side: Side, run: Run, folder: Path) -> Iterator[servers.Server]:
    """Fill both databases of a side and serve the naive service until the block ends."""
    say(f"making {run.customers:,} customers on {side.name}")
    seed(side, Size(run.customers))
    naive.prepare(side.naive_url, run.customers, MEMBERS, LIMIT_MINOR)
    with servers.naive(folder / f"naive-{side.name}.log", side.naive_url) as server:
        yield server


def _closed(
    counter: Meter,
    run: Run,
    sides: Sequence[Side],
    naives: Sequence[servers.Server],
    echo: servers.Server,
) -> None:
    """Let all closed loops take turns at each number of connections.

    Where rates are compared, each loop comes right after the echo's, and in more turns.
    """
    rows = [of_echo(echo)]
    for side, server in zip(sides, naives, strict=True):
        rows.append(of_naive(side, server, figures.NAIVE, run.customers))
        rows += [of_aval(side, what, form, run.customers) for what, form in _CLOSED]
        rows.append(of_aval(side, figures.HOT, "authorize", 1))
        rows.append(of_aval(side, figures.GROUP, "authorize", MEMBERS, prefix="G"))
    for connections in run.levels:
        if connections == LEVEL:
            for row in in_turns(rows[1:], run.compared):
                counter.right_after(rows[0], row, LEVEL, run.seconds)
            continue
        for row in in_turns(rows, run.rounds):
            counter.for_time(row, connections, run.seconds, run.warm_s)


def _facts(counter: Meter, run: Run, side: Side) -> None:
    bulk.reporting(counter, side, run.customers, dict(run.facts))
    if run.turns:
        bulk.beside_pgbench(counter, side, run.turns)


def _checked(counter: Meter, side: Side) -> str:
    say(f"checking the ledger on {side.name}")
    report = check_ledger(side.url)
    if not report.clean:
        counter.failures.append(str(report))
    return f"{side.name}: `aval check-ledger` after it: {report}"


if __name__ == "__main__":
    sys.exit(main())
