"""Which processes are taken for what a killed service left, and which are none of its business."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.store.embedded import leftovers
from tests.signals import by_default

WE_ARE_ROOT = os.geteuid() == 0
SLEEP = shutil.which("sleep") or "/bin/sleep"
OWNER = 65534
"""Whom root gives a data directory; nobody has that number but `nobody`."""


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """Make a data directory that belongs to whom the database does."""
    data = tmp_path / "pg"
    data.mkdir(mode=0o700)
    if WE_ARE_ROOT:
        os.chown(data, OWNER, OWNER)
    return data


@contextmanager
def alive(
    words: Sequence[str], executable: str, user: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program under a command line of our choice while the block lasts."""
    with (
        by_default(signal.SIGINT, signal.SIGQUIT),
        subprocess.Popen(words, executable=executable, user=user, stdin=subprocess.PIPE) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def clear(data: Path) -> list[str]:
    """Clear a data directory and return what was said."""
    said: list[str] = []
    leftovers.clear(data, said.append)
    return said


def backend(data: Path) -> list[str]:
    """Write how a backend of a data directory titles itself; SLEEP takes it for its name."""
    return [f"postgres: {leftovers.mark(data)}: client backend", "60"]


def test_who_titles_himself_so_but_is_somebody_else_is_left_alone(private: Path) -> None:
    """He would keep the service from starting, or be killed by root."""
    data = private if WE_ARE_ROOT else Path("/")  # of another user than the process is
    with alive(backend(data), SLEEP) as other:
        assert clear(data) == []
        assert other.poll() is None


def test_a_backend_of_the_owner_is_ended(private: Path) -> None:
    user = OWNER if WE_ARE_ROOT else None
    with alive(backend(private), SLEEP, user) as left:
        assert len(clear(private)) == 1
        assert left.wait(10) != 0


def test_who_names_the_server_in_his_arguments_is_no_server(private: Path) -> None:
    """As `grep` and `less` do, here of the owner himself."""
    told = ["/lib/postgres", "-D", "/d", "-c", f"cluster_name={leftovers.mark(private)}"]
    user = OWNER if WE_ARE_ROOT else None
    with alive(["sh", "-c", "read _", *told], "/bin/sh", user) as other:
        assert clear(private) == []
        assert other.poll() is None
