"""One PostgreSQL a run, a fresh database a test, and the service on a real port.

The process that was started by hand (not xdist's workers) makes a data directory and migrates it
once, and starts the server on a copy of it; the workers learn where both are.
`AVAL_TEST_DATABASE_URL` names a server to use instead, whose user may create databases.
"""

import fcntl
import gc
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final, Protocol

import httpx2
import psycopg
import pytest
import structlog
from fastapi import FastAPI
from hypothesis import settings as examples
from psycopg import sql
from sqlalchemy import make_url

from app.cli.main import execute
from app.main import create_app
from app.settings import Settings
from app.store.database import Database
from app.store.embedded import start_embedded
from app.store.migrate import migrate
from app.usecases.keys import CreateKey
from tests.server import NO_TLS, Clock, ServiceThread
from tests.states import put_state

examples.register_profile("unhurried", deadline=None)  # a busy machine is no fault of an example
examples.load_profile("unhurried")

if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    # Compiled once, not by each of the workers and of a hundred child processes; the tree is
    # left as clean as it was asked for.
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(Path(sys.prefix) / "bytecode"))

GIVEN = "AVAL_TEST_DATABASE_URL"
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - files in memory, where there are
ROOM_BYTES: Final = 3 << 30
FOLDER: Final = "aval-tests-"
QUICK = {
    "autovacuum": "off",  # it would look into the template, which then cannot be copied
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "128MB",  # all of it is looked through for each database that is dropped
}
SMALL = {"wal_recycle": "off", "wal_init_zero": "off", "min_wal_size": "32MB"}
"""For the data directory that is copied: no spare files of the log."""


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL that tests make databases on; `template` is at the newest schema.

    `state` is a state directory with a database at the newest schema that is not running: who
    needs a PostgreSQL of its own starts one on a copy (`tests.states`).
    """

    url: str
    template: str
    state: Path

    def at(self, name: str) -> str:
        """Write the address of one of its databases."""
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def run(self, statement: str, *names: str) -> None:
        """Run a statement outside a transaction; `{}` are names."""
        composed = sql.SQL(statement).format(*map(sql.Identifier, names))
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(composed)

    def create(self, name: str, template: str) -> str:
        """Make a database and return its address.

        Files are copied as they are, which here takes two thirds of the time of writing them
        through the log, and with them the catalogue's cache, where the template has it.
        """
        self.run("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template)
        return self.at(name)

    def drop(self, name: str) -> None:
        """Drop a database and whoever is still connected to it."""
        self.run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


class Node(Protocol):
    """A worker of xdist as the controller sees it, which has no types."""

    config: pytest.Config
    workerinput: dict[str, object]


LONGEST: Final = (
    "test_torture.py",
    "test_contract_fuzz.py",
    "test_points.py",
    "test_run.py",
    "test_main_job.py",
    "test_kill.py",
    "test_embedded.py",
    "test_workers.py",
    "test_serve.py",
    "test_work.py",
    "test_reads.py",
    "test_life.py",
)
"""Files to begin with, the longest first."""

SERVER = pytest.StashKey[Server]()
UNDO = pytest.StashKey[ExitStack]()
_number = count()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the server, or learn where it is."""
    config = session.config
    given = getattr(config, "workerinput", None)
    if given is not None:
        config.stash[SERVER] = Server(
            given["aval_url"], given["aval_template"], Path(given["aval_state"])
        )
    elif not config.option.collectonly:
        with ExitStack() as undo:
            config.stash[SERVER] = start_server(undo)
            config.stash[UNDO] = undo.pop_all()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no cycles while everything is imported, nor ever in what was: it stays.

    Each look goes through some 700,000 objects, a tenth of the time collecting takes; afterwards
    the tests' own garbage is all there is to look at.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker ends the run alone.

    xdist's own order, by number of tests, would end it with them: they are few and long.
    """
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))  # stable: order stays


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Node) -> None:
    """Tell a worker where the server is."""
    server = node.config.stash.get(SERVER, None)
    if server is not None:
        node.workerinput |= {
            "aval_url": server.url,
            "aval_template": server.template,
            "aval_state": str(server.state),
        }


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server, after the workers."""
    undo = config.stash.get(UNDO, None)
    if undo is not None:
        undo.close()


