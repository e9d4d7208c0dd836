"""Tables as CSV: UTF-8 with a byte order mark, so that a spreadsheet reads Chinese."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

_FORMULA: Final = frozenset("=+-@\t\r'")
"""Beginnings of a cell that a spreadsheet would run, and the apostrophe that keeps it from that."""


def write_csv(columns: Sequence[str], lines: Iterable[Sequence[str | float | None]]) -> bytes:
    """Write a table; a text that a spreadsheet would run stands behind an apostrophe."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows([_safe(cell) for cell in line] for line in lines)
    return file.getvalue().encode("utf-8-sig")


def _safe(cell: str | float | None) -> str | float | None:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in _FORMULA else cell


def bare(cell: str) -> str:
    """Take the apostrophe off again."""
    return cell.removeprefix("'")
