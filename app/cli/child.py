"""A child process of `aval serve`: `python -m app.cli.child LINE answer SOCKET`, or `LINE work`.

Not for people: LINE and SOCKET are handles it inherits. A child is a program of its own, never a
fork: a copy of a process with threads (LightGBM's, psycopg's) may hang on a lock nobody holds.
"""

import asyncio
import os
import signal
import socket
import sys
import threading
from contextlib import closing, suppress
from typing import Final, NoReturn

from app import telemetry
from app.cli.answer import ApiServer, Door
from app.cli.database import read_settings
from app.cli.failures import EXPECTED, WrongUseError, explain
from app.cli.work import work_until_stopped
from app.composition import compose

OPEN: Final = b"o"
"""What a child says once it does its work."""


class Line:
    """The connection to the parent: says that the child is open, ends it when the parent is gone.

    Nobody else would end a child whose parent was killed: it would answer for a service that is
    not there any more, on a port the next one needs.
    """

    def __init__(self, handle: int) -> None:
        """Take over the handle; the child's own children do not get it."""
        os.set_inheritable(handle, False)  # noqa: FBT003 - the standard library's positional
        self._sock = socket.socket(fileno=handle)

    def say_open(self) -> None:
        """Tell the parent that the work has begun."""
        with suppress(ConnectionError):  # then `watch` ends this process
            self._sock.sendall(OPEN)

    def watch(self) -> None:
        """End this process by SIGTERM when the parent is gone, which is noticed at once."""
        threading.Thread(target=self._watch, name="line", daemon=True).start()

    def _watch(self) -> None:
        with suppress(ConnectionError):
            while self._sock.recv(1):
                pass
        os.kill(os.getpid(), signal.SIGTERM)


def answer(line: Line, handle: int) -> None:
    """Answer the API on an inherited socket that listens, until SIGTERM or SIGINT.

    Raises:
        RefusedError: The application did not start.
        SchemaOldError: The database is at another revision.
        BusyError: The database was out of reach.

    """
    settings = read_settings()
    if settings.database_url is None:
        raise WrongUseError("a worker is started by `aval serve --workers N` only")
    telemetry.set_up_log(settings.log_level, settings.log_format)
    os.set_inheritable(handle, False)  # noqa: FBT003 - the standard library's positional
    with closing(socket.socket(fileno=handle)) as sock:
        parts = compose(settings, settings.database_url)
        with closing(parts.database):
            parts.prepare()
            server = ApiServer(parts, Door(sock, settings.shutdown_s, line.say_open))
            with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
                runner.run(server.answer())


def run() -> NoReturn:
    """Run as what the arguments say; exit codes are those of `aval`."""
    line = Line(int(sys.argv[1]))
    line.watch()
    try:
        match sys.argv[2:]:
            case ["answer", handle]:
                answer(line, int(handle))
            case ["work"]:
                work_until_stopped(read_settings(), line.say_open)
            case other:
                raise WrongUseError(f"no such child: {other}")
    except EXPECTED as failure:
        code, told = explain(failure)
        print(f"aval: {told}", file=sys.stderr)  # noqa: T201 - the terminal is the reader
        sys.exit(code)
    sys.exit(0)


if __name__ == "__main__":
    run()
