"""Tables in a workbook, read cell by cell with a type for each column; a fault names its cell.

What a person sees must be what is read: a formula, a merged range or a number kept as text is
refused, not guessed.
"""

import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final
from xml.etree.ElementTree import ParseError, iterparse

from openpyxl import Workbook, load_workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell, MergedCell
from openpyxl.utils import get_column_letter
from openpyxl.utils.cell import range_boundaries
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from app.domain.errors import FileRefusedError

MAX_FILE_BYTES: Final = 1 << 20
"""The largest workbook, inclusive."""

_MAX_UNPACKED_BYTES: Final = 4 << 20
_MAX_MERGED_CELLS: Final = 10_000
MAX_ROWS: Final = 1000
"""The most rows of a table, its header left out, inclusive."""

_MAX_COLUMNS: Final = 50
_MAX_FAULTS: Final = 20

LONGEST_TEXT: Final = 32_767
"""Most characters of a cell; openpyxl cuts off what is more, without a word."""

UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    InvalidFileException,
    ParseError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,  # parts with a password or packed unusually, nested beyond measure
)
"""What zipfile and openpyxl raise over a file that is damaged, or no workbook at all."""

Value = str | float | None


class Content(Enum):
    """What a column's cells hold; the value is how a fault says it."""

    TEXT = "text"
    TEXT_OR_EMPTY = "text or empty"
    NUMBER_OR_EMPTY = "a number or empty"
    WHOLE = "a whole number"
    ANY = "text or a number"


LARGEST: Final = 10**15
"""The largest number that a cell may hold, of either sign, inclusive."""

_NUMBERS: Final = {Content.NUMBER_OR_EMPTY, Content.ANY}


