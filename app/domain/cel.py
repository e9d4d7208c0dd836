"""The tree of a condition, written in a subset of CEL.

Literals (64-bit whole numbers, strings, `true`, `false`), names, `+ - * / %`, comparisons,
`&& || !`, `in [...]`, `?:` and parentheses. No functions, macros, members, doubles, bytes or null:
what a condition costs is bounded by its length, and it never says anything inexact.
"""

from dataclasses import dataclass
from typing import Final

MOST_NODES: Final = 500
"""Largest tree, inclusive."""

MOST_DEPTH: Final = 32
"""Deepest nesting, inclusive; a chain of `&&` or of `||` is one level."""

MOST_CHARACTERS: Final = 8_000
"""Longest text, inclusive."""

LARGEST: Final = 2**63 - 1
SMALLEST: Final = -(2**63)


class CelError(ValueError):
    """A condition that cannot be taken; `column` counts characters from 1."""

    def __init__(self, message: str, column: int) -> None:
        """Keep the sentence and the place it speaks of."""
        super().__init__(f"column {column}: {message}")
        self.message = message
        self.column = column


Value = bool | int | str


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: Value
    at: int = 0


@dataclass(frozen=True, slots=True)
class Name:
    """A name of the schema."""

    name: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Items:
    """A list of constants of one type: the right side of `in`."""

    values: tuple[Value, ...]
    at: int = 0


@dataclass(frozen=True, slots=True)
class Unary:
    """`!` or `-`."""

    operator: str
    one: "Node"
    at: int = 0


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, a comparison, or `in`."""

    operator: str
    left: "Node"
    right: "Node"
    at: int = 0


@dataclass(frozen=True, slots=True)
class Logic:
    """A chain of `&&` or of `||`."""

    operator: str
    parts: tuple["Node", ...]
    at: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """`test ? yes : no`."""

    test: "Node"
    yes: "Node"
    no: "Node"
    at: int = 0


Node = Literal | Name | Items | Unary | Binary | Logic | Choice
