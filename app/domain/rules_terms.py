"""The first form of rule sets, as decisions of old rest on: rows of `[name, operation, value]`.

It stays readable for ever; new rule sets are written in the form with conditions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.domain.cel import Binary, Items, Literal, Logic, Name, Node
from app.domain.rules_faults import Fault, Faults, RuleSetError, read_tolerance
from app.domain.rules_names import NAMES
from app.domain.rules_rows import Row
from app.domain.rules_sets import RuleSet

_OPERATIONS: Final = frozenset({"==", "!=", ">", ">=", "<", "<=", "in"})
_OUTCOMES: Final = ("HOLD", "REJECT", "WARN")
_SCOPES: Final = ("order", "path")


def read_old_form(version: int, data: Mapping[str, Any]) -> RuleSet:
    """Read a rule set of terms.

    Raises:
        RuleSetError: A row uses an unknown name, operation, type, outcome or scope, or has no
            terms; two rows share an id; the tolerance is out of bounds.

    """
    faults = Faults()
    tolerance = read_tolerance(faults, data.get("tolerance_percent", "0"))
    if faults.found:
        raise RuleSetError(version, faults.found)
    rows = tuple(_read_row(version, place, row) for place, row in enumerate(data["rows"]))
    ids = [row.rule_id for row in rows]
    if len(set(ids)) != len(ids):
        raise RuleSetError(version, [Fault("rows", "two rows share an id")])
    return RuleSet(version, tolerance, rows, str(data.get("name", "")))


def _read_row(version: int, place: int, row: Mapping[str, Any]) -> Row:
    rule_id, outcome, scope = str(row["id"]), row["outcome"], row.get("scope", "order")
    if outcome not in _OUTCOMES or scope not in _SCOPES or not row["when"]:
        # an outcome that nobody knows would stop nothing
        message = f"needs terms, an outcome of {_OUTCOMES}, a scope of {_SCOPES}"
        raise RuleSetError(version, [Fault(f"rows[{place}]", message, rule_id)])
    terms = [_read_term(version, rule_id, term) for term in row["when"]]
    threshold = row.get("threshold")
    return Row(
        rule_id=rule_id,
        reason=row["reason"],
        outcome=outcome,
        condition=terms[0] if len(terms) == 1 else Logic("&&", tuple(terms)),
        scope=scope,
        observed=row.get("observed"),
        threshold=threshold if isinstance(threshold, str) else None,
        when=" && ".join(_as_text(term) for term in row["when"]),
        auto_release=row.get("auto_release", True) is not False,
    )


def _read_term(version: int, rule_id: str, term: Sequence[Any]) -> Node:
    name, operation, value = term
    known = NAMES.get(name)
    if known is None or operation not in _OPERATIONS:
        message = f"unknown name or operation in {name} {operation}"
        raise RuleSetError(version, [Fault("rows", message, rule_id)])
    kind = known.kind.type
    values = value if operation == "in" else [value]
    if not all(type(one) is kind for one in values):
        message = f"{name} is compared with something that is no {kind.__name__}"
        raise RuleSetError(version, [Fault("rows", message, rule_id)])
    right = Items(tuple(value)) if operation == "in" else Literal(value)
    return Binary(operation, Name(name), right)


def _as_text(term: Sequence[Any]) -> str:
    name, operation, value = term
    if operation == "in":
        return f"{name} in [{', '.join(_constant(one) for one in value)}]"
    if isinstance(value, bool) and operation == "==":
        return name if value else f"!{name}"
    return f"{name} {operation} {_constant(value)}"


def _constant(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        told = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{told}"'
    return str(value)
