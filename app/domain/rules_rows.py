"""A row of a policy, and what it says of one order."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from app.domain.cel import Binary, Logic, Name, Node, Value
from app.domain.cel import Literal as Constant
from app.domain.cel_check import names_of
from app.domain.cel_compile import compiled
from app.domain.rules_reach import Reach

Context = Mapping[str, Any]
"""Values by name, each of the type that the schema gives it."""

Test = Callable[[Context], bool]
"""Says whether a row holds; every name it reads is in the context."""

Outcome = Literal["APPROVE", "HOLD", "REJECT"]
RowOutcome = Literal["APPROVE", "HOLD", "REJECT", "WARN"]
RowScope = Literal["order", "path"]

OUTCOMES: Final = ("APPROVE", "HOLD", "REJECT", "WARN")
MISSING: Final = "MISSING_INPUT"
FAILED: Final = "RULE_ERROR"

_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Row:
    """One rule. `scope` PATH is asked of the own account and every group that has a limit.

    `check_points` None: all. Rows of one `family` compete: of those that reach an order only the
    most specific are asked. `on_missing` is the outcome where an input is missing or the condition
    fails. An APPROVE row `lifts` families whose rows have no higher `precedence`. `allowed` is the
    threshold where it is a constant, that of `shown_parameter` if the row says so. `says` is the
    rule set's own text of the reason, zh and en. `auto_release` false: what it holds is released by
    a person or a new question, never by itself.
    """

    rule_id: str
    reason: str
    outcome: RowOutcome
    condition: Node
    scope: RowScope = "order"
    observed: str | None = None
    threshold: str | None = None
    allowed: Value | None = None
    shown_parameter: str | None = None
    when: str = ""
    zh: str = ""
    en: str = ""
    check_points: frozenset[str] | None = None
    reach: Reach = field(default_factory=Reach)
    family: str = ""
    on_missing: RowOutcome = "HOLD"
    lifts: frozenset[str] = frozenset()
    precedence: int = 0
    parameters: Mapping[str, Value | tuple[Value, ...]] = field(default_factory=lambda: _NOTHING)
    action: str | None = None
    clause: str | None = None
    owner: str | None = None
    auto_release: bool = True
    says: tuple[str, str] | None = None
    names: tuple[str, ...] = field(init=False)
    """All names that it reads, in their order."""
    test: Test = field(init=False, repr=False, compare=False)
    """Asks the condition of a context that has all its names; raises ArithmeticError."""

    def __post_init__(self) -> None:
        """Make once what is asked again and again."""
        keep = object.__setattr__  # the one way into a frozen value
        keep(self, "names", names_of(self.condition))
        keep(self, "test", compiled(self.condition))
        keep(self, "family", self.family or self.reason)
        if self.allowed is None:
            keep(self, "allowed", _constant_of(self.condition, self.observed))

    def shown(self) -> tuple[str, ...]:
        """List the names that it reads, and those that its reason shows."""
        more = (self.observed, self.threshold)
        return (*self.names, *(one for one in more if one is not None))

    def threshold_of(self, context: Context) -> Value | None:
        """Give what was allowed: a name's value, or the constant the observed is held against."""
        if self.threshold is not None and self.threshold in context:
            named: Value = context[self.threshold]
            return named
        return self.allowed


@dataclass(frozen=True, slots=True)
class Fired:
    """A row that fired: what was seen and what is allowed, as raw values with their name."""

    row: Row
    reason: str
    outcome: RowOutcome
    observed: Value | None
    threshold: Value | None
    account_id: int | None = None


def conjuncts(tree: Node) -> Iterator[Node]:
    """Take a condition apart into what must hold all together."""
    if isinstance(tree, Logic) and tree.operator == "&&":
        for one in tree.parts:
            yield from conjuncts(one)
    else:
        yield tree


def _constant_of(tree: Node, observed: str | None) -> Value | None:
    for one in conjuncts(tree):
        if isinstance(one, Binary) and one.operator != "in":
            for name, value in ((one.left, one.right), (one.right, one.left)):
                if isinstance(name, Name) and name.name == observed and isinstance(value, Constant):
                    return value.value
    return None


def fired(row: Row, context: Context, account_id: int | None) -> Fired:
    """Say that a row holds."""
    seen = context.get(row.observed) if row.observed else None
    return Fired(row, row.reason, row.outcome, seen, row.threshold_of(context), account_id)


def missing(row: Row, name: str, account_id: int | None) -> Fired:
    """Say that a row cannot be asked, as nobody knows what it reads."""
    return Fired(row, MISSING, row.on_missing, name, None, account_id)


def failed(row: Row, account_id: int | None) -> Fired:
    """Say that a row was asked and came to nothing: it divided by zero or passed 64 bits."""
    return Fired(row, FAILED, row.on_missing, row.rule_id, None, account_id)


def ask(row: Row, context: Context, account_id: int | None = None) -> Fired | None:
    """Ask one row; None: it does not hold."""
    unknown = next((name for name in row.names if name not in context), None)
    if unknown is not None:
        return missing(row, unknown, account_id)
    try:
        return fired(row, context, account_id) if row.test(context) else None
    except ArithmeticError:
        return failed(row, account_id)
