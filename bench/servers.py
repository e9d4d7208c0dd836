"""What is measured, as processes: the service on its embedded database, and the echo."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from typing import Final
from urllib.error import URLError

_PATIENCE_S: Final = 60.0


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody listens on at the moment."""
    with create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def echo(folder: Path) -> Iterator[int]:
    """Serve the echo until the block ends; gives its port."""
    port = free_port()
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    command = ["-m", "uvicorn", "bench.echo:app", "--port", str(port), *options]
    with _running(command, folder / "echo.log", {}):
        _await(f"http://127.0.0.1:{port}/v1/authorizations")
        yield port


@contextmanager
def service(state: Path) -> Iterator[int]:
    """Serve Aval as it ships, on an embedded database in `state`, until the block ends."""
    port = free_port()
    told = {"AVAL_STATE_DIR": str(state), "AVAL_OPS_PORT": str(free_port())}
    command = ["-m", "app.cli.main", "serve", "--port", str(port)]
    with _running(command, state.parent / "service.log", told):
        _await(f"http://127.0.0.1:{port}/readyz")
        yield port


@contextmanager
def _running(arguments: list[str], log: Path, told: dict[str, str]) -> Iterator[None]:
    inherited = {name: value for name, value in os.environ.items() if name[:5] != "AVAL_"}
    with log.open("wb") as sink:
        process = subprocess.Popen(  # noqa: S603 - our own programs
            [sys.executable, *arguments], env={**inherited, **told}, stdout=sink, stderr=sink
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(url: str) -> None:
    """Wait for an answer other than 503.

    Raises:
        TimeoutError: None came within a minute; the log in the run's directory says why.

    """
    until_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until_s:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own address
                return
        except URLError as error:
            if getattr(error, "code", 503) != 503:  # noqa: PLR2004 - the status itself
                return
        time.sleep(0.05)
    message = f"{url} did not answer"
    raise TimeoutError(message)
