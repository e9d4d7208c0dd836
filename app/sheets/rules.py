"""A rule set as a workbook: a sheet a table, a row a rule, drop-downs where the words are fixed.

Lists stand in one cell, separated by commas, or one a line where a value has a comma itself.
Parameters stand one a line as `name = constant`, the constant as in a condition. What is not on a
sheet is not in the rule set: a workbook is the whole of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from openpyxl.utils import get_column_letter

from app.domain.rules import FORMAT, RuleSetError, read_rule_set
from app.domain.rules_row import ACTIONS
from app.sheets.rules_tables import TABLES, Filed, from_tables, to_tables
from app.sheets.sheet import add_sheet, new_book, offer, open_book, read_rows, refuse, written

_WIDTHS: Final = {"when": 60, "zh": 30, "en": 40, "json": 100, "parameters": 30}
_CHOICES: Final[Mapping[str, Sequence[str]]] = {
    "outcome": ("APPROVE", "HOLD", "REJECT", "WARN"),
    "on_missing": ("HOLD", "REJECT", "WARN"),
    "asks": ("order", "path"),
    "auto_release": ("yes", "no"),
    "action": ACTIONS,
}


def write_rules(data: Mapping[str, Any]) -> bytes:
    """Write a rule set of the present form as a workbook that `read_rules` reads back equal."""
    book = new_book()
    for name, lines in to_tables(data).items():
        columns = tuple(TABLES[name].columns)
        sheet = add_sheet(book, name, columns, lines)
        for place, column in enumerate(columns, start=1):
            sheet.column_dimensions[get_column_letter(place)].width = _WIDTHS.get(column, 16)
            if column in _CHOICES:
                offer(sheet, place, _CHOICES[column])
    return written(book)


def read_rules(file: bytes) -> dict[str, Any]:
    """Read a workbook as the JSON of a rule set that has no fault.

    Raises:
        FileRefusedError: Not such a workbook, or a rule set with faults; each names its cell, the
            first twenty are told.

    """
    book = open_book(file)
    faults: list[str] = []
    filed = {name: read_rows(book, table, faults) for name, table in TABLES.items()}
    refuse(faults)
    return checked(filed)


def checked(filed: Filed) -> dict[str, Any]:
    """Make a rule set of tables, and insist that it is one.

    Raises:
        FileRefusedError: It is none; each fault names its cell.

    """
    faults: list[str] = []
    data, places = from_tables(filed, faults)
    refuse(faults)
    try:
        read_rule_set(0, data)
    except RuleSetError as error:
        told = [f"{places.cell_of(one.field)}: {one.message}" for one in error.faults]
        refuse(told)
    return {"format": FORMAT, **data}