def _memory() -> Path | None:
    """Name a folder in memory with room for the databases, if there is one.

    A database is 700 files: making and dropping one there takes a fifth of the processor's time.
    What a killed run left behind there is removed first; the lock of a living one is held.
    """
    if not MEMORY.is_dir():
        return None
    for lock in MEMORY.glob(f"{FOLDER}*/service.lock"):
        with suppress(OSError), lock.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent)
    return MEMORY if shutil.disk_usage(MEMORY).free >= ROOM_BYTES else None


def start_server(undo: ExitStack) -> Server:
    """Start PostgreSQL unless one is given, and make the template; `undo` takes both away."""
    url = os.environ.get(GIVEN)
    folder = Path(tempfile.mkdtemp(prefix=FOLDER, dir=None if url else _memory()))
    undo.callback(shutil.rmtree, folder)
    state = folder / "state"
    with start_embedded(state, options=QUICK | SMALL) as first:
        migrate(first.url)
    given = url is not None
    if url is None:
        put_state(state, folder)
        url = undo.enter_context(start_embedded(folder, options=QUICK)).url
    server = Server(url, f"aval_template_{os.getpid()}", state)
    undo.callback(server.drop, server.template)
    address = server.create(server.template, "template0" if given else "aval")
    if given:
        migrate(address)
    psycopg.connect(address).close()  # leaves the catalogue's cache in its folder
    return server


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> Server:
    """Give the run's PostgreSQL."""
    return pytestconfig.stash[SERVER]


def _database(server: Server, template: str) -> Iterator[str]:
    name = f"aval_test_{os.getpid()}_{next(_number)}"
    try:
        yield server.create(name, template)
    finally:
        server.drop(name)


@pytest.fixture
def database_url(server: Server) -> Iterator[str]:
    """Make a fresh database at the newest schema."""
    yield from _database(server, server.template)


@pytest.fixture(scope="session")
def ready_state(server: Server) -> Path:
    """Give a state directory to copy: its database is at the newest schema, and not running."""
    return server.state


@pytest.fixture
def empty_database_url(server: Server) -> Iterator[str]:
    """Make a fresh database without a schema."""
    yield from _database(server, "template0")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Connect to the test's database."""
    with closing(Database(database_url)) as database:
        yield database


Here = Callable[..., subprocess.CompletedProcess[str]]
"""Runs a command line with environment variables, and gives how it ended."""


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Here]:
    """Run `aval` in this process: most of a command's time is the start of Python."""
    root, log = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level

    def run(line: str, **given: str) -> subprocess.CompletedProcess[str]:
        for name in [name for name in os.environ if name.startswith("AVAL_")]:
            monkeypatch.delenv(name)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        code = execute(line.split())
        return subprocess.CompletedProcess(line, code, *capsys.readouterr())

    yield run
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**log)


@pytest.fixture
def every_line() -> Iterator[None]:
    """Let no line be left out, whatever level another module has set up until its last test."""
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)


@pytest.fixture
def clock() -> Clock:
    """Set the time of the test: noon of 15 June 2026 in Shanghai."""
    return Clock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Take the defaults, with a state directory of the test's own."""
    return Settings(state_dir=tmp_path)


@pytest.fixture
def app(settings: Settings, database_url: str, clock: Clock) -> FastAPI:
    """Compose the application as for production, on the test's database and clock."""
    return create_app(settings, database_url, clock)


@pytest.fixture
def service(app: FastAPI) -> Iterator[str]:
    """Serve the application on a real port and give its address."""
    with ServiceThread(app) as running:
        yield running.url


@pytest.fixture
def admin_token(database: Database) -> str:
    """Make a key that may do everything."""
    return CreateKey(database, lambda: datetime.now(UTC))("tests", ["admin"])


@pytest.fixture
def client(service: str, admin_token: str) -> Iterator[httpx2.Client]:
    """Speak to the service with an admin key."""
    headers = {"Authorization": f"Bearer {admin_token}"}
    with httpx2.Client(
        base_url=service, headers=headers, timeout=20, trust_env=False, verify=NO_TLS
    ) as client:
        yield client
