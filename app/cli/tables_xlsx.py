"""XLSX as a table source: the one visible sheet that has rows.

Only typed-in values are taken: a formula's stored result may be of another day, so it is a fault.
Hidden rows and merged cells refuse the file, because nobody can see what would be imported.
"""

import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import openpyxl
from openpyxl.workbook import Workbook
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from app.cli.tables_cells import EAST_ASIAN_DAYS, XlsxCell, cell_text
from app.cli.tables_shape import WHOLE_ROW, Columns, RawRow, cut_empty_end, row_of
from app.domain.errors import FileRefusedError
from app.sheets.sheet import UNREADABLE

MAX_UNPACKED_BYTES: Final = 2 << 30
"""The largest sum of unpacked parts taken; a workbook of a million rows has about 0.5 GiB."""

MAX_ROWS: Final = 1_048_576
"""The last row a worksheet can have."""

_CHUNK: Final = 1 << 20
_AT_ONCE: Final = 500
_TAG: Final = re.compile(rb"<(?:\w+:)?(row|col|mergeCell)\b[^>]*>")
_HIDDEN: Final = re.compile(rb"""\shidden=["'](?:1|true)["']""")
_ROW_NUMBER: Final = re.compile(rb"""\sr=["'](\d+)["']""")
_COLUMN_SPAN: Final = re.compile(rb"""\s(min|max)=["'](\d+)["']""")
_REFERENCE: Final = re.compile(rb"""\sref=["']([^"']+)["']""")


class XlsxSource:
    """An XLSX workbook, read as often as needed."""

    note = ""

    def __init__(self, path: Path, columns: Columns) -> None:
        """Choose the sheet, look for what hides, and read its header.

        Raises:
            FileRefusedError: Not a workbook, no or several sheets with rows, hidden or merged.

        """
        self._path = path
        self._line = 0
        self._sheet = ""
        self._ids, self._ratios = frozenset[int](), frozenset[int]()
        with _as_refusals(path):
            _refuse_bomb(path)
            with path.open("rb") as file:
                sheet = self._choose(self._book(file))
                self._sheet = sheet.title
                self._last_line, hidden = self._look_through(sheet)
        first = next(self._all_rows(), None)
        self.headers = cut_empty_end(first.cells) if first else ()
        self._header_line = first.line if first else 0
        self._line = 0
        names = [columns.name_of(text) or "" for text in self.headers]
        self._ids = frozenset(at for at, name in enumerate(names) if name.endswith("_id"))
        self._ratios = frozenset(at for at, name in enumerate(names) if name in columns.ratios)
        for index, text in enumerate(self.headers):
            if index + 1 in hidden and columns.name_of(text):
                raise FileRefusedError(
                    f"{path.name}: sheet {self._sheet}: column {text.strip()} is hidden;"
                    " show or remove it"
                )

    def progress(self) -> float:
        """Tell the fraction of the sheet's rows read by the running iteration."""
        return self._line / self._last_line if self._last_line else 0.0

    def rows(self) -> Iterator[RawRow]:
        """Read the rows below the header.

        Raises:
            FileRefusedError: The sheet's XML is damaged.

        """
        width = len(self.headers)
        for row in self._all_rows():
            if row.line <= self._header_line:
                continue
            cells = cut_empty_end(row.cells, width)
            faults = row.faults
            if len(cells) > width:
                faults = (*faults, (WHOLE_ROW, f"{len(cells)} cells, the header has {width}"))
            cells += ("",) * (width - len(cells))
            yield RawRow(row.line, cells, tuple(fault for fault in faults if fault[0] < width))

    def _all_rows(self) -> Iterator[RawRow]:
        """Yield every row that has text, the header first; `line` is the sheet's row number."""
        with self._path.open("rb") as file:
            sheet = self._book(file)[self._sheet]
            if not isinstance(sheet, ReadOnlyWorksheet):
                raise FileRefusedError(f"{self._path.name}: {self._sheet} is not a worksheet")
            # Some programs write a wrong size of the sheet; without one all rows are read.
            sheet.reset_dimensions()
            rows = enumerate(sheet.iter_rows(), start=1)
            while batch := self._next(rows):
                for line, cells in batch:
                    self._line = line
                    row = row_of(
                        line,
                        (
                            cell_text(one, is_id=at in self._ids, is_ratio=at in self._ratios)
                            for at, one in enumerate(cells)
                        ),
                    )
                    if row.faults or any(map(str.strip, row.cells)):
                        yield row

    def _next(
        self, rows: Iterator[tuple[int, tuple[XlsxCell, ...]]]
    ) -> list[tuple[int, tuple[XlsxCell, ...]]]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                batch = list(islice(rows, _AT_ONCE))
        except UNREADABLE as error:
            raise FileRefusedError(
                f"{self._path.name}: sheet {self._sheet} is damaged after row {self._line}: {error}"
            ) from error
        if batch and batch[-1][0] > MAX_ROWS:
            raise FileRefusedError(f"{self._path.name}: a sheet has at most {MAX_ROWS} rows")
        return batch

    def _book(self, file: BinaryIO) -> Workbook:
        with _as_refusals(self._path), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            book = openpyxl.load_workbook(file, read_only=True, keep_links=False)
        _know_days(book)
        return book

    def _choose(self, book: Workbook) -> ReadOnlyWorksheet:
        visible = [
            sheet
            for sheet in book.worksheets
            if sheet.sheet_state == "visible" and _has_rows(self._path, sheet)
        ]
        if len(visible) == 1:
            return visible[0]
        names = ", ".join(sheet.title for sheet in visible)
        what = f"several sheets have rows ({names}); keep one" if names else "no sheet has rows"
        raise FileRefusedError(f"{self._path.name}: {what} (hidden sheets are not read)")

    def _look_through(self, sheet: ReadOnlyWorksheet) -> tuple[int, set[int]]:
        """Find the last row and the hidden columns (from 1) in the sheet's XML."""
        last, hidden = 0, set[int]()
        for kind, tag in _tags(self._path, sheet):
            if kind == b"mergeCell":
                found = _REFERENCE.search(tag)
                where = found.group(1).decode("ascii", "replace") if found else "?"
                self._refuse(f"cells {where} are merged; unmerge them")
            elif kind == b"row":
                number = _ROW_NUMBER.search(tag)
                line = int(number.group(1)) if number else last + 1
                if line <= last:  # openpyxl would pass over it without a word
                    self._refuse(f"row {line} stands below row {last}")
                last = line
                if _HIDDEN.search(tag) and not tag.endswith(b"/>"):
                    self._refuse(f"row {last} is hidden (a filter?); show or remove it")
            elif _HIDDEN.search(tag):
                span = {name: int(value) for name, value in _COLUMN_SPAN.findall(tag)}
                hidden.update(range(span.get(b"min", 1), min(span.get(b"max", 1), 16_384) + 1))
        return last, hidden

    def _refuse(self, reason: str) -> None:
        raise FileRefusedError(f"{self._path.name}: sheet {self._sheet}: {reason}")


