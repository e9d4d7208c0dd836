"""Processors: how the server's processes that work for a service share them with it.

A service is one thread that all answers go through, and each process of the server that works for
it is busy in its turn. The scheduler cannot know that they wait for each other: it lets a process
that has just been asked something push aside who asked, and gives all processors to the server's
processes whenever enough of them have something to do. All stand still thereafter.
"""

import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog

_log = structlog.get_logger(__name__)

_PEER: Final = struct.Struct("3i")
"""What the kernel says of who listens at a Unix socket: process, user, group."""

_NICEST: Final = 19

ELSEWHERE: Final = "the server is elsewhere"
"""Why nothing was done, in the log."""

Session = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Courtesy:
    """What is asked of the server's process of a lane's fresh connection, and logged.

    `nice` is how much nicer than we it is to be, 0 to 19 (0: not asked), see `give_way`; with
    `aside` it is to leave us one processor as well (`leave_one`).
    """

    nice: int = 0
    aside: bool = False

    def __call__(self, session: Session) -> None:
        """Ask."""
        process = session.info.backend_pid
        if self.nice:
            refusal = give_way(session, self.nice)
            _log.info("lane_nice", process=process, done=not refusal, why=refusal)
        if self.aside:
            refusal = leave_one(session)
            _log.info("lane_aside", process=process, done=not refusal, why=refusal)


def ask_quietly(nice: int) -> Callable[[Session], object] | None:
    """Give what asks the same where connections come and go; None where nothing is to be asked.

    Nothing is logged: commands have pools too, and print what others read.
    """
    return (lambda session: give_way(session, nice)) if nice else None


def give_way(session: Session, nice: int) -> str:
    """Make the server's process of a connection nicer than we are, by `nice`.

    Nor does it push anybody aside when it is asked something: it gets the class for that.
    Empty if that was done or was so before, else why not. A process never becomes less nice, and of
    another class than the usual one its class stays as it is: an operator had a reason.
    """

    def tell(process: int) -> str:
        if os.sched_getscheduler(process) == os.SCHED_OTHER:  # else it may push us aside when asked
            os.sched_setscheduler(process, os.SCHED_BATCH, os.sched_param(0))
        wanted = min(os.getpriority(os.PRIO_PROCESS, os.getpid()) + nice, _NICEST)
        if os.getpriority(os.PRIO_PROCESS, process) < wanted:
            os.setpriority(os.PRIO_PROCESS, process, wanted)
        return ""

    return _told(session, tell)


def leave_one(session: Session) -> str:
    """Keep the server's process of a connection off the first processor that we may run on.

    Empty if that was done, else why not: nothing can be gained, or it is not ours to do.
    """

    def tell(process: int) -> str:
        left = os.sched_getaffinity(process) - {min(os.sched_getaffinity(0))}
        if not left:
            return "there is one processor"
        os.sched_setaffinity(process, left)
        return ""

    return _told(session, tell)


def _told(session: Session, tell: Callable[[int], str]) -> str:
    """Tell the server's process of a connection something; give why not, empty if it was done."""
    if not hasattr(os, "sched_setaffinity"):
        return "not on this system"
    try:
        if server_of(session) is None:
            return ELSEWHERE
        return tell(session.info.backend_pid)
    except OSError as error:
        return error.strerror or str(error)


def server_of(session: Session) -> int | None:
    """Find the first process of the server behind a connection; None: it is elsewhere. On Linux.

    It listens where we are connected and is the parent of who answers, so it is no other. Elsewhere
    is also behind a pooler, and where its processes have other numbers than we see.

    Raises:
        OSError: It cannot be told.

    """
    listener = _listener(session.fileno())
    try:
        return listener if listener == _parent(session.info.backend_pid) else None
    except (FileNotFoundError, ProcessLookupError):
        return None


def _listener(handle: int) -> int | None:
    """Find who listens at a Unix socket's other end; None: not one of ours, or another socket."""
    with socket.socket(fileno=os.dup(handle)) as sock:
        peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    pid: int = _PEER.unpack(peer)[0]
    return pid or None


def _parent(pid: int) -> int:
    """Find a process's parent: the second word behind its name, which may hold anything."""
    told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return int(told.rpartition(")")[2].split()[1])
