"""What is likely wrong with a policy that can be read: found before it judges anything.

An ERROR keeps a rule set from being proposed, a WARNING is for whoever approves it to look at.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal

from app.domain.cel_ranges import Boxes, Numbers, boxes_of, overlap, within
from app.domain.rules_examples import run_examples
from app.domain.rules_names import KINDS
from app.domain.rules_row import CLASSES
from app.domain.rules_rows import Row
from app.domain.rules_sets import NEVER_LIFTED, RuleSet

Severity = Literal["ERROR", "WARNING"]

_SCORE: Final = "score_value"
_MOST_COMPARED: Final = 300
"""Rows of one family that are compared with each other; every pair costs."""

MOST_BOXES: Final = 200_000
"""Pairs of boxes that a whole lint compares, inclusive: half a second. A row has 128 at most."""

_STRICT: Final = {"APPROVE": 0, "WARN": 1, "HOLD": 2, "REJECT": 3}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing. `code` has a text in both languages, filled with `values`."""

    severity: Severity
    code: str
    field: str
    rule_id: str | None = None
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A row with what it can hold for."""

    place: int
    row: Row
    boxes: Boxes
    condition: object
    """The same for rows that hold for the same."""

    @classmethod
    def of(cls, place: int, row: Row) -> "_Seen":
        boxes, same = boxes_of(row.condition, KINDS), row.when
        if boxes.exact:
            same = str(sorted(str(sorted(box.items(), key=str)) for box in boxes.boxes))
        return cls(place, row, boxes, (row.scope, row.reach, same))

    def finding(self, severity: Severity, code: str, column: str, **values: str) -> Finding:
        path = f"rows[{self.place}].{column}"
        return Finding(severity, code, path, self.row.rule_id, {"rule": self.row.rule_id, **values})

    def meets(self, other: "_Seen") -> bool:
        """Tell whether both are asked at some check point."""
        mine, theirs = self.row.check_points, other.row.check_points
        return mine is None or theirs is None or not mine.isdisjoint(theirs)


@dataclass(slots=True)
class _Budget:
    """How many pairs of boxes may still be compared; whoever sends a policy decides how many are.

    Once a pair of rows costs more than is left, no more are compared.
    """

    left: int = MOST_BOXES
    is_spent: bool = False
    is_cut: bool = False
    """Whether a group had more rows than are compared."""

    def cut(self, group: list[_Seen]) -> list[_Seen]:
        self.is_cut = self.is_cut or len(group) > _MOST_COMPARED
        return group[:_MOST_COMPARED]

    def allows(self, one: _Seen, other: _Seen) -> bool:
        cost = len(one.boxes.boxes) * len(other.boxes.boxes)
        self.is_spent = self.is_spent or cost > self.left
        if not self.is_spent:
            self.left -= cost
        return not self.is_spent


def lint(rules: RuleSet, known_reasons: Collection[str]) -> list[Finding]:
    """Look at everything; `known_reasons` have a text without the rule set's own."""
    seen = [_Seen.of(place, row) for place, row in enumerate(rules.rows)]
    found = [finding for one in seen for finding in _lint_row(one, rules, known_reasons)]
    possible, budget = [one for one in seen if one.boxes.boxes], _Budget()
    for group in _groups(possible, lambda one: one.condition):
        found += _contradictions(budget.cut(group))
    for group in _groups(possible, lambda one: (one.row.scope, one.row.reach, one.row.family)):
        found += _overlaps(budget.cut(group), budget)
        found += _gaps(budget.cut(group))
    if budget.is_spent or budget.is_cut:
        most = {"rows": str(_MOST_COMPARED), "most": str(MOST_BOXES)}
        found.append(Finding("WARNING", "LINT_TOO_LARGE", "rows", None, most))
    found += _lint_clauses(rules)
    found += _lint_terms(rules)
    found += _lint_examples(rules)
    return sorted(found, key=lambda one: one.severity)


def _groups(seen: Sequence[_Seen], key: Callable[[_Seen], object]) -> list[list[_Seen]]:
    found: dict[object, list[_Seen]] = {}
    for one in seen:
        found.setdefault(key(one), []).append(one)
    return [group for group in found.values() if len(group) > 1]


