"""JSON without its loose ends: what two readers could read differently is refused."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from math import isinf
from typing import Any, Final, NoReturn

import orjson

from app.domain.errors import BadRequestError, FieldError

DEPTH: Final = 32
"""Deepest nesting of arrays and objects, inclusive."""

MARKS: Final = 850_000
"""Most commas and opening brackets, inclusive, those in texts counted: one or two a value.

Short values take twenty times the memory that they are long. Of what the API takes the densest has
four in 43 bytes (the line of an invoice that names nothing), 780,000 in the longest body.
"""

_EXACT: Final = 2**53
"""The largest float, inclusive, below which every integer is itself."""

_COUNTED: Final = (b",", b"[", b"{")
_GZIP: Final = b"\x1f\x8b"
_ATOMS: Final = frozenset({str, int, bool, type(None)})
_BLANK_COLONS: Final = (b" :", b"\n:", b"\t:", b"\r:")
_ESCAPES: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen = set[str]()
        for key, _ in pairs:
            if key in seen:
                raise BadRequestError(f"the key {key[:80]!r} occurs twice in one object")
            seen.add(key)
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise BadRequestError(f"{name} is not JSON")


def _number(text: str) -> float | int:
    """Read a number with a point or exponent; `324.0` is the integer 324, as JSON means it."""
    number = float(text)
    if isinf(number):
        raise BadRequestError("a number is larger than can be read")
    if not number.is_integer() or abs(number) > _EXACT:
        return number
    if not _is(text, number):
        raise BadRequestError(f"the number {text[:40]} has more digits than can be read exactly")
    return int(number)


def _is(text: str, whole: float) -> bool:
    """Say whether a number is just that integer: reading it may have rounded a fraction away."""
    try:
        return Decimal(text) == whole
    except InvalidOperation:  # an exponent of which Decimal knows nothing: as good as nothing
        return False


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_number
)


def parse_strict(raw: bytes) -> object:
    """Read JSON strictly; a few µs for an order. An integral number is an int however written.

    Raises:
        BadRequestError: Not UTF-8, not JSON, a duplicate key, NaN or Infinity, a number out of
            range, nested deeper than `DEPTH`, or more than `MARKS`.
        FieldError: A string holds NUL or half a surrogate pair, which no database column takes.

    """
    # before anything is read: what is read is in memory
    if len(raw) > MARKS and sum(map(raw.count, _COUNTED)) > MARKS:
        raise BadRequestError(f"the body has more than {MARKS:,} commas and opening brackets")
    value = parse_plain(raw)
    return parse_closely(raw) if value is None else value


def parse_closely(raw: bytes) -> object:
    """Read JSON strictly, however odd it is; raises as `parse_strict` does."""
    value = _decode(raw)
    if raw.count(b"{") + raw.count(b"[") > DEPTH:
        _check_depth(value)
    if b"\\u" in raw and _ESCAPES.search(raw):
        path = _unstorable(value)
        if path is not None:
            raise FieldError(
                "holds a character that cannot be stored", path.removeprefix(".") or "body"
            )
    return value


def parse_plain(raw: bytes) -> object | None:
    """Read what holds no surprise in a third of the time; None: look closer.

    orjson keeps the last of equal keys. A key's closing quote stands before a colon, so where no
    blank does there are at most as many keys as `":`; where as many were read, none was lost.
    """
    if b"\\u" in raw or any(blank in raw for blank in _BLANK_COLONS):
        return None
    try:
        value = orjson.loads(raw)
        return value if _count_keys(value, DEPTH) == raw.count(b'":') else None
    except (ValueError, _SurprisedError):
        return None


class _SurprisedError(Exception):
    """A number with a point or exponent, or nested too deep."""


def _count_keys(value: object, depth: int) -> int:
    """Count the keys of a value in which there are at most `depth` levels of arrays and objects."""
    if isinstance(value, dict):
        count, parts = len(value), iter(value.values())
    elif isinstance(value, list):
        count, parts = 0, iter(value)
    elif isinstance(value, float):
        raise _SurprisedError
    else:
        return 0
    if not depth:
        raise _SurprisedError
    for one in parts:
        if type(one) not in _ATOMS:
            count += _count_keys(one, depth - 1)
    return count


def _decode(raw: bytes) -> object:
    if raw.startswith(BOM_UTF8):
        raise BadRequestError("the body begins with a byte order mark; send JSON without one")
    if raw.startswith(_GZIP):
        raise BadRequestError("the body is compressed (gzip); send it as it is")
    try:
        return _DECODER.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as bad:
        raise BadRequestError(f"the body is not UTF-8 (byte {bad.start})") from None
    except json.JSONDecodeError as bad:
        raise BadRequestError(f"the body is not JSON: {bad.msg} (character {bad.pos})") from None
    except RecursionError:
        raise BadRequestError(f"the body is nested deeper than {DEPTH}") from None
    except ValueError:  # what `int` says to more than 4,300 digits
        raise BadRequestError("a number is longer than can be read") from None


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(DEPTH):
        level = [
            inner for outer in level for inner in _parts(outer) if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise BadRequestError(f"the body is nested deeper than {DEPTH}")


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _unstorable(value: object) -> str | None:
    """Find NUL and lone surrogates, which only escapes can bring past UTF-8; depth is bounded.

    Gives the path of what holds them, put together on the way back alone: long keys would be
    copied for everything below them.
    """
    if isinstance(value, str):
        return "" if _UNSTORABLE.search(value) else None
    if isinstance(value, dict):
        for key, inner in value.items():
            if _UNSTORABLE.search(key):
                return ""
            path = _unstorable(inner)
            if path is not None:
                return f".{key}{path}"
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            path = _unstorable(inner)
            if path is not None:
                return f"[{index}]{path}"
    return None