@contextmanager
def _as_refusals(path: Path) -> Iterator[None]:
    """Let what the library stumbles over be the file's fault."""
    try:
        yield
    except zipfile.BadZipFile as error:
        raise FileRefusedError(f"{path.name}: a damaged .xlsx: {error}") from error
    except UNREADABLE as error:
        raise FileRefusedError(
            f"{path.name}: not an .xlsx workbook that can be read: {error}"
        ) from error


def _know_days(book: Workbook) -> None:
    parts = vars(book)
    styles = enumerate(parts["_cell_styles"])
    found = {at for at, style in styles if style.numFmtId in EAST_ASIAN_DAYS}
    parts["_date_formats"] = {*parts["_date_formats"], *found}


def _refuse_bomb(path: Path) -> None:
    with zipfile.ZipFile(path) as parts:
        size = sum(part.file_size for part in parts.infolist())
    if size > MAX_UNPACKED_BYTES:
        raise FileRefusedError(f"{path.name}: unpacks to {size} bytes; split it or use CSV")


def _part(path: Path, sheet: ReadOnlyWorksheet) -> Iterator[bytes]:
    """Read the sheet's own XML; openpyxl, reading row by row, does not tell what it hides."""
    with zipfile.ZipFile(path) as parts, parts.open(vars(sheet)["_worksheet_path"]) as part:
        while chunk := part.read(_CHUNK):
            yield chunk


def _tags(path: Path, sheet: ReadOnlyWorksheet) -> Iterator[tuple[bytes, bytes]]:
    rest = b""
    for chunk in _part(path, sheet):
        text = rest + chunk
        cut = max(text.rfind(b"<"), 0)  # the last tag may go on in the next chunk
        for found in _TAG.finditer(text, 0, cut):
            yield found.group(1), found.group()
        rest = text[cut:]
        if len(rest) > _CHUNK:  # no cell is that long: it would be copied with each chunk
            raise FileRefusedError(f"{path.name}: not a sheet of cells; a zip bomb?")
    for found in _TAG.finditer(rest):
        yield found.group(1), found.group()


def _has_rows(path: Path, sheet: ReadOnlyWorksheet) -> bool:
    return any(kind == b"row" and not tag.endswith(b"/>") for kind, tag in _tags(path, sheet))
