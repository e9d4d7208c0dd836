"""What tables grow by is handed to the disk every second."""

import asyncio
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from structlog.testing import capture_logs

from app.store import growth_writer
from app.store.embedded import start_embedded
from app.store.growth_writer import BEGUN, GONE, Changes, begin_writing, write_steadily
from app.store.writeback import IN_TABLESPACE, NAME, NOT_ALL, growth_written, tables_of
from tests.forwards import forwards
from tests.waits import wait_for


@pytest.fixture(scope="module")
def kept() -> Iterator[Path]:
    """Give a state directory whose parents only we may enter."""
    with tempfile.TemporaryDirectory(prefix="aval-test-") as folder:
        yield Path(folder) / "state"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Give a directory as a database's."""
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "PG_VERSION").write_bytes(b"18\n")
    return folder


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield handle
    finally:
        os.close(handle)


def threads() -> int:
    return sum(thread.name == NAME for thread in threading.enumerate())


def writers() -> list[str]:
    """List the processes that write for us."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            ours = f"PPid:\t{os.getpid()}\n" in (place / "status").read_text(encoding="utf-8")
            if ours and growth_writer.__file__.encode() in (place / "cmdline").read_bytes():
                found.append(place.name)
    return found


def test_only_what_was_changed_is_written_again(tmp_path: Path) -> None:
    for name in ("still", "grows", "dropped"):
        (tmp_path / name).write_bytes(b"1")
    with opened(tmp_path) as folder:
        changes = Changes(folder)
        assert set(changes.look()) == {"still", "grows", "dropped"}
        assert changes.look() == []
        os.utime(tmp_path / "grows", ns=(0, 1))  # a clock may tick too seldom for a second write
        (tmp_path / "new").write_bytes(b"1")
        (tmp_path / "dropped").unlink()
        assert set(changes.look()) == {"grows", "new"}


def test_only_plain_files_of_the_directorys_owner_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"1")
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "a-link").symlink_to(tmp_path / "outside")
    os.mkfifo(tables / "b-pipe")
    with closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.bind(str(tables / "c-socket"))
    (tables / "d-table").write_bytes(b"1")
    (tables / "e-anothers").write_bytes(b"1")
    if os.geteuid() == 0:  # else nobody can give a file away
        os.chown(tables / "e-anothers", 12_345, -1)
    else:
        (tables / "e-anothers").unlink()
    with opened(tables) as folder:
        assert Changes(folder).look() == ["d-table"]


def test_the_system_is_asked_and_may_refuse(tmp_path: Path) -> None:
    with (tmp_path / "table").open("wb+") as file:
        file.write(b"0" * 8192)
        file.flush()
        begin_writing(file.fileno())
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError, match=r".+") as refused:
            begin_writing(reading)
    finally:
        os.close(reading)
        os.close(writing)
    assert refused.value.errno == errno.ESPIPE


@contextmanager
def steadily(folder: Path, begin: Callable[[int], None]) -> Iterator[list[str]]:
    """Have a directory's files written by a thread; gives what it says, why it ended last."""
    said: list[str] = []
    reading, parent = os.pipe()
    with opened(folder) as handle:
        thread = threading.Thread(
            target=lambda: said.append(write_steadily(handle, begin, said.append, reading))
        )
        thread.start()
        try:
            yield said
        finally:
            os.close(parent)
            thread.join(10)
            os.close(reading)
    assert not thread.is_alive()


def test_files_are_written_again_and_again_until_the_parent_ends(tables: Path) -> None:
    written: list[str] = []

    def begin(handle: int) -> None:
        written.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        if written[-1] == "refused":
            raise OSError(errno.EIO, "a disk that fails")

    for name in ("refused", "table"):
        (tables / name).write_bytes(b"1")
    with steadily(tables, begin) as said:
        wait_for(lambda: BEGUN in said)
        assert {"refused", "table"} <= set(written)
        os.utime(tables / "table", ns=(0, 1))
        wait_for(lambda: written.count("table") > 1)
    assert said == [BEGUN, ""]


def test_what_is_put_in_a_files_place_leads_nowhere(tables: Path) -> None:
    """Between the look and the opening, by the server's user."""
    written: list[str] = []
    (tables.parent / "outside").write_bytes(b"1")

    def begin(handle: int) -> None:
        written.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        others = sorted(names - set(written))
        if len(others) == 2 and written[-1] in names:
            for other in others:
                (tables / other).unlink()
            (tables / others[0]).symlink_to(tables.parent / "outside")
            os.mkfifo(tables / others[1])

    names = {"1", "2", "3"}
    for name in names:
        (tables / name).write_bytes(b"1")
    with steadily(tables, begin) as said:
        wait_for(lambda: BEGUN in said)
    assert names & set(written)
    assert "outside" not in written


def test_where_nothing_can_be_written_nobody_says_it_is(tables: Path) -> None:
    def refused(_: int) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    with steadily(tables, refused) as said:
        wait_for(lambda: said)
    assert said == ["Operation not permitted"]


def test_a_database_that_is_dropped_ends_it(tables: Path) -> None:
    with steadily(tables, lambda _handle: None) as said:
        wait_for(lambda: BEGUN in said)
        shutil.rmtree(tables)
        wait_for(lambda: GONE in said)
    assert said == [BEGUN, GONE]


