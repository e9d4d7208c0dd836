"""Read the fields of a JSON object one by one, strictly; the first fault is told with its path."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final, TypeGuard, TypeVar, cast

from app.domain.errors import FieldError
from app.domain.money import Money, parse_money

ID_LENGTH: Final = 64
MOST_VERSION: Final = 2**53 - 1
FIRST_DATE: Final = date(1970, 1, 1)
LAST_DATE: Final = date(2100, 12, 31)
MOST_PARTS: Final = 1000
"""Limits of ids, versions, dates and of the parts of one document, each inclusive."""

PRINTABLE: Final = (
    r"^[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069"
    r"\ufdd0-\ufdef\ufeff\ufff9-\uffff]+$"
)
"""No control, invisible or direction-changing characters: what looks alike is alike."""

_PRINTABLE: Final = re.compile(PRINTABLE.removesuffix("$"))
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_LONGEST_AMOUNT: Final = 32
_MONEY: Final = frozenset({"amount", "currency"})

_DATE_LENGTH: Final = 10
_INSTANT_LENGTH: Final = 35
_REMEMBERED: Final = 4096

_L = TypeVar("_L", bound=str)


def _is_plain_id(value: object) -> TypeGuard[str]:
    """Tell at once of the common case: ASCII, which needs no look at each character."""
    return (
        type(value) is str
        and 0 < len(value) <= ID_LENGTH
        and value.isascii()
        and value.isprintable()
    )


@lru_cache(_REMEMBERED)
def _day(text: str) -> date | None:
    """Read a date; a batch names few of them, many times each."""
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


@lru_cache(_REMEMBERED)
def _instant(text: str) -> datetime | None:
    """Read a time with its offset; imports give all their events one."""
    try:
        return datetime.fromisoformat(text.upper()) if _INSTANT.fullmatch(text) else None
    except ValueError:
        return None


def _plain_money(value: object) -> Money | None:
    """Read an amount without a fault; None of one that is to be looked at rule by rule.

    Where it stands is no part of what is remembered: the amounts of a batch come more than once.
    """
    if type(value) is not dict or value.keys() != _MONEY:
        return None
    amount, code = value["amount"], value["currency"]
    if type(amount) is not str or type(code) is not str or len(amount) > _LONGEST_AMOUNT:
        return None
    try:
        money = parse_money(amount, code)
    except FieldError:
        return None
    return money if money.minor >= 0 else None


class Fields:
    """An object's fields; a null is an absent field. `path` ends in a dot, or is empty."""

    __slots__ = ("_data", "_path")

    def __init__(self, data: object, path: str) -> None:
        """Take what should be an object.

        Raises:
            FieldError: It is none.

        """
        if not isinstance(data, Mapping):
            raise FieldError("must be a JSON object", path.removesuffix(".") or None)
        self._data: Mapping[str, Any] = data
        self._path = path

    def fault(self, name: str, reason: str) -> FieldError:
        """Make the refusal of a field."""
        return FieldError(reason, self._path + name)

    def only(self, known: frozenset[str]) -> None:
        """Insist that there are no other fields.

        Raises:
            FieldError: There is one.

        """
        if not self._data.keys() <= known:
            unknown = self._data.keys() - known
            raise self.fault(str(min(unknown, key=str))[:80], "is not a known field")

    def _get(self, name: str, kind: type) -> Any:  # noqa: ANN401 - of that kind, or None
        value = self._data.get(name)
        if value is not None and type(value) is not kind:
            told = {str: "a string", int: "an integer", bool: "true or false", list: "an array"}
            raise self.fault(name, f"must be {told[kind]}")
        return value

    def _need(self, name: str, kind: type) -> Any:  # noqa: ANN401 - of that kind
        value = self._data.get(name)
        if type(value) is kind:
            return value
        if self._get(name, kind) is None:
            raise self.fault(name, "is required")
        return value

    def id(self, name: str) -> str:
        """Read 1 to 64 printable characters."""
        value = self._data.get(name)
        return value if _is_plain_id(value) else self._odd_id(name)

    def optional_id(self, name: str) -> str | None:
        """Read an id, or None."""
        value = self._data.get(name)
        return value if value is None or _is_plain_id(value) else self._odd_id(name)

    def _odd_id(self, name: str) -> str:
        value: str = self._need(name, str)
        if not 0 < len(value) <= ID_LENGTH:
            raise self.fault(name, f"must have 1 to {ID_LENGTH} characters")
        if not _PRINTABLE.fullmatch(value):
            raise self.fault(name, "must have printable characters only")
        return value

    def version(self) -> int:
        """Read the document's version, 0 to 2^53 - 1."""
        value: int = self._need("version", int)
        if not 0 <= value <= MOST_VERSION:
            raise self.fault("version", f"must be from 0 to {MOST_VERSION}")
        return value

    def truth(self, name: str, *, default: bool | None = None) -> bool:
        """Read true or false; without a default it is needed."""
        value: bool | None = self._get(name, bool) if default is not None else None
        if default is not None:
            return default if value is None else value
        return bool(self._need(name, bool))

    def choice(self, name: str, of: tuple[_L, ...], default: _L | None = None) -> _L:
        """Read one of some texts; without a default it is needed."""
        value = self._get(name, str) if default is not None else self._need(name, str)
        if value is None and default is not None:
            return default
        if value not in of:
            raise self.fault(name, f"must be one of {', '.join(of)}")
        return cast("_L", value)

    def money(self, name: str, currency: str | None = None) -> Money:
        """Read zero or more; `currency` is the only one taken, where given."""
        money = _plain_money(self._data.get(name))
        if money is None or (currency is not None and money.currency != currency):
            return self._odd_money(name, currency)
        return money

    def _odd_money(self, name: str, currency: str | None) -> Money:
        """Find what is wrong with an amount, one rule after the other."""
        if name not in self._data:
            raise self.fault(name, "is required")
        inner = Fields(self._data[name], f"{self._path}{name}.")
        inner.only(_MONEY)
        amount, code = inner._need("amount", str), inner._need("currency", str)
        if len(amount) > _LONGEST_AMOUNT:
            raise inner.fault("amount", f"must have at most {_LONGEST_AMOUNT} characters")
        money = parse_money(amount, code, field=self._path + name)
        if money.minor < 0:
            raise inner.fault("amount", "must be zero or more")
        if currency is not None and code != currency:
            raise inner.fault("currency", f"must be {currency}, as in the document")
        return money

    def optional_money(self, name: str, currency: str) -> int:
        """Read minor units of a currency; 0 where absent."""
        return self.money(name, currency).minor if self._data.get(name) is not None else 0

    def day(self, name: str) -> date:
        """Read a business date, 1970-01-01 to 2100-12-31."""
        text = self._need(name, str)
        found = _day(text) if len(text) == _DATE_LENGTH else None
        if found is None:
            raise self.fault(name, "must be a date such as 2026-12-31")
        if not FIRST_DATE <= found <= LAST_DATE:
            raise self.fault(name, f"must be a date from {FIRST_DATE} to {LAST_DATE}")
        return found

    def optional_day(self, name: str) -> date | None:
        """Read a business date, or None."""
        return self.day(name) if self._data.get(name) is not None else None

    def instant(self, name: str) -> datetime:
        """Read an RFC 3339 time with an offset; the years are those of dates."""
        text = self._need(name, str)
        found = _instant(text) if len(text) <= _INSTANT_LENGTH else None
        if found is None:
            raise self.fault(
                name, "must be an RFC 3339 time with an offset, such as 2026-12-31T08:00:00+08:00"
            )
        if not FIRST_DATE.year <= found.year <= LAST_DATE.year:
            raise self.fault(name, f"must lie within {FIRST_DATE.year} and {LAST_DATE.year}")
        return found if found.tzinfo is UTC else found.astimezone(UTC)

    def optional_instant(self, name: str) -> datetime | None:
        """Read a time, or None."""
        return self.instant(name) if self._data.get(name) is not None else None

    def inner(self, name: str) -> "Fields | None":
        """Read an object, or None."""
        value = self._data.get(name)
        return None if value is None else Fields(value, f"{self._path}{name}.")

    def parts(self, name: str) -> "Iterator[Fields]":
        """Read an array of up to 1,000 objects; none where absent."""
        values: list[object] = self._get(name, list) or []
        if len(values) > MOST_PARTS:
            raise self.fault(name, f"must have at most {MOST_PARTS} items")
        for place, value in enumerate(values):
            yield Fields(value, f"{self._path}{name}[{place}].")
