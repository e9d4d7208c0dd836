"""What is another in one rule set than in another, row by row, for people who decide on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that is new, gone or changed; `columns` are those that differ."""

    kind: Literal["ADDED", "REMOVED", "CHANGED", "MOVED"]
    rule_id: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RulesDiff:
    """The rows that differ, and which other parts do (`texts`, `terms`, `tolerance_percent` …)."""

    rows: tuple[RowChange, ...]
    parts: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether both say the same."""
        return not self.rows and not self.parts


def diff_rules(old: Mapping[str, Any], new: Mapping[str, Any]) -> RulesDiff:
    """Compare the JSON of two rule sets of one form; names of versions are no part of them."""
    before = {row["id"]: row for row in old["rows"]}
    after = {row["id"]: row for row in new["rows"]}
    rows = [RowChange("REMOVED", rule_id) for rule_id in before if rule_id not in after]
    kept = [rule_id for rule_id in before if rule_id in after]
    places = {rule_id: place for place, rule_id in enumerate(kept)}
    order = [rule_id for rule_id in after if rule_id in before]
    for place, rule_id in enumerate(order):
        was, now = before[rule_id], after[rule_id]
        columns = tuple(sorted(key for key in was.keys() | now if was.get(key) != now.get(key)))
        if columns:
            rows.append(RowChange("CHANGED", rule_id, columns))
        elif places[rule_id] != place:
            rows.append(RowChange("MOVED", rule_id))
    rows += [RowChange("ADDED", rule_id) for rule_id in after if rule_id not in before]
    parts = sorted(
        key
        for key in (old.keys() | new.keys()) - {"rows", "format"}
        if (old.get(key) or None) != (new.get(key) or None)
    )
    return RulesDiff(tuple(rows), tuple(parts))
