"""Wire types that features share: money, ids, versions, dates, instants, pages.

Requests derive from `WireModel`: unknown fields are refused and nothing is coerced. Pydantic's
strict mode on parsed JSON takes no text for an enum or a date: use `Literal[...]` for closed sets,
`BusinessDate` and `Instant` for times, plain `int` for integers (`parse_strict` reads `324.0`
as one). Answers derive from `AnswerModel` and may gain fields.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from app.domain.errors import FieldError
from app.domain.money import DIGITS, Money, parse_money

MOST_VERSION: Final = 2**53 - 1
"""The largest version, inclusive: what every JSON reader keeps exactly."""

FIRST_DATE: Final = date(1970, 1, 1)
LAST_DATE: Final = date(2100, 12, 31)
"""Business dates and instants lie within these, both inclusive."""

PRINTABLE: Final = (
    r"^[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069"
    r"\ufdd0-\ufdef\ufeff\ufff9-\uffff]+$"
)
"""No control, invisible or direction-changing characters: what looks alike is alike."""

_A_DATE: Final = "must be a date such as 2026-12-31"
_AN_INSTANT: Final = "must be an RFC 3339 time with an offset, such as 2026-12-31T08:00:00+08:00"
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DAY: Final = "(?:19[7-9][0-9]|20[0-9]{2}|2100)-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_HOUR: Final = "(?:[01][0-9]|2[0-3])"
_TIME: Final = f"{_HOUR}:[0-5][0-9]:[0-5][0-9](?:[.][0-9]{{1,9}})?(?:[Zz]|[+-]{_HOUR}:[0-5][0-9])"
_INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_DIGITS: Final = re.compile(r"-?\d{1,18}", re.ASCII)
_BIGINT: Final = 2**63


def broken_rule(message: str) -> PydanticCustomError:
    """Make the error a validator raises; the message is taken as it is, braces included."""
    return PydanticCustomError("rule", "{message}", {"message": message})


def _business_date(value: object) -> date:
    found = _read_date(value) if isinstance(value, str) else value
    if not isinstance(found, date) or isinstance(found, datetime):
        raise broken_rule(_A_DATE)
    if not FIRST_DATE <= found <= LAST_DATE:
        raise broken_rule(f"must be a date from {FIRST_DATE} to {LAST_DATE}")
    return found


def _read_date(text: str) -> date:
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise broken_rule(_A_DATE)


def _instant(value: object) -> datetime:
    found = _read_instant(value) if isinstance(value, str) else value
    if not isinstance(found, datetime) or found.tzinfo is None:
        raise broken_rule(_AN_INSTANT)
    if not FIRST_DATE.year <= found.year <= LAST_DATE.year:
        raise broken_rule(f"must lie within {FIRST_DATE.year} and {LAST_DATE.year}")
    return found.astimezone(UTC)


def _read_instant(text: str) -> datetime:
    if _INSTANT.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper())
        except ValueError:
            pass
    raise broken_rule(_AN_INSTANT)


def _query_integer(value: object) -> object:
    if isinstance(value, str):
        if not _DIGITS.fullmatch(value):
            raise broken_rule("must be an integer")
        return int(value)
    return value


Id = Annotated[str, Field(min_length=1, max_length=64, pattern=PRINTABLE)]
"""1 to 64 printable characters, case-sensitive, kept as they are."""

Version = Annotated[int, Field(ge=0, le=MOST_VERSION)]
"""What decides which of two statements is newer: 0 to 2^53 - 1, inclusive."""

BusinessDate = Annotated[
    date, BeforeValidator(_business_date), Field(json_schema_extra={"pattern": f"^{_DAY}$"})
]
"""`YYYY-MM-DD` in the segment's time zone, 1970-01-01 to 2100-12-31, inclusive."""

Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    Field(json_schema_extra={"pattern": f"^{_DAY}[Tt]{_TIME}$"}),
]
"""RFC 3339 with any offset, years 1970 to 2100; kept and answered in UTC (`Z`)."""

QueryInt = Annotated[int, BeforeValidator(_query_integer)]
"""An integer in a query string: digits only."""


class WireModel(BaseModel):
    """The root of every request body and of each object in one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AnswerModel(BaseModel):
    """The root of every answer; clients ignore what they do not know, so fields may be added."""

    model_config = ConfigDict(frozen=True)


class QueryModel(BaseModel):
    """The root of a route's query parameters; text is read as the field's type."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _example(**fields: str | int) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [{**fields}]})


