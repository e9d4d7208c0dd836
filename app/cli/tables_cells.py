"""One cell of a workbook's sheet as the text that people see, or why it cannot be taken."""

import re
from datetime import date
from math import prod
from typing import Final, TypeAlias

from openpyxl.cell import Cell, MergedCell

from app.cli.tables_shape import day_text, plain_number

XlsxCell: TypeAlias = Cell | MergedCell
"""What openpyxl's types call every cell."""

EAST_ASIAN_DAYS: Final = frozenset({*range(27, 32), 36, *range(50, 55), 57, 58})
"""Formats of dates that Excel has in Chinese, Japanese and Korean and that a file names by number
alone (ECMA-376, 18.8.30); openpyxl takes what has one of them for a number."""

_EXACT: Final = 10**15
_ZEROS: Final = re.compile(r"0{2,64}")
_DRESS: Final = re.compile(r"_.|\*.|\[[^\]]*\]")
"""Of a format what shows no part of the number: blanks, fillers, colours, locales."""

_LITERAL: Final = re.compile(r'"[^"]*"|[\\!].')
_SCALING: Final = re.compile(r"(,+)(?![0#?,])")
"""Commas of a format that no digit follows: each shows a thousandth."""

_MOVED_POINT: Final = re.compile(r'(?:[\\!]\.|"\.")([0#?]+)')
"""A point that is but written into a format, and digits: `0!.0,"万"` shows 123000 as 12.3万."""

_UNITS: Final = {
    "百": 100,
    "千": 1_000,
    "万": 10_000,
    "萬": 10_000,
    "亿": 100_000_000,
    "億": 100_000_000,
}
_CONDITION: Final = re.compile(r"\[[<>=]")

_BARE: Final = re.compile(r"(?:General|@|[0#,.?%]+(?:E[+-]0+)?)?")
_ESCAPED: Final = re.compile(r"_x00([01][0-9A-Fa-f])_")
"""How a workbook writes control characters; openpyxl hands them on as they are written."""


def cell_text(cell: XlsxCell, *, is_id: bool = False, is_ratio: bool = False) -> tuple[str, str]:
    """Write a cell as text, with the reason why it cannot be taken (or nothing).

    An id is a text or a plain number: what else stands there, a spreadsheet has made of it. A
    ratio may be shown in percent; of what else is, nobody can tell which number was meant.
    """
    value = cell.value
    fault = ""
    if value is None:
        text = ""
    elif cell.data_type == "f":
        text, fault = str(getattr(value, "text", value)), "is a formula; put its value instead"
    elif cell.data_type == "e":
        text, fault = str(value), f"is the error value {value}"
    elif isinstance(value, str):
        text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        text, fault = _number(value, str(cell.number_format), is_id=is_id)
        if not fault:
            fault = _shown_in_units(text, str(cell.number_format), is_ratio=is_ratio)
    else:
        text = _other(value)
        fault = f"is {text}, which is no text; store the id as text" if is_id else ""
    return text, fault


def _other(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return day_text(value) if isinstance(value, date) else str(value)


def _number(value: float, number_format: str, *, is_id: bool) -> tuple[str, str]:
    if not abs(value) < _EXACT:
        return str(value)[
            :40
        ], "is a number of more than 15 digits, which a workbook rounds; store it as text"
    text = plain_number(value)
    shown = _DRESS.sub("", number_format.partition(";")[0])
    if _ZEROS.fullmatch(shown):
        return text.zfill(len(shown)), ""  # shown, and meant, as 0042
    if is_id and not _BARE.fullmatch(shown):
        told = f"is {text}, which the format {number_format[:40]!r} shows otherwise"
        return text, f"{told}; store the id as text"
    return text, ""


def _shown_in_units(text: str, number_format: str, *, is_ratio: bool) -> str:
    """Say why a number cannot be taken whose format shows it in percent or in 万, but not as it is.

    A format that divides by the unit it writes shows the number itself, and so passes.
    """
    if any(_is_in_units(one, is_ratio=is_ratio) for one in _sections(text, number_format)):
        told = f"is {text}, which the format {number_format[:40]!r} shows otherwise"
        return f"{told}; put the number that is meant, in a plain format"
    return ""


def _sections(text: str, number_format: str) -> list[str]:
    """Give the parts of a format that may show a number: by its sign, or all by conditions."""
    sections = number_format.split(";")
    if _CONDITION.search(number_format):
        return sections
    return [sections[1] if text.startswith("-") and len(sections) > 1 else sections[0]]


def _is_in_units(section: str, *, is_ratio: bool) -> bool:
    shown = _DRESS.sub("", section)
    bare = _LITERAL.sub("", shown)
    unit = prod(_UNITS.get(sign, 1) for sign in shown)
    divided = 1_000 ** sum(len(found) for found in _SCALING.findall(bare))
    divided *= 10 ** sum(len(found) for found in _MOVED_POINT.findall(shown))
    percent = "%" in shown or "‰" in shown
    # only a bare one multiplies what is shown; written beside a number it is another number
    meant = is_ratio and "%" in bare and "‰" not in shown
    return (percent and not meant) or unit not in {1, divided}
