"""No room on the disk: nobody is told of a decision that was not written, and nothing is lost."""

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psycopg
import pytest

from app.main import create_app
from app.settings import Settings
from app.store.database import Database
from app.store.embedded import start_embedded
from app.usecases.keys import CreateKey
from tests.faults.client_log import ClientLog
from tests.faults.clients import PATIENCE_S, assert_exact, order, send, set_up
from tests.server import NO_TLS, Clock, ServiceThread
from tests.states import put_state

ROOM_MB = 160
LEFT_KB = 96


@contextmanager
def serving(state: Path) -> Iterator[tuple[str, httpx2.Client]]:
    """Serve the PostgreSQL kept in `state`; gives its address and a client."""
    with start_embedded(state, options={"max_wal_size": "32MB", "min_wal_size": "32MB"}) as server:
        database = Database(server.url)
        token = CreateKey(database, Clock())("tests", ["admin"])
        database.close()
        app = create_app(Settings(state_dir=state.parent), server.url, Clock())
        headers = {"Authorization": f"Bearer {token}"}
        with (
            ServiceThread(app) as running,
            httpx2.Client(
                base_url=running.url, headers=headers, timeout=30, trust_env=False, verify=NO_TLS
            ) as client,
        ):
            yield server.url, client


def until_answered(client: httpx2.Client, log: ClientLog, key: str) -> None:
    """Ask with the same key until there is an answer."""
    until = time.monotonic() + PATIENCE_S
    while (told := send(client, log, key, order(key, "C-1"))) is None or not told.is_success:
        assert time.monotonic() < until, f"{key} was never answered"
        time.sleep(0.1)


def let_write_nothing(pid: int) -> None:
    """Keep a process from making any file longer; only its own user may do that."""
    mine, owner = (os.getuid(), os.getgid()), Path(f"/proc/{pid}").stat()
    if mine[0] != owner.st_uid:
        os.setresgid(owner.st_gid, owner.st_gid, mine[1])
        os.setresuid(owner.st_uid, owner.st_uid, mine[0])
    try:
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
    finally:
        if mine[0] != owner.st_uid:
            os.setresuid(mine[0], mine[0], mine[0])
            os.setresgid(mine[1], mine[1], mine[1])


def test_a_backend_that_can_write_nothing(tmp_path: Path, ready_state: Path) -> None:
    """Its write-ahead log fails, PostgreSQL recovers, and the same key gets its answer."""
    log = ClientLog()
    put_state(ready_state, tmp_path / "state")
    with serving(tmp_path / "state") as (url, client):
        set_up(client, ["C-1"], "1000.00")
        for number in range(5):
            until_answered(client, log, f"before-{number}")
        with psycopg.connect(url, autocommit=True) as connection:
            backends = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
                " AND pid <> pg_backend_pid()"
            ).fetchall()
        for (pid,) in backends:
            let_write_nothing(pid)
        told = send(client, log, "K", order("K", "C-1"))
        assert told is not None
        assert told.status_code == 503, told.text
        until_answered(client, log, "K")
        for number in range(5):
            until_answered(client, log, f"before-{number}")
        assert_exact(url, log)


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """Mount a file system with little room, which needs root."""
    place.mkdir()
    kind = [
        shutil.which("mount") or "mount",
        "-t",
        "tmpfs",
        "-o",
        f"size={ROOM_MB}m",
        "tmpfs",
        str(place),
    ]
    subprocess.run(kind, check=True)
    try:
        yield place
    finally:
        subprocess.run([shutil.which("umount") or "umount", "--lazy", str(place)], check=True)


@pytest.mark.ops
def test_a_full_disk(tmp_path: Path, ready_state: Path) -> None:
    log = ClientLog()
    with small_disk(tmp_path / "disk") as disk, serving(_put(ready_state, disk)) as (url, client):
        set_up(client, ["C-1"], "1000000.00")
        until_answered(client, log, "before")
        filler = disk / "filler"
        with filler.open("wb") as file:
            file.write(bytes(shutil.disk_usage(disk).free - 1024 * LEFT_KB))
        keys = (f"F-{number}" for number in range(3000))
        unanswered = [next(key for key in keys if _is_refused(client, log, key))]
        filler.unlink()
        for key in ("before", "F-0", *unanswered):
            until_answered(client, log, key)
        assert_exact(url, log)


def _put(made: Path, disk: Path) -> Path:
    put_state(made, disk / "state")
    return disk / "state"


def _is_refused(client: httpx2.Client, log: ClientLog, key: str) -> bool:
    told = send(client, log, key, order(key, "C-1"))
    assert told is not None
    assert told.status_code in {200, 201, 503}, told.text
    return told.status_code == 503
