"""A rule set back as JSON, in the form with conditions, whichever form it was stored in."""

from collections.abc import Mapping
from typing import Any, Final

from app.domain.rules_reach import DIMENSIONS, Scope
from app.domain.rules_rows import Row
from app.domain.rules_sets import RuleSet
from app.domain.rules_standard import STANDARD

_SHIPPED: Final[Mapping[str, Mapping[str, Any]]] = {row["id"]: row for row in STANDARD["rows"]}


def rule_set_to_json(rules: RuleSet) -> dict[str, Any]:
    """Write a rule set as `read_rule_set` takes it; absent is what has its default.

    Rows of the first form had no names and no clauses: the shipped ones have theirs, others are
    called by their id.
    """
    data = {
        "format": 2,
        "name": rules.name,
        "tolerance_percent": str(rules.tolerance_percent),
        "terms": {key: one.to_json() for key, one in rules.terms.items()},
        "texts": {code: {"zh": zh, "en": en} for code, (zh, en) in rules.texts.items()},
        "clauses": [{"id": key, "zh": zh, "en": en} for key, (zh, en) in rules.clauses.items()],
        "rows": [row_to_json(row) for row in rules.rows],
        "examples": [dict(one) for one in rules.examples],
    }
    return {key: value for key, value in data.items() if value or key == "rows"}


def row_to_json(row: Row) -> dict[str, Any]:
    """Write one row; absent is what has its default."""
    shipped = _SHIPPED.get(row.rule_id, {})
    usual = "WARN" if row.outcome == "APPROVE" else "HOLD"
    data: dict[str, Any] = {
        "id": row.rule_id,
        "zh": row.zh or shipped.get("zh", row.rule_id),
        "en": row.en or shipped.get("en", row.rule_id),
        "check_points": None if row.check_points is None else sorted(row.check_points),
        "scope": _scope(row.reach.scope),
        "except": _scope(row.reach.excepted),
        "asks": None if row.scope == "order" else row.scope,
        "when": row.when,
        "parameters": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in row.parameters.items()
        },
        "outcome": row.outcome,
        "reason": row.reason,
        "family": None if row.family == row.reason else row.family,
        "on_missing": None if row.on_missing == usual else row.on_missing,
        "observed": row.observed,
        "threshold": row.threshold or row.shown_parameter,
        "lifts": sorted(row.lifts),
        "precedence": row.precedence,
        "action": row.action,
        "clause": row.clause,
        "owner": row.owner,
        "auto_release": None if row.auto_release else False,
    }
    return {key: value for key, value in data.items() if value or value is False}


def _scope(scope: Scope) -> dict[str, list[str]]:
    return {one: sorted(getattr(scope, one)) for one in DIMENSIONS if getattr(scope, one)}
