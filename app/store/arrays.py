"""Arrays in PostgreSQL's binary form: how a lane hands over hundreds of rows, column by column.

`unnest` makes rows of them again. psycopg's own lists cost several times this, and JSON must be
parsed by the server. Elements are never altered: a text array may hold any string without NUL.
Single values, which are few, go as text.
"""

from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from struct import Struct, pack
from typing import Any, Final, cast

Sent = tuple[bytes | None, int, int]
"""A parameter as it goes on the wire: its bytes, its type's oid, and 1 where they are binary."""

_HEAD: Final = Struct(">iiIii").pack
_EMPTY: Final = Struct(">iiI").pack
_LENGTH: Final = Struct(">i").pack
_INT: Final = Struct(">iq").pack
_NULL: Final = _LENGTH(-1)

_TEXT: Final = (25, 1009)
_INT8: Final = (20, 1016)
_BOOL: Final = (16, 1000)
_BYTES: Final = (17, 1001)
"""The oids of an element's type and of its array's."""

_ONE_TEXT: Final = _HEAD(1, 0, 25, 1, 1)
_ONE_INT: Final = _HEAD(1, 0, 20, 1, 1)

# Half of all columns hold one value throughout a batch (one segment, one state, nothing at all),
# and the same ones in the next batch.
_KEPT: Final = 4096
_KEPT_CHARS: Final = 2048
"""Longer columns are written anew: names of people, which clients choose, would fill the memory."""


_OIDS: Final[dict[type, int]] = {bool: 16, int: 20, str: 25, date: 1082, datetime: 1184}


def scalar(value: int | str | date | None) -> Sent:
    """Write a parameter that is no array, as text.

    Raises:
        KeyError: Its type is none that lanes send.

    """
    if value is None:
        return None, 0, 0
    return str(value).encode(), _OIDS[type(value)], 0


def _array(kind: tuple[int, int], cells: bytes, count: int, *, nulls: bool = False) -> Sent:
    """Put the head before `count` cells, each its length and its bytes."""
    element, oid = kind
    head = _HEAD(1, nulls, element, count, 1) if count else _EMPTY(0, 0, element)
    return head + cells, oid, 1


def texts(values: Sequence[str | None]) -> Sent:
    """Make a `text[]`; None becomes NULL."""
    count, first = len(values), values[0] if values else None
    if count == 1 and first is not None:
        data = first.encode()
        return _ONE_TEXT + _LENGTH(len(data)) + data, 1009, 1
    if _all_alike(values):
        if first is not None and len(first) * count > _KEPT_CHARS:
            return _array(_TEXT, _cell(first.encode()) * count, count)
        return _repeated_text(first, count)
    if None not in values:
        whole = cast("Sequence[str]", values)
        return _array(_TEXT, _cells(list(map(str.encode, whole))), count)
    cells = [_NULL if one is None else _cell(one.encode()) for one in values]
    return _array(_TEXT, b"".join(cells), count, nulls=True)


@lru_cache(_KEPT)
def _repeated_text(value: str | None, count: int) -> Sent:
    cell = _NULL if value is None else _cell(value.encode())
    return _array(_TEXT, cell * count, count, nulls=value is None)


def blobs(values: Sequence[bytes]) -> Sent:
    """Make a `bytea[]`."""
    return _array(_BYTES, _cells(values), len(values))


def ints(values: Sequence[int | None]) -> Sent:
    """Make a `bigint[]`; None becomes NULL."""
    count, first = len(values), values[0] if values else None
    if count == 1 and first is not None:
        return _ONE_INT + _INT(8, first), 1016, 1
    if _all_alike(values):
        return _repeated_int(first, count)
    if None not in values:
        return _array(_INT8, _packed("q", 8, values), count)
    cells = [_NULL if one is None else _INT(8, one) for one in values]
    return _array(_INT8, b"".join(cells), count, nulls=True)


@lru_cache(_KEPT)
def _repeated_int(value: int | None, count: int) -> Sent:
    cell = _NULL if value is None else _INT(8, value)
    return _array(_INT8, cell * count, count, nulls=value is None)


def flags(values: Sequence[bool]) -> Sent:
    """Make a `boolean[]`."""
    count = len(values)
    if _all_alike(values):
        return _repeated_flag(values[0], count)
    return _array(_BOOL, _packed("?", 1, values), count)


@lru_cache(_KEPT)
def _repeated_flag(value: bool, count: int) -> Sent:  # noqa: FBT001 - the cell's value
    return _array(_BOOL, _packed("?", 1, [value]) * count, count)


def _all_alike(values: Sequence[object]) -> bool:
    """Say whether there is one value throughout; columns that vary mostly do so at their ends."""
    if not values or values[0] != values[-1]:
        return False
    return values.count(values[0]) == len(values)


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


def rows_of(columns: str) -> str:
    """Write SQL that makes rows `n` of arrays: "column parameter, column parameter, …".

    In the list of a SELECT each row is made when it is asked for; `unnest` of FROM writes every
    array into a store of its own first, and reads all of them back.
    """
    pairs = [pair.split() for pair in columns.split(",")]
    cells = [f"unnest(%({parameter})s) AS {column}" for column, parameter in pairs]
    return f"(SELECT {', '.join(cells)}) AS n"
