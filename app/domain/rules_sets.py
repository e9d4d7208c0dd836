"""A rule set: the rows of one version of the policy, and which of them an order is asked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from app.domain.rules_names import NAMES
from app.domain.rules_plan import Plan
from app.domain.rules_reach import DIMENSIONS, Subject
from app.domain.rules_rows import Context, Fired, Row, RowScope
from app.domain.terms import TERMS_NAMES, TermsTable

NEVER_LIFTED: Final = frozenset(
    {"FORCED_HOLD", "ACCOUNT_STOPPED", "ORDER_REJECTED", "FX_RATE_MISSING"}
)
"""Reasons that no exemption of a policy lifts; nor does any lift a row of the scope `path`."""

PATH_NAMES: Final = frozenset(one.name for one in NAMES.values() if one.path)
"""Names of one account that an order must fit."""

ALWAYS_FILLED: Final = PATH_NAMES | {
    "customer_active",
    "order_rejected",
    "order_forced_hold",
    "account_stopped",
    "account_quarantined",
    "account_overdue_days",
    "account_overdue_minor",
    "account_overdue_share_percent",
    "fx_missing",
    "ledger_age_days",
    "score_class",
    "score_age_days",
    *TERMS_NAMES,
}
"""What `context.py` fills for every policy, and `terms.py` for those that read of terms."""

_MOST_PLANS: Final = 512
_SCOPES: Final[tuple[RowScope, ...]] = ("order", "path")


@dataclass(frozen=True, slots=True)
class RuleSet:
    """An immutable version of the policy. `tolerance_percent` is allowed above a positive limit.

    `terms` are the payment terms by risk class, `clauses` the numbers of the
    written policy with their text (zh, en), `texts` the rule set's own sentences by reason code
    (zh, en), `examples` what it is tested by, as JSON.
    """

    version: int
    tolerance_percent: Decimal
    rows: tuple[Row, ...]
    name: str = ""
    terms: TermsTable = field(default_factory=dict)
    clauses: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    texts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    examples: tuple[Mapping[str, Any], ...] = ()
    more_names: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names that rows read or show beyond those that every context has."""
    path_reads_order: bool = field(init=False, repr=False, compare=False)
    """Whether a row of the scope `path` reads names of the order."""
    reads_terms: bool = field(init=False, repr=False, compare=False)
    """Whether a row reads or shows a name of payment terms."""
    is_scoped: bool = field(init=False, repr=False, compare=False)
    """Whether any row is not for everybody at every check point."""
    _plans: dict[object, Plan] = field(init=False, repr=False, compare=False)
    _tolerance: tuple[int, int] = field(init=False, repr=False, compare=False)
    _places: Mapping[str, int] = field(init=False, repr=False, compare=False)
    _scoped: Mapping[str, frozenset[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make of the table what is asked again and again."""
        keep = object.__setattr__  # the one way into a frozen value
        shown = {name for row in self.rows for name in row.shown()}
        keep(self, "reads_terms", not shown.isdisjoint(TERMS_NAMES))
        keep(self, "more_names", frozenset(shown - ALWAYS_FILLED))
        path = {name for row in self.rows if row.scope == "path" for name in row.shown()}
        keep(self, "path_reads_order", not path <= PATH_NAMES)
        keep(self, "_plans", {})
        keep(self, "_tolerance", (Fraction(self.tolerance_percent) / 100).as_integer_ratio())
        keep(self, "_places", {row.rule_id: place for place, row in enumerate(self.rows)})
        scoped = {
            one: frozenset[str]().union(*(row.reach.values(one) for row in self.rows))
            for one in DIMENSIONS
        }
        keep(self, "_scoped", {one: values for one, values in scoped.items() if values})
        is_open = all(row.check_points is None and row.reach.is_open for row in self.rows)
        keep(self, "is_scoped", not is_open)
        if is_open:
            for scope in _SCOPES:
                self._plans[scope] = Plan([row for row in self.rows if row.scope == scope])

    def ceiling(self, limit_minor: int) -> int:
        """Give limit and tolerance together, rounded down to a minor unit."""
        more, of = self._tolerance
        return limit_minor + limit_minor * more // of

    def place_of(self, one: Fired) -> int:
        """Give a row's place in the table; one that is not in it stands after all that are."""
        return self._places.get(one.row.rule_id, len(self._places))

    def fire(
        self,
        context: Context,
        scope: RowScope,
        account_id: int | None = None,
        subject: Subject | None = None,
    ) -> list[Fired]:
        """Ask the rows of a scope that reach a subject; without one, those that reach everybody.

        Returns what fired in the table's order.
        """
        plan = self._plans.get(scope)
        if plan is None:
            plan = self._plan(scope, subject)
        return plan.fire(context, account_id)

    def _plan(self, scope: RowScope, subject: Subject | None) -> Plan:
        """Find the plan for subjects that this table cannot tell apart."""
        key = (scope, self._told_apart(subject) if subject else None)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            plan = self._plans[key] = _plan(
                [row for row in self.rows if row.scope == scope], subject
            )
        return plan

    def _told_apart(self, subject: Subject) -> tuple[object, ...]:
        """Keep of a subject what any row of the table names."""
        told: list[object] = [subject.check_point]
        for dimension, named in self._scoped.items():
            if dimension == "groups":
                told.append(tuple(one for one in subject.groups if one in named))
                continue
            value = _VALUE[dimension](subject)
            told.append(value if value is None or value in named else "")
        return tuple(told)


_VALUE: Final[Mapping[str, Any]] = {
    "segments": lambda subject: subject.segment,
    "countries": lambda subject: subject.country,
    "industries": lambda subject: subject.industry,
    "classes": lambda subject: subject.risk_class,
    "customers": lambda subject: subject.customer,
}


def _plan(rows: Sequence[Row], subject: Subject | None) -> Plan:
    reaching: list[Row] = []
    unknown: list[tuple[Row, str]] = []
    for row in rows:
        if subject is None:
            meets: bool | str = row.check_points is None and row.reach.is_open
        elif row.check_points is not None and subject.check_point not in row.check_points:
            continue
        else:
            meets = row.reach.meets(subject)
        if meets is True:
            reaching.append(row)
        elif meets:
            unknown.append((row, meets))
    best: dict[tuple[str, bool], int] = {}
    for row in reaching:
        best[_rivals(row)] = max(row.reach.rank, best.get(_rivals(row), 0))
    return Plan([row for row in reaching if row.reach.rank == best[_rivals(row)]], tuple(unknown))


def _rivals(row: Row) -> tuple[str, bool]:
    """Name those among which the most specific row takes the others' place.

    An exemption takes no place of what it lifts, which is asked whether the exemption holds or not.
    """
    return row.family, row.outcome == "APPROVE"


def settled(found: Iterable[Fired]) -> tuple[list[Fired], list[Fired]]:
    """Let exemptions lift what they may; returns what stands, and what was lifted with why."""
    found = list(found)
    exemptions = [one for one in found if one.outcome == "APPROVE"]
    if not exemptions:
        return found, []
    stands: list[Fired] = []
    lifted: list[Fired] = []
    for one in found:
        if one.outcome != "APPROVE":
            (lifted if _is_lifted(one, exemptions) else stands).append(one)
    return stands, [*lifted, *exemptions]


def _is_lifted(one: Fired, exemptions: Sequence[Fired]) -> bool:
    if one.row.scope == "path" or one.row.reason in NEVER_LIFTED:
        return False
    return any(
        one.row.family in other.row.lifts and other.row.precedence >= one.row.precedence
        for other in exemptions
    )
