"""What a killed service or a killed database left behind: living processes and lock files.

Whether a process belongs to a data directory is read from its working directory, which only the
owner can enter, or from its command line and its user, never from a pid alone: pids are reused,
soonest in a container that was restarted, and anybody may title a process like one of ours.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.store.embedded.errors import EmbeddedError

SOCKET = ".s.PGSQL.5432"
_BACKEND = "postgres: "  # how all but the first process of PostgreSQL title themselves
# What is sent, and for how many seconds is waited: fast shutdown, immediate shutdown, the axe.
STEPS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0))


def mark(data: Path) -> str:
    """Name a data directory in the command line of its processes; survives renaming it.

    Raises:
        OSError: There is no such directory.

    """
    found = data.stat()
    return f"aval({found.st_dev:x}:{found.st_ino:x})"


def clear(data: Path, say: Callable[[str], None]) -> None:
    """End every process that still works on `data`, then remove the lock files they left.

    The caller holds the service's lock, so whoever works on `data` was left behind.

    Raises:
        EmbeddedError: A process did not end even when killed.

    """
    if not data.exists():  # removed under the running server, which then ends by itself
        return
    for number, wait_s in STEPS:
        left = _family(data)
        if not left:
            break
        first = [pid for pid, command in left.items() if not command.startswith(_BACKEND)]
        say(f"ending the PostgreSQL left over in {data} (process {min(first or left)})")
        # Without their first process, backends may compute on for hours and keep the memory
        # block without which no new server starts; SIGQUIT ends them at once.
        chosen = number if first else max(number, signal.SIGQUIT)
        for pid in first or left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, chosen)
        _wait_until_gone(data, wait_s)
    if left := _family(data):
        raise EmbeddedError(f"{data}: a PostgreSQL left over (process {min(left)}) does not end")
    for name in ("postmaster.pid", SOCKET, f"{SOCKET}.lock"):
        (data / name).unlink(missing_ok=True)


def _wait_until_gone(data: Path, wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while _family(data) and time.monotonic() < until:
        time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Process:
    """A process, who runs it, and how it was started or titles itself since."""

    pid: int
    uid: int
    program: str
    command: str


def _family(data: Path) -> dict[int, str]:
    """Find the living processes of a data directory; zombies have no command line any more."""
    name, owner = mark(data), data.stat().st_uid
    return {
        one.pid: one.command
        for one in _processes()
        if _is_postgres(one)
        and (_works_in(one.pid, data) or (one.uid == owner and _is_marked(one.command, name)))
    }


def _is_postgres(one: Process) -> bool:
    started = one.program.endswith("/postgres") and "/postgres -D " in one.command
    return started or one.command.startswith(_BACKEND)


def _is_marked(command: str, name: str) -> bool:
    titled = command.startswith(f"{_BACKEND}{name}: ")
    return titled or f" cluster_name={name} " in f"{command} "


def _works_in(pid: int, data: Path) -> bool:
    # Finds a server that somebody started by hand. In a container root may not look here, and
    # other systems have no such file: there the mark has to do.
    try:
        return Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:
        return False


def _processes() -> Iterator[Process]:
    return _from_proc() if sys.platform == "linux" else from_ps()


def _from_proc() -> Iterator[Process]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # it ended while we looked
                line = (entry / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace")
                words = line.split("\0")
                yield Process(int(entry.name), entry.stat().st_uid, words[0], " ".join(words))


def from_ps() -> Iterator[Process]:
    """List every process and its command line where there is no `/proc` (macOS)."""
    program = shutil.which("ps", path=os.defpath)
    if program is None:
        return
    # S603: a fixed program with fixed arguments
    listing = subprocess.run(  # noqa: S603
        [program, "-axww", "-o", "pid=,uid=,command="], capture_output=True, check=False
    )
    for line in listing.stdout.decode(errors="replace").splitlines():
        pid, uid, command = [*line.split(None, 2), "", "", ""][:3]
        if pid.isdecimal() and uid.isdecimal():
            yield Process(int(pid), int(uid), command.partition(" -D ")[0], command.strip())
