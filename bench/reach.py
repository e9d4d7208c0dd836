"""What the service is to reach, and whether a run reached it: computed, never typed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench import figures
from bench.figures import Found, Key
from bench.tallies import Tally

LEVEL: Final = 32
"""The number of connections at which rates are compared."""
SLOW_LEVEL: Final = 64

Value = Callable[[Found, str], float | None]


@dataclass(frozen=True, slots=True)
class Goal:
    """A measure with what it must reach and what is aimed at, both inclusive.

    `what` are the rows it is computed from; `most`: smaller is better.
    """

    measure: str
    least: float
    aim: float
    what: Sequence[str]
    value: Value
    most: bool = False
    unit: str = ""

    def verdict(self, value: float) -> str:
        """Say whether a value reaches it."""
        sign = -1 if self.most else 1
        if sign * value >= sign * self.aim:
            return "aim reached"
        return "reached" if sign * value >= sign * self.least else "missed"

    def bound(self, value: float) -> str:
        """Write what must be reached."""
        return f"{'≤ ' if self.most else ''}{value:g}{self.unit}"


def _tally(found: Found, what: str, side: str, level: int = LEVEL) -> Tally | None:
    place = figures.NOWHERE if what == figures.ECHO else side
    return found.tallies.get(Key(what, place, level))


def _over(what: str, other: str, level: int = LEVEL) -> Value:
    """Compare the rates of two rows at one number of connections."""

    def value(found: Found, side: str) -> float | None:
        one, two = _tally(found, what, side, level), _tally(found, other, side, level)
        return _ratio(one, two) if one and two else None

    return value


def _ratio(one: Tally, two: Tally) -> float | None:
    """Compare two rows round by round, or what each is to the echo right before its rounds."""
    if one.share and two.share:
        return one.share / two.share
    each = one.over(two.rates)
    if each is None and two.rate:
        each = one.rate / two.rate
    return each


def _of_echo(what: str) -> Value:
    """Compare a row with the echo that was asked right before each of its rounds."""

    def value(found: Found, side: str) -> float | None:
        tally = _tally(found, what, side)
        return tally.share if tally else None

    return value


def _best_over(what: str, other: str) -> Value:
    """Compare the best rates of two rows, each at whatever number of connections it has it."""

    def value(found: Found, side: str) -> float | None:
        one, two = found.best(what, side), found.best(other, side)
        return one.rate / two.rate if one and two and two.rate else None

    return value


def _pairs(found: Found, what: str, other: str, side: str) -> list[tuple[Tally, Tally]]:
    """Put two rows beside each other at every number of connections that both were measured at."""
    both = [
        (found.tallies.get(Key(what, side, key.connections)), tally)
        for key, tally in found.tallies.items()
        if (key.what, key.side) == (other, side)
    ]
    return [(one, two) for one, two in both if one]


def _best_batches(found: Found, side: str) -> float | None:
    """Compare batches with the echo around them; the best over all numbers of connections."""
    rows = [
        tally.share
        for key, tally in found.tallies.items()
        if (key.what, key.side) == (figures.BATCH, side)
    ]
    return max((share for share in rows if share is not None), default=None)


def _grown(found: Found, side: str) -> float | None:
    """Compare the p50 on the large ledger with that on the small one; the worst of all levels."""
    pairs = _pairs(found, figures.LARGE, figures.SMALL, side)
    return max(
        (large.percentiles_ms(50)[0] / small.percentiles_ms(50)[0] for large, small in pairs),
        default=None,
    )


def _waiting(found: Found, side: str) -> float | None:
    tally = found.best(figures.HALF, side)
    return median(tally.p99s_ms) if tally else None


def _number(name: str, unit: float) -> Value:
    def value(found: Found, side: str) -> float | None:
        number = found.numbers.get((name, side))
        return None if number is None else number / unit

    return value


def _share(what: str, least: float, aim: float) -> Goal:
    value = _of_echo(what)
    return Goal(f"{what} / echo, {LEVEL} connections", least, aim, [what, figures.ECHO], value)


GOALS: Final = (
    _share(figures.UNIFORM, 0.40, 0.55),
    Goal(
        f"one hot account / uniform, {LEVEL} connections",
        0.9,
        1.1,
        [figures.HOT, figures.UNIFORM],
        _over(figures.HOT, figures.UNIFORM),
    ),
    Goal(
        f"{figures.UNIFORM} / naive, {LEVEL} connections",
        3,
        5,
        [figures.UNIFORM, figures.NAIVE],
        _over(figures.UNIFORM, figures.NAIVE),
    ),
    Goal(
        f"one hot group / naive, {SLOW_LEVEL} connections, commits slowed to 3 ms",
        20,
        30,
        [figures.SLOW_GROUP, figures.SLOW_NAIVE],
        _over(figures.SLOW_GROUP, figures.SLOW_NAIVE, SLOW_LEVEL),
    ),
    _share(figures.CHECK, 0.40, 0.60),
    _share(figures.ACCOUNT, 0.50, 0.75),
    _share(figures.SCORE, 0.50, 0.75),
    _share(figures.CARD, 0.50, 0.75),
    Goal(
        f"authorizations in batches at their best / echo around them, {LEVEL} connections",
        1.3,
        2.5,
        [figures.BATCH, figures.BESIDE],
        _best_batches,
    ),
    Goal(
        "facts in bulk / pgbench TPC-B transactions, both at their best",
        2,
        4,
        [figures.FACTS, figures.TPC_B],
        _best_over(figures.FACTS, figures.TPC_B),
    ),
    Goal(
        "p50 on the large ledger / on the small one, the worst of all connections",
        1.3,
        1.1,
        [figures.LARGE, figures.SMALL],
        _grown,
        most=True,
    ),
    Goal(
        "p99 at half the maximum load, the middle of all portions",
        15,
        8,
        [figures.HALF],
        _waiting,
        most=True,
        unit=" ms",
    ),
    Goal(
        "memory of the serving process after the largest run",
        200,
        150,
        [figures.MEMORY],
        _number(figures.MEMORY, 1e6),
        most=True,
        unit=" MB",
    ),
    Goal(
        "disk an authorization",
        1.5,
        1.0,
        [figures.DISK],
        _number(figures.DISK, 1e3),
        most=True,
        unit=" KB",
    ),
)


def reach(found: Found) -> str:
    """Write what was to be reached beside what was, as a markdown table."""
    head = "| measure | at least | aim |" + "".join(f" {side} | |" for side in figures.SIDES)
    lines = [head, "|---|--:|--:|" + "--:|---|" * len(figures.SIDES)]
    for goal in GOALS:
        cells = []
        for side in figures.SIDES:
            value = goal.value(found, side)
            if value is None:
                cells.append(f" | not measured: {_reason(goal, found, side)} |")
            else:
                cells.append(f" {value:.2f}{goal.unit} | {goal.verdict(value)} |")
        bounds = f"{goal.bound(goal.least)} | {goal.bound(goal.aim)}"
        lines.append(f"| {goal.measure} | {bounds} |{''.join(cells)}")
    return "\n".join(lines)


def _reason(goal: Goal, found: Found, side: str) -> str:
    reasons = (found.why_not(what, side) for what in goal.what if what != figures.ECHO)
    known = [reason for reason in reasons if reason != "not in this run"]
    return known[0] if known else "not in this run"
