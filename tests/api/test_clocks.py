"""A machine whose clock is wrong: what it grants ends by the database's, and is said so."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
import structlog
from fastapi import FastAPI
from prometheus_client import REGISTRY

from app.main import create_app
from app.settings import Settings
from app.store.clock import ServerClock, own_clock
from app.store.database import Database, moment
from app.usecases.clocks import ClockWatch
from app.usecases.expiry import ExpireAuthorizations
from app.usecases.portions import Portion
from tests.erp import Erp

WRONG = timedelta(minutes=10)
CLOSE = timedelta(seconds=20)
"""A busy machine may stop for a while between two looks at a clock."""


@pytest.fixture(params=[-1, 1], ids=["behind", "ahead"])
def wrong(request: pytest.FixtureRequest) -> Callable[[], datetime]:
    """Give a clock ten minutes beside the database's."""
    step = request.param * WRONG
    return lambda: own_clock() + step


@pytest.fixture
def app(settings: Settings, database_url: str, wrong: Callable[[], datetime]) -> FastAPI:
    """Compose the application on a machine whose clock is wrong."""
    return create_app(settings, database_url, ServerClock(wrong))


def test_what_is_granted_ends_by_the_clock_that_ends_it(
    client: httpx2.Client, database: Database
) -> None:
    erp = Erp(client)
    erp.customer("C-1")
    until = datetime.fromisoformat(erp.ask("SO-1", "40.00", expires_in=300)["expires_at"])
    with database.read() as tx:
        left = until - moment(tx)
    assert timedelta(seconds=300) - CLOSE < left <= timedelta(seconds=300)
    assert ExpireAuthorizations(database, 10)() == Portion(0)
    found = REGISTRY.get_sample_value("aval_database_clock_ahead_seconds")
    assert found is not None
    assert abs(abs(found) - WRONG.total_seconds()) < CLOSE.total_seconds()


def test_clocks_are_compared_again(database: Database, wrong: Callable[[], datetime]) -> None:
    shown = [wrong]

    def read() -> datetime:
        return shown[0]()

    clock = ServerClock(read)
    watch = ClockWatch(database, clock)
    watch.look()
    assert abs(clock() - own_clock()) < CLOSE
    shown[0] = own_clock  # somebody has set it
    watch.look()
    assert abs(clock.ahead) < CLOSE
    assert clock().tzinfo is UTC


def test_a_database_out_of_reach_leaves_the_clock_as_it_was(
    wrong: Callable[[], datetime],
) -> None:
    clock = ServerClock(wrong, timedelta(seconds=7))
    nowhere = Database("postgresql://127.0.0.1:1/nothing", pool_size=1)
    ClockWatch(nowhere, clock).look()
    nowhere.close()
    assert clock.ahead == timedelta(seconds=7)


def test_what_nobody_foresaw_does_not_end_the_watch(database: Database) -> None:
    """A clock that stays as it was for good would end what was granted by another one."""
    looks, begun = threading.Semaphore(0), threading.Event()

    def read() -> datetime:
        looks.release()
        if begun.is_set():
            raise LookupError
        return own_clock()

    watch = ClockWatch(database, ServerClock(read), every_s=0.01)

    async def see() -> None:
        await watch.start()
        begun.set()
        for _ in range(20):
            assert await asyncio.to_thread(looks.acquire, timeout=20)
        await watch.stop()

    with structlog.testing.capture_logs() as lines:
        asyncio.run(see())
    assert {one["event"] for one in lines} == {"clock_not_compared"}


def test_what_no_answer_is_quick_enough_to_tell_is_left_alone(database: Database) -> None:
    clock = ServerClock()
    with database.read() as tx:
        clock.measure(tx)
    assert clock.ahead == timedelta()


def test_answers_that_take_long_leave_the_clock_as_it_was(database: Database) -> None:
    """They tell less than what was known: 50 ms, of answers that take 200."""

    def slow() -> datetime:
        time.sleep(0.1)
        shown = own_clock() - timedelta(milliseconds=50)
        time.sleep(0.1)
        return shown

    known = timedelta(milliseconds=50)
    clock = ServerClock(slow, known)
    with database.read() as tx:
        assert clock.measure(tx) == known
