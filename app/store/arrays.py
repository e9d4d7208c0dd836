"""Arrays in PostgreSQL's binary form: how a lane hands over hundreds of rows, column by column.

`unnest` makes rows of them again. psycopg's own lists cost several times this, and JSON must be
parsed by the server. Elements are never altered: a text array may hold any string without NUL.
"""

from collections.abc import Sequence
from struct import Struct, pack
from typing import Any, ClassVar, Final

_HEAD: Final = Struct(">iiIii")
_EMPTY: Final = Struct(">iiI")
_LENGTH: Final = Struct(">i").pack
_NULL: Final = _LENGTH(-1)


class Array:
    """A dumped array; each subclass is a type of the server, named by its oids."""

    __slots__ = ("data",)
    element: ClassVar[int]
    oid: ClassVar[int]

    def __init__(self, cells: bytes, count: int, *, nulls: bool) -> None:
        """Put the head before `count` cells, each its length and its bytes."""
        head = _HEAD.pack(1, nulls, self.element, count, 1)
        self.data = head + cells if count else _EMPTY.pack(0, 0, self.element)


class TextArray(Array):
    """A `text[]`, of strings without NUL."""

    element = 25
    oid = 1009
    __slots__ = ()


class IntArray(Array):
    """`bigint[]`."""

    element = 20
    oid = 1016
    __slots__ = ()


class BoolArray(Array):
    """`boolean[]`."""

    element = 16
    oid = 1000
    __slots__ = ()


class BytesArray(Array):
    """`bytea[]`."""

    element = 17
    oid = 1001
    __slots__ = ()


def texts(values: Sequence[str | None]) -> TextArray:
    """Make a `text[]`; None becomes NULL."""
    count = len(values)
    if count and values.count(values[0]) == count:  # half of all columns: one segment, one state …
        cell = _NULL if values[0] is None else _cell(values[0].encode())
        return TextArray(cell * count, count, nulls=cell is _NULL)
    cells = [_NULL if one is None else _cell(one.encode()) for one in values]
    return TextArray(b"".join(cells), count, nulls=_NULL in cells)


def blobs(values: Sequence[bytes]) -> BytesArray:
    """Make a `bytea[]`."""
    return BytesArray(b"".join(map(_cell, values)), len(values), nulls=False)


def ints(values: Sequence[int | None]) -> IntArray:
    """Make a `bigint[]`; None becomes NULL."""
    if None not in values:
        return IntArray(_packed("q", 8, values), len(values), nulls=False)
    cells = [_NULL if one is None else pack(">iq", 8, one) for one in values]
    return IntArray(b"".join(cells), len(values), nulls=True)


def flags(values: Sequence[bool]) -> BoolArray:
    """Make a `boolean[]`."""
    return BoolArray(_packed("?", 1, values), len(values), nulls=False)


def _cell(data: bytes) -> bytes:
    return _LENGTH(len(data)) + data


def _packed(code: str, size: int, values: Sequence[Any]) -> bytes:
    """Pack all cells in one go: length and value in turn."""
    cells: list[Any] = [size] * (2 * len(values))
    cells[1::2] = values
    return pack(">" + f"i{code}" * len(values), *cells)
