"""CSV and CSV.gz as a table source.

The whole file is looked through before the first row is read: encoding, NUL bytes, endless lines.
What comes later than that can only be a fault of single rows or of the quoting.
"""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from app.cli.tables_shape import WHOLE_ROW, Columns, RawRow, cut_empty_end
from app.domain.errors import FileRefusedError
from app.sheets.cells import bare

MAX_LINE_BYTES: Final = 1 << 20
"""The longest line taken; it bounds the memory a file without line ends can use."""

_CHUNK: Final = MAX_LINE_BYTES
_SEPARATORS: Final = (",", ";", "\t")
_ENCODINGS: Final = ("utf-8", "gb18030")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


class CsvSource:
    """A CSV file, read as often as needed."""

    def __init__(self, path: Path, columns: Columns, *, compressed: bool) -> None:
        """Look the file through, and find its encoding, separator and header.

        Raises:
            FileRefusedError: Empty, damaged, neither UTF-8 nor GB18030, NUL bytes, endless line.

        """
        self._path = path
        self._compressed = compressed
        self._size = path.stat().st_size
        self._raw: BinaryIO | None = None
        self._encoding = self._look_through()
        self.note = "" if self._encoding == "utf-8-sig" else "read as GB18030, for it is no UTF-8"
        self._separator, self.headers = self._find_header(columns)
        for _ in self._records(self._separator):
            pass  # a quote that is not closed refuses the file before a row of it is taken
        self._raw = None

    def progress(self) -> float:
        """Tell the fraction of the (compressed) bytes read by the running iteration."""
        if self._raw is None or not self._size:
            return 0.0
        return 1.0 if self._raw.closed else self._raw.tell() / self._size

    def rows(self) -> Iterator[RawRow]:
        """Read the rows below the header.

        Raises:
            FileRefusedError: A quote is not closed, so that rows cannot be told apart.

        """
        width = len(self.headers)
        below = False
        for start, end, cells, fault in self._records(self._separator):
            if fault:
                yield RawRow(start, cells, ((WHOLE_ROW, fault),))
            elif not any(map(str.strip, cells)):
                continue
            elif not below:
                below = True
            else:
                yield _row(start, end, cells, width)

    def _records(self, separator: str) -> Iterator[tuple[int, int, tuple[str, ...], str]]:
        """Yield (first line, last line, cells, fault) for each record, the header among them."""
        with self._path.open("rb") as raw:
            self._raw = raw
            binary = gzip.GzipFile(fileobj=raw) if self._compressed else raw
            with io.TextIOWrapper(binary, encoding=self._encoding, newline="") as text:
                lines = _Lines(text)
                reader = csv.reader(lines, delimiter=separator, strict=True)
                while True:
                    start = reader.line_num + 1
                    try:
                        cells = next(reader)
                    except StopIteration:
                        return
                    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
                        raise FileRefusedError(
                            f"{self._path.name}: the file changed while it was read: {error}"
                        ) from error
                    except csv.Error as error:
                        # Within one line the next line is safe ground. Over several, rows went
                        # into one quoted cell and nobody can say where it should have ended.
                        if reader.line_num > start or "unexpected end" in str(error):
                            raise FileRefusedError(
                                f"{self._path.name}: line {start}: a quote that opens here is not"
                                f" closed properly ({error})"
                            ) from error
                        yield start, start, (lines.last.rstrip("\r\n"),), f"quoting: {error}"
                    else:
                        yield start, reader.line_num, tuple(cells), ""

    def _find_header(self, columns: Columns) -> tuple[str, tuple[str, ...]]:
        """Take the separator under which most columns are known, then the most columns."""
        refusals: list[str] = []
        candidates = [(separator, self._first(separator, refusals)) for separator in _SEPARATORS]

        def known(candidate: tuple[str, tuple[str, ...]]) -> tuple[int, int]:
            texts = candidate[1]
            return sum(columns.name_of(text) is not None for text in texts), len(texts)

        separator, texts = max(candidates, key=known)
        if not texts:
            why = refusals[0] if refusals else f"{self._path.name}: the file has no header"
            raise FileRefusedError(why)
        return separator, cut_empty_end(texts)

    def _first(self, separator: str, refusals: list[str]) -> tuple[str, ...]:
        """Read the first record that is not blank; nothing where this separator cannot read it.

        Under a wrong one quotes stand anywhere: what comes below says nothing. `refusals` hears
        why.
        """
        try:
            for start, _, cells, fault in self._records(separator):
                if fault:
                    refusals.append(f"{self._path.name}: line {start}: {fault}")
                    return ()
                if any(map(str.strip, cells)):
                    return cells
        except FileRefusedError as refused:
            refusals.append(refused.detail)
        return ()

    def _look_through(self) -> str:
        checks = [_Decoding(name) for name in _ENCODINGS]
        line = _LineLength(self._path.name)
        for offset, chunk in self._chunks():
            if not offset and chunk.startswith(_UTF16):
                raise FileRefusedError(f"{self._path.name}: is UTF-16; save it as CSV UTF-8")
            if (at := chunk.find(b"\0")) >= 0:
                raise FileRefusedError(f"{self._path.name}: NUL byte at offset {offset + at}")
            line.feed(chunk)
            for check in checks:
                check.feed(chunk)
        for check in checks:
            check.feed(b"", final=True)
        if not checks[0].offset:
            raise FileRefusedError(f"{self._path.name}: the file is empty")
        for check in checks:
            if check.bad_at is None:
                return "utf-8-sig" if check.encoding == "utf-8" else check.encoding
        utf8, gb18030 = checks
        raise FileRefusedError(
            f"{self._path.name}: neither UTF-8 (first bad byte at offset {utf8.bad_at})"
            f" nor GB18030 (at offset {gb18030.bad_at})"
        )

    def _chunks(self) -> Iterator[tuple[int, bytes]]:
        offset = 0
        with self._path.open("rb") as raw:
            binary = gzip.GzipFile(fileobj=raw) if self._compressed else raw
            try:
                while chunk := binary.read(_CHUNK):
                    yield offset, chunk
                    offset += len(chunk)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise FileRefusedError(
                    f"{self._path.name}: damaged gzip file after {offset} bytes: {error}"
                ) from error


