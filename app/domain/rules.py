"""The credit policy as a table of rows, evaluated over a flat context of typed names.

A rule set is data (JSON in the database, immutable by version), so that a stored decision can be
judged again by the very version that judged it. A row fires where all its terms hold. A name that
is missing from the context is never "no hit": the row then holds with MISSING_INPUT.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

Value = bool | int | str
Context = Mapping[str, Value]
Outcome = Literal["APPROVE", "HOLD", "REJECT"]
RowOutcome = Literal["HOLD", "REJECT", "WARN"]

SCHEMA: Final[dict[str, type]] = {
    "customer_active": bool,
    "order_rejected": bool,
    "order_forced_hold": bool,
    "account_stopped": bool,
    "account_quarantined": int,
    "account_overdue_days": int,
    "account_overdue_share_percent": int,
    "account_overdue_minor": int,
    "fx_missing": str,
    "limit_state": str,
    "limit_excess_minor": int,
    "limit_needed_minor": int,
    "limit_ceiling_minor": int,
    "score_class": str,
    "score_age_days": int,
    "ledger_age_days": int,
}
"""Every name a row may use. `*_minor` are minor units of the account's currency; `*_days` whole
days; `fx_missing` is the pair without a rate (`USD/CNY`) or empty; `limit_state` is ACTIVE, NONE
or EXPIRED; `score_class` is A to E, N (too little history) or empty (not scored)."""

_OPERATIONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "in": lambda left, right: left in right,
}

_OUTCOMES: Final = ("HOLD", "REJECT", "WARN")
_SCOPES: Final = ("order", "path")
MOST_TOLERANCE_PERCENT: Final = 100
"""The largest tolerance above a limit, inclusive."""

STANDARD: Final[dict[str, Any]] = {
    "name": "standard",
    "tolerance_percent": "0",
    "rows": [
        {
            "id": "customer-active",
            "reason": "CUSTOMER_INACTIVE",
            "outcome": "REJECT",
            "when": [["customer_active", "==", False]],
        },
        {
            "id": "order-rejected",
            "reason": "ORDER_REJECTED",
            "outcome": "REJECT",
            "when": [["order_rejected", "==", True]],
        },
        {
            "id": "forced-hold",
            "reason": "FORCED_HOLD",
            "outcome": "HOLD",
            "when": [["order_forced_hold", "==", True]],
        },
        {
            "id": "account-stop",
            "reason": "ACCOUNT_STOPPED",
            "outcome": "HOLD",
            "when": [["account_stopped", "==", True]],
        },
        {
            "id": "fx-rate",
            "reason": "FX_RATE_MISSING",
            "outcome": "HOLD",
            "when": [["fx_missing", "!=", ""]],
            "observed": "fx_missing",
        },
        {
            "id": "quarantine",
            "reason": "LEDGER_QUARANTINE",
            "outcome": "HOLD",
            "when": [["account_quarantined", ">", 0]],
            "observed": "account_quarantined",
        },
        {
            "id": "no-limit",
            "reason": "NO_LIMIT",
            "outcome": "HOLD",
            "scope": "path",
            "when": [["limit_state", "==", "NONE"], ["limit_excess_minor", ">", 0]],
            "observed": "limit_needed_minor",
            "threshold": "limit_ceiling_minor",
        },
        {
            "id": "limit-expired",
            "reason": "LIMIT_EXPIRED",
            "outcome": "HOLD",
            "scope": "path",
            "when": [["limit_state", "==", "EXPIRED"], ["limit_excess_minor", ">", 0]],
            "observed": "limit_needed_minor",
            "threshold": "limit_ceiling_minor",
        },
        {
            "id": "over-limit",
            "reason": "OVER_LIMIT",
            "outcome": "HOLD",
            "scope": "path",
            "when": [["limit_state", "==", "ACTIVE"], ["limit_excess_minor", ">", 0]],
            "observed": "limit_needed_minor",
            "threshold": "limit_ceiling_minor",
        },
        {
            "id": "overdue-days",
            "reason": "OVERDUE_DAYS",
            "outcome": "HOLD",
            "when": [["account_overdue_days", ">", 30]],
            "observed": "account_overdue_days",
        },
        {
            "id": "overdue-share",
            "reason": "OVERDUE_SHARE",
            "outcome": "HOLD",
            "when": [["account_overdue_share_percent", ">", 50], ["account_overdue_days", ">", 7]],
            "observed": "account_overdue_share_percent",
        },
        {
            "id": "score-class",
            "reason": "SCORE_CLASS",
            "outcome": "HOLD",
            "when": [["score_class", "in", ["E"]]],
            "observed": "score_class",
        },
        {
            "id": "stale-ledger",
            "reason": "STALE_LEDGER",
            "outcome": "HOLD",
            "when": [["ledger_age_days", ">", 7]],
            "observed": "ledger_age_days",
        },
        {
            "id": "not-scored",
            "reason": "NOT_SCORED",
            "outcome": "WARN",
            "when": [["score_class", "==", ""]],
        },
        {
            "id": "stale-score",
            "reason": "STALE_SCORE",
            "outcome": "WARN",
            "when": [["score_class", "!=", ""], ["score_age_days", ">", 35]],
            "observed": "score_age_days",
        },
    ],
}
"""The built-in rule set, version 1: what ships before anybody wrote a policy."""


@dataclass(frozen=True, slots=True)
class Term:
    """`name operation value`, over the context."""

    name: str
    operation: str
    value: Value | tuple[str, ...]

    def holds(self, context: Context) -> bool:
        """Apply the operation; the name is there."""
        return _OPERATIONS[self.operation](context[self.name], self.value)


@dataclass(frozen=True, slots=True)
class Row:
    """One rule. `scope` PATH is asked of the own account and every group that has a limit."""

    rule_id: str
    reason: str
    outcome: RowOutcome
    terms: tuple[Term, ...]
    scope: Literal["order", "path"]
    observed: str | None
    threshold: str | Value | None

    def threshold_of(self, context: Context) -> Value | None:
        """Give what was allowed: a name's value, or the constant of the observed name's term."""
        if isinstance(self.threshold, str) and self.threshold in context:
            return context[self.threshold]
        for term in self.terms:
            if term.name == self.observed and not isinstance(term.value, tuple):
                return term.value
        return None


@dataclass(frozen=True, slots=True)
class Fired:
    """A row that fired: what was seen and what is allowed, as raw values with their name."""

    row: Row
    reason: str
    outcome: RowOutcome
    observed: Value | None
    threshold: Value | None
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """An immutable version of the policy. `tolerance_percent` is allowed above a positive limit."""

    version: int
    tolerance_percent: Decimal
    rows: tuple[Row, ...]

    def fire(
        self, context: Context, scope: Literal["order", "path"], account_id: int | None = None
    ) -> Iterator[Fired]:
        """Evaluate every row of a scope in the table's order."""
        for row in self.rows:
            if row.scope != scope:
                continue
            missing = next((term.name for term in row.terms if term.name not in context), None)
            if missing is not None:
                yield Fired(row, "MISSING_INPUT", "HOLD", missing, None, account_id)
            elif all(term.holds(context) for term in row.terms):
                seen = context.get(row.observed) if row.observed else None
                yield Fired(
                    row, row.reason, row.outcome, seen, row.threshold_of(context), account_id
                )


