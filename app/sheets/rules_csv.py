"""A rule set as CSV files, one a table, with the columns of the workbook's sheets.

UTF-8 with a byte order mark, so that a spreadsheet reads Chinese. A cell that a spreadsheet would
run as a formula is written behind an apostrophe, which is taken off again on reading.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.domain.errors import FileRefusedError
from app.sheets.cells import bare, write_csv
from app.sheets.rules import checked
from app.sheets.rules_tables import TABLES, to_tables
from app.sheets.sheet import MAX_FILE_BYTES, MAX_ROWS, Content, Row, Table, Value

_NUMBERS: Final = frozenset({Content.NUMBER_OR_EMPTY, Content.WHOLE})


def write_rules_csv(data: Mapping[str, Any]) -> dict[str, bytes]:
    """Write a rule set of the present form as a file a table, by the table's name."""
    return {
        name: write_csv(tuple(TABLES[name].columns), lines)
        for name, lines in to_tables(data).items()
    }


def read_rules_csv(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Read the files by the names of their tables; a table that is not there is empty.

    Raises:
        FileRefusedError: Not such files, or a rule set with faults; each names its cell.

    """
    unknown = sorted(files.keys() - TABLES.keys())
    if unknown:
        raise FileRefusedError(f"{unknown[0][:60]} is none of {', '.join(TABLES)}")
    return checked({name: _read(table, files.get(name)) for name, table in TABLES.items()})


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
    if content in _NUMBERS:
        try:
            return float(int(cell))
        except ValueError:
            raise FileRefusedError(f"{place}: must be a whole number") from None
    return bare(cell)