@dataclass(frozen=True, slots=True)
class Row:
    """A row's values by column name, and where each stands (`scorecard!D7`)."""

    values: Mapping[str, Value]
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet to be read: its name and its columns; the header is row 1, in any order."""

    sheet: str
    columns: Mapping[str, Content]


def open_book(data: bytes) -> Workbook:
    """Open an XLSX workbook with formulas kept visible.

    Raises:
        FileRefusedError: Not a workbook, or larger than a scorecard can be.

    """
    if len(data) > MAX_FILE_BYTES:
        raise FileRefusedError(f"the file is larger than {MAX_FILE_BYTES} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            _refuse_bombs(packed)
        return load_workbook(io.BytesIO(data), data_only=False, keep_links=False)
    except (zipfile.BadZipFile, InvalidFileException, ParseError) as error:
        raise FileRefusedError("the file is not an XLSX workbook") from error
    except (*UNREADABLE, OSError) as error:  # OSError: a zip without a workbook in it
        raise FileRefusedError("the file cannot be read as an XLSX workbook") from error


def _refuse_bombs(packed: zipfile.ZipFile) -> None:
    """Refuse what is small as a file and huge in memory; openpyxl makes a cell of each merged one.

    Raises:
        FileRefusedError: Unpacked or merged beyond measure.

    """
    if sum(one.file_size for one in packed.infolist()) > _MAX_UNPACKED_BYTES:
        raise FileRefusedError(f"the file unpacks to more than {_MAX_UNPACKED_BYTES} bytes")
    for one in packed.infolist():
        if not one.filename.endswith(".xml"):
            continue
        # Entity bombs are stopped by expat itself, and nothing external is ever loaded.
        for _, element in iterparse(io.BytesIO(packed.read(one))):  # noqa: S314
            if element.tag.endswith("}mergeCell"):
                left, top, right, bottom = range_boundaries(element.get("ref", ""))
                width, height = (right or 0) - (left or 0) + 1, (bottom or 0) - (top or 0) + 1
                if width * height > _MAX_MERGED_CELLS:
                    raise FileRefusedError(f"merged cells {element.get('ref')} in {one.filename}")
            element.clear()


def add_sheet(
    book: Workbook, name: str, columns: Sequence[str], lines: Iterable[Sequence[Value]]
) -> Worksheet:
    """Add a sheet with its header; what begins with = is a text, and stays one.

    Raises:
        FileRefusedError: A cell would not hold its text as it is.

    """
    sheet: Worksheet = book.create_sheet(name)
    sheet.freeze_panes = "A2"
    for row, line in enumerate([columns, *lines], start=1):
        for column, value in enumerate(line, start=1):
            if isinstance(value, str):
                _need_fitting(value, f"{name}!{get_column_letter(column)}{row}")
            cell = sheet.cell(row, column, value)
            if isinstance(value, str):
                cell.data_type = "s"
    return sheet


def _need_fitting(text: str, place: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise FileRefusedError(
            f"{place}: {len(text)} characters, a cell of a workbook holds {LONGEST_TEXT};"
            " export as CSV"
        )
    if ILLEGAL_CHARACTERS_RE.search(text):
        raise FileRefusedError(
            f"{place}: has a control character that no workbook holds; export as CSV"
        )


def offer(sheet: Worksheet, column: int, words: Sequence[str]) -> None:
    """Let people choose in a column (from 1) where only some words are taken."""
    allowed = DataValidation("list", formula1=f'"{",".join(words)}"', allow_blank=True)
    allowed.error = f"one of {', '.join(words)}"
    letter = get_column_letter(column)
    allowed.add(f"{letter}2:{letter}{max(MAX_ROWS, sheet.max_row) + 1}")
    sheet.add_data_validation(allowed)


def refuse(faults: Sequence[str]) -> None:
    """Stop where there is a fault.

    Raises:
        FileRefusedError: With all of them, or the first twenty and how many there are.

    """
    if faults:
        more = f"; {len(faults)} in all" if len(faults) > _MAX_FAULTS else ""
        raise FileRefusedError("; ".join(faults[:_MAX_FAULTS]) + more)


def new_book() -> Workbook:
    """Make a workbook without a sheet."""
    book = Workbook()
    book.remove(book.worksheets[0])
    return book


def written(book: Workbook) -> bytes:
    """Give the file of a workbook."""
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def read_rows(book: Workbook, table: Table, faults: list[str]) -> list[Row]:
    """Read the rows below the header; empty rows and columns not asked for are passed over.

    What is wrong is added to `faults`; rows can be relied on only where nothing was added.
    """
    name = table.sheet
    sheet = book[name] if name in book.sheetnames else None
    if not isinstance(sheet, Worksheet):
        faults.append(f"{name}: the sheet is missing")
        return []
    if sheet.max_row > MAX_ROWS + 1 or sheet.max_column > _MAX_COLUMNS:
        faults.append(f"{name}: more than {MAX_ROWS} rows or {_MAX_COLUMNS} columns")
        return []
    faults.extend(f"{name}!{merged.coord}: merged cells" for merged in sheet.merged_cells.ranges)
    faults.extend(_hidden(sheet))
    grid = [tuple(row) for row in sheet.iter_rows()]
    faults.extend(
        f"{name}!{cell.coordinate}: a formula or an error, not a value"
        for row in grid
        for cell in row
        if cell.data_type in {"f", "e"}
    )
    header = _read_header(grid[0] if grid else (), table, faults)
    filled = (row for row in grid[1:] if any(cell.value is not None for cell in row))
    return [_read_row(row, header, table, faults) for row in filled] if header else []


def _hidden(sheet: Worksheet) -> list[str]:
    """Name what nobody who looks at the sheet can see; a filter hides rows as well."""
    columns = [name for name, one in sheet.column_dimensions.items() if one.hidden]
    rows = [number for number, one in sheet.row_dimensions.items() if one.hidden]
    found = [f"{sheet.title}!{name}:{name}: a hidden column" for name in columns]
    found += [f"{sheet.title}!{number}:{number}: a hidden row" for number in rows]
    if sheet.sheet_state != "visible":
        found.append(f"{sheet.title}: the sheet is hidden")
    return found


def _read_header(
    row: Sequence[Cell | MergedCell], table: Table, faults: list[str]
) -> dict[str, int]:
    """Find each column's place; empty, with faults added, where not every one is there once."""
    names = [cell.value for cell in row]
    wrong = [name for name in table.columns if names.count(name) != 1]
    faults.extend(
        f"{table.sheet}!1:1: the column {name!r} must be there once, it is there"
        f" {names.count(name)} times"
        for name in wrong
    )
    return {} if wrong else {name: names.index(name) for name in table.columns}


def _read_row(
    row: Sequence[Cell | MergedCell], header: Mapping[str, int], table: Table, faults: list[str]
) -> Row:
    values: dict[str, Value] = {}
    cells: dict[str, str] = {}
    for name, content in table.columns.items():
        cell = row[header[name]]
        cells[name] = f"{table.sheet}!{cell.coordinate}"
        if not _fits(cell.value, content):
            faults.append(f"{cells[name]}: must be {content.value}")
        elif isinstance(cell.value, str | int | float):
            values[name] = cell.value
        else:
            values[name] = None
    return Row(values, cells)


def _fits(value: object, content: Content) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        whole = content is Content.WHOLE and value % 1 == 0
        # Also false for what is not a number at all; an int may be too long for isfinite.
        return abs(value) <= LARGEST and (whole or content in _NUMBERS)
    if value is None:
        return content in {Content.TEXT_OR_EMPTY, Content.NUMBER_OR_EMPTY}
    return isinstance(value, str) and content not in {Content.NUMBER_OR_EMPTY, Content.WHOLE}
