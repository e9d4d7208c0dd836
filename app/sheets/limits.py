"""Limits as a table that `aval import limits` takes: XLSX with a choice of kinds, or CSV."""

from collections.abc import Iterable
from typing import Final

from app.sheets.cells import write_csv
from app.sheets.sheet import add_sheet, new_book, offer, written

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


def write_limits_xlsx(lines: Iterable[Line]) -> bytes:
    """Write a sheet whose cells are all texts: amounts keep their digits, nothing is a formula."""
    book = new_book()
    sheet = add_sheet(book, "limits", COLUMNS, ([cell or None for cell in line] for line in lines))
    offer(sheet, COLUMNS.index("kind") + 1, ("base", "temporary"))
    return written(book)


def write_limits_csv(lines: Iterable[Line]) -> bytes:
    """Write the same as CSV."""
    return write_csv(COLUMNS, lines)
