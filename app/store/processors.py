"""Processors: the server's work for large requests leaves one of them to the service.

A service is one thread, and a large request keeps a process of the server as busy as itself. The
scheduler cannot know that all of them wait for the service: with two processors it gives both to
the server's processes whenever two have something to do, and all stand still thereafter.
"""

import os
import socket
import struct
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog

_log = structlog.get_logger(__name__)

_PEER: Final = struct.Struct("3i")
"""What the kernel says of who listens at a Unix socket: process, user, group."""


def ask_aside(connection: psycopg.AsyncConnection[Any]) -> None:
    """Have the server's process of a connection leave us one (`leave_one`), and log what came."""
    refusal = leave_one(connection)
    _log.info("lane_aside", process=connection.info.backend_pid, done=not refusal, why=refusal)


def leave_one(connection: psycopg.AsyncConnection[Any]) -> str:
    """Keep the server's process of a connection off the first processor that we may run on.

    Empty if that was done, else why not: nothing can be gained, or it is not ours to do. The
    process is the child of who listens where we are connected, so it is the server's and no other.
    """
    if not hasattr(os, "sched_setaffinity"):
        return "not on this system"
    pid = connection.info.backend_pid
    try:
        listener = _listener(connection.fileno())
        if listener is None or listener != _parent(pid):
            return "the server is elsewhere"
        left = os.sched_getaffinity(pid) - {min(os.sched_getaffinity(0))}
        if not left:
            return "there is one processor"
        os.sched_setaffinity(pid, left)
    except OSError as error:
        return error.strerror or str(error)
    return ""


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
