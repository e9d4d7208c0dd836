"""Tables from CSV files, with a type for each column; a fault names its file, line and column.

What a workbook says by a cell's type is said here by the column: a number is read as one only where
the column holds numbers.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Final

from app.domain.errors import FileRefusedError
from app.sheets.cells import bare
from app.sheets.sheet import LARGEST, MAX_FILE_BYTES, MAX_ROWS, Content, Row, Table, Value

_WHOLE: Final = re.compile(r"-?[0-9]{1,16}(?:\.0+)?", re.ASCII)
_NUMBER: Final = re.compile(r"-?[0-9]{1,16}(?:\.[0-9]{0,30})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


def read_tables(
    tables: Mapping[str, Table], files: Mapping[str, bytes]
) -> dict[str, Sequence[Row]]:
    """Read the files by the names of their tables; a table that is not there is empty.

    Raises:
        FileRefusedError: Not such files; the first fault is told.

    """
    unknown = sorted(files.keys() - tables.keys())
    if unknown:
        raise FileRefusedError(f"{unknown[0][:60]} is none of {', '.join(tables)}")
    return {name: _read(table, files.get(name)) for name, table in tables.items()}


def _read(table: Table, file: bytes | None) -> list[Row]:
    if file is None:
        return []
    if len(file) > MAX_FILE_BYTES:
        raise FileRefusedError(f"{table.sheet}: the file is larger than {MAX_FILE_BYTES} bytes")
    try:
        lines = list(csv.reader(io.StringIO(file.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileRefusedError(f"{table.sheet}: is no CSV file in UTF-8: {error}") from error
    if len(lines) > MAX_ROWS + 1:
        raise FileRefusedError(f"{table.sheet}: more than {MAX_ROWS} rows")
    header = lines[0] if lines else []
    wrong = [name for name in table.columns if header.count(name) != 1]
    if wrong:
        raise FileRefusedError(f"{table.sheet}: the column {wrong[0]!r} must be there once")
    return [
        _row(table, header, line, number)
        for number, line in enumerate(lines[1:], start=2)
        if any(line)
    ]


def _row(table: Table, header: Sequence[str], line: Sequence[str], number: int) -> Row:
    if len(line) != len(header):
        told = f"{len(line)} cells under {len(header)} columns"
        raise FileRefusedError(f"{table.sheet}: line {number}: {told}")
    found = dict(zip(header, line, strict=True))
    cells = {name: f"{table.sheet}: line {number}, {name}" for name in table.columns}
    return Row(
        {name: _value(found[name], kind, cells[name]) for name, kind in table.columns.items()},
        cells,
    )


def _value(cell: str, content: Content, place: str) -> Value:
    if cell == "":
        if content in {Content.TEXT, Content.WHOLE}:
            raise FileRefusedError(f"{place}: must be {content.value}")
        return None
    if content in {Content.NUMBER_OR_EMPTY, Content.WHOLE}:
        value = number_of(cell, whole=content is Content.WHOLE)
        if value is None:
            raise FileRefusedError(f"{place}: must be {content.value}")
        return value
    return bare(cell)


def number_of(cell: str, *, whole: bool = False) -> float | None:
    """Read a plain number, a whole one as an int; None where it is none, or beyond measure."""
    if _WHOLE.fullmatch(cell):
        value: float = int(cell.partition(".")[0])
    elif whole or not _NUMBER.fullmatch(cell):
        return None
    else:
        value = float(cell)
    return value if abs(value) <= LARGEST else None
