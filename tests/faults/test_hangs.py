"""A database that neither answers nor goes away: threads that everybody needs come free again."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
import structlog
from sqlalchemy import text

from app.domain.errors import BusyError
from app.store.database import Database
from app.usecases.apart import Apart
from app.usecases.hangs import HangWatch
from tests.faults.points import Wire

PATIENCE_S = 20


@pytest.fixture
def wire(database_url: str) -> Iterator[Wire]:
    """Put a wire before the database that may stop to flow."""
    with Wire(database_url) as wire:
        yield wire


@pytest.fixture
def through(wire: Wire) -> Iterator[Database]:
    """Reach the database by the wire, with one connection."""
    with closing(Database(wire.address, pool_size=1, overflow=0)) as database:
        yield database


def one(database: Database) -> int:
    """Ask for something."""
    with database.read() as tx:
        return int(tx.execute(text("SELECT 1")).scalar_one())


def test_what_waits_for_a_server_that_hangs_is_freed(wire: Wire, through: Database) -> None:
    apart = Apart(1, "hangs")
    watch = HangWatch(through, [apart], most_s=0.2, every_s=0.02)

    async def hang() -> None:
        assert await apart.do(one, through) == 1
        await watch.start()
        wire.flowing.clear()
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(BusyError):
                await apart.do(one, through)
        wire.flowing.set()
        async with asyncio.timeout(PATIENCE_S):
            assert await apart.do(one, through) == 1
        assert watch.alive()
        await watch.stop()

    with structlog.testing.capture_logs() as lines:
        asyncio.run(hang())
    told = next(line for line in lines if line["event"] == "database_hangs")
    assert (told["cut"], told["longest_s"]) == (1, 0)


def test_what_hangs_on_is_cut_again_after_as_long(database: Database) -> None:
    """It may have connected anew to the same server; looks in between break nobody's connection."""
    apart, go = Apart(1, "hangs"), threading.Event()
    watch = HangWatch(database, [apart], most_s=0.5)
    counts: list[int] = []

    async def hang() -> None:
        waiting = apart.do(go.wait, PATIENCE_S)
        for pause_s in (0.6, 0.0, 0.6, 0.0):
            await asyncio.sleep(pause_s)
            watch.look()
            assert one(database) == 1
            counts.append(len(lines))
        go.set()
        await waiting
        await asyncio.sleep(0.6)
        watch.look()

    with structlog.testing.capture_logs() as lines:
        asyncio.run(hang())
    assert (counts, len(lines)) == ([1, 1, 2, 2], 2)


def test_quick_work_cuts_nothing(database: Database) -> None:
    apart = Apart(2, "hangs")
    watch = HangWatch(database, [apart], most_s=PATIENCE_S)

    async def work() -> None:
        for _ in range(5):
            await asyncio.gather(*(apart.do(one, database) for _ in range(4)))
            watch.look()

    with structlog.testing.capture_logs() as lines:
        asyncio.run(work())
    assert lines == []
    assert apart.since() == []
