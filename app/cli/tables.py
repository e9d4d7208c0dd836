"""Read a table file (CSV, CSV.gz, XLSX, Parquet) row by row, in bounded memory.

What a file is, its first bytes say and not its name. Nothing is guessed in silence: a column not
known is listed and left unused, a cell that cannot be taken is that row's fault.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.cli.tables_csv import CsvSource
from app.cli.tables_parquet import ParquetSource
from app.cli.tables_shape import (
    WHOLE_ROW,
    CellFault,
    Columns,
    Header,
    RawRow,
    Source,
    TableRow,
    match_header,
)
from app.cli.tables_xlsx import XlsxSource
from app.domain.errors import FileRefusedError

_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_PARQUET: Final = b"PAR1"
_OLE: Final = b"\xd0\xcf\x11\xe0"
_STAMP_EVERY: Final = 1000
"""Rows between two looks whether somebody writes into the file."""


class Table:
    """An open table; iterating reads the file anew each time, so it may be read twice."""

    def __init__(self, path: Path, source: Source, header: Header) -> None:
        """Keep what was found; `open_table` makes one."""
        self.path = path
        self._source = source
        self._header = header
        self._stamp = _stamp(path)

    @property
    def columns(self) -> tuple[str, ...]:
        """The accepted columns the file has, by the contract's names, in the file's order."""
        return tuple(name for name in self._header.names if name is not None)

    @property
    def headers(self) -> tuple[str, ...]:
        """All header texts as they stand in the file."""
        return self._header.texts

    @property
    def unknown(self) -> tuple[str, ...]:
        """Header texts of the columns that are not used; to be told to the user."""
        return self._header.unknown

    def progress(self) -> float:
        """Tell which fraction (0 to 1) of the file the running iteration has read."""
        return min(1.0, self._source.progress())

    def __iter__(self) -> Iterator[TableRow]:
        """Read the rows from the start; rows without any text are left out.

        Raises:
            FileRefusedError: The file changed since it was opened, or cannot be read on.

        """
        for count, raw in enumerate(self._source.rows()):
            if not count % _STAMP_EVERY and _stamp(self.path) != self._stamp:
                raise FileRefusedError(f"{self.path.name}: the file changed while it was read")
            yield self._named(raw)

    def _named(self, raw: RawRow) -> TableRow:
        cells: dict[str, str] = {}
        for name, text in zip(self._header.names, raw.cells, strict=False):
            if name is not None:
                cells[name] = text.strip()
        if not raw.faults:
            return TableRow(raw.line, cells, raw.cells)
        return TableRow(raw.line, cells, raw.cells, tuple(self._faults(raw)))

    def _faults(self, raw: RawRow) -> Iterator[CellFault]:
        for index, reason in raw.faults:
            if index == WHOLE_ROW:
                yield CellFault(None, reason)
            elif (name := self._header.names[index]) is not None:
                yield CellFault(name, reason)


def open_table(path: Path, columns: Columns) -> Table:
    """Open a file and find the accepted columns in its header.

    CSV is UTF-8 (with or without BOM) or GB18030, separated by comma, semicolon or tab.

    Raises:
        FileRefusedError: Not readable as a whole: no such file, encoding, format, missing column.

    """
    try:
        source = _source(path, columns)
        header = match_header(path.name, source.headers, columns)
        return Table(path, source, header)
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileRefusedError(f"{path.name}: cannot be read: {reason}") from error


def _source(path: Path, columns: Columns) -> Source:
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == _OLE:
        raise FileRefusedError(
            f"{path.name}: an old .xls or a workbook with a password;"
            " save it as .xlsx without a password"
        )
    if magic == _ZIP:
        return XlsxSource(path, columns)
    if magic == _PARQUET:
        return ParquetSource(path, columns)
    return CsvSource(path, columns, compressed=magic.startswith(_GZIP))


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino
