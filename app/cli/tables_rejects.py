"""The reject file: the rows an import did not take, with why, to be mended and imported again."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

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
    """Writes `line,field,reason` and the original columns; use it in a `with`.

    The file appears, and takes the place of an older one, when the `with` ends without an error
    and something was rejected. It is UTF-8 with BOM, so that spreadsheets show Chinese.
    """

    def __init__(self, path: Path, headers: Sequence[str]) -> None:
        """Take the reject file's own path and the headers of the import file."""
        self.path = path
        self.count = 0
        self._headers = tuple(headers)
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
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(map(safe, ("line", "field", "reason", *self._headers)))
        return self

    def write(self, reject: Reject) -> None:
        """Add a row."""
        cells = (str(reject.line), reject.field, reject.reason, *reject.original)
        self._writer.writerow(map(safe, cells))
        self.count += 1

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