def test_it_is_a_program_that_gives_way_and_ends_with_its_parent(tables: Path) -> None:
    with opened(tables) as folder:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", growth_writer.__file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(folder,),
        )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline().decode() == f"{BEGUN}\n"
        assert os.getpriority(os.PRIO_PROCESS, child.pid) >= 10
        for stop in (signal.SIGINT, signal.SIGTERM):  # systemd sends it to all of a service
            child.send_signal(stop)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
        child.stdin.close()
        assert child.wait(10) == 0


def refusal(process: int) -> str:
    """Say why we may not see where a process works; empty if we may."""
    try:
        Path(f"/proc/{process}/cwd").readlink()
    except PermissionError as error:  # root without its usual rights
        return str(error.strerror)
    return ""


def told(lines: list[Any]) -> list[tuple[bool, str]]:
    return [(line["done"], line["why"]) for line in lines if line["event"] == "growth_written"]


@pytest.mark.usefixtures("every_line")
@pytest.mark.parametrize(("fsync", "why"), [("on", ""), ("off", "fsync is off")])
def test_what_a_server_here_grows_by_is_written(fsync: str, why: str, kept: Path) -> None:
    with start_embedded(kept, options={"fsync": fsync}) as server:
        why = why or refusal(server.pid)
        with capture_logs() as lines, growth_written(server.url):
            wait_for(lambda: told(lines))
            assert len(writers()) == (not why)
        assert threads() == 0
        assert writers() == []
    assert told(lines) == [(not why, why)]


@pytest.mark.usefixtures("every_line")
def test_one_that_ends_is_told_once(kept: Path) -> None:
    with start_embedded(kept, options={"fsync": "on"}) as server:
        if refusal(server.pid):
            return  # what is told then, the test above looks at
        with capture_logs() as lines, growth_written(server.url):
            wait_for(lambda: told(lines))
            (writing,) = writers()
            os.kill(int(writing), signal.SIGKILL)
            wait_for(lambda: len(told(lines)) > 1)
            assert threads() == 1  # tries again in a minute
        assert threads() == 0
    assert told(lines) == [(True, ""), (False, "its process was ended")]


@pytest.mark.usefixtures("every_line")
def test_who_wants_none_has_none() -> None:
    with capture_logs() as lines, growth_written("postgresql://nowhere", wanted=False):
        assert threads() == 0
    assert lines == []


@pytest.mark.usefixtures("every_line")
def test_other_systems_do_without() -> None:
    with capture_logs() as lines, growth_written("postgresql://nowhere", here=False):
        assert threads() == 0
    assert told(lines) == [(False, "not on this system")]


def test_tables_are_those_of_the_database(kept: Path) -> None:
    with start_embedded(kept, options={"fsync": "on"}) as server:
        with psycopg.connect(server.url, autocommit=True) as session:
            session.execute("DROP TABLE IF EXISTS grown")
            session.execute("CREATE TABLE grown (number integer)")
            ((name,),) = session.execute("SELECT pg_relation_filepath('grown')")
            session.execute("CREATE ROLE plain LOGIN")
        plain = make_conninfo(server.url, user="plain")
        found, why = tables_of(plain)
        assert why == refusal(server.pid)
        if found is None:
            assert why
            return
        try:
            assert os.path.samestat(os.fstat(found), (kept / "pg" / name).parent.stat())
        finally:
            os.close(found)
        base = kept / "pg" / "base"
        base.rename(base.with_name("elsewhere"))
        base.symlink_to("elsewhere")
        try:
            with psycopg.connect(server.url):  # the server itself does not mind
                assert tables_of(plain) == (None, "Not a directory")
        finally:
            base.unlink()
            base.with_name("elsewhere").rename(base)


def test_tables_elsewhere_are_told(kept: Path) -> None:
    with start_embedded(kept, options={"fsync": "on"}) as server:
        with psycopg.connect(server.url, autocommit=True) as session:
            session.execute("SET allow_in_place_tablespaces = on")
            session.execute("CREATE TABLESPACE other LOCATION ''")
            session.execute("CREATE DATABASE there TABLESPACE other")
            session.execute("CREATE TABLE far (number integer) TABLESPACE other")
        try:
            assert tables_of(make_conninfo(server.url, dbname="there")) == (None, IN_TABLESPACE)
            found, why = tables_of(server.url)
            assert why == (refusal(server.pid) or NOT_ALL)
            if found is not None:
                os.close(found)
        finally:
            with psycopg.connect(server.url, autocommit=True) as session:
                session.execute("DROP TABLE far")
                session.execute("DROP DATABASE there")
                session.execute("DROP TABLESPACE other")


@pytest.mark.usefixtures("every_line")
def test_a_server_elsewhere_is_let_be(kept: Path, tmp_path: Path) -> None:
    def look(url: str) -> str:
        with capture_logs() as lines, growth_written(url):
            wait_for(lambda: told(lines))
        assert writers() == []
        ((done, why),) = told(lines)
        assert not done
        return why

    async def behind(url: str) -> str:
        async with await asyncio.start_unix_server(forwards(url), tmp_path / ".s.PGSQL.1"):
            return await asyncio.to_thread(look, make_conninfo(url, host=str(tmp_path), port=1))

    with start_embedded(kept, options={"fsync": "on"}) as server:
        assert asyncio.run(behind(server.url)) == "the server is elsewhere"
    assert "No such file" in look(server.url)
