"""What tables grow by is handed to the disk every second, not all at once (decisions 94 to 96).

A table grows by pages that PostgreSQL leaves to the operating system, which keeps them for half a
minute and then writes them together; meanwhile no COMMIT comes through. Here is who finds the
files and keeps a process that has them written: `growth_writer`.
"""

import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg
import structlog

from app.store import growth_writer
from app.store.processors import ELSEWHERE, server_of

_log = structlog.get_logger(__name__)

NAME: Final = "writeback"
"""Of the thread."""
IN_TABLESPACE: Final = "its tables are in a tablespace"
NOT_ALL: Final = "not those in tablespaces"
_AGAIN_S: Final = 60.0
_LOOK_S: Final = 0.5
_PATIENCE_S: Final = 5
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_ASK: Final = """
    SELECT d.oid::bigint, current_setting('fsync') = 'on', t.spcname = 'pg_default', EXISTS (
        SELECT FROM pg_class WHERE reltablespace <> 0 AND NOT relisshared)
    FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace
    WHERE d.datname = current_database()
"""


@contextmanager
def growth_written(
    url: str, *, wanted: bool = True, here: bool = growth_writer.HERE
) -> Iterator[None]:
    """Have what the tables of a database grow by written every second, until the block ends.

    Where its server is on this machine, listens at a Unix socket and lets us read its files: we
    are its user or root. The log says whether, and why not, each time that changes. A service
    neither waits for it nor ends with it.
    """
    if wanted and not here:
        _log.info("growth_written", done=False, why="not on this system")
    if not wanted or not here:
        yield
        return
    keeper = _Keeper(url)
    thread = threading.Thread(target=keeper.keep, name=NAME, daemon=True)
    thread.start()
    try:
        yield
    finally:
        keeper.ended.set()
        thread.join(_PATIENCE_S)


def tables_of(url: str) -> tuple[int | None, str]:
    """Open the directory where a server on this machine keeps the tables of a database.

    Gives its handle, which is the caller's to close, and what of the tables is not there; None and
    why, if there is nothing to be done: the server is elsewhere or out of reach, its files are not
    ours to read, or it does not wait for the disk (`fsync` off).
    """
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=_PATIENCE_S) as session:
            server = server_of(session)
            if server is None:
                return None, ELSEWHERE
            ((number, durable, usual, scattered),) = session.execute(_ASK)
            if not durable:
                return None, "fsync is off"
            if not usual:
                return None, IN_TABLESPACE
            # while it serves us: its number cannot be another one's yet
            return _open(server, int(number)), NOT_ALL if scattered else ""
    except OSError as error:
        return None, error.strerror or str(error)
    except (psycopg.Error, ValueError) as error:
        return None, str(error).partition("\n")[0]


def _open(server: int, number: int) -> int:
    """Open the tables' directory in a server's data directory, where its first process works.

    That is found as the process sees it, whatever lies under that name for us; nothing on the way
    from there may be a link, since it may be another user's and we root.

    Raises:
        OSError: It is not there or not ours to read.

    """
    handle = os.open(f"/proc/{server}/cwd", _FOLDER)
    for name in ("base", str(number)):
        above = handle
        try:
            handle = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
        finally:
            os.close(above)
    return handle


class _Keeper:
    """Keeps the process that writes; a thread of its own, which nearly always sleeps."""

    def __init__(self, url: str) -> None:
        self.ended = threading.Event()
        self._url = url
        self._said: tuple[bool, str] | None = None

    def keep(self) -> None:
        """Find the tables and have them written, again after a minute where that came to an end.

        A database may be made anew, and its directory be away for a while. What could not be done
        from the beginning is not tried again.
        """
        worked = self._once()
        while worked and not self.ended.wait(_AGAIN_S):
            self._once()

    def _once(self) -> bool:
        """Have them written until that ends; whether it began."""
        try:
            folder, why = tables_of(self._url)
            if folder is None:
                self._say(why, done=False)
                return False
            try:
                child = _spawn(folder)
            finally:
                os.close(folder)
        except OSError as error:  # no process, no handle to be had
            self._say(error.strerror or str(error), done=False)
            return False
        try:
            return self._follow(child, why)
        finally:
            _end(child)

    def _follow(self, child: subprocess.Popen[bytes], why: str) -> bool:
        line = self._line(child)
        begun = line == growth_writer.BEGUN
        if begun:
            self._say(why, done=True)
            line = self._line(child)
        if line is not None:
            self._say(line or "its process was ended", done=False)
        return begun

    def _line(self, child: subprocess.Popen[bytes]) -> str | None:
        """Wait for what the process says, empty if it ended without a word; None: we end first."""
        told: Any = child.stdout
        ready = select.poll()  # takes any number of a file
        ready.register(told, select.POLLIN)
        while not ready.poll(0):
            if self.ended.wait(_LOOK_S):
                return None
        line: bytes = told.readline()
        return line.decode().strip()

    def _say(self, why: str, *, done: bool) -> None:
        if self._said != (done, why):
            self._said = (done, why)
            _log.info("growth_written", done=done, why=why)


def _spawn(folder: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-I", "-S", growth_writer.__file__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,  # what is there is seen by `poll`
        cwd="/",
        pass_fds=(folder,),
        start_new_session=True,  # Ctrl-C is for us
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    """End it: it may be waiting for the disk, and is then left to end when it gets that far."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
    with suppress(subprocess.TimeoutExpired):
        child.wait(1)
        return
    child.kill()
    with suppress(subprocess.TimeoutExpired):
        child.wait(1)
