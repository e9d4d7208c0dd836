"""A terminal that is closed ends `aval` in order, unless it was started to outlive that."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.store.embedded import leftovers, running_url
from tests.signals import by_default
from tests.states import put_state
from tests.test_serve import AVAL, PATIENCE_S, environment, get, serve
from tests.test_work import working
from tests.waits import wait_for

# Leads a session on its terminal and tells its job when that is closed, as bash does; the kernel
# tells the job as well, once this has ended.
SHELL = """
import fcntl, os, signal, subprocess, sys, termios
def closed(*_):
    job.send_signal(signal.SIGHUP)
    os._exit(0)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGHUP, closed)
job = subprocess.Popen(sys.argv[1:])
while True:
    signal.pause()
"""


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    with by_default(signal.SIGHUP):
        yield


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """Give a state directory; what is left running on it is ended."""
    place = tmp_path / "state"
    yield place
    leftovers.clear(place / "pg", print)


@contextmanager
def closed_once_it_listens(state: Path, *arguments: str) -> Iterator[None]:
    """Run `aval` in a terminal of its own, and close that before the block begins."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", SHELL, AVAL, *arguments],
        env=environment(AVAL_STATE_DIR=str(state)),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as shell:
        os.close(theirs)
        said = b""
        while b"listening on" not in said:
            said += os.read(ours, 4096)
        os.close(ours)
        shell.wait(PATIENCE_S)
        yield


@pytest.mark.parametrize("workers", [1, 2])
def test_the_database_stops_with_a_service_whose_terminal_is_closed(
    state: Path, ready_state: Path, workers: int
) -> None:
    put_state(ready_state, state)
    log = state / "postgres.log"
    with closed_once_it_listens(state, "serve", "--port", "0", "--workers", str(workers)):
        # Its last line, which PostgreSQL writes after it has removed `postmaster.pid`.
        wait_for(lambda: "database system is shut down" in log.read_text("utf-8"), PATIENCE_S)


def test_a_command_stops_the_database_that_it_started(state: Path) -> None:
    """Here while it migrates a fresh one, which takes seconds."""
    given = environment(AVAL_STATE_DIR=str(state))
    with subprocess.Popen([AVAL, "key", "list"], env=given) as command:
        wait_for(lambda: running_url(state) is not None, PATIENCE_S)
        command.send_signal(signal.SIGHUP)
        assert command.wait(PATIENCE_S) == 128 + signal.SIGHUP
    assert running_url(state) is None


@pytest.mark.parametrize("workers", [1, 2])
def test_a_service_drains(tmp_path: Path, database_url: str, workers: int) -> None:
    with serve(tmp_path, "--workers", str(workers), AVAL_DATABASE_URL=database_url) as service:
        assert service.end(signal.SIGHUP) == 0


def test_background_work_ends_by_itself(tmp_path: Path, database_url: str) -> None:
    given = {"AVAL_DATABASE_URL": database_url, "AVAL_WORK_OPS_PORT": "0"}
    with working(tmp_path / "output", **given) as worker:
        assert worker.end(signal.SIGHUP) == 0


def test_what_was_started_by_nohup_goes_on(tmp_path: Path, database_url: str) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which a new process inherits
    try:
        with serve(tmp_path, AVAL_DATABASE_URL=database_url) as service:
            service.process.send_signal(signal.SIGHUP)
            with pytest.raises(subprocess.TimeoutExpired):
                service.process.wait(1)
            assert get(f"{service.url}/livez").status_code == 200
            assert service.end(signal.SIGTERM) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_does_not_break_off_what_the_first_tidies_up() -> None:
    tidying = """
import signal, time
from app.cli.signals import endings, unwind
for one in endings():
    signal.signal(one, unwind)
try:
    print("begun", flush=True)
    signal.pause()
finally:
    print("tidying", flush=True)
    time.sleep(0.5)
    print("tidied", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", tidying], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline() == b"tidying\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b"tidied\n"
    assert process.returncode == 128 + signal.SIGHUP
