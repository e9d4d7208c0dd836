"""What tables grow by is handed to the disk every second."""

import asyncio
import errno
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from structlog.testing import capture_logs

from app.store.embedded import start_embedded
from app.store.writeback import (
    NAME,
    Changes,
    growth_written,
    tables_of,
    writer,
    written_steadily,
)
from tests.forwards import forwards
from tests.waits import wait_for


@pytest.fixture(scope="module")
def kept() -> Iterator[Path]:
    """Give a state directory whose parents only we may enter."""
    with tempfile.TemporaryDirectory(prefix="aval-test-") as folder:
        yield Path(folder) / "state"


def threads() -> int:
    return sum(thread.name == NAME for thread in threading.enumerate())


def test_only_what_was_changed_is_written_again(tmp_path: Path) -> None:
    for name in ("still", "grows", "dropped"):
        (tmp_path / name).write_bytes(b"1")
    changes = Changes(tmp_path)
    assert {Path(path).name for path in changes.look()} == {"still", "grows", "dropped"}
    assert changes.look() == []
    os.utime(tmp_path / "grows", ns=(0, 1))  # a clock may tick too seldom for a second write
    (tmp_path / "new").write_bytes(b"1")
    (tmp_path / "dropped").unlink()
    assert {Path(path).name for path in changes.look()} == {"grows", "new"}


def test_the_system_is_asked_and_may_refuse(tmp_path: Path) -> None:
    begin = writer()
    assert begin is not None
    with (tmp_path / "table").open("wb+") as file:
        file.write(b"0" * 8192)
        file.flush()
        begin(file.fileno())
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError, match=r".+") as refused:
            begin(reading)
    finally:
        os.close(reading)
        os.close(writing)
    assert refused.value.errno == errno.ESPIPE


def test_files_are_written_again_and_again_until_the_block_ends(tmp_path: Path) -> None:
    written: list[str] = []

    def begin(handle: int) -> None:
        written.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        if written[-1] == "refused":
            raise OSError(errno.EIO, "a disk that fails")

    before = threads()
    for name in ("refused", "table"):
        (tmp_path / name).write_bytes(b"1")
    with written_steadily(tmp_path, begin):
        wait_for(lambda: {"refused", "table"} <= set(written))
        os.utime(tmp_path / "table", ns=(0, 1))
        wait_for(lambda: written.count("table") > 1)
        assert threads() == before + 1
    assert threads() == before


def test_links_and_pipes_of_others_lead_nowhere(tmp_path: Path) -> None:
    written: list[str] = []

    def begin(handle: int) -> None:
        written.append(Path(f"/proc/self/fd/{handle}").readlink().name)

    tables = tmp_path / "tables"
    tables.mkdir()
    (tmp_path / "outside").write_bytes(b"1")
    (tables / "a-link").symlink_to(tmp_path / "outside")
    os.mkfifo(tables / "b-pipe")
    (tables / "c-table").write_bytes(b"1")
    with written_steadily(tables, begin):
        wait_for(lambda: "c-table" in written)
        os.utime(tables / "c-table", ns=(0, 1))
        wait_for(lambda: written.count("c-table") > 1)
    assert "outside" not in written


def test_a_directory_that_goes_away_ends_it(tmp_path: Path) -> None:
    before = threads()
    with written_steadily(tmp_path / "absent", lambda _handle: None):
        wait_for(lambda: threads() == before)


@pytest.mark.usefixtures("every_line")
def test_other_systems_do_without() -> None:
    before = threads()
    with capture_logs() as lines, growth_written("postgresql://nowhere", None):
        assert threads() == before
    assert [(line["done"], line["why"]) for line in lines] == [(False, "not on this system")]


def refusal(process: int) -> str:
    """Say why we may not see where a process works; empty if we may."""
    try:
        Path(f"/proc/{process}/cwd").readlink()
    except PermissionError as error:  # root without its usual rights
        return str(error.strerror)
    return ""


@pytest.mark.usefixtures("every_line")
@pytest.mark.parametrize(("fsync", "why"), [("on", ""), ("off", "fsync is off")])
def test_what_a_server_here_grows_by_is_written(fsync: str, why: str, kept: Path) -> None:
    before = threads()
    with start_embedded(kept, options={"fsync": fsync}) as server:
        why = why or refusal(server.pid)
        with capture_logs() as lines, growth_written(server.url, writer()):
            assert threads() == before + (not why)
        assert threads() == before
    assert [(line["event"], line["done"], line["why"]) for line in lines] == [
        ("growth_written", not why, why)
    ]


def test_tables_are_those_of_the_database(kept: Path) -> None:
    with start_embedded(kept, options={"fsync": "on"}) as server:
        with psycopg.connect(server.url, autocommit=True) as session:
            session.execute("CREATE TABLE grown (number integer)")
            ((name,),) = session.execute("SELECT pg_relation_filepath('grown')")
            session.execute("CREATE ROLE plain LOGIN")
        plain = make_conninfo(server.url, user="plain")
        found, why = tables_of(plain)
        assert why == refusal(server.pid)
        if why:
            assert found is None
            return
        assert found is not None
        assert found == (kept.resolve() / "pg" / name).parent
        assert (found / Path(name).name).exists()


@pytest.mark.usefixtures("every_line")
def test_a_server_elsewhere_is_let_be(kept: Path, tmp_path: Path) -> None:
    before = threads()

    def look(url: str) -> str:
        with capture_logs() as lines, growth_written(url, writer()):
            assert threads() == before
        assert [line["done"] for line in lines] == [False]
        return str(lines[0]["why"])

    async def behind(url: str) -> str:
        async with await asyncio.start_unix_server(forwards(url), tmp_path / ".s.PGSQL.1"):
            return await asyncio.to_thread(look, make_conninfo(url, host=str(tmp_path), port=1))

    with start_embedded(kept, options={"fsync": "on"}) as server:
        assert asyncio.run(behind(server.url)) == "the server is elsewhere"
    assert "No such file" in look(server.url)
