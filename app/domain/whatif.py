"""What if: which changes that lie in the customer's own hands would lift its class.

A lever is something a customer can do. Each step of it changes what would be observed; whether
that lifts the class is never argued, but rated: by whatever rates the customer now. Rows are
observations by name, None where something is missing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from app.domain.scores import RiskClass, Score

Row = Mapping[str, float | None]

MOST: Final = 3
"""So many proposals are made at most, the easiest first."""

_INVOICES: Final = (1, 2, 3, 5, 8, 12, 20, 30)
_USES: Final = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
_ORDERS: Final = (5.0, 3.0, 2.0, 1.5, 1.0)
_ORDER: Final = list(RiskClass)


LeverName = Literal["PAY_OVERDUE", "LOWER_USE", "ORDER_AS_USUAL", "PAY_ON_TIME"]


@dataclass(frozen=True, slots=True)
class Step:
    """How far a lever is pulled: its code, the figure its text tells, and what it changes."""

    lever: LeverName
    value: str
    changes: Row


@dataclass(frozen=True, slots=True)
class Proposal:
    """Steps that together lift the class, what they change, and the score they lead to."""

    steps: tuple[Step, ...]
    changes: Row
    score: Score


Lever = Callable[[Row], Iterator[Step]]
"""Gives its steps from the smallest on; none where it would change nothing."""


def propose(
    row: Row, now: Score, rate: Callable[[Sequence[Row]], Sequence[Score]]
) -> list[Proposal]:
    """Find the fewest and smallest steps to a better class than `now`; none where none does.

    `rate` scores rows in order. One lever is tried alone first, then two, then all.
    """
    ladders = [steps for steps in (list(lever(row)) for lever in LEVERS) if steps]
    found: list[Proposal] = []
    for ladder in ladders:
        found += _first(row, now, rate, [(step,) for step in ladder])
    if len(found) < MOST:
        for place, one in enumerate(ladders):
            for other in ladders[place + 1 :]:
                found += _first(row, now, rate, _without(found, product(one, other)))
    if not found and len(ladders) > 2:  # noqa: PLR2004 - two were tried already
        found += _first(row, now, rate, [tuple(ladder[-1] for ladder in ladders)])
    return found[:MOST]


def _without(
    found: Sequence[Proposal], pairs: Iterable[tuple[Step, ...]]
) -> list[tuple[Step, ...]]:
    """Leave out what holds a lever that lifts the class alone: the second would be for nothing."""
    enough = {one.steps[0].lever for one in found if len(one.steps) == 1}
    return [pair for pair in pairs if not enough & {step.lever for step in pair}]


def _first(
    row: Row,
    now: Score,
    rate: Callable[[Sequence[Row]], Sequence[Score]],
    ways: Sequence[tuple[Step, ...]],
) -> list[Proposal]:
    """Give the first of some ways that lifts the class, if one does."""
    changes = [_joined(steps) for steps in ways]
    scores = rate([{**row, **one} for one in changes]) if ways else ()
    for steps, change, score in zip(ways, changes, scores, strict=True):
        if is_lifted(now, score):
            return [Proposal(steps, change, score)]
    return []


def _joined(steps: Iterable[Step]) -> Row:
    return {name: value for step in steps for name, value in step.changes.items()}


def is_lifted(before: Score, after: Score) -> bool:
    """Tell whether a class is better than before; any class is better than none (N)."""
    return _ORDER.index(after.risk_class) < _ORDER.index(before.risk_class)


def _pay_overdue(row: Row) -> Iterator[Step]:
    """Pay all that is past due."""
    names = ("overdue_days", "overdue_share", "overdue_amount_minor", *_OVERDUE_MORE)
    changes: Row = {name: 0 for name in names if row.get(name)}
    if changes:
        yield Step("PAY_OVERDUE", "", changes)


_OVERDUE_MORE: Final = ("overdue_count", "overdue_mean_days")


def _lower_use(row: Row) -> Iterator[Step]:
    """Pay down what is in use of the limit."""
    now = row.get("utilization")
    for share in _USES:
        if now is not None and share < now:
            yield Step("LOWER_USE", f"{share:.0%}", {"utilization": share})


def _order_less(row: Row) -> Iterator[Step]:
    """Order what is usual."""
    now = row.get("order_habit")
    for times in _ORDERS:
        if now is not None and times < now:
            yield Step("ORDER_AS_USUAL", f"{times:g}", {"order_habit": times})


def _pay_on_time(row: Row) -> Iterator[Step]:
    """Pay the next invoices by their due dates; what was late before weighs less by each."""
    known = row.get("invoices_known")
    if known is None:
        return
    for more in _INVOICES:
        total = known + more
        changes: dict[str, float | None] = {"invoices_known": total}
        if row.get("invoices_closed") is not None:
            changes["invoices_closed"] = (row["invoices_closed"] or 0) + more
        rate = row.get("on_time_rate")
        if rate is not None or not known:
            changes["on_time_rate"] = ((rate or 0.0) * known + more) / total
        for name in ("mean_days_late", "prior_late_rate", "prior_late_30_rate"):
            value = row.get(name)
            if value is not None:
                changes[name] = value * known / total
        if not known and "mean_days_late" in row:
            changes["mean_days_late"] = 0.0
        yield Step("PAY_ON_TIME", str(more), changes)


LEVERS: Final[tuple[Lever, ...]] = (_pay_overdue, _lower_use, _order_less, _pay_on_time)
"""What a customer can do, the quickest first; features that nobody can change have none."""
