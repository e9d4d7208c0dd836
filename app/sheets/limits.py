"""Limits as a table that `aval import limits` takes: XLSX with a choice of kinds, or CSV."""

import csv
import io
from collections.abc import Iterable
from typing import Final

from openpyxl import Workbook
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

COLUMNS: Final = (
    "customer_id",
    "segment",
    "kind",
    "limit",
    "currency",
    "unlimited",
    "valid_from",
    "valid_to",
    "reason",
)
Line = tuple[str, ...]
"""Cells in the order of `COLUMNS`, empty where there is nothing."""

_FORMULA: Final = frozenset("=+-@\t\r'")


def write_limits_xlsx(lines: Iterable[Line]) -> bytes:
    """Write a sheet whose cells are all texts: amounts keep their digits, nothing is a formula."""
    book = Workbook()
    book.remove(book.worksheets[0])
    sheet: Worksheet = book.create_sheet("limits")
    sheet.freeze_panes = "A2"
    for row, line in enumerate([COLUMNS, *lines], start=1):
        for column, value in enumerate(line, start=1):
            if value:
                sheet.cell(row, column, value).data_type = "s"
    kinds = DataValidation("list", formula1='"base,temporary"', allow_blank=True)
    kinds.add(f"C2:C{sheet.max_row + 1000}")
    sheet.add_data_validation(kinds)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def write_limits_csv(lines: Iterable[Line]) -> bytes:
    """Write UTF-8 with a byte order mark; what a spreadsheet would run stands behind `'`."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for line in lines:
        writer.writerow([f"'{cell}" if cell[:1] in _FORMULA else cell for cell in line])
    return file.getvalue().encode("utf-8-sig")
