"""What is measured, as processes: the echo, the naive service, and Aval."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from typing import Final
from urllib.error import URLError

_PATIENCE_S: Final = 60.0
_BARE: Final = (
    *("--loop", "uvloop", "--http", "httptools", "--no-access-log"),
    *("--timeout-keep-alive", "60"),  # a busy machine may stand still for five seconds
)


class NotRunningError(Exception):
    """What was to be measured does not run; the last line it said."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running program: its first process and its port on 127.0.0.1."""

    pid: int
    port: int


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody listens on at the moment."""
    with create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def echo(folder: Path) -> Iterator[Server]:
    """Serve the echo until the block ends."""
    with _uvicorn("bench.echo:app", folder / "echo.log", {}) as server:
        yield server


@contextmanager
def naive(log: Path, database_url: str) -> Iterator[Server]:
    """Serve the naive service on its own database, whose tables are there, until the block ends."""
    with _uvicorn("bench.naive:app", log, {"NAIVE_DATABASE_URL": database_url}) as server:
        yield server


@contextmanager
def service(state: Path) -> Iterator[int]:
    """Serve Aval on an embedded database in `state` until the block ends; gives its port.

    Raises:
        NotRunningError: It ended or did not become ready.

    """
    with serve(state) as server:
        yield server.port


@contextmanager
def serve(state: Path, database_url: str | None = None, workers: int = 1) -> Iterator[Server]:
    """Serve Aval as it ships, on an embedded database in `state` or a given one.

    Raises:
        NotRunningError: It ended or did not become ready.

    """
    port = free_port()
    told = {"AVAL_STATE_DIR": str(state), "AVAL_OPS_PORT": str(free_port())}
    if database_url is not None:
        told["AVAL_DATABASE_URL"] = database_url
    command = ["-m", "app.cli.main", "serve", "--port", str(port)]
    command += ["--workers", str(workers)] if workers > 1 else []
    with _running(command, state.parent / f"{state.name}.log", told) as process:
        _await(f"http://127.0.0.1:{port}/readyz", process, state.parent / f"{state.name}.log")
        yield Server(process.pid, port)


@contextmanager
def mlflow(python: Path, model: Path, log: Path) -> Iterator[Server]:
    """Serve a model by MLflow of another Python, as its own command does, until the block ends.

    Raises:
        NotRunningError: It ended or did not become ready.

    """
    port = free_port()
    place = f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [str(python), "-m", "mlflow", "models", "serve", "-m", str(model)]
    command += ["-h", "127.0.0.1", "-p", str(port), "--env-manager", "local"]
    with log.open("wb") as sink:
        process = subprocess.Popen(  # noqa: S603 - our own programs
            command,
            env=_environment({"PATH": place}),
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    try:
        _await(f"http://127.0.0.1:{port}/ping", process, log)
        yield Server(process.pid, port)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # it starts programs of its own
        process.wait(_PATIENCE_S)


def aval(state: Path, database_url: str, *arguments: str) -> str:
    """Run a command of Aval on a database and return what it printed.

    Raises:
        NotRunningError: It failed.

    """
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "app.cli.main", *arguments],
        env=_environment({"AVAL_STATE_DIR": str(state), "AVAL_DATABASE_URL": database_url}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NotRunningError(_last(done.stderr) or f"aval {arguments[0]} failed")
    return done.stdout.strip()


@contextmanager
def _uvicorn(app: str, log: Path, told: Mapping[str, str]) -> Iterator[Server]:
    port = free_port()
    command = ["-m", "uvicorn", app, "--port", str(port), *_BARE]
    with _running(command, log, told) as process:
        _await(f"http://127.0.0.1:{port}/v1/authorizations", process, log)
        yield Server(process.pid, port)


def _environment(told: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name[:5] != "AVAL_"}
    return {**inherited, **told}


@contextmanager
def _running(
    arguments: Sequence[str], log: Path, told: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as sink:
        process = subprocess.Popen(  # noqa: S603 - our own programs
            [sys.executable, *arguments], env=_environment(told), stdout=sink, stderr=sink
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait for an answer other than 503.

    Raises:
        NotRunningError: The process ended, or none came within a minute.

    """
    until_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until_s and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own address
                return
        except URLError as error:
            if getattr(error, "code", 503) != 503:  # noqa: PLR2004 - the status itself
                return
        time.sleep(0.05)
    said = _last(log.read_text(encoding="utf-8", errors="replace"))
    raise NotRunningError(said or f"{url} did not answer")


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else ""