def read_rule_set(version: int, data: Mapping[str, Any]) -> RuleSet:
    """Read a stored rule set.

    Raises:
        ValueError: A row uses an unknown name, operation, type, outcome or scope, or has no terms;
            two rows share an id; the tolerance is below 0 or above `MOST_TOLERANCE_PERCENT`.

    """
    rows = tuple(_read_row(row) for row in data["rows"])
    ids = [row.rule_id for row in rows]
    if len(set(ids)) != len(ids):
        message = f"rule set {version}: two rows share an id"
        raise ValueError(message)
    tolerance = _read_tolerance(version, str(data.get("tolerance_percent", "0")))
    return RuleSet(version, tolerance, rows)


def _read_tolerance(version: int, text: str) -> Decimal:
    try:
        tolerance = Decimal(text)
    except InvalidOperation:
        tolerance = Decimal("NaN")
    if not (tolerance.is_finite() and 0 <= tolerance <= MOST_TOLERANCE_PERCENT):
        message = (
            f"rule set {version}: tolerance_percent {text} is not 0 to {MOST_TOLERANCE_PERCENT}"
        )
        raise ValueError(message)
    return tolerance


def _read_row(row: Mapping[str, Any]) -> Row:
    rule_id, outcome, scope = str(row["id"]), row["outcome"], row.get("scope", "order")
    if outcome not in _OUTCOMES or scope not in _SCOPES or not row["when"]:
        # an outcome that nobody knows would stop nothing
        message = f"rule {rule_id}: needs terms, an outcome of {_OUTCOMES}, a scope of {_SCOPES}"
        raise ValueError(message)
    return Row(
        rule_id=rule_id,
        reason=row["reason"],
        outcome=outcome,
        terms=tuple(_read_term(rule_id, term) for term in row["when"]),
        scope=scope,
        observed=row.get("observed"),
        threshold=row.get("threshold"),
    )


def _read_term(rule_id: str, term: Sequence[Any]) -> Term:
    name, operation, value = term
    kind = SCHEMA.get(name)
    if kind is None or operation not in _OPERATIONS:
        message = f"rule {rule_id}: unknown name or operation in {name} {operation}"
        raise ValueError(message)
    values = value if operation == "in" else [value]
    if not all(type(one) is kind for one in values):
        message = f"rule {rule_id}: {name} is compared with something that is no {kind.__name__}"
        raise ValueError(message)
    return Term(name, operation, tuple(value) if operation == "in" else value)
