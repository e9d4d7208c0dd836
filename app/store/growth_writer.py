"""Begins to write, every second, what the files of one directory were changed by. Run by its path.

A process of its own, nicer than who answers (decision 96). Of the standard library alone, so that
it starts at once and is small. Its argument is the handle of the open directory. It says `begun`
when it has gone through the files once, and in its last line why it ends. It ends with its
standard input, which is its parent's to close.
"""

import ctypes
import os
import select
import signal
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

BEGUN: Final = "begun"
GONE: Final = "the directory is gone"

_EVERY_S: Final = 1.0
_NICE: Final = 10
_BEGIN_WRITING: Final = 2  # SYNC_FILE_RANGE_WRITE
_OPEN: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_PROBE: Final = "PG_VERSION"
"""Is in each database's directory for as long as the database is."""


_LIBC: Final = ctypes.CDLL(None, use_errno=True)
HERE: Final = hasattr(_LIBC, "sync_file_range")
"""Whether this system has what `begin_writing` asks: Linux."""


def begin_writing(handle: int) -> None:
    """Begin to write a file's changed pages; waits only where the disk's queue is full.

    Raises:
        OSError: It cannot be done with this file.

    """
    nothing = ctypes.c_int64(0)
    if _LIBC.sync_file_range(handle, nothing, nothing, _BEGIN_WRITING) != 0:  # of the whole file
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Changes:
    """The files of a directory that change.

    It may be somebody else's directory, and we root: only plain files of its owner are looked at,
    by names inside of it, so that neither a link nor a device leads us astray.
    """

    def __init__(self, folder: int) -> None:
        """Begin with all of them unseen; `folder` is the handle of the directory."""
        self._folder = folder
        self._owner = os.fstat(folder).st_uid
        self._seen: dict[str, int] = {}

    def look(self) -> list[str]:
        """Give the names of those changed since the last look; at the first, of all.

        Raises:
            OSError: The directory cannot be read.

        """
        found: dict[str, int] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(OSError):  # dropped meanwhile, or not to be had now
                    known = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(known.st_mode) and known.st_uid == self._owner:
                        found[entry.name] = known.st_mtime_ns
        changed = [name for name, at_ns in found.items() if self._seen.get(name) != at_ns]
        self._seen = found
        return changed


def write_steadily(
    folder: int, begin: Callable[[int], None], tell: Callable[[str], None], parent: int
) -> str:
    """Begin to write what changed, every second until `parent` can be read; say why it ended.

    What is refused of one file is left to the system, which writes by itself later. `tell` hears
    `BEGUN` when `begin` was seen to work here, and all files were gone through.
    """
    changes, told = Changes(folder), False
    while True:
        try:
            _begin(folder, _PROBE, begin)
            for name in changes.look():
                with suppress(OSError):
                    _begin(folder, name, begin)
        except FileNotFoundError:
            return GONE
        except OSError as error:
            return error.strerror or str(error)
        if not told:
            tell(BEGUN)
            told = True
        if select.select([parent], [], [], _EVERY_S)[0]:
            return ""


def _begin(folder: int, name: str, begin: Callable[[int], None]) -> None:
    handle = os.open(name, _OPEN, dir_fd=folder)
    try:
        begin(handle)
    finally:
        os.close(handle)


def _give_way() -> None:
    """Let who answers go first; a session of its own has a niceness of its own, too."""
    os.nice(_NICE)
    session = Path("/proc/self/autogroup")
    with suppress(OSError):  # not everywhere, and of all the machine's one in a tenth of a second
        try:
            session.write_text(str(_NICE), encoding="ascii")
        except BlockingIOError:
            time.sleep(0.15)
            session.write_text(str(_NICE), encoding="ascii")


def _say(line: str) -> None:
    with suppress(BrokenPipeError):
        os.write(1, f"{line}\n".encode())


def run() -> None:
    """Run on the directory that the argument is a handle of."""
    for stop in (signal.SIGINT, signal.SIGTERM):  # to all of a service: its parent hears it, too
        signal.signal(stop, signal.SIG_IGN)
    _give_way()
    _say(write_steadily(int(sys.argv[1]), begin_writing, _say, parent=0))


if __name__ == "__main__":
    run()
