"""What a condition can hold for: boxes of ranges by name, as far as it compares names to constants.

A condition becomes "one of these boxes". Where it does more than compare (arithmetic, two names),
that part is taken as possible, and the answer is not `exact`: a box may then be too large, never
too small.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from app.domain.cel import (
    LARGEST,
    SMALLEST,
    Binary,
    Choice,
    Items,
    Literal,
    Logic,
    Name,
    Node,
    Unary,
    Value,
)
from app.domain.cel_check import Kind

_MOST_BOXES: Final = 128
_MIRRORED: Final = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}
_NEGATED: Final = {">": "<=", "<": ">=", ">=": "<", "<=": ">", "==": "!=", "!=": "=="}


@dataclass(frozen=True, slots=True)
class Numbers:
    """Whole numbers from `low` to `high`, inclusive."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Among:
    """Texts or truths: one of `values`, or with `but` anything except these."""

    values: frozenset[Value]
    but: bool = False


Range = Numbers | Among
Box = Mapping[str, Range]
"""A range by name; a name that is not there may be anything."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """All that a condition can hold for."""

    boxes: tuple[Box, ...]
    exact: bool = True


_ALL: Final = Boxes(({},))
_NONE: Final = Boxes(())
_UNKNOWN: Final = Boxes(({},), exact=False)


def boxes_of(  # noqa: PLR0911 - one a kind of node
    tree: Node, kinds: Mapping[str, Kind], *, holds: bool = True
) -> Boxes:
    """Work out for what a condition holds, or for what it does not."""
    match tree:
        case Literal(bool(value), _):
            return _ALL if value is holds else _NONE
        case Name(name, _):
            return Boxes(({name: Among(frozenset({holds}))},))
        case Unary("!", one, _):
            return boxes_of(one, kinds, holds=not holds)
        case Logic(sign, parts, _):
            found = [boxes_of(one, kinds, holds=holds) for one in parts]
            return _either(found) if (sign == "||") is holds else _both(found, kinds)
        case Choice(test, yes, no, _):
            then = [boxes_of(test, kinds), boxes_of(yes, kinds, holds=holds)]
            other = [boxes_of(test, kinds, holds=False), boxes_of(no, kinds, holds=holds)]
            return _either([_both(then, kinds), _both(other, kinds)])
        case Binary():
            return _compared(tree, kinds, holds=holds)
        case _:
            return _UNKNOWN


def _compared(tree: Binary, kinds: Mapping[str, Kind], *, holds: bool) -> Boxes:
    match tree:
        case Binary("in", Name(name, _), Items(values, _), _):
            return _equal(name, values, kinds, holds=holds)
        case Binary(sign, Name(name, _), Literal(value, _), _) if sign in _MIRRORED:
            return _against(sign if holds else _NEGATED[sign], name, value, kinds)
        case Binary(sign, Literal(value, _), Name(name, _), _) if sign in _MIRRORED:
            sign = _MIRRORED[sign]
            return _against(sign if holds else _NEGATED[sign], name, value, kinds)
        case _:
            return _UNKNOWN


def _against(sign: str, name: str, value: Value, kinds: Mapping[str, Kind]) -> Boxes:
    if sign in {"==", "!="}:
        return _equal(name, (value,), kinds, holds=sign == "==")
    if type(value) is not int:
        return _UNKNOWN
    low, high = {
        ">": (value + 1, LARGEST),
        ">=": (value, LARGEST),
        "<": (SMALLEST, value - 1),
        "<=": (SMALLEST, value),
    }[sign]
    return _kept([{name: Numbers(low, high)}], kinds)


def _equal(name: str, values: Iterable[Value], kinds: Mapping[str, Kind], *, holds: bool) -> Boxes:
    if kinds[name].type is not int:
        return _kept([{name: Among(frozenset(values), not holds)}], kinds)
    numbers = sorted(one for one in set(values) if type(one) is int)
    if holds:
        return _kept([{name: Numbers(one, one)} for one in numbers], kinds)
    lows = [SMALLEST, *(one + 1 for one in numbers)]
    highs = [*(one - 1 for one in numbers), LARGEST]
    between = [{name: Numbers(low, high)} for low, high in zip(lows, highs, strict=True)]
    return _kept(between, kinds)


def _kept(found: Iterable[Box], kinds: Mapping[str, Kind]) -> Boxes:
    """Leave out boxes that no value of the schema is in."""
    kept = [one for one in (_bounded(box, kinds) for box in found) if one is not None]
    return Boxes(tuple(kept)) if len(kept) <= _MOST_BOXES else _UNKNOWN


def _bounded(box: Box, kinds: Mapping[str, Kind]) -> Box | None:
    found = {}
    for name, one in box.items():
        met = _meet(one, _domain(kinds[name]))
        if met is None:
            return None
        found[name] = met
    return found


def _domain(kind: Kind) -> Range:
    if kind.type is int:
        low = SMALLEST if kind.low is None else kind.low
        return Numbers(low, LARGEST if kind.high is None else kind.high)
    if kind.type is bool:
        return Among(frozenset({False, True}))
    if kind.values is not None:
        return Among(frozenset(kind.values))
    return Among(frozenset(), but=True)


def _meet(one: Range, other: Range) -> Range | None:
    """Give what is in both; None: nothing."""
    if isinstance(one, Numbers) and isinstance(other, Numbers):
        low, high = max(one.low, other.low), min(one.high, other.high)
        return Numbers(low, high) if low <= high else None
    if not (isinstance(one, Among) and isinstance(other, Among)):
        return None
    if one.but and other.but:
        return Among(one.values | other.values, but=True)
    if one.but or other.but:
        listed, excluded = (other, one) if one.but else (one, other)
        values = listed.values - excluded.values
    else:
        values = one.values & other.values
    return Among(values) if values else None


def meet(one: Box, other: Box) -> Box | None:
    """Give what is in both boxes; None: nothing is."""
    found = dict(one)
    for name, more in other.items():
        met = _meet(found[name], more) if name in found else more
        if met is None:
            return None
        found[name] = met
    return found


def _either(found: Iterable[Boxes]) -> Boxes:
    found = list(found)
    boxes = tuple(box for one in found for box in one.boxes)
    if len(boxes) > _MOST_BOXES:
        return _UNKNOWN
    return Boxes(boxes, all(one.exact for one in found))


def _both(found: Iterable[Boxes], kinds: Mapping[str, Kind]) -> Boxes:
    boxes: list[Box] = [{}]
    exact = True
    for one in found:
        exact = exact and one.exact
        met = [meet(left, right) for left in boxes for right in one.boxes]
        boxes = [box for box in met if box is not None]
        if len(boxes) > _MOST_BOXES:
            return _UNKNOWN
    kept = _kept(boxes, kinds)
    return Boxes(kept.boxes, exact and kept.exact)


def within(one: Boxes, other: Boxes, kinds: Mapping[str, Kind]) -> bool:
    """Tell whether all that is in `one` is surely in `other`; False where that cannot be told."""
    if not other.exact:
        return False
    return all(any(_inside(box, larger, kinds) for larger in other.boxes) for box in one.boxes)


def _inside(box: Box, larger: Box, kinds: Mapping[str, Kind]) -> bool:
    return all(_covers(wide, box.get(name, _domain(kinds[name]))) for name, wide in larger.items())


def _covers(wide: Range, narrow: Range) -> bool:
    return _meet(wide, narrow) == narrow


def overlap(one: Boxes, other: Boxes) -> bool:
    """Tell whether something can be in both."""
    return any(meet(left, right) is not None for left in one.boxes for right in other.boxes)
