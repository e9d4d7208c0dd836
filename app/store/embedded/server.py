"""Starting and stopping PostgreSQL as a child of the service."""

import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

from app.store.embedded import cluster, leftovers
from app.store.embedded.disk import max_wal_size
from app.store.embedded.errors import AlreadyRunningError, EmbeddedError
from app.store.embedded.memory import shared_buffers
from app.store.embedded.programs import find_programs

DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "max_connections": "100",
        "shared_buffers": shared_buffers(),
        "checkpoint_timeout": "15min",
        "wal_init_zero": "off",
        "wal_sync_method": "open_datasync",
        "autovacuum_vacuum_cost_delay": "10ms",
        "fsync": "on",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
        "log_min_error_statement": "panic",  # else kilobytes for each lock that is waited for
    }
)
"""What `options` may change, and `max_wal_size`; sockets and names are not among them."""

LOG = "postgres.log"
"""Where in the state directory PostgreSQL says what it has to say."""

_ADMISSION_S = 2  # how long one attempt to connect may take; libpq knows nothing shorter
_SAY_EVERY_S = 3.0
_LOG_BYTES = 10_000_000


def _silent(_line: str) -> None:
    return None


class EmbeddedPostgres:
    """A running PostgreSQL, its address, and the lock on its state directory.

    The lock's file is not inherited by programs the service starts, but a bare `os.fork` shares
    it: until such a child ends, no other service can start.
    """

    def __init__(self, url: str, process: subprocess.Popen[bytes], undo: ExitStack) -> None:
        """Take over a started server; `undo` stops it and gives the lock back last."""
        self.url = url
        self._process = process
        self._undo = undo

    @property
    def pid(self) -> int:
        """The first process of PostgreSQL, also after it ended."""
        return self._process.pid

    def alive(self) -> bool:
        """Say whether PostgreSQL's first process still runs."""
        return self._process.poll() is None

    def how_it_ended(self) -> str | None:
        """Say by which signal or exit code its first process ended; None while it runs."""
        match self._process.poll():
            case None:
                return None
            case code if code < 0:
                return f"signal {-code}"
            case code:
                return f"exit code {code}"

    def stop(self) -> None:
        """Stop PostgreSQL and wait for it: open transactions end, what was committed is kept.

        Takes up to 60 s, then it is ended by force. Stopping twice does nothing.

        Raises:
            EmbeddedError: A process did not end even when killed.

        """
        self._undo.close()

    def __enter__(self) -> Self:
        """Enter a block that stops PostgreSQL at its end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop PostgreSQL."""
        self.stop()


def start_embedded(
    state_dir: Path,
    *,
    options: Mapping[str, str] = DEFAULTS,
    say: Callable[[str], None] = _silent,
    timeout_s: float = 900.0,
) -> EmbeddedPostgres:
    """Start the database kept in `<state_dir>/pg`, making it if need be, and wait for its answer.

    `options` are PostgreSQL settings on top of `DEFAULTS`. `say` gets a line every few seconds
    while a recovery keeps us waiting; what PostgreSQL logs goes to `<state_dir>/postgres.log`.

    Raises:
        AlreadyRunningError: Another service holds `state_dir`.
        EmbeddedError: It cannot run here, or did not answer within `timeout_s`; nothing is left
            running.

    """
    state = state_dir
    try:
        with ExitStack() as undo:
            state = state_dir.resolve()
            state.mkdir(parents=True, exist_ok=True)
            _lock(state / "service.lock", undo)
            settings = {**DEFAULTS, "max_wal_size": max_wal_size(state), **options}
            start = _Start(state, settings, say, time.monotonic() + timeout_s)
            seen = start.rotate_log()
            process = start.launch(undo)
            start.wait(process, timeout_s, seen)
            _make_database(start.home)
            return EmbeddedPostgres(cluster.address(start.home), process, undo.pop_all())
    except OSError as error:
        where = error.filename or state
        raise EmbeddedError(
            f"no database can be kept in {state}: {where}: {error.strerror or error}"
        ) from error
    except psycopg.Error as error:
        raise EmbeddedError(f"the database in {state} is of no use: {_line(error)}") from error


def running_url(state_dir: Path) -> str | None:
    """Return the address of the database of `state_dir` if it answers now, started by whomever.

    For commands that run beside the service; None if nothing answers.
    """
    home = cluster.socket_directory(state_dir.resolve() / "pg")
    return cluster.address(home) if _refusal(home) is None else None


