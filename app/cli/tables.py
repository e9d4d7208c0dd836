"""Read a table file (CSV, CSV.gz, XLSX, Parquet) row by row, in bounded memory.

What a file is, its first bytes say and not its name. Nothing is guessed in silence: a column not
known is listed and left unused, a cell that cannot be taken is that row's fault.
"""

from collections.abc import Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISREG
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

    def __init__(self, path: Path, stamp: "_Stamp", source: Source, header: Header) -> None:
        """Keep what was found; `open_table` makes one."""
        self.path = path
        self._source = source
        self._header = header
        self._stamp = stamp

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

    @property
    def note(self) -> str:
        """How the file was read, where that was not sure; to be told to the user. Mostly empty."""
        return self._source.note

    def progress(self) -> float:
        """Tell which fraction (0 to 1) of the file the running iteration has read."""
        return min(1.0, self._source.progress())

    def __iter__(self) -> Iterator[TableRow]:
        """Read the rows from the start; rows without any text are left out.

        Raises:
            FileRefusedError: The file changed since it was opened, or cannot be read on.

        """
        self._need_same()
        for count, raw in enumerate(self._source.rows(), start=1):
            yield self._named(raw)
            if not count % _STAMP_EVERY:
                self._need_same()
        self._need_same()  # somebody may have written on below the last row

    def _need_same(self) -> None:
        if _stamp(self.path) != self._stamp:
            raise FileRefusedError(f"{self.path.name}: the file changed while it was read")

    def _named(self, raw: RawRow) -> TableRow:
        cells: dict[str, str] = {}
        for name, text in zip(self._header.names, raw.cells, strict=False):
            if name is not None:
                cells[name] = text.strip()
        if raw.cells == self._header.texts:  # of files put together
            return TableRow(raw.line, cells, raw.cells, (CellFault(None, "repeats the header"),))
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
        stamp = _stamp(path)  # before the first look, so that nothing changes between two
        source = _source(path, columns)
        header = match_header(path.name, source.headers, columns)
        return Table(path, stamp, source, header)
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


_Stamp = tuple[int, int, int]


def _stamp(path: Path) -> _Stamp:
    found = path.stat()
    if not (S_ISREG(found.st_mode) or S_ISDIR(found.st_mode)):
        raise FileRefusedError(
            f"{path.name}: is a pipe or a device; a file is needed, for it is read twice"
        )
    return found.st_size, found.st_mtime_ns, found.st_ino
