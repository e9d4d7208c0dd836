"""The server's processes give way to the service; those for large requests leave it a processor."""

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import httpx2
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import text
from structlog.testing import capture_logs

from app import work
from app.settings import Settings
from app.store.processors import Courtesy, give_way, leave_one
from tests.erp import Erp, money
from tests.forwards import forwards

TOLD: Final = hasattr(os, "sched_setaffinity")
"""Whether this system can be told where a process runs: Linux."""

FIRST: Final = {min(os.sched_getaffinity(0))} if TOLD else set[int]()
BATCH: Final = os.SCHED_BATCH if TOLD else 0
NOT_HERE: Final = "not on this system"
OTHERS: Final = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
Session = psycopg.AsyncConnection[Any]


@asynccontextmanager
async def connected(url: str, **other: str | int) -> AsyncIterator[Session]:
    told = make_conninfo(url, **other)
    session: Session = await psycopg.AsyncConnection.connect(told, autocommit=True)
    try:
        yield session
    finally:
        await session.close()


def processors_of(session: Session) -> set[int]:
    """Say where the server's process may run; nothing if that cannot be told from here."""
    here = TOLD and session.info.host.startswith("/")
    return os.sched_getaffinity(session.info.backend_pid) if here else set()


def put_on(session: Session, processors: Iterable[int]) -> bool:
    """Move the server's process; False where that is not ours to do."""
    try:
        if processors_of(session):
            os.sched_setaffinity(session.info.backend_pid, processors)
    except PermissionError:
        return False
    return bool(processors_of(session))


def manners_of(session: Session) -> tuple[int, int]:
    """Say how nice the server's process is and its class; nothing of one that is elsewhere."""
    return manners(session.info.backend_pid) if processors_of(session) else (0, 0)


def manners(process: int) -> tuple[int, int]:
    return os.getpriority(os.PRIO_PROCESS, process), os.sched_getscheduler(process)


def ours_plus(nice: int) -> int:
    return min(os.getpriority(os.PRIO_PROCESS, os.getpid()) + nice, 19)


def test_a_process_gives_way(database_url: str) -> None:
    async def ask() -> None:
        async with connected(database_url) as one, connected(database_url) as other:
            before = manners_of(one)
            can = put_on(one, processors_of(one))
            after = (max(before[0], ours_plus(5)), BATCH) if can else before
            for _ in range(2):  # once more changes nothing
                assert bool(give_way(one, 5)) is not can
                assert manners_of(one) == after
            assert manners_of(other) == before
            assert await (await one.execute("SELECT 1")).fetchone() == (1,)
            assert bool(give_way(one, 19)) is not can
            assert manners_of(one) == ((19, BATCH) if can else before)

    asyncio.run(ask())


def test_a_process_never_becomes_less_nice(database_url: str) -> None:
    """Who put it behind all others had a reason."""

    async def ask() -> None:
        async with connected(database_url) as session:
            if not put_on(session, processors_of(session)):
                assert give_way(session, 5)
                return
            process = session.info.backend_pid
            os.setpriority(os.PRIO_PROCESS, process, 17)
            os.sched_setscheduler(process, os.SCHED_IDLE, os.sched_param(0))
            assert give_way(session, 5) == ""
            assert manners_of(session) == (17, os.SCHED_IDLE)

    asyncio.run(ask())


def test_a_process_leaves_the_first_processor(database_url: str) -> None:
    async def ask() -> None:
        async with connected(database_url) as large, connected(database_url) as other:
            before = processors_of(large)
            can = put_on(large, before) and before > FIRST
            assert bool(leave_one(large)) is not can
            assert processors_of(large) == (before - FIRST if can else before)
            assert processors_of(other) == before
            assert await (await large.execute("SELECT 1")).fetchone() == (1,)
            assert bool(leave_one(large)) is not can  # once more changes nothing
            assert processors_of(large) == (before - FIRST if can else before)

    asyncio.run(ask())


@pytest.mark.parametrize("first", [True, False], ids=["the-first-alone", "others-alone"])
def test_a_process_gets_no_processor_that_it_did_not_have(database_url: str, first: bool) -> None:
    """Who put the server where it is had a reason."""

    async def ask() -> None:
        async with connected(database_url) as session:
            before = processors_of(session)
            only = FIRST if first else {max(before, default=0)}
            if put_on(session, only):
                alone = "there is one processor" if only == FIRST else ""
                assert leave_one(session) == alone
                assert processors_of(session) == only
            else:
                assert leave_one(session)
                assert processors_of(session) == before

    asyncio.run(ask())


async def _behind(url: str, session: Session) -> None:
    """See that a process is left alone which is no child of who listens where we are connected."""
    async with connected(url) as straight:
        before, usual = processors_of(straight), manners_of(straight)
    for refusal in (leave_one(session), give_way(session, 5)):
        assert refusal == ("the server is elsewhere" if TOLD else NOT_HERE)
    if before:
        assert os.sched_getaffinity(session.info.backend_pid) == before
        assert manners(session.info.backend_pid) == usual


def test_a_process_behind_somebody_else_is_left_alone(database_url: str) -> None:
    async def ask(folder: str) -> None:
        listener = await asyncio.start_unix_server(forwards(database_url), f"{folder}/.s.PGSQL.1")
        async with connected(database_url, host=folder, port=1) as session:
            await _behind(database_url, session)
        listener.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(ask(folder))


