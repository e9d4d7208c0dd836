"""What every table file is, whatever its format: a header, rows of text, and faults of cells."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from app.domain.errors import FileRefusedError

WHOLE_ROW: Final = -1
"""Where a fault speaks of the row and not of one of its columns."""

REJECT_COLUMNS: Final = ("reject_line", "reject_field", "reject_reason")
"""What a reject file has before the columns of the file; imported again they mean nothing."""

_NO_ALIASES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns a file may have. `aliases` maps other header texts to these names.

    `ratios` are those of the columns that a workbook may well show in percent.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=lambda: _NO_ALIASES)
    ratios: frozenset[str] = frozenset()

    def name_of(self, header: str) -> str | None:
        """Find which column a header text means; case and `Customer ID` for `customer_id` pass."""
        text = header.strip()
        plain = "_".join(text.casefold().split())
        if plain in self.required or plain in self.optional:
            return plain
        return self.aliases.get(text)


@dataclass(frozen=True, slots=True)
class CellFault:
    """Why a cell cannot be taken; `field` is None where the row as such is at fault."""

    field: str | None
    reason: str


class RawRow(NamedTuple):
    """A row as its format has it; `faults` are (column index or WHOLE_ROW, reason)."""

    line: int
    cells: tuple[str, ...]
    faults: tuple[tuple[int, str], ...] = ()


class TableRow(NamedTuple):
    """A row of a table.

    `line` is where it starts in the file (1 is the header; in Parquet, where no header takes a
    line, rows count from 1). `cells` has every accepted column the file has, outer blanks cut off;
    `original` the texts in the order of the file's header, nothing cut.
    """

    line: int
    cells: dict[str, str]
    original: tuple[str, ...]
    faults: tuple[CellFault, ...] = ()


class Source(Protocol):
    """One file of one format."""

    headers: tuple[str, ...]
    note: str
    """How it was read, where that was not sure."""

    def rows(self) -> Iterator[RawRow]:
        """Read the rows below the header from the start again; rows without any text are left out.

        Raises:
            FileRefusedError: The rest cannot be told apart into rows.

        """

    def progress(self) -> float:
        """Tell which fraction (0 to 1) of the file the running iteration has read."""


@dataclass(frozen=True, slots=True)
class Header:
    """A file's header: its texts, and the accepted name each means (None: unknown)."""

    texts: tuple[str, ...]
    names: tuple[str | None, ...]

    @property
    def unknown(self) -> tuple[str, ...]:
        """The texts of columns that are not used; those of a reject file need not be told."""
        return tuple(
            text
            for text, name in zip(self.texts, self.names, strict=True)
            if name is None and text.strip() and text.strip() not in REJECT_COLUMNS
        )


def match_header(file: str, texts: tuple[str, ...], columns: Columns) -> Header:
    """Find the accepted columns in a header.

    Raises:
        FileRefusedError: A required column is missing, or two columns mean the same.

    """
    names = tuple(columns.name_of(text) for text in texts)
    found = [name for name in names if name is not None]
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise FileRefusedError(f"{file}: more than one column means {', '.join(twice)}")
    missing = [name for name in columns.required if name not in found]
    if missing:
        listed = ", ".join(text.strip() for text in texts if text.strip()) or "nothing"
        raise FileRefusedError(
            f"{file}: missing column {', '.join(missing)}; the first row has: {listed[:500]}"
        )
    return Header(texts, names)


def cut_empty_end(cells: tuple[str, ...], width: int = 0) -> tuple[str, ...]:
    """Drop empty cells at the end of a row beyond `width`: spreadsheets pad their rows."""
    end = len(cells)
    while end > width and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def row_of(line: int, cells: Iterable[tuple[str, str]]) -> RawRow:
    """Put a row together from (text, why the cell cannot be taken or nothing)."""
    pairs = tuple(cells)
    faults = tuple((index, fault) for index, (_, fault) in enumerate(pairs) if fault)
    return RawRow(line, tuple(text for text, _ in pairs), faults)


def plain_number(value: float) -> str:
    """Write a binary number as the decimal of at most 15 digits that people see: 97.6."""
    return format(Decimal(f"{value:.15g}"), "f")


def day_text(value: date) -> str:
    """Write a date as YYYY-MM-DD; a time of day other than midnight is kept, to be seen."""
    if not isinstance(value, datetime):
        return value.isoformat()
    if value.time() != time(0) or value.tzinfo is not None:
        return value.isoformat()
    return value.date().isoformat()
