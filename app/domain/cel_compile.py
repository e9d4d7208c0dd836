"""A tree as a function: closures put together once, asked thousands of times a second.

Means what CEL means: division rounds towards zero, 64 bits overflow as an error, `&&` and `||`
forgive an error where the other side settles the answer. An error is an `ArithmeticError`.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

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
)

Context = Mapping[str, Any]
Function = Callable[[Context], Any]
"""Computes a value; every name it reads is in the context."""

_RELATIONS: Final[dict[str, Callable[[Function, Function], Function]]] = {
    "==": lambda left, right: lambda context: left(context) == right(context),
    "!=": lambda left, right: lambda context: left(context) != right(context),
    ">": lambda left, right: lambda context: left(context) > right(context),
    ">=": lambda left, right: lambda context: left(context) >= right(context),
    "<": lambda left, right: lambda context: left(context) < right(context),
    "<=": lambda left, right: lambda context: left(context) <= right(context),
}

_AGAINST: Final[dict[str, Callable[[str, Any], Function]]] = {
    "==": lambda name, value: lambda context: context[name] == value,
    "!=": lambda name, value: lambda context: context[name] != value,
    ">": lambda name, value: lambda context: context[name] > value,
    ">=": lambda name, value: lambda context: context[name] >= value,
    "<": lambda name, value: lambda context: context[name] < value,
    "<=": lambda name, value: lambda context: context[name] <= value,
}
"""A name against a constant: most of what policies say, without a call for each side."""


def compiled(tree: Node) -> Function:
    """Make the function of a tree that `check` has seen."""
    match tree:
        case Literal(value, _):
            return lambda _: value
        case Name(name, _):
            return operator.itemgetter(name)
        case Unary(sign, one, _):
            return _unary(sign, compiled(one))
        case Logic(sign, parts, _):
            return _logic(sign, parts)
        case Choice(test, yes, no, _):
            asked, then, other = compiled(test), compiled(yes), compiled(no)
            return lambda context: then(context) if asked(context) else other(context)
        case Binary():
            return _binary(tree)
        case _:
            message = f"{tree} stands alone"
            raise TypeError(message)


def _unary(sign: str, one: Function) -> Function:
    if sign == "!":
        return lambda context: not one(context)
    return lambda context: _fits(-one(context), "negation")


def _binary(tree: Binary) -> Function:
    left = compiled(tree.left)
    if tree.operator == "in":
        items = tree.right.values if isinstance(tree.right, Items) else ()
        among = frozenset(items)
        return lambda context: left(context) in among
    if isinstance(tree.left, Name) and isinstance(tree.right, Literal):
        against = _AGAINST.get(tree.operator)
        if against is not None:
            return against(tree.left.name, tree.right.value)
    right = compiled(tree.right)
    relation = _RELATIONS.get(tree.operator)
    if relation is not None:
        return relation(left, right)
    if isinstance(tree.left, Name) and isinstance(tree.right, Literal):
        near = _NEAR.get(tree.operator) if type(tree.right.value) is int else None
        if near is not None:
            return near(tree.left.name, tree.right.value)
    combine = _ARITHMETIC[tree.operator]
    return lambda context: combine(left(context), right(context))


def _fits(value: int, what: str) -> int:
    if SMALLEST <= value <= LARGEST:
        return value
    message = f"{what} passes 64 bits"
    raise OverflowError(message)


def _add(left: Any, right: Any) -> Any:  # noqa: ANN401 - two numbers or two texts
    return left + right if isinstance(left, str) else _fits(left + right, "a sum")


def _divide(left: int, right: int) -> int:
    quotient = abs(left) // abs(right)
    return _fits(quotient if (left < 0) is (right < 0) else -quotient, "a quotient")


def _remainder(left: int, right: int) -> int:
    return left - right * _divide(left, right)


_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "+": _add,
    "-": lambda left, right: _fits(left - right, "a difference"),
    "*": lambda left, right: _fits(left * right, "a product"),
    "/": _divide,
    "%": _remainder,
}

_NEAR: Final[dict[str, Callable[[str, Any], Function]]] = {
    "+": lambda name, value: (
        lambda context: (
            found
            if SMALLEST <= (found := context[name] + value) <= LARGEST
            else _fits(found, "a sum")
        )
    ),
    "-": lambda name, value: (
        lambda context: (
            found
            if SMALLEST <= (found := context[name] - value) <= LARGEST
            else _fits(found, "a difference")
        )
    ),
    "*": lambda name, value: (
        lambda context: (
            found
            if SMALLEST <= (found := context[name] * value) <= LARGEST
            else _fits(found, "a product")
        )
    ),
}
"""A name and a constant together: most of the arithmetic there is, in one call."""


def can_fail(tree: Node) -> bool:
    """Tell whether evaluating may end in an error: where there is arithmetic on numbers."""
    match tree:
        case Unary(sign, one, _):
            return sign == "-" or can_fail(one)
        case Binary(sign, left, right, _):
            return sign in _ARITHMETIC or can_fail(left) or can_fail(right)
        case Logic(_, parts, _):
            return any(can_fail(one) for one in parts)
        case Choice(test, yes, no, _):
            return can_fail(test) or can_fail(yes) or can_fail(no)
        case _:
            return False


def _logic(sign: str, parts: Sequence[Node]) -> Function:
    """Make a chain; `settles` is the value of a part that decides the whole."""
    tests = [compiled(one) for one in parts]
    settles = sign == "||"
    if any(can_fail(one) for one in parts):
        return _forgiving(tests, settles=settles)
    first, second, *more = tests
    if more:
        return (
            (lambda context: any(test(context) for test in tests))
            if settles
            else (lambda context: all(test(context) for test in tests))
        )
    if settles:
        return lambda context: first(context) or second(context)
    return lambda context: first(context) and second(context)


def _forgiving(tests: Sequence[Function], *, settles: bool) -> Function:
    def chain(context: Context) -> bool:
        failed: ArithmeticError | None = None
        for test in tests:
            try:
                settled: bool = test(context)
            except ArithmeticError as error:
                failed = error
            else:
                if settled is settles:
                    return settles
        if failed is not None:
            raise failed
        return not settles

    return chain
