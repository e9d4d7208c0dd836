"""Types of a condition, before it is ever asked: what does not fit is refused, with its column."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from app.domain.cel import (
    Binary,
    CelError,
    Choice,
    Items,
    Literal,
    Logic,
    Name,
    Node,
    Unary,
    Value,
)
from app.domain.cel_compile import compiled

_SAID: Final = {bool: "a truth", int: "a whole number", str: "a text"}
_ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "%"})
_ORDERED: Final = frozenset({"<", "<=", ">", ">="})


@dataclass(frozen=True, slots=True)
class Kind:
    """What a name holds: its type, the only `values` of a text, the bounds of a number.

    `low` and `high` are inclusive; None: no bound.
    """

    type: type[Value]
    values: frozenset[str] | None = None
    low: int | None = None
    high: int | None = None


def with_parameters(tree: Node, parameters: Mapping[str, Value | tuple[Value, ...]]) -> Node:
    """Put constants in the place of a row's parameters."""
    match tree:
        case Name(name, at) if name in parameters:
            value = parameters[name]
            return Items(value, at) if isinstance(value, tuple) else Literal(value, at)
        case Unary(_, one, _):
            return replace(tree, one=with_parameters(one, parameters))
        case Binary(_, left, right, _):
            left, right = with_parameters(left, parameters), with_parameters(right, parameters)
            return replace(tree, left=left, right=right)
        case Logic(_, parts, _):
            return replace(tree, parts=tuple(with_parameters(one, parameters) for one in parts))
        case Choice(test, yes, no, at):
            found = [with_parameters(one, parameters) for one in (test, yes, no)]
            return Choice(found[0], found[1], found[2], at)
        case _:
            return tree


def names_of(tree: Node) -> tuple[str, ...]:
    """List the names that a tree reads, each once, from left to right."""
    return tuple(dict.fromkeys(node.name for node in nodes(tree) if isinstance(node, Name)))


def nodes(tree: Node) -> Iterator[Node]:
    """Walk a tree from left to right."""
    yield tree
    for one in _parts(tree):
        yield from nodes(one)


def _parts(tree: Node) -> tuple[Node, ...]:
    match tree:
        case Unary(_, one, _):
            return (one,)
        case Binary(_, left, right, _):
            return left, right
        case Logic(_, parts, _):
            return parts
        case Choice(test, yes, no, _):
            return test, yes, no
        case _:
            return ()


def check(tree: Node, names: Mapping[str, Kind]) -> None:
    """Insist that a tree is a condition over these names.

    Raises:
        CelError: An unknown name, a type that does not fit, a value that a name never has, or
            arithmetic on constants that always fails.

    """
    found = _type(tree, names)
    if found is not bool:
        raise CelError(f"a condition must be a truth, this is {_SAID[found]}", _at(tree))
    for node in reversed([*nodes(tree)]):  # what is inside comes first, and names the place
        _check_constants(node)


def _at(tree: Node) -> int:
    return max(1, tree.at)


def _type(tree: Node, names: Mapping[str, Kind]) -> type[Value]:
    match tree:
        case Literal(value, _):
            return type(value)
        case Name(name, _):
            if name not in names:
                raise CelError(f"{name[:60]} is no name of the schema", _at(tree))
            return names[name].type
        case Unary(operator, one, _):
            return _need(one, bool if operator == "!" else int, names)
        case Logic(_, parts, _):
            for one in parts:
                _need(one, bool, names)
            return bool
        case Choice(test, yes, no, _):
            _need(test, bool, names)
            return _need(no, _type(yes, names), names)
        case Binary():
            return _binary(tree, names)
        case _:
            raise CelError("a list stands only after `in`", _at(tree))


def _need(tree: Node, wanted: type[Value], names: Mapping[str, Kind]) -> type[Value]:
    found = _type(tree, names)
    if found is not wanted:
        raise CelError(f"expected {_SAID[wanted]}, found {_SAID[found]}", _at(tree))
    return wanted


def _binary(tree: Binary, names: Mapping[str, Kind]) -> type[Value]:
    operator, left, right = tree.operator, tree.left, tree.right
    kind = _type(left, names)
    if operator == "in":
        _check_items(left, kind, right, names)
        return bool
    _need(right, kind, names)
    if operator in _ARITHMETIC:
        if kind is bool or (kind is str and operator != "+"):
            raise CelError(f"{operator} takes whole numbers, found {_SAID[kind]}", _at(tree))
        return kind
    if operator in _ORDERED and kind is bool:
        raise CelError(f"{operator} takes no truths; use == or !=", _at(tree))
    if operator in {"==", "!="}:
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Name) and isinstance(other, Literal):
                _check_value(names[one.name], one.name, other.value, _at(other))
    return bool


def _check_items(left: Node, kind: type[Value], right: Node, names: Mapping[str, Kind]) -> None:
    if not isinstance(right, Items):
        raise CelError("`in` needs a list of constants, or a parameter that is one", _at(right))
    if not right.values:
        raise CelError("the list is empty: nothing is in it", _at(right))
    for value in right.values:
        if type(value) is not kind:
            raise CelError(f"expected {_SAID[kind]} in the list, found {value!r}", _at(right))
        if isinstance(left, Name):
            _check_value(names[left.name], left.name, value, _at(right))


def _check_value(kind: Kind, name: str, value: Value, column: int) -> None:
    """Refuse a constant that a name never equals: a typing error would be "no hit" for ever."""
    if kind.values is not None and value not in kind.values:
        known = ", ".join(sorted(kind.values)) or "nothing"
        raise CelError(f"{name} is never {value!r}; it is one of {known}", column)


def _check_constants(node: Node) -> None:
    if isinstance(node, Binary) and node.operator in {"/", "%"}:
        right = node.right
        if isinstance(right, Literal) and right.value == 0:
            raise CelError("division by zero", _at(node))
    if isinstance(node, Binary | Unary) and not names_of(node):
        try:
            compiled(node)({})
        except ZeroDivisionError:
            raise CelError("division by zero", _at(node)) from None
        except ArithmeticError as error:
            raise CelError(f"always fails: {error}", _at(node)) from None
