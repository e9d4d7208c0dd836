"""Read the fields of one row, and gather all that is wrong with it, not only the first thing."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from app.api.wire import PRINTABLE
from app.domain.errors import FieldError
from app.domain.money import DIGITS, Money, parse_money

ID_LENGTH: Final = 64
FIRST_DAY: Final = date(1970, 1, 1)
LAST_DAY: Final = date(2100, 12, 31)
"""Business dates outside FIRST_DAY to LAST_DAY (both inclusive) are slips of the pen."""

_DAY: Final = re.compile(
    r"(?:(\d{4})-(\d{1,2})-(\d{1,2})|(\d{4})/(\d{1,2})/(\d{1,2})|(\d{4})(\d{2})(\d{2})"
    r"|(\d{4})年(\d{1,2})月(\d{1,2})日)(?:[ T]0?0:00(?::00(?:\.0+)?)?)?",
    re.ASCII,
)
_COUNT: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_TRUTH: Final = {"true": True, "1": True, "是": True, "false": False, "0": False, "否": False}
_PRINTABLE: Final = re.compile(PRINTABLE.removesuffix("$"))
_ERROR: Final = re.compile(r"#(?:N/A|DIV/0!|[A-Z_]+[!?])", re.ASCII)
"""What a spreadsheet writes into a CSV file where a formula failed."""

_REWRITTEN: Final = re.compile(r"[0-9](?:[.,][0-9]+)?[Ee]\+[0-9]{2,3}|[0-9]+[.,]0+", re.ASCII)
"""What a spreadsheet makes of a long number, and a data frame of numbers in a column with gaps."""

_NO_MONEY: Final = Money(0, "")


class RowRefusedError(Exception):
    """A row breaks one rule or more; `errors` has one FieldError for each, in column order."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        """Keep the errors; the text joins their sentences."""
        super().__init__("; ".join(f"{error.field}: {error.detail}" for error in errors))
        self.errors = errors


class Fields:
    """The cells of a row under their column names; a column the file lacks reads as empty.

    A reader that finds a fault notes it and returns a stand-in of its type, so that the other
    fields are looked at too. Nothing read may be used before `check` has passed.
    """

    def __init__(self, cells: Mapping[str, str]) -> None:
        """Take the cells; outer blanks do not count."""
        self._cells = cells
        self._errors: list[FieldError] = []

    def check(self) -> None:
        """Raise what was noted.

        Raises:
            RowRefusedError: There was a fault.

        """
        if self._errors:
            raise RowRefusedError(tuple(self._errors))

    def fault(self, name: str, reason: str) -> None:
        """Note a fault; only the first of a field is kept, what follows from it says no more."""
        if not self.failed(name):
            self._errors.append(FieldError(reason, name))

    def failed(self, name: str) -> bool:
        """Tell whether a fault of this field was noted."""
        return any(error.field == name for error in self._errors)

    def raw(self, name: str) -> str:
        """Give the cell without outer blanks, not checked."""
        return self._cells.get(name, "").strip()

    def text(self, name: str, longest: int) -> str:
        """Read printable characters, or "" where empty."""
        text = self.raw(name)
        if len(text) > longest:
            self.fault(name, f"has {len(text)} characters, at most {longest} are taken")
        elif not is_printable(text):
            self.fault(name, f"{text[:40]!r} has characters that cannot be printed")
        elif _ERROR.fullmatch(text):
            self.fault(name, f"is the error value {text} of a spreadsheet")
        return text

    def prose(self, name: str, longest: int) -> str:
        """Read a text that may have several lines, or "" where empty."""
        text = self.raw(name)
        if len(text) > longest:
            self.fault(name, f"has {len(text)} characters, at most {longest} are taken")
        elif "\0" in text:
            self.fault(name, "holds a character that cannot be stored")
        return text

    def id(self, name: str, *, needed: bool = True) -> str:
        """Read an id of 1 to 64 printable characters; "" where it is empty and not needed."""
        if needed and not self.raw(name):
            self.fault(name, "is empty")
        text = self.text(name, ID_LENGTH)
        if why := rewritten(text):
            self.fault(name, why)
        return text

    def day(self, name: str) -> date:
        """Read a date that must be there."""
        if not self.raw(name):
            self.fault(name, "is empty")
        return self.day_or_none(name) or FIRST_DAY

    def day_or_none(self, name: str) -> date | None:
        """Read a date: 2026-01-31, 2026/1/31, 20260131 or 2026年1月31日; None where empty."""
        text = self.raw(name)
        if not text:
            return None
        try:
            return parse_day(text, name)
        except FieldError as error:
            self.fault(name, error.detail)
            return None

    def truth(self, name: str) -> bool | None:
        """Read true, false, 1, 0, 是 or 否; None where empty."""
        text = self.raw(name).lower()
        if text and text not in _TRUTH:
            self.fault(name, f"{text[:40]!r} is none of true, false, 1, 0, 是, 否")
        return _TRUTH.get(text)

    def count(self, name: str, lowest: int, highest: int) -> int | None:
        """Read a whole number within both bounds (inclusive); None where empty."""
        text = self.raw(name)
        if not text:
            return None
        if not _COUNT.fullmatch(text) or not lowest <= int(text) <= highest:
            self.fault(name, f"{text[:40]!r} is not a whole number from {lowest} to {highest}")
            return None
        return int(text)

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        """Read one of some words; "" where empty."""
        text = self.raw(name)
        if text and text not in choices:
            self.fault(name, f"{text[:40]!r} is none of {', '.join(choices)}")
        return text

    def currency(self, name: str) -> str:
        """Read an ISO 4217 code; "" where empty."""
        text = self.raw(name)
        if text and text not in DIGITS:
            self.fault(name, f"{text[:40]!r} is not an ISO 4217 currency in circulation")
        return text

    def money(self, name: str, currency_name: str, lowest_minor: int) -> Money:
        """Read an amount of at least `lowest_minor`, in the currency another column names."""
        currency = self.currency(currency_name)
        for column in (name, currency_name):
            if not self.raw(column):
                self.fault(column, "is empty")
        # Under another currency the same digits may be right: no verdict before it is known.
        if currency not in DIGITS or not self.raw(name):
            return _NO_MONEY
        try:
            money = parse_money(self.raw(name), currency)
        except FieldError as error:
            self.fault(name, error.detail)
            return _NO_MONEY
        if money.minor < lowest_minor:
            self.fault(name, f"{money} must be {'more than' if lowest_minor else 'at least'} 0")
        return money


def rewritten(text: str) -> str:
    """Say why an id is what a program made of another one, or nothing."""
    if _REWRITTEN.fullmatch(text):
        return f"{text!r} is a number as a program rewrote it; export ids as text"
    return ""


def is_printable(text: str) -> bool:
    """Tell whether a text has only characters that the API takes, or is empty."""
    if text.isascii():
        return text.isprintable()
    return _PRINTABLE.fullmatch(text) is not None


def parse_day(text: str, field: str) -> date:
    """Read a date, year first; midnight may follow it, any other time of day may not.

    Raises:
        FieldError: Not such a date, not in the calendar, or not from 1970 to 2100.

    """
    found = _DAY.fullmatch(text)
    if found is None:
        raise FieldError(f"{text[:40]!r} is not a date such as 2026-01-31", field)
    year, month, day = (int(part) for part in found.groups() if part is not None)
    try:
        value = date(year, month, day)
    except ValueError as error:
        raise FieldError(f"{text!r} is not in the calendar", field) from error
    if not FIRST_DAY <= value <= LAST_DAY:
        raise FieldError(f"{text!r} is not within {FIRST_DAY} to {LAST_DAY}", field)
    return value
