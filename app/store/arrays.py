"""Arrays in PostgreSQL's binary form: how a lane hands over hundreds of rows, column by column.

`unnest` makes rows of them again. psycopg's own lists cost several times this, and JSON must be
parsed by the server. Elements are never altered: a text array may hold any string without NUL.
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct, pack
from typing import Any, ClassVar, Final, cast

_HEAD: Final = Struct(">iiIii")
_EMPTY: Final = Struct(">iiI")
_LENGTH: Final = Struct(">i").pack
_INT: Final = Struct(">iq").pack
_NULL: Final = _LENGTH(-1)


class Array:
    """A dumped array; each subclass is a type of the server, named by its oids.

    `sent` is what goes on the wire: the bytes, the type's oid, and 1 for binary.
    """

    __slots__ = ("sent",)
    element: ClassVar[int]
    oid: ClassVar[int]

    def __init__(self, cells: bytes, count: int, *, nulls: bool) -> None:
        """Put the head before `count` cells, each its length and its bytes."""
        head = _HEAD.pack(1, nulls, self.element, count, 1)
        self.sent = (head + cells if count else _EMPTY.pack(0, 0, self.element), self.oid, 1)


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


# Half of all columns hold one value throughout a batch (one segment, one state, nothing at all),
# and the same ones in the next batch.
_KEPT: Final = 4096


def texts(values: Sequence[str | None]) -> TextArray:
    """Make a `text[]`; None becomes NULL."""
    count = len(values)
    if count and values.count(values[0]) == count:
        return _repeated_text(values[0], count)
    if None not in values:
        whole = cast("Sequence[str]", values)
        return TextArray(_cells(list(map(str.encode, whole))), count, nulls=False)
    cells = [_NULL if one is None else _cell(one.encode()) for one in values]
    return TextArray(b"".join(cells), count, nulls=True)


@lru_cache(_KEPT)
def _repeated_text(value: str | None, count: int) -> TextArray:
    cell = _NULL if value is None else _cell(value.encode())
    return TextArray(cell * count, count, nulls=value is None)


def blobs(values: Sequence[bytes]) -> BytesArray:
    """Make a `bytea[]`."""
    return BytesArray(_cells(values), len(values), nulls=False)


def ints(values: Sequence[int | None]) -> IntArray:
    """Make a `bigint[]`; None becomes NULL."""
    count = len(values)
    if count and values.count(values[0]) == count:
        return _repeated_int(values[0], count)
    if None not in values:
        return IntArray(_packed("q", 8, values), count, nulls=False)
    cells = [_NULL if one is None else _INT(8, one) for one in values]
    return IntArray(b"".join(cells), count, nulls=True)


@lru_cache(_KEPT)
def _repeated_int(value: int | None, count: int) -> IntArray:
    cell = _NULL if value is None else _INT(8, value)
    return IntArray(cell * count, count, nulls=value is None)


def flags(values: Sequence[bool]) -> BoolArray:
    """Make a `boolean[]`."""
    count = len(values)
    if count and values.count(values[0]) == count:
        return _repeated_flag(values[0], count)
    return BoolArray(_packed("?", 1, values), count, nulls=False)


@lru_cache(_KEPT)
def _repeated_flag(value: bool, count: int) -> BoolArray:  # noqa: FBT001 - the cell's value
    return BoolArray(_packed("?", 1, [value]) * count, count, nulls=False)


def _cell(data: bytes) -> bytes:
    return _LENGTH(len(data)) + data


def _cells(values: Sequence[bytes]) -> bytes:
    """Put each value behind its length."""
    cells = [b""] * (2 * len(values))
    cells[::2] = map(_LENGTH, map(len, values))
    cells[1::2] = values
    return b"".join(cells)


def _packed(code: str, size: int, values: Sequence[Any]) -> bytes:
    """Pack all cells in one go: length and value in turn."""
    cells: list[Any] = [size] * (2 * len(values))
    cells[1::2] = values
    return pack(">" + f"i{code}" * len(values), *cells)
