"""Text to tree: a lexer and a recursive descent, both bounded."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from app.domain.cel import (
    LARGEST,
    MOST_CHARACTERS,
    MOST_DEPTH,
    MOST_NODES,
    SMALLEST,
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

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[A-Za-z_0-9]*)
    |(?P<word>[A-Za-z_][A-Za-z_0-9]*)
    |(?P<string>"(?:[^"\\\r\n]|\\.)*"|'(?:[^'\\\r\n]|\\.)*')
    |(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:()\[\],.{}])""",
    re.VERBOSE | re.ASCII,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_RELATIONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            _refuse_character(text[place], place + 1)
        if found.lastgroup != "space":
            yield _Token(str(found.lastgroup), found.group(), place + 1)
        place = found.end()
    yield _Token("end", "the end", len(text) + 1)


def _refuse_character(character: str, column: int) -> NoReturn:
    if character.isascii():
        raise CelError(f"{character!r} is no part of a condition", column)
    code = f"U+{ord(character):04X}"
    raise CelError(
        f"{character!r} ({code}) is not ASCII: names and operators are, however alike it looks",
        column,
    )


def parse(text: str) -> Node:
    """Read a condition.

    Raises:
        CelError: It is no condition, or larger than `MOST_NODES`, `MOST_DEPTH` or
            `MOST_CHARACTERS`; says in which column.

    """
    if len(text) > MOST_CHARACTERS:
        raise CelError(f"longer than {MOST_CHARACTERS} characters", MOST_CHARACTERS + 1)
    parser = _Parser(_tokens(text))
    tree = parser.choice()
    parser.expect("the end")
    return tree


class _Parser:
    """Recursive descent, a method a level of precedence; counts nodes and levels as it goes."""

    def __init__(self, tokens: Iterator[_Token]) -> None:
        self._tokens = tokens
        self._now = next(tokens)
        self._nodes = 0
        self._depth = 0

    def _next(self) -> _Token:
        taken = self._now
        if taken.kind != "end":
            self._now = next(self._tokens)
        return taken

    def _sees(self, *signs: str) -> bool:
        return self._now.kind != "string" and self._now.text in signs

    def expect(self, sign: str) -> None:
        """Take a sign, or refuse what stands in its place."""
        if not self._sees(sign):
            self._refuse_token(f"expected {sign}, found")
        self._next()

    def _refuse_token(self, what: str) -> NoReturn:
        token = self._now
        raise CelError(f"{what} {token.text[:40]}", token.at)

    def _count(self, at: int) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise CelError(f"more than {MOST_NODES} nodes", at)

    def _deeper(self, read: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise CelError(f"nested deeper than {MOST_DEPTH}", self._now.at)
        tree = read()
        self._depth -= 1
        return tree

    def choice(self) -> Node:
        """Read `test ? yes : no`, or what binds tighter."""
        return self._deeper(self._choice)

    def _choice(self) -> Node:
        test = self._chain("||", lambda: self._chain("&&", self._relation))
        if not self._sees("?"):
            return test
        at = self._next().at
        self._count(at)
        yes = self.choice()
        self.expect(":")
        return Choice(test, yes, self.choice(), at)

    def _chain(self, operator: str, read: Callable[[], Node]) -> Node:
        parts = [read()]
        at = self._now.at
        while self._sees(operator):
            self._count(self._next().at)
            parts.append(read())
        return parts[0] if len(parts) == 1 else Logic(operator, tuple(parts), at)

    def _relation(self) -> Node:
        return self._left(_RELATIONS, self._sum)

    def _sum(self) -> Node:
        return self._left(frozenset({"+", "-"}), self._product)

    def _product(self) -> Node:
        return self._left(frozenset({"*", "/", "%"}), self._unary)

    def _left(self, operators: frozenset[str], read: Callable[[], Node]) -> Node:
        """Read what groups to the left; every operator is one level of the tree."""
        tree, before = read(), self._depth
        while self._sees(*operators):
            sign = self._next()
            self._count(sign.at)
            self._depth += 1
            if self._depth > MOST_DEPTH:
                raise CelError(f"nested deeper than {MOST_DEPTH}", sign.at)
            right = self._items() if sign.text == "in" else read()
            tree = Binary(sign.text, tree, right, sign.at)
        self._depth = before
        return tree

    def _unary(self) -> Node:
        if not self._sees("!", "-"):
            return self._primary()
        sign = self._next()
        if sign.text == "-" and self._now.kind == "number":
            return replace(self._number(self._next(), -1), at=sign.at)
        self._count(sign.at)
        return Unary(sign.text, self._deeper(self._unary), sign.at)

    def _primary(self) -> Node:
        if self._sees("("):
            self._next()
            tree = self.choice()
            self.expect(")")
            return tree
        if self._now.kind == "word" and self._now.text not in {"true", "false", "in", "null"}:
            return self._name()
        return self._constant()

    def _name(self) -> Name:
        token = self._next()
        self._count(token.at)
        if self._sees("("):
            raise CelError(f"{token.text[:40]}(…) is a function; a condition has none", token.at)
        if self._sees(".", "[", "{"):
            raise CelError(f"{token.text[:40]} has no parts; names are flat", self._now.at)
        return Name(token.text, token.at)

    def _constant(self) -> Literal:
        token = self._now
        if token.kind == "number":
            return self._number(self._next(), 1)
        if token.kind == "string":
            self._count(token.at)
            return Literal(_unquoted(self._next()), token.at)
        if token.text in {"true", "false"}:
            self._count(token.at)
            return Literal(self._next().text == "true", token.at)
        return self._refuse_token("expected a value or a name, found")

    def _number(self, token: _Token, sign: int) -> Literal:
        self._count(token.at)
        if not token.text.isdigit():
            raise CelError(f"{token.text[:40]} is no whole number", token.at)
        # CEL has no numbers longer than 20 digits; Python's int() would take a long time over them
        value = sign * int(token.text) if len(token.text) < 20 else LARGEST + 1  # noqa: PLR2004
        if not SMALLEST <= value <= LARGEST:
            raise CelError(f"{token.text[:40]} does not fit into 64 bits", token.at)
        return Literal(value, token.at)

    def _items(self) -> Node:
        """Read the list after `in`; a name stands for a parameter that is a list."""
        if self._now.kind == "word":
            return self._name()
        at = self._now.at
        self.expect("[")
        self._count(at)
        values: list[Value] = []
        while not self._sees("]"):
            if self._sees("-"):
                self._next()
                values.append(self._number(self._next(), -1).value)
            else:
                values.append(self._constant().value)
            if not self._sees("]"):
                self.expect(",")
        self.expect("]")
        return Items(tuple(values), at)


def _unquoted(token: _Token) -> str:
    def put(found: re.Match[str]) -> str:
        code = found.group(1)
        if code[0] == "u" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code not in _ESCAPED:
            raise CelError(f"\\{code} is no escape of a string", token.at + found.start() + 1)
        return _ESCAPED[code]

    text = _ESCAPE.sub(put, token.text[1:-1])
    if not text.isprintable():
        raise CelError("a string holds characters that nobody can see", token.at)
    return text
