"""Where the service and the naive one keep their data: embedded, and on a system's PostgreSQL."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from app.store.embedded import DEFAULTS, max_wal_size, running_url
from bench import processes, servers

GIVEN: Final = "AVAL_BENCH_DATABASE_URL"
"""Names a server whose user may make databases; without it one is started from the PATH."""

_OLDEST: Final = 150_000
_SAME: Final = (
    "shared_buffers",
    "checkpoint_timeout",
    "wal_init_zero",
    "wal_sync_method",
    "autovacuum_vacuum_cost_delay",
    "max_connections",
    "timezone",
)
"""What the system's server is set to as the embedded one is, and `max_wal_size`."""


class MissingError(Exception):
    """Why there is no system PostgreSQL to measure on."""


@dataclass(frozen=True, slots=True)
class Side:
    """A PostgreSQL with a running service on it, and a database for the naive one.

    `postmaster` is None where the server does not run on this machine.
    """

    name: str
    url: str
    naive_url: str
    service: servers.Server
    token: str
    postmaster: int | None

    @property
    def served_by(self) -> processes.Group:
        """The processes of the service, its embedded PostgreSQL left out."""
        return processes.Group(self.service.pid, (self.postmaster or 0,))

    @property
    def stored_by(self) -> processes.Group | None:
        """The processes of PostgreSQL."""
        return processes.Group(self.postmaster, ended=True) if self.postmaster else None


@contextmanager
def embedded(state: Path, workers: int = 1) -> Iterator[Side]:
    """Run the service on its embedded database in `state` until the block ends.

    Raises:
        NotRunningError: It did not become ready.

    """
    with servers.serve(state, workers=workers) as service:
        url = running_url(state)
        if url is None:
            message = f"the database in {state} does not answer"
            raise servers.NotRunningError(message)
        with psycopg.connect(url, autocommit=True) as admin:
            if not admin.execute("SELECT FROM pg_database WHERE datname = 'naive'").fetchall():
                admin.execute("CREATE DATABASE naive")
        token = (state / "api-key").read_text(encoding="ascii").strip()
        yield Side("embedded", url, _other(url, "naive"), service, token, postmaster_of(url))


@contextmanager
def system(state: Path) -> Iterator[Side]:
    """Run the service on a system's PostgreSQL until the block ends; its databases are dropped.

    What else it keeps is in `state`, whose name its databases have in theirs.

    Raises:
        MissingError: There is none that can be used.
        NotRunningError: The service did not become ready.

    """
    with ExitStack() as undo:
        given = os.environ.get(GIVEN)
        server_url = given or undo.enter_context(_started())
        names = [f"{whose}_bench_{os.getpid()}_{state.name}" for whose in ("aval", "naive")]
        undo.enter_context(_databases(server_url, names))
        url, naive_url = (_other(server_url, name) for name in names)
        servers.aval(state, url, "migrate")
        token = servers.aval(state, url, "key", "create", "--name", "bench", "--scope", "admin")
        service = undo.enter_context(servers.serve(state, url))
        yield Side("system", url, naive_url, service, token, postmaster_of(url))


@contextmanager
def _databases(server_url: str, names: list[str]) -> Iterator[None]:
    try:
        with psycopg.connect(server_url, autocommit=True) as admin:
            if admin.info.server_version < _OLDEST:
                message = f"PostgreSQL {admin.info.server_version // 10_000} is older than 15"
                raise MissingError(message)
            for name in names:
                admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.Error as error:
        message = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise MissingError(message) from error
    try:
        yield
    finally:
        with psycopg.connect(server_url, autocommit=True) as admin:
            for name in names:
                drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
                admin.execute(drop)


@contextmanager
def _started() -> Iterator[str]:
    """Make and start a cluster with the programs on the PATH; as root it runs as `postgres`."""
    if shutil.which("initdb") is None or shutil.which("pg_ctl") is None:
        message = f"neither {GIVEN} is set nor are initdb and pg_ctl on the PATH"
        raise MissingError(message)
    who = _runner()
    # not below the run's folder, which is ours alone
    with tempfile.TemporaryDirectory(prefix="aval-pg-") as place:
        if who is not None:
            os.chown(place, who.pw_uid, who.pw_gid)
        data = Path(place) / "pg"
        made = ["--username=aval", "--encoding=UTF8", "--locale=C", "--auth=trust", "-k"]
        _run(who, place, ["initdb", "-D", str(data), *made])
        same = {name: DEFAULTS[name] for name in _SAME}
        same["max_wal_size"] = max_wal_size(Path(place))
        settings = [f"{name}={value}" for name, value in same.items()]
        settings += ["listen_addresses=''", f"unix_socket_directories={place}"]
        options = " ".join(f"-c {setting}" for setting in settings)
        start = ["pg_ctl", "-D", str(data), "-w", "-l", f"{place}/log", "-o", options, "start"]
        _run(who, place, start)
        try:
            yield f"postgresql://aval@/postgres?host={quote(place, safe='')}&port=5432"
        finally:
            _run(who, place, ["pg_ctl", "-D", str(data), "-w", "-m", "fast", "stop"])


def _runner() -> pwd.struct_passwd | None:
    """Choose who runs PostgreSQL, which refuses root; None: we ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        message = "PostgreSQL does not run as root, and there is no user postgres"
        raise MissingError(message) from None


def _run(who: pwd.struct_passwd | None, place: str, command: list[str]) -> None:
    with tempfile.TemporaryFile() as said:  # a pipe would be held open by what it starts
        done = subprocess.run(  # noqa: S603 - fixed words
            command,
            cwd=place,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "PGPORT": "5432"},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            user=who.pw_uid if who else None,
            group=who.pw_gid if who else None,
            extra_groups=[] if who else None,
            check=False,
        )
        said.seek(0)
        lines = said.read().decode(errors="replace").strip().splitlines()
    if done.returncode != 0:
        message = f"{command[0]}: {lines[-1] if lines else done.returncode}"
        raise MissingError(message)


def _other(url: str, name: str) -> str:
    """Name another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def postmaster_of(url: str) -> int | None:
    """Find the server's first process: the parent of the backend we talk to, if it is here."""
    with psycopg.connect(url) as connection:
        pid = connection.info.backend_pid
        return processes.parent_of(pid) if processes.name_of(pid) == "postgres" else None


def ask(url: str, query: str, values: tuple[object, ...] = ()) -> Any:  # noqa: ANN401 - a cell
    """Ask for one value, outside a transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query, values).fetchone()
        return row[0] if row else None


@contextmanager
def slow_commits(url: str, delay_us: int = 3_000) -> Iterator[str]:
    """Let every commit of the server wait before it flushes; gives why not, empty where it does.

    Superusers may; sessions that are open learn of it with their next statement.
    """
    try:
        _configure(url, {"commit_delay": str(delay_us), "commit_siblings": "0"})
    except psycopg.Error as error:
        yield str(error).partition("\n")[0]
        return
    try:
        yield ""
    finally:
        _configure(url, {"commit_delay": None, "commit_siblings": None})


def _configure(url: str, settings: dict[str, str | None]) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        for name, value in settings.items():
            start = sql.SQL("ALTER SYSTEM ") + sql.SQL("RESET " if value is None else "SET ")
            end = sql.SQL("") if value is None else sql.SQL(" = {}").format(sql.Literal(value))
            admin.execute(start + sql.Identifier(name) + end)
        admin.execute("SELECT pg_reload_conf()")
    time.sleep(0.5)
