"""Parquet as a table source: columns of text, whole and decimal numbers, dates and booleans."""

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import polars as pl

from app.cli.tables_shape import Columns, RawRow, day_text, plain_number, row_of
from app.domain.errors import FileRefusedError

_AT_ONCE: Final = 65_536
_UNREADABLE: Final = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,  # what the library says to bytes that it never expected
    ValueError,  # a date after the year 9999
    OverflowError,
)
_TAKEN: Final = (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Decimal, pl.Float64, pl.Null)


class ParquetSource:
    """A Parquet file, read as often as needed; `line` is the row's number from 1."""

    note = ""

    def __init__(self, path: Path, columns: Columns) -> None:
        """Read the schema.

        Raises:
            FileRefusedError: Not Parquet, or an accepted column is of a kind that is no text,
                number or date.

        """
        self._path = path
        self._line = 0
        try:
            self._frame = pl.scan_parquet(path, glob=False)
            schema = self._frame.collect_schema()
            self._total = int(self._frame.select(pl.len()).collect().item())
        except _UNREADABLE as error:
            raise self._damaged(error) from error
        self.headers = tuple(schema.names())
        self._unused: set[str] = set()
        for name, kind in schema.items():
            if columns.name_of(name) is None:
                self._unused.add(name)
            elif not (isinstance(kind, _TAKEN) or kind.is_integer() or kind.is_temporal()):
                raise FileRefusedError(
                    f"{path.name}: column {name} is of type {kind};"
                    " text, decimal, integer, float64, boolean and date are taken"
                )

    def progress(self) -> float:
        """Tell the fraction of the rows read by the running iteration."""
        return self._line / self._total if self._total else 0.0

    def rows(self) -> Iterator[RawRow]:
        """Read the rows.

        Raises:
            FileRefusedError: A data page is damaged.

        """
        self._line = 0
        for start in range(0, self._total, _AT_ONCE):
            for line, values in enumerate(self._read(start), start=start + 1):
                self._line = line
                row = row_of(line, map(_text, values))
                if any(map(str.strip, row.cells)):
                    yield row

    def _read(self, start: int) -> list[tuple[Any, ...]]:
        # What is not used may be of any kind and size: it is not read, the rejects show it empty.
        empty = [pl.lit(None).alias(name) for name in self._unused]
        try:
            return self._frame.slice(start, _AT_ONCE).with_columns(empty).collect().rows()
        except _UNREADABLE as error:
            raise self._damaged(error) from error

    def _damaged(self, error: BaseException) -> FileRefusedError:
        first = str(error).splitlines()[:1]
        return FileRefusedError(f"{self._path.name}: not a readable Parquet file: {first}")


def _text(value: object) -> tuple[str, str]:
    """Write a value as text, with the reason why it cannot be taken (or nothing)."""
    if value is None:
        return "", ""
    if isinstance(value, float):
        return _float(value)
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value), ""
    return str(value), ""


def _float(value: float) -> tuple[str, str]:
    if not abs(value) < _EXACT:
        return str(value), "is not a number below 10^15"
    return plain_number(value), ""


def _decimal(value: object) -> str:
    # The scale is the column's, not the amount's: 97.6000 says 97.6.
    text = format(Decimal(str(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _truth(value: object) -> str:
    return "true" if value else "false"


def _day(value: object) -> str:
    return day_text(value) if isinstance(value, date) else str(value)


_EXACT: Final = 1e15
_WRITERS: Final[tuple[tuple[type, Callable[[object], str]], ...]] = (
    (bool, _truth),
    (Decimal, _decimal),
    (date, _day),
)