def _lock(path: Path, undo: ExitStack) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    undo.callback(os.close, handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 20).decode(errors="replace").strip()
        known = f" (process {holder})" if holder.isdecimal() else ""
        raise AlreadyRunningError(f"a service already runs on {path.parent}{known}") from None
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())


@dataclass(frozen=True, slots=True)
class _Start:
    """One attempt to start; `until` is a moment of the monotonic clock."""

    state: Path
    options: Mapping[str, str]
    say: Callable[[str], None]
    until: float

    @property
    def data(self) -> Path:
        return self.state / "pg"

    @property
    def home(self) -> Path:
        return cluster.socket_directory(self.data)

    @property
    def log(self) -> Path:
        return self.state / LOG

    def launch(self, undo: ExitStack) -> subprocess.Popen[bytes]:
        """Make the data directory, clear what was left over, start; `undo` learns how to stop."""
        programs = find_programs(self.data)
        cluster.make_cluster(programs, self.data, sync=self.options["fsync"] != "off")
        leftovers.clear(self.data, self.say)
        if self.home != self.data:
            cluster.make_private(self.home, programs.account)
            for name in (leftovers.SOCKET, f"{leftovers.SOCKET}.lock"):
                (self.home / name).unlink(missing_ok=True)
            undo.callback(_remove_directory, self.home)
        output = self._open_log()
        try:
            process = programs.spawn("postgres", self._arguments(), data=self.data, output=output)
        finally:
            os.close(output)
        undo.callback(leftovers.clear, self.data, self.say)
        undo.callback(_end, process)
        return process

    def _arguments(self) -> list[str]:
        # A relative directory is the data directory: no quoting, and no limit to the path.
        quoted = str(self.home).replace('"', '""')
        settings = {
            **self.options,
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": "." if self.home == self.data else f'"{quoted}"',
            "unix_socket_permissions": "0600",
            "cluster_name": leftovers.mark(self.data),
        }
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def rotate_log(self) -> int:
        """Put a long log aside; say how many bytes the log has, which tell of earlier starts."""
        seen = self.log.stat().st_size if self.log.exists() else 0
        if seen > _LOG_BYTES:
            self.log.rename(f"{self.log}.1")
            return 0
        return seen

    def _open_log(self) -> int:
        return os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def wait(self, process: subprocess.Popen[bytes], timeout_s: float, seen: int) -> None:
        """Wait until PostgreSQL lets somebody in.

        Raises:
            EmbeddedError: It ended, or `until` has come.

        """
        said_at = time.monotonic()
        while (refusal := _refusal(self.home)) is not None:
            now = time.monotonic()
            if process.poll() is not None:
                reason = self._complaint(seen) or f"it ended with {process.returncode}"
                raise EmbeddedError(f"PostgreSQL does not start in {self.data}: {reason}")
            if now >= self.until:
                raise EmbeddedError(
                    f"PostgreSQL in {self.data} did not answer within {timeout_s:g} s"
                    f" ({refusal}); see {self.log}"
                )
            if now - said_at >= _SAY_EVERY_S:
                said_at = now
                self.say(f"waiting for PostgreSQL, {timeout_s - self.until + now:.0f} s: {refusal}")
            time.sleep(0.05)

    def _complaint(self, seen: int) -> str:
        return cluster.complaint(self.log.read_bytes()[seen:].decode(errors="replace"))


def _refusal(home: Path) -> str | None:
    """Say why PostgreSQL lets nobody in, None if it does."""
    try:
        _connect(home).close()
    except psycopg.OperationalError as error:
        return _line(error)
    return None


def _connect(home: Path) -> psycopg.Connection:
    where = make_conninfo(host=str(home), port=5432, user="aval", dbname="postgres")
    return psycopg.connect(where, autocommit=True, connect_timeout=_ADMISSION_S)


def _make_database(home: Path) -> None:
    with _connect(home) as connection:
        if not connection.execute("SELECT FROM pg_database WHERE datname = 'aval'").fetchall():
            connection.execute("CREATE DATABASE aval")


def _end(process: subprocess.Popen[bytes]) -> None:
    for number, wait_s in leftovers.STEPS:
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(wait_s)
            return


def _remove_directory(home: Path) -> None:
    with suppress(OSError):
        home.rmdir()


def _line(error: psycopg.Error) -> str:
    said = str(error)
    return cluster.complaint(said) or said.partition("\n")[0] or type(error).__name__
