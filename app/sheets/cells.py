"""Tables as CSV: UTF-8 with a byte order mark, so that a spreadsheet reads Chinese."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠'")
"""Beginnings of a cell that a spreadsheet would run, and the apostrophe that keeps it from that."""


def write_csv(columns: Sequence[str], lines: Iterable[Sequence[str | float | None]]) -> bytes:
    """Write a table; a text that a spreadsheet would run stands behind an apostrophe."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(
        [safe(cell) if isinstance(cell, str) else cell for cell in line] for line in lines
    )
    return file.getvalue().encode("utf-8-sig")


def safe(cell: str) -> str:
    """Put an apostrophe before what a spreadsheet would run."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def bare(cell: str) -> str:
    """Take the apostrophe off again; one that keeps nothing from running is the text's own."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(_FORMULA) else cell