class MoneyIn(WireModel):
    """An amount of zero or more, gross; `amount` is a decimal string.

    It has at most the fraction digits of its currency (JPY 0, CNY 2, BHD 3) and is at most 10^15
    minor units.
    """

    model_config = _example(amount="12500.00", currency="CNY")

    # The currency stands first because fields are checked in order and the amount needs it.
    currency: str = Field(min_length=3, max_length=3, json_schema_extra={"enum": [*sorted(DIGITS)]})
    amount: str = Field(
        max_length=32,
        json_schema_extra={"pattern": r"^(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,9})?$"},
    )

    @field_validator("currency")
    @classmethod
    def _known(cls, currency: str) -> str:
        if currency not in DIGITS:
            raise broken_rule(f"{currency!r} is not an ISO 4217 currency in circulation")
        return currency

    @field_validator("amount")
    @classmethod
    def _readable(cls, amount: str, info: ValidationInfo) -> str:
        currency = info.data.get("currency")
        if currency is None:  # already refused; without it nothing can be said of the amount
            return amount
        try:
            cls._check(parse_money(amount, currency))
        except FieldError as refusal:
            raise broken_rule(refusal.detail) from None
        return amount

    @classmethod
    def _check(cls, money: Money) -> None:
        if money.minor < 0:
            raise FieldError("must be zero or more")

    def to_money(self) -> Money:
        """Return the amount in minor units."""
        return parse_money(self.amount, self.currency)


class PositiveMoneyIn(MoneyIn):
    """An amount above zero, gross; otherwise as `MoneyIn`."""

    model_config = _example(amount="12500.00", currency="CNY")

    @classmethod
    def _check(cls, money: Money) -> None:
        if money.minor <= 0:
            raise FieldError("must be more than zero")


class MoneyOut(AnswerModel):
    """An amount, gross, with all the fraction digits of its currency; may be negative."""

    model_config = _example(amount="12500.00", currency="CNY")

    amount: str
    currency: str

    @classmethod
    def of(cls, money: Money) -> Self:
        """Write money for the wire."""
        return cls(amount=money.text, currency=money.currency)


class Page(QueryModel):
    """Which part of a list is asked for; lists with filters derive from it."""

    model_config = _example(limit=50, cursor="WyJDLTEwMDEiXQ")

    limit: QueryInt = Field(50, ge=1, le=500, description="Most items, 1 to 500")
    cursor: str | None = Field(
        None, max_length=1024, description="`next_cursor` of the answer before"
    )

    def after(self, *kinds: type[str | int]) -> tuple[Any, ...] | None:
        """Return the sort key of the last item seen, of these types; None on the first page.

        Raises:
            FieldError: The cursor is none of this list's.

        """
        return None if self.cursor is None else decode_cursor(self.cursor, *kinds)


def encode_cursor(key: Sequence[str | int]) -> str:
    """Make a cursor of a list's sort key: base64url of JSON, to be taken as opaque."""
    told = json.dumps(key, ensure_ascii=False, separators=(",", ":"))
    return urlsafe_b64encode(told.encode()).decode("ascii").rstrip("=")


def decode_cursor(cursor: str, *kinds: type[str | int]) -> tuple[Any, ...]:
    """Read a cursor back; the number and types of its parts must be `kinds`.

    Raises:
        FieldError: Not a cursor, or one of another list.

    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        key = json.loads(urlsafe_b64decode(padded))
    except (UnicodeError, Base64Error, ValueError, RecursionError):
        key = None
    if (
        not isinstance(key, list)
        or [type(part) for part in key] != list(kinds)
        or not all(_fits(part) for part in key)
    ):
        raise FieldError("is not a cursor of this list", "cursor")
    return tuple(key)


def decode_name(part: str) -> str:
    """Read a hexadecimal part of a cursor: a name that may hold what no cursor takes as it is.

    Raises:
        FieldError: It is none, or no database column takes it.

    """
    try:
        name = bytes.fromhex(part).decode()
    except ValueError:
        name = "\0"
    if "\0" in name:
        raise FieldError("is not a cursor of this list", "cursor")
    return name


def _fits(part: str | int) -> bool:
    """Tell whether a database column takes it: 64 bits, and text without NUL or surrogates."""
    if isinstance(part, int):
        return -_BIGINT <= part < _BIGINT
    return "\0" not in part and part.isprintable()