def _row(start: int, end: int, cells: tuple[str, ...], width: int) -> RawRow:
    cells = cut_empty_end(cells, width)
    if len(cells) == width:
        # what our own files keep from being run is taken as it was
        return RawRow(start, tuple(map(bare, cells)))
    fault = f"{len(cells)} cells, but the header has {width}"
    if end > start:
        fault += f"; lines {start} to {end} read as one row, is a quote not closed?"
    return RawRow(start, cells, ((WHOLE_ROW, fault),))


class _Lines:
    """Hand on lines and remember the last one, which the reader drops on an error.

    A byte order mark before the first is no part of it, whatever the encoding.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        for number, line in enumerate(self._text):
            self.last = line if number else line.removeprefix("\ufeff")
            yield self.last


@dataclass(slots=True)
class _LineLength:
    """Refuses a line longer than MAX_LINE_BYTES."""

    file: str
    _open: int = 0

    def feed(self, chunk: bytes) -> None:
        # A line within one chunk is short enough: only the ends of a chunk need a look.
        ends = [at for at in (chunk.find(b"\n"), chunk.find(b"\r")) if at >= 0]
        if self._open + min(ends, default=len(chunk)) > MAX_LINE_BYTES:
            raise FileRefusedError(
                f"{self.file}: a line is longer than {MAX_LINE_BYTES} bytes; is this a CSV file?"
            )
        last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        self._open = len(chunk) - last - 1 if ends else self._open + len(chunk)


class _Decoding:
    """One encoding tried strictly over a stream; `bad_at` is the offset of the first bad byte."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self.offset = 0
        self.bad_at: int | None = None
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._pending = 0

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        if self.bad_at is None:
            try:
                self._decoder.decode(chunk, final)
            except UnicodeDecodeError as error:
                self.bad_at = self.offset - self._pending + error.start
            self._pending = len(self._decoder.getstate()[0])
        self.offset += len(chunk)
