"""The data directory `<state dir>/pg`: how it is made, and where its socket lies."""

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from app.store.embedded.errors import EmbeddedError
from app.store.embedded.leftovers import SOCKET
from app.store.embedded.programs import Account, Programs

_LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107  # bytes; what sockaddr_un holds
_INITDB = (
    "--username=aval",
    "--encoding=UTF8",
    "--locale-provider=builtin",  # sorts alike on every machine, whatever its C library
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--auth-local=trust",  # only who may enter the 0700 directory of the socket gets this far
    "--auth-host=reject",
)
_COMPLAINT = re.compile(r"\b(error|ERROR|FATAL|PANIC|DETAIL):\s+(.+)")


def make_cluster(programs: Programs, data: Path, *, sync: bool) -> None:
    """Make the data directory unless it is there, whole or not at all.

    It is made under another name and renamed, so that what a killed `initdb` left is never taken
    for a database. `sync=False` leaves flushing to the system (tests).

    Raises:
        EmbeddedError: `initdb` failed, or the directory holds something else.
        OSError: The directory could not be made.

    """
    _remove_halves(data)
    if (data / "PG_VERSION").exists():
        return
    if data.exists() and any(data.iterdir()):
        raise EmbeddedError(f"{data} is there but holds no database; move it away")
    new = Path(tempfile.mkdtemp(prefix=f"{data.name}.new-", dir=data.parent))
    try:
        if programs.account:
            os.chown(new, programs.account.uid, programs.account.gid)
        _initdb(programs, new, data, [*_INITDB, *([] if sync else ["--no-sync"])])
        new.rename(data)
        _flush(data.parent)
    finally:
        # Ours, unless it was renamed, and what the `initdb` of a killed start has written since.
        _remove_halves(data)


def _remove_halves(data: Path) -> None:
    for half in data.parent.glob(f"{data.name}.new-*"):
        shutil.rmtree(half, ignore_errors=True)


def _initdb(programs: Programs, new: Path, data: Path, arguments: list[str]) -> None:
    with programs.spawn("initdb", arguments, data=new, output=subprocess.PIPE) as process:
        try:
            said, _ = process.communicate()
        finally:
            process.kill()
    if process.returncode != 0:
        reason = (
            complaint(said.decode(errors="replace")) or f"initdb ended with {process.returncode}"
        )
        raise EmbeddedError(f"the database cannot be made in {data}: {reason}")


def _flush(directory: Path) -> None:
    # Without it a power cut could take the new name back, and with it what was stored since.
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def complaint(said: str) -> str:
    """Pick the last reason out of what PostgreSQL said: one line, empty if there is none."""
    reason: list[str] = []
    for kind, sentence in _COMPLAINT.findall(said):
        reason = [*reason, sentence] if kind == "DETAIL" else [sentence]
    return "; ".join(sentence.strip() for sentence in reason)


def socket_directory(data: Path) -> Path:
    """Say where the socket lies: in the data directory, or below the temp dir if that cannot be.

    A socket's address is short (107 bytes; 103 on macOS), a comma parts hosts in an address, and a
    colon a port.
    """
    path = os.fsencode(data / SOCKET)
    with suppress(UnicodeDecodeError):
        if len(path) <= _LONGEST_SOCKET and not set(",:") & set(path.decode("utf-8")):
            return data
    name = f"aval-{os.geteuid()}-{hashlib.sha256(path).hexdigest()[:12]}"
    return Path(tempfile.gettempdir()) / name


def make_private(home: Path, account: Account | None) -> None:
    """Make the socket's directory below the temp dir, where others may write as well.

    Raises:
        EmbeddedError: Something else has that name, or others may enter it.
        OSError: It could not be made.

    """
    with suppress(FileExistsError):
        home.mkdir(mode=0o700)
        if account:
            os.chown(home, account.uid, account.gid, follow_symlinks=False)
    found = home.lstat()
    owner = account.uid if account else os.geteuid()
    private = stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
    if not private or found.st_uid != owner:
        raise EmbeddedError(f"{home} is not a private directory of user {owner}; remove it")


def address(home: Path) -> str:
    """Write the database's address for a socket in `home`.

    The port is part of the socket's name; without it PGPORT of the shell would count.
    """
    return f"postgresql://aval@/aval?host={quote(str(home), safe='')}&port=5432"
