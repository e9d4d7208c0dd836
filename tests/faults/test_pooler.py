"""Behind a pooler in transaction mode: two services, few connections, everything still exact."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app.store.database import Database
from app.usecases.keys import CreateKey
from tests.faults.clients import Crowd, assert_exact, set_up
from tests.faults.points import Wire
from tests.faults.service import PATIENCE_S, free_port, served
from tests.server import Clock

LOAD_S = 2.0
CONNECTIONS = 4
_NOBODY = 65534


@contextmanager
def pooled(url: str) -> Iterator[str]:
    """Run PgBouncer before a database with a few connections to it; gives its address."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "pgbouncer is not installed"
    told, port = conninfo_to_dict(url), free_port()
    folder = Path(tempfile.mkdtemp(prefix="aval-pooler-"))
    folder.chmod(0o755)
    server = f"host={told['host']} port={told.get('port') or 5432} user={told['user']}"
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = {server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"unix_socket_dir =\nauth_type = any\npool_mode = transaction\nmax_client_conn = 200\n"
        f"default_pool_size = {CONNECTIONS}\nignore_startup_parameters = extra_float_digits\n",
        encoding="utf-8",
    )
    config.chmod(0o644)
    # it refuses to run as root
    who = _NOBODY if os.getuid() == 0 else None
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, config], stdout=log, stderr=log, user=who, group=who)
    try:
        address = f"postgresql://{told['user']}@127.0.0.1:{port}/{told['dbname']}"
        _await(address)
        yield address
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        shutil.rmtree(folder)


def _await(address: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            psycopg.connect(address, connect_timeout=2).close()
        except psycopg.OperationalError:
            assert time.monotonic() < until, "the pooler did not answer"
            time.sleep(0.1)
        else:
            return


@pytest.mark.ops
def test_a_pooler_in_transaction_mode(database: Database, tmp_path: Path) -> None:
    token = CreateKey(database, Clock())("tests", ["admin"])
    with ExitStack() as stack:
        wire = stack.enter_context(Wire(database.url))  # the database's socket is its owner's alone
        wire.let_in_all()
        address = stack.enter_context(pooled(wire.address))
        given = {"AVAL_DATABASE_URL": address, "AVAL_PREPARE": "off"}
        services = [
            stack.enter_context(served(tmp_path / f"state{place}", token, given))
            for place in range(2)
        ]
        with services[0].client() as client:
            set_up(client, ["C-1", "C-2"], "500.00")
        clients = [services[place % 2].client for place in range(6)]
        crowd = Crowd(clients, ["C-1", "C-2"], pause_s=0.002)
        with crowd.at_work():
            time.sleep(LOAD_S)
        with services[1].client() as client:
            crowd.learn(client)
    assert sum(one.acknowledged for one in crowd.log.requests) > 100
    assert_exact(database.url, crowd.log)
