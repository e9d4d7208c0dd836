"""The reject file: the rows an import did not take, with why, to be mended and imported again."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from app.cli.tables_shape import REJECT_COLUMNS
from app.domain.errors import FileRefusedError
from app.sheets.cells import safe


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not taken; `field` is empty where the row as such is at fault."""

    line: int
    field: str
    reason: str
    original: tuple[str, ...]


def reject_path(path: Path) -> Path:
    """Where the rejects of an import file go: beside it, `<name>.rejects.csv`."""
    return path.with_name(f"{path.name}.rejects.csv")


class RejectWriter:
    """Writes `REJECT_COLUMNS` and the original columns; use it in a `with`.

    No file of ours has columns of those names; limits have a `reason` of their own. Those of a
    reject file that is imported again give way to the new ones.

    The file appears, and takes the place of an older one, when the `with` ends without an error
    and something was rejected. It is UTF-8 with BOM, so that spreadsheets show Chinese.
    """

    def __init__(self, path: Path, headers: Sequence[str]) -> None:
        """Take the reject file's own path and the headers of the import file."""
        self.path = path
        self.count = 0
        self._old = {at for at, text in enumerate(headers) if text.strip() in REJECT_COLUMNS}
        self._headers = self._without_old(headers)
        self._part = path.with_name(f"{path.name}.part")

    def __enter__(self) -> Self:
        """Open the file under a passing name.

        Raises:
            FileRefusedError: The folder cannot be written; better known before anything is applied.

        """
        try:
            self._file = self._part.open("w", encoding="utf-8-sig", newline="")
        except OSError as error:
            raise FileRefusedError(
                f"the reject file {self.path} cannot be written: {error.strerror}"
            ) from error
        # \r\n ends lines, for what ends lines is quoted: a cell may have \r alone
        self._writer = csv.writer(self._file)
        self._writer.writerow(map(safe, (*REJECT_COLUMNS, *self._headers)))
        return self

    def write(self, reject: Reject) -> None:
        """Add a row."""
        original = self._without_old(reject.original)
        cells = (str(reject.line), reject.field, reject.reason, *original)
        self._writer.writerow(map(safe, cells))
        self.count += 1

    def _without_old(self, cells: Sequence[str]) -> list[str]:
        return [cell for at, cell in enumerate(cells) if at not in self._old]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the file in its place, or take it away if it is empty."""
        self._file.close()
        # After an error too: what was rejected until then was rejected.
        if self.count:
            self._part.replace(self.path)
        else:
            self._part.unlink(missing_ok=True)
