"""What tables grow by is handed to the disk every second, not all at once (decision 94).

A table grows by pages that PostgreSQL leaves to the operating system, which keeps them for half a
minute and then writes them together; meanwhile no COMMIT comes through.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg
import structlog

from app.store.processors import ELSEWHERE, server_of

_log = structlog.get_logger(__name__)

NAME: Final = "writeback"
"""Of the thread."""
_EVERY_S: Final = 1.0
_PATIENCE_S: Final = 5
_ASK: Final = """
    SELECT oid::bigint, current_setting('fsync') FROM pg_database
    WHERE datname = current_database()
"""
_BEGIN_WRITING: Final = 2  # SYNC_FILE_RANGE_WRITE
_OPEN: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""The directory may be somebody else's: neither a link nor a pipe leads us astray."""


@contextmanager
def growth_written(url: str, begin: Callable[[int], None] | None) -> Iterator[None]:
    """Have what the tables of a database grow by written every second, until the block ends.

    Where its server is on this machine, listens at a Unix socket and lets us read its files: we
    are its user or root. `begin` is what `writer` gives. The log says whether, and why not.
    """
    tables, why = (None, "not on this system") if begin is None else tables_of(url)
    _log.info("growth_written", done=tables is not None, why=why)
    if begin is None or tables is None:
        yield
        return
    with written_steadily(tables, begin):
        yield


def tables_of(url: str) -> tuple[Path | None, str]:
    """Find where a server on this machine keeps the tables of a database; None and why, if not.

    It may be elsewhere or out of reach, its files not ours to read, or it does not wait for the
    disk (`fsync` off).
    """
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=_PATIENCE_S) as session:
            server = server_of(session)
            if server is None:
                return None, ELSEWHERE
            ((number, fsync),) = session.execute(_ASK)
        if fsync == "off":
            return None, "fsync is off"
        # it works in its data directory; by name, that is found again when it was started anew
        return Path(f"/proc/{server}/cwd/base/{number}").resolve(strict=True), ""
    except OSError as error:
        return None, error.strerror or str(error)
    except psycopg.Error as error:
        return None, str(error).partition("\n")[0]


@contextmanager
def written_steadily(directory: Path, begin: Callable[[int], None]) -> Iterator[None]:
    """Begin to write, every second until the block ends, what files in `directory` were changed by.

    It is PostgreSQL's own fsync that makes them durable, as before. `begin` is given the handle of
    each, see `writer`. Ends by itself where the directory cannot be read.
    """
    ended = threading.Event()
    thread = threading.Thread(
        target=_write, args=(Changes(directory), begin, ended), name=NAME, daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_PATIENCE_S)


def writer() -> Callable[[int], None] | None:
    """Give what begins to write a file's changed pages, by its handle; None on other systems.

    It waits only where the disk's queue is full, and raises OSError where it cannot.
    """
    begin = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
    if begin is None:
        return None
    begin.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)

    def write(handle: int) -> None:
        if begin(handle, 0, 0, _BEGIN_WRITING) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return write


class Changes:
    """The files of a directory that change."""

    def __init__(self, directory: Path) -> None:
        """Begin with all of them unseen."""
        self._directory = directory
        self._seen: dict[str, int] = {}

    def look(self) -> list[str]:
        """Give the paths of those changed since the last look; at the first, of all.

        Raises:
            OSError: The directory cannot be read.

        """
        found: dict[str, int] = {}
        with os.scandir(self._directory) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # dropped meanwhile
                    found[entry.path] = entry.stat(follow_symlinks=False).st_mtime_ns
        changed = [path for path, at_ns in found.items() if self._seen.get(path) != at_ns]
        self._seen = found
        return changed


def _write(changes: Changes, begin: Callable[[int], None], ended: threading.Event) -> None:
    while not ended.wait(_EVERY_S):
        try:
            paths = changes.look()
        except OSError:  # not ours to read, or gone; the system still writes by itself
            return
        for path in paths:
            with suppress(OSError):
                handle = os.open(path, _OPEN)
                try:
                    begin(handle)
                finally:
                    os.close(handle)
