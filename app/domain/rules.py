"""The credit policy as a table of rows, evaluated over a flat context of typed names.

A rule set is data (JSON in the database, immutable by version), so that a stored decision can be
judged again by the very version that judged it. A row fires where all its terms hold. A name that
is missing from the context is never "no hit": the row then holds with MISSING_INPUT.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Final, Literal

Value = bool | int | str
Context = Mapping[str, Any]
"""Values by name, each of the type that `SCHEMA` gives it."""

Test = Callable[[Context], bool]
"""Says whether a term, or a row, holds; every name it reads is in the context."""

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

_OPERATIONS: Final[dict[str, Callable[[str, Any], Test]]] = {
    "==": lambda name, value: lambda context: context[name] == value,
    "!=": lambda name, value: lambda context: context[name] != value,
    ">": lambda name, value: lambda context: context[name] > value,
    ">=": lambda name, value: lambda context: context[name] >= value,
    "<": lambda name, value: lambda context: context[name] < value,
    "<=": lambda name, value: lambda context: context[name] <= value,
    "in": lambda name, value: lambda context: context[name] in value,
}

_OUTCOMES: Final = ("HOLD", "REJECT", "WARN")
_SCOPES: Final = ("order", "path")
MOST_TOLERANCE_PERCENT: Final = 100
"""The largest tolerance above a limit, inclusive."""


@dataclass(frozen=True, slots=True)
class Term:
    """`name operation value`, over the context."""

    name: str
    operation: str
    value: Value | tuple[str, ...]

    def test(self) -> "Test":
        """Make the comparison a function of a context that has the name."""
        return _OPERATIONS[self.operation](self.name, self.value)


@dataclass(frozen=True, slots=True)
class Row:
    """One rule. `scope` PATH is asked of the own account and every group that has a limit.

    `auto_release` false: what it holds is released by a person or a new question, never by itself.
    """

    rule_id: str
    reason: str
    outcome: RowOutcome
    terms: tuple[Term, ...]
    scope: Literal["order", "path"]
    observed: str | None
    threshold: str | Value | None
    auto_release: bool = True

    def threshold_of(self, context: Context) -> Value | None:
        """Give what was allowed: a name's value, or the constant of the observed name's term."""
        if isinstance(self.threshold, str) and self.threshold in context:
            named: Value = context[self.threshold]
            return named
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
class _Compiled:
    """The rows of one scope, ready to be asked thousands of times a second.

    `names` are all that any of them reads: where the context has them, none needs to look.
    """

    names: frozenset[str]
    rows: tuple[tuple[Row, Test], ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "_Compiled":
        names = frozenset(term.name for row in rows for term in row.terms)
        return cls(names, tuple((row, _all([term.test() for term in row.terms])) for row in rows))


def _all(tests: Sequence[Test]) -> Test:
    first, *more = tests
    if not more:
        return first
    return lambda context: first(context) and all(test(context) for test in more)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """An immutable version of the policy. `tolerance_percent` is allowed above a positive limit."""

    version: int
    tolerance_percent: Decimal
    rows: tuple[Row, ...]
    _compiled: Mapping[str, _Compiled] = field(init=False, repr=False, compare=False)
    _tolerance: Fraction = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make of the table what is asked again and again."""
        of_scope = {scope: [row for row in self.rows if row.scope == scope] for scope in _SCOPES}
        compiled = {scope: _Compiled.of(rows) for scope, rows in of_scope.items()}
        object.__setattr__(self, "_compiled", compiled)  # the one way into a frozen value
        object.__setattr__(self, "_tolerance", Fraction(self.tolerance_percent) / 100)

    def ceiling(self, limit_minor: int) -> int:
        """Give limit and tolerance together, rounded down to a minor unit."""
        tolerance = self._tolerance
        return limit_minor + limit_minor * tolerance.numerator // tolerance.denominator

    def fire(
        self, context: Context, scope: Literal["order", "path"], account_id: int | None = None
    ) -> list[Fired]:
        """Evaluate every row of a scope in the table's order."""
        compiled = self._compiled[scope]
        if not compiled.names <= context.keys():
            return self._fire_with_care(compiled, context, account_id)
        return [_fired(row, context, account_id) for row, holds in compiled.rows if holds(context)]

    def _fire_with_care(
        self, compiled: _Compiled, context: Context, account_id: int | None
    ) -> list[Fired]:
        """Let a row that reads what is not there hold the order, whatever its other terms say."""
        found = []
        for row, holds in compiled.rows:
            missing = next((term.name for term in row.terms if term.name not in context), None)
            if missing is not None:
                found.append(Fired(row, "MISSING_INPUT", "HOLD", missing, None, account_id))
            elif holds(context):
                found.append(_fired(row, context, account_id))
        return found


def _fired(row: Row, context: Context, account_id: int | None) -> Fired:
    seen = context.get(row.observed) if row.observed else None
    return Fired(row, row.reason, row.outcome, seen, row.threshold_of(context), account_id)


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
        auto_release=row.get("auto_release", True) is not False,
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
