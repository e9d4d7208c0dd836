"""A rule set as a workbook: a sheet a table, a row a rule, drop-downs where the words are fixed.

Lists stand in one cell, separated by commas, or one a line where a value has a comma itself.
Parameters stand one a line as `name = constant`, the constant as in a condition. What is not on a
sheet is not in the rule set: a workbook is the whole of it.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from app.domain.errors import FileRefusedError
from app.domain.rules import FORMAT, RuleSetError, read_rule_set
from app.domain.rules_row import ACTIONS
from app.sheets.rules_tables import (
    CLAUSES,
    EXAMPLES,
    RULES,
    SETTINGS,
    TABLES,
    TERMS,
    TEXTS,
    Filed,
    from_tables,
    to_tables,
)
from app.sheets.sheet import open_book, read_rows

_LAST_ROW: Final = 1001
_WIDTHS: Final = {"when": 60, "zh": 30, "en": 40, "json": 100, "parameters": 30}
_CHOICES: Final[Mapping[str, Sequence[str]]] = {
    "outcome": ("APPROVE", "HOLD", "REJECT", "WARN"),
    "on_missing": ("HOLD", "REJECT", "WARN"),
    "asks": ("order", "path"),
    "auto_release": ("yes", "no"),
    "action": ACTIONS,
}
_MOST_FAULTS: Final = 20

__all__ = [
    "CLAUSES",
    "EXAMPLES",
    "RULES",
    "SETTINGS",
    "TERMS",
    "TEXTS",
    "read_rules",
    "write_rules",
]


def write_rules(data: Mapping[str, Any]) -> bytes:
    """Write a rule set of the present form as a workbook that `read_rules` reads back equal."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for table, lines in to_tables(data).items():
        sheet: Worksheet = book.create_sheet(TABLES[table].sheet)
        _fill(sheet, list(TABLES[table].columns), lines)
        _offer(sheet, list(TABLES[table].columns))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _fill(sheet: Worksheet, columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    sheet.freeze_panes = "A2"
    for row, line in enumerate([columns, *lines], start=1):
        for column, value in enumerate(line, start=1):
            cell = sheet.cell(row, column, value)
            if isinstance(value, str):
                cell.data_type = "s"  # what begins with = is a text, and stays one
    for column, name in enumerate(columns, start=1):
        sheet.column_dimensions[get_column_letter(column)].width = _WIDTHS.get(name, 16)


def _offer(sheet: Worksheet, columns: Sequence[str]) -> None:
    """Let people choose where only some words are taken."""
    for column, name in enumerate(columns, start=1):
        words = _CHOICES.get(name)
        if words is None:
            continue
        allowed = DataValidation("list", formula1=f'"{",".join(words)}"', allow_blank=True)
        allowed.error = f"one of {', '.join(words)}"
        letter = get_column_letter(column)
        allowed.add(f"{letter}2:{letter}{_LAST_ROW}")
        sheet.add_data_validation(allowed)


def read_rules(file: bytes) -> dict[str, Any]:
    """Read a workbook as the JSON of a rule set that has no fault.

    Raises:
        FileRefusedError: Not such a workbook, or a rule set with faults; each names its cell, the
            first twenty are told.

    """
    book = open_book(file)
    faults: list[str] = []
    filed = {name: read_rows(book, table, faults) for name, table in TABLES.items()}
    _refuse(faults)
    return checked(filed)


def checked(filed: Filed) -> dict[str, Any]:
    """Make a rule set of tables, and insist that it is one.

    Raises:
        FileRefusedError: It is none; each fault names its cell.

    """
    faults: list[str] = []
    data, places = from_tables(filed, faults)
    _refuse(faults)
    try:
        read_rule_set(0, data)
    except RuleSetError as error:
        told = [f"{places.cell_of(one.field)}: {one.message}" for one in error.faults]
        _refuse(told)
    return {"format": FORMAT, **data}


def _refuse(faults: Sequence[str]) -> None:
    """Stop where there is a fault.

    Raises:
        FileRefusedError: With all of them, or the first twenty and how many there are.

    """
    if faults:
        more = f"; {len(faults)} in all" if len(faults) > _MOST_FAULTS else ""
        raise FileRefusedError("; ".join(faults[:_MOST_FAULTS]) + more)
