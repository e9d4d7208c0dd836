"""What a policy would have done with decisions that were taken: in orders, in money, by rule.

An order is asked about many times; what counts is the last time within the period.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from app.domain.money import Money
from app.domain.rules import Outcome

OrderKey = tuple[str, str]
"""(segment_id, order_id)."""

MOST_EXAMPLES: Final = 50
"""The largest orders that are told one by one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one decision was, and what it would be; `rules` are the ids of what fires only then."""

    order: OrderKey
    customer_id: str
    decision_id: str
    amount: Money
    was: Outcome
    now: Outcome
    rules: frozenset[str] = frozenset()

    @property
    def differs(self) -> bool:
        """Whether another outcome comes out."""
        return self.was != self.now


@dataclass(frozen=True, slots=True)
class Later:
    """What became of an order's invoices: minor units billed, and past due (now or when paid)."""

    billed: int = 0
    overdue: int = 0


@dataclass(frozen=True, slots=True)
class Sums:
    """Orders and their money by currency; `billed` and `overdue` of what was invoiced since."""

    orders: int
    amounts: Mapping[str, int]
    billed: Mapping[str, int]
    overdue: Mapping[str, int]
    overdue_orders: int


@dataclass(slots=True)
class Trial:
    """Counts decisions as they come, in the order in which they were taken."""

    decisions: int = 0
    differing: int = 0
    failed: int = 0
    """Decisions that cannot be judged again, as their order was refused then."""
    last: dict[OrderKey, Verdict] = field(default_factory=dict)
    """The last verdict of each order that differs."""
    orders: set[OrderKey] = field(default_factory=set)

    def add(self, verdict: Verdict) -> None:
        """Count a decision; a later one of the same order takes the earlier one's place."""
        self.decisions += 1
        self.orders.add(verdict.order)
        if verdict.differs:
            self.differing += 1
            self.last[verdict.order] = verdict
        else:
            self.last.pop(verdict.order, None)

    def follow(self, later: "Trial") -> None:
        """Take over what was counted of the time right after."""
        self.decisions += later.decisions
        self.differing += later.differing
        self.failed += later.failed
        self.orders |= later.orders
        for order in later.orders - later.last.keys():
            self.last.pop(order, None)
        self.last |= later.last

    def moves(self) -> dict[tuple[Outcome, Outcome], list[Verdict]]:
        """Sort the orders that differ by what they were and would be."""
        found: dict[tuple[Outcome, Outcome], list[Verdict]] = {}
        for verdict in self.last.values():
            found.setdefault((verdict.was, verdict.now), []).append(verdict)
        return dict(sorted(found.items()))

    def by_rule(self) -> dict[str, list[Verdict]]:
        """Sort the orders that differ by the rules that make the difference."""
        found: dict[str, list[Verdict]] = {}
        for verdict in self.last.values():
            for rule_id in verdict.rules:
                found.setdefault(rule_id, []).append(verdict)
        return dict(sorted(found.items()))

    def largest(self) -> list[Verdict]:
        """Pick the orders worth looking at; minor units of different currencies are not valued."""
        ordered = sorted(self.last.values(), key=lambda one: (-one.amount.minor, one.order))
        return ordered[:MOST_EXAMPLES]


def sum_up(verdicts: Iterable[Verdict], later: Mapping[OrderKey, Later]) -> Sums:
    """Add orders up with what became of them; an order that was never billed adds nothing."""
    orders = overdue_orders = 0
    amounts: Counter[str] = Counter()
    billed: Counter[str] = Counter()
    overdue: Counter[str] = Counter()
    for verdict in verdicts:
        currency = verdict.amount.currency
        since = later.get(verdict.order, Later())
        orders += 1
        overdue_orders += since.overdue > 0
        amounts[currency] += verdict.amount.minor
        billed[currency] += since.billed
        overdue[currency] += since.overdue
    return Sums(orders, +amounts, +billed, +overdue, overdue_orders)
