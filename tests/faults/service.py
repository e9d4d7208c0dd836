"""The service as a process of its own, on a state directory or on a given database."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.server import NO_TLS

PATIENCE_S = 60


def free_port() -> int:
    """Find a port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@dataclass
class Service:
    """`aval serve` as a process on a state directory."""

    state: Path
    port: int
    process: subprocess.Popen[bytes]
    token: str | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx2.Client:
        """Speak to it with the token, else with the first key it made."""
        token = self.token or (self.state / "api-key").read_text(encoding="ascii").strip()
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(
            base_url=self.url, headers=headers, timeout=10, trust_env=False, verify=NO_TLS
        )

    def kill(self) -> None:
        """Kill the service alone, as the kernel would when memory runs out."""
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def kill_database(self) -> None:
        """Kill the postmaster; its children end with it."""
        pid = int((self.state / "pg" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        os.kill(pid, signal.SIGKILL)


@contextmanager
def served(
    state: Path, token: str | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """Serve until the block ends; ready inside.

    `settings` are more environment variables. `token` is needed with a database of one's own,
    where no key is written to the state directory.
    """
    service = start(state, token, settings)
    try:
        await_ready(service)
        yield service
    finally:
        stop(service)


def start(state: Path, token: str | None, settings: Mapping[str, str] | None) -> Service:
    """Start a service and return at once."""
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AVAL_")},
        "AVAL_STATE_DIR": str(state),
        "AVAL_OPS_PORT": str(free_port()),
        "PYTHONFAULTHANDLER": "1",  # one that hangs is asked where: see `await_ready`
        **(settings or {}),
    }
    command = [sys.executable, "-m", "app.cli.main", "serve", "--port", str(port)]
    with (state.parent / "service.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    return Service(state, port, process, token)


def start_work(state: Path, database_url: str) -> subprocess.Popen[bytes]:
    """Start background work on a database and return at once."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AVAL_")},
        "AVAL_STATE_DIR": str(state),
        "AVAL_DATABASE_URL": database_url,
        "AVAL_WORK_OPS_PORT": "0",
    }
    command = [sys.executable, "-m", "app.cli.main", "work"]
    with (state.parent / "service.log").open("ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def stop(service: Service) -> None:
    """Ask the service to end, and wait; one that does not is killed."""
    end(service.process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, and wait; one that does not is killed."""
    process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def await_ready(service: Service) -> None:
    """Wait until the service says it is ready; one that does not is ended, and tells where it is.

    Its threads write where they stand into the log, behind what it heard last from the port.
    """
    until, heard = time.monotonic() + PATIENCE_S, "nothing"
    while time.monotonic() < until:
        try:
            told = httpx2.get(f"{service.url}/readyz", trust_env=False, verify=NO_TLS)
            if told.is_success:
                return
            heard = told.text
        except httpx2.TransportError as error:
            heard = repr(error)
        assert service.process.poll() is None, f"the service ended while starting: {said(service)}"
        time.sleep(0.05)
    service.process.send_signal(signal.SIGABRT)
    service.process.wait(PATIENCE_S)
    message = f"the service did not become ready ({heard}): {said(service, 300)}"
    raise AssertionError(message)


def said(service: Service, most: int = 30) -> str:
    """Give what the service, and those beside it, said last, in lines."""
    log = service.state.parent / "service.log"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-most:])
