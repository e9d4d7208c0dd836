"""A child process of `aval serve`: `python -m app.cli.child LINE answer SOCKET`, or `LINE work`.

Not for people: LINE and SOCKET are handles it inherits. A child is a program of its own, never a
fork: a copy of a process with threads (LightGBM's, psycopg's) may hang on a lock nobody holds.
Only what it runs is imported: the API's models are a third of a start, and work needs none.
"""

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn

from app.cli.database import read_settings
from app.cli.failures import EXPECTED, WrongUseError, explain
from app.scoring.process_link import be_nice

OPEN: Final = b"o"
"""What a child says once it does its work."""

NICE: Final = 10
"""How much background work, and what it starts, gives way: to a tenth of what answering gets."""


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


def _give_way() -> None:
    """Let who answers go first: somebody waits for that, nobody for this.

    Where Linux shares processors between sessions first, a process's own niceness counts within its
    session only, and a child is a session of its own.
    """
    os.nice(NICE)
    with suppress(OSError):  # not everywhere
        be_nice(Path("/proc/self/autogroup"), str(NICE))


def run() -> NoReturn:
    """Run as what the arguments say; exit codes are those of `aval`."""
    line = Line(int(sys.argv[1]))
    line.watch()
    try:
        match sys.argv[2:]:
            case ["answer", handle]:
                import_module("app.cli.child_answer").answer(int(handle), line.say_open)
            case ["work"]:
                _give_way()
                work = import_module("app.cli.working")
                work.work_until_stopped(read_settings(), line.say_open)
            case other:
                raise WrongUseError(f"no such child: {other}")
    except EXPECTED as failure:
        code, told = explain(failure)
        print(f"aval: {told}", file=sys.stderr)  # noqa: T201 - the terminal is the reader
        sys.exit(code)
    sys.exit(0)


if __name__ == "__main__":
    run()
