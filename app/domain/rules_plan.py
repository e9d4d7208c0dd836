"""Rows sorted by what must hold before any of them can, so that few are asked.

From each condition comparisons of a name with constants are taken of which one must hold (gates).
All gates on one name are one look-up: in a dictionary, or by bisection over sorted thresholds. A
gate that does not hold settles the whole `&&`, errors in its other parts included, as in CEL.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple

from app.domain.cel import Binary, Choice, Items, Logic, Name, Node, Unary
from app.domain.cel import Literal as Constant
from app.domain.cel_compile import can_fail
from app.domain.rules_names import NAMES
from app.domain.rules_rows import (
    Context,
    Fired,
    Row,
    Test,
    ask,
    conjuncts,
    failed,
    fired,
    missing,
)

_MIRRORED: Final = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}
_MOST_GATES: Final = 8
_MOST_KEPT: Final = 64
"""Plans kept for contexts in which names are missing."""
_MOST_SEEN: Final = 64
"""Combinations of values whose rows a plan keeps: few, unless a policy reads attributes, which may
have any value; what is kept is forgotten then, again and again."""

Asked = tuple[int, Row, Test | None]
"""Place in the table, the row, and what is still to be asked; None: the gate was all of it."""


class Gate(NamedTuple):
    """A comparison that must hold: `name` EQUAL to one of `values`, UNEQUAL, ABOVE or BELOW one."""

    kind: Literal["EQUAL", "UNEQUAL", "ABOVE", "BELOW"]
    name: str
    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:  # noqa: ANN401 - any value
        """Tell whether a value passes."""
        if self.kind == "EQUAL":
            return value in self.values
        if self.kind == "UNEQUAL":
            return value not in self.values
        (limit,) = self.values
        above: bool = value > limit if self.kind == "ABOVE" else value < limit
        return above


def _gate(tree: Node) -> Gate | None:
    """Make a gate of a comparison that is simple enough to be one."""
    match tree:
        case Name(name, _):
            return Gate("EQUAL", name, (True,))
        case Unary("!", Name(name, _), _):
            return Gate("EQUAL", name, (False,))
        case Binary("in", Name(name, _), Items(values, _), _):
            return Gate("EQUAL", name, values)
        case Binary(sign, Name(name, _), Constant(value, _), _) if sign in _MIRRORED:
            return _compared(sign, name, value)
        case Binary(sign, Constant(value, _), Name(name, _), _) if sign in _MIRRORED:
            return _compared(_MIRRORED[sign], name, value)
        case _:
            return None


def _compared(sign: str, name: str, value: Any) -> Gate | None:  # noqa: ANN401 - a constant
    if sign == "==":
        return Gate("EQUAL", name, (value,))
    if sign == "!=":
        return Gate("UNEQUAL", name, (value,))
    if type(value) is not int:
        return None
    if sign in {">", ">="}:
        return Gate("ABOVE", name, (value if sign == ">" else value - 1,))
    return Gate("BELOW", name, (value if sign == "<" else value + 1,))


def _gates(tree: Node) -> tuple[Gate, ...]:
    """Find gates of which one must hold; none: nothing is known ahead.

    Of parts that must all hold the one is taken that most orders stop at.
    """
    if isinstance(tree, Logic) and tree.operator == "||":
        return _of_either([_gates(part) for part in tree.parts])
    if isinstance(tree, Choice):
        return () if can_fail(tree.test) else _of_either([_gates(tree.yes), _gates(tree.no)])
    if isinstance(tree, Logic):
        found = [gates for gates in map(_gates, conjuncts(tree)) if gates]
        return min(found, key=_usually_open, default=())
    gate = _gate(tree)
    return () if gate is None else (gate,)


def _of_either(found: Sequence[tuple[Gate, ...]]) -> tuple[Gate, ...]:
    if not all(found):
        return ()
    gates = tuple(dict.fromkeys(gate for gates in found for gate in gates))
    return gates if len(gates) <= _MOST_GATES else ()


def _usually_open(gates: tuple[Gate, ...]) -> int:
    """Count the gates that an ordinary order passes, those of unknown values among them."""
    known = [(gate, NAMES.get(gate.name)) for gate in gates]
    return sum(one is None or gate.holds(one.example) for gate, one in known)


@dataclass(slots=True)
class Plan:
    """The rows that reach some orders, in the table's order, ready to be asked.

    `unknown` are rows of which nobody knows whether they reach the order, with the missing input.
    """

    rows: Sequence[Row]
    unknown: Sequence[tuple[Row, str]] = ()
    names: frozenset[str] = field(init=False)
    _always: list[Asked] = field(default_factory=list)
    _equal: list[tuple[str, dict[Any, list[Asked]]]] = field(default_factory=list)
    _unequal: list[tuple[str, Any, list[Asked]]] = field(default_factory=list)
    _above: list[tuple[str, list[int], list[Asked]]] = field(default_factory=list)
    _below: list[tuple[str, list[int], list[Asked]]] = field(default_factory=list)
    _without: dict[frozenset[str], tuple["Plan", list[tuple[int, Row, str]]]] = field(
        default_factory=dict
    )
    _places: Mapping[str, int] = field(init=False)
    _exact: Callable[[Context], Any] = field(init=False)
    """Reads what is compared for equality: few combinations of it ever occur."""
    _seen: dict[Any, list[Asked]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort the rows by their gates."""
        self.names = frozenset(name for row in self.rows for name in row.names)
        self._places = {row.rule_id: place for place, row in enumerate(self.rows)}
        gated: dict[tuple[str, str, Any], list[tuple[Gate, Asked]]] = {}
        for place, row in enumerate(self.rows):
            gates = _gates(row.condition)
            asked: Asked = (place, row, None if _gate(row.condition) else row.test)
            if not gates:
                self._always.append(asked)
            for gate in gates:
                value = gate.values[0] if gate.kind == "UNEQUAL" else None
                gated.setdefault((gate.kind, gate.name, value), []).append((gate, asked))
        for (kind, name, value), rows in gated.items():
            if kind == "EQUAL":
                self._equal.append((name, _by_value(rows)))
            elif kind == "UNEQUAL":
                self._unequal.append((name, value, [asked for _, asked in rows]))
            else:
                rows.sort(key=lambda one: one[0].values[0])
                limits = [gate.values[0] for gate, _ in rows]
                table = self._above if kind == "ABOVE" else self._below
                table.append((name, limits, [asked for _, asked in rows]))
        exact = [gate[0] for gate in (*self._equal, *self._unequal)]
        self._exact = itemgetter(*dict.fromkeys(exact)) if exact else _nothing

    def fire(self, context: Context, account_id: int | None = None) -> list[Fired]:
        """Ask the rows; returns what fired in the table's order, unknown rows last."""
        found = self._fire(context, account_id)
        for row, name in self.unknown:
            found.append(missing(row, name, account_id))
        return found

    def _fire(self, context: Context, account_id: int | None) -> list[Fired]:
        if not self.names <= context.keys():
            return self._fire_without(context, account_id)
        hits = self._hits(context)
        if not hits:
            return []
        if len(hits) > 1:  # a row may have passed several gates
            hits = sorted({asked[0]: asked for asked in hits}.values(), key=_place)
        found = []
        for _, row, test in hits:
            try:
                if test is None or test(context):
                    found.append(fired(row, context, account_id))
            except ArithmeticError:
                found.append(failed(row, account_id))
        return found

    def _hits(self, context: Context) -> list[Asked]:
        """Collect the rows whose gates hold; the list is not the caller's to change."""
        exact = self._exact(context)
        hits = self._seen.get(exact)
        if hits is None:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            hits = self._seen[exact] = self._hits_exactly(context)
        for name, limits, asked in self._above:
            count = bisect_left(limits, context[name])
            if count:
                hits = hits + asked[:count]
        for name, limits, asked in self._below:
            count = bisect_right(limits, context[name])
            if count < len(limits):
                hits = hits + asked[count:]
        return hits

    def _hits_exactly(self, context: Context) -> list[Asked]:
        """Collect the rows that have no gates, and those whose values are equal, or are not."""
        hits = self._always.copy()
        for name, table in self._equal:
            hits += table.get(context[name], ())
        for name, value, asked in self._unequal:
            if context[name] != value:
                hits += asked
        return hits

    def _fire_without(self, context: Context, account_id: int | None) -> list[Fired]:
        """Let rows that read what is not there say so, whatever else they ask."""
        absent = frozenset(self.names - context.keys())
        known = self._without.get(absent)
        if known is None:
            if len(self._without) >= _MOST_KEPT:
                self._without.clear()
            touched = [row for row in self.rows if not absent.isdisjoint(row.names)]
            rest = [row for row in self.rows if absent.isdisjoint(row.names)]
            places = self._places
            known = (
                Plan(rest),
                [
                    (places[row.rule_id], row, next(name for name in row.names if name in absent))
                    for row in touched
                ],
            )
            self._without[absent] = known
        plan, touched_rows = known
        found = [(self._places[one.row.rule_id], one) for one in plan.fire(context, account_id)]
        found += [(place, missing(row, name, account_id)) for place, row, name in touched_rows]
        found.sort(key=_place)
        return [one for _, one in found]


def _nothing(_: Context) -> None:
    return None


def _place(found: tuple[Any, ...]) -> int:
    place: int = found[0]
    return place


def _by_value(rows: Iterable[tuple[Gate, Asked]]) -> dict[Any, list[Asked]]:
    table: dict[Any, list[Asked]] = {}
    for gate, asked in rows:
        for value in dict.fromkeys(gate.values):
            table.setdefault(value, []).append(asked)
    return table


def ask_each(rows: Iterable[Row], context: Context, account_id: int | None = None) -> list[Fired]:
    """Ask every row by itself: what a plan must come to, at its own pace."""
    found = (ask(row, context, account_id) for row in rows)
    return [one for one in found if one is not None]