def test_a_server_on_the_network_is_left_alone(database_url: str) -> None:
    async def ask() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
            listener = await asyncio.start_server(forwards(database_url), sock=free)
            async with connected(database_url, host="127.0.0.1", port=port) as session:
                await _behind(database_url, session)
            listener.close()

    asyncio.run(ask())


@pytest.mark.parametrize("network", [False, True], ids=["unix", "tcp"])
def test_whose_processes_have_other_numbers_is_elsewhere(
    database_url: str, *, network: bool
) -> None:
    """It runs in a container of its own, or on another machine."""
    nobody = 2**22 + 1  # more than there may be

    async def ask(folder: str) -> None:
        forward = forwards(database_url, process=nobody)
        if network:
            listener = await asyncio.start_server(forward, "127.0.0.1", 0)
            host, port = listener.sockets[0].getsockname()
        else:
            host, port = folder, 1
            listener = await asyncio.start_unix_server(forward, f"{folder}/.s.PGSQL.1")
        async with connected(database_url, host=host, port=port) as session:
            assert session.info.backend_pid == nobody
            for refusal in (leave_one(session), give_way(session, 5)):
                assert refusal == ("the server is elsewhere" if TOLD else NOT_HERE)
        listener.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(ask(folder))


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    aside, nice = request.param
    return Settings(state_dir=tmp_path, large_lanes_aside=aside, database_nice=nice)


@pytest.mark.parametrize("settings", [("on", 5), ("off", 0)], ids=["on", "off"], indirect=True)
def test_all_give_way_and_large_requests_step_aside(
    settings: Settings, database_url: str, client: httpx2.Client
) -> None:
    erp = Erp(client)
    erp.customer("C-1")
    assert erp.ask("SO-1", "1.00")["outcome"] == "APPROVE"
    order = {"customer_id": "C-1", "check_point": "ORDER", "amount": money("1.00")}
    item = {"idempotency_key": "2", "order": {"id": "SO-2"}, **order}
    answer = client.post("/v1/authorizations/batch", json={"items": [item]})
    assert answer.json()["results"][0]["decision"]["outcome"] == "APPROVE"
    told = {"check_point": "ORDER", "amount": money("1.00"), "customer_id": "C-1"}
    assert client.post("/v1/limit-checks", json={**told, "order": {"id": "SO-3"}}).is_success
    assert client.get("/v1/customers/C-1/account").is_success

    async def look() -> tuple[bool, set[int], list[set[int]], tuple[int, int], list[Any]]:
        async with connected(database_url) as watcher:
            usual, own = processors_of(watcher), manners_of(watcher)
            rows = await (await watcher.execute(OTHERS, [watcher.info.backend_pid])).fetchall()
            pids = [pid for (pid,) in rows] if usual else []
            places, nice = [os.sched_getaffinity(pid) for pid in pids], [*map(manners, pids)]
            return put_on(watcher, usual), usual, places, own, nice

    can, usual, places, own, nice = asyncio.run(look())
    aside = [one for one in places if one != usual]
    assert bool(aside) is (can and usual > FIRST and settings.large_lanes_aside == "on")
    assert all(one == usual - FIRST for one in aside)
    assert len(places) > len(aside) or not usual
    nicer = (max(own[0], ours_plus(settings.database_nice)), BATCH)
    if can and settings.database_nice:
        assert {*nice} <= {own, nicer}
        # the pool, a lane for orders, for checks, for reads and for large requests
        assert nice.count(nicer) >= 5
    else:
        assert {*nice} <= {own}


def test_the_processes_of_background_work_give_way(database_url: str, tmp_path: Path) -> None:
    """Else they would go before those that answer."""
    settings = Settings(state_dir=tmp_path)
    with closing(work.open_database(settings, database_url)) as pool, pool.engine.connect() as tx:
        process = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()

        async def look() -> tuple[bool, tuple[int, int]]:
            async with connected(database_url) as watcher:
                usual = processors_of(watcher)
                return put_on(watcher, usual), manners_of(watcher)

        can, own = asyncio.run(look())
        if can:
            assert manners(process) == (max(own[0], ours_plus(5)), BATCH)


def test_the_process_that_judges_holds_gives_way(database_url: str, tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    with closing(work.open_database(settings, database_url)) as pool:

        async def look() -> tuple[bool, tuple[int, int], list[tuple[int, int]]]:
            lane = work.releasing(settings, pool).judge.open_lane()
            async with connected(database_url) as watcher:
                own = manners_of(watcher)
                await lane.take([])
                rows = await (await watcher.execute(OTHERS, [watcher.info.backend_pid])).fetchall()
                can = put_on(watcher, processors_of(watcher))
                judging = [manners(pid) for (pid,) in rows] if can else []
                await lane.close()
                return can, own, judging

        can, own, judging = asyncio.run(look())
        assert judging == ([(max(own[0], ours_plus(5)), BATCH)] if can else [])


@pytest.mark.usefixtures("every_line")
def test_what_came_of_it_is_logged(database_url: str) -> None:
    async def ask() -> None:
        async with connected(database_url) as session:
            can = put_on(session, processors_of(session))
            with capture_logs() as lines:
                Courtesy(5, aside=True)(session)
                Courtesy()(session)
            assert [line["event"] for line in lines] == ["lane_nice", "lane_aside"]
            assert lines[0]["done"] is can
            assert bool(lines[0]["why"]) is not can
            assert {line["process"] for line in lines} == {session.info.backend_pid}

    asyncio.run(ask())