def _lint_row(one: _Seen, rules: RuleSet, known_reasons: Collection[str]) -> Iterator[Finding]:
    row = one.row
    if not one.boxes.boxes:
        yield one.finding("ERROR", "LINT_UNREACHABLE", "when")
    else:
        never = boxes_of(row.condition, KINDS, holds=False)
        if not never.boxes:
            yield one.finding("WARNING", "LINT_ALWAYS", "when")
    if row.reason not in known_reasons and row.says is None:
        yield one.finding("ERROR", "LINT_NO_TEXT", "reason", reason=row.reason)
    if row.clause is not None and row.clause not in rules.clauses:
        yield one.finding("ERROR", "LINT_UNKNOWN_CLAUSE", "clause", clause=row.clause)
    if row.clause is None:
        yield one.finding("WARNING", "LINT_NO_CLAUSE", "clause")
    families = {other.family for other in rules.rows if other.scope == "order"}
    for family in sorted(row.lifts - families):
        yield one.finding("ERROR", "LINT_LIFTS_NOTHING", "lifts", family=family)
    lifted = [
        other
        for other in rules.rows
        if other.family in row.lifts and other.reason not in NEVER_LIFTED
    ]
    if lifted and all(other.precedence > row.precedence for other in lifted):
        yield one.finding("ERROR", "LINT_OUTRANKED", "precedence")


def _contradictions(group: Sequence[_Seen]) -> Iterator[Finding]:
    for one, other in combinations(group, 2):
        if not one.meets(other) or "APPROVE" in {one.row.outcome, other.row.outcome}:
            continue
        told = {"other": one.row.rule_id}
        if one.row.outcome != other.row.outcome:
            yield other.finding("ERROR", "LINT_CONTRADICTION", "outcome", **told)
        else:
            yield other.finding("WARNING", "LINT_TWICE", "when", **told)


def _overlaps(group: Sequence[_Seen], budget: _Budget) -> Iterator[Finding]:
    """Look at rows of one family: one that says nothing new, or two that say different things."""
    for one, other in combinations(group, 2):
        if not one.meets(other) or one.condition == other.condition:
            continue
        if not budget.allows(one, other):
            return
        inner = within(other.boxes, one.boxes, KINDS)
        outer = within(one.boxes, other.boxes, KINDS)
        narrow, wide = (other, one) if inner else (one, other)
        if inner or outer:
            if _STRICT[narrow.row.outcome] <= _STRICT[wide.row.outcome]:
                yield narrow.finding("WARNING", "LINT_COVERED", "when", other=wide.row.rule_id)
        elif (
            one.row.outcome != other.row.outcome
            and one.boxes.exact
            and other.boxes.exact
            and overlap(one.boxes, other.boxes)
        ):
            yield other.finding("WARNING", "LINT_OVERLAP", "when", other=one.row.rule_id)


def _gaps(group: Sequence[_Seen]) -> Iterator[Finding]:
    """Look for scores between the bands of a family that no band has."""
    bands = sorted(
        (span.low, span.high)
        for one in group
        for box in one.boxes.boxes
        if isinstance(span := box.get(_SCORE), Numbers)
    )
    rows = [one for one in group if any(_SCORE in box for box in one.boxes.boxes)]
    if len(rows) < 2:  # noqa: PLR2004 - one band has no neighbour
        return
    reached = bands[0][1]
    for low, high in bands[1:]:
        if low > reached + 1:
            values = {"low": str(reached + 1), "high": str(low - 1)}
            yield rows[-1].finding("WARNING", "LINT_GAP", "when", **values)
        reached = max(reached, high)


def _lint_clauses(rules: RuleSet) -> Iterator[Finding]:
    used = {row.clause for row in rules.rows}
    for place, clause in enumerate(rules.clauses):
        if clause not in used:
            yield Finding(
                "ERROR", "LINT_CLAUSE_UNUSED", f"clauses[{place}]", None, {"clause": clause}
            )


def _lint_terms(rules: RuleSet) -> Iterator[Finding]:
    absent = [one for one in CLASSES if one not in rules.terms]
    if rules.terms and absent:
        yield Finding("WARNING", "LINT_TERMS", "terms", None, {"classes": ", ".join(absent)})


def _lint_examples(rules: RuleSet) -> Iterator[Finding]:
    if not rules.examples:
        yield Finding("WARNING", "LINT_NO_EXAMPLE", "examples")
    for place, tested in enumerate(run_examples(rules)):
        if tested.problem:
            values = {"name": tested.name, "problem": tested.problem}
            yield Finding("ERROR", "LINT_EXAMPLE", f"examples[{place}]", None, values)
