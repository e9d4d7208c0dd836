"""The server's work for large requests leaves a processor to the service, and nothing else does."""

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import httpx2
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.settings import Settings
from app.store.processors import leave_one
from tests.erp import Erp, money

TOLD: Final = hasattr(os, "sched_setaffinity")
"""Whether this system can be told where a process runs: Linux."""

FIRST: Final = {min(os.sched_getaffinity(0))} if TOLD else set[int]()
NOT_HERE: Final = "not on this system"
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


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with closing(writer):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


def _forwards(url: str) -> Callable[..., Awaitable[None]]:
    told = conninfo_to_dict(url)
    host, port = str(told["host"]), int(told.get("port") or 5432)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if host.startswith("/"):
            behind_reader, behind = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            behind_reader, behind = await asyncio.open_connection(host, port)
        await asyncio.gather(_copy(reader, behind), _copy(behind_reader, writer))

    return forward


async def _behind(url: str, session: Session) -> None:
    """See that a process is left alone which is no child of who listens where we are connected."""
    async with connected(url) as straight:
        before = processors_of(straight)
    assert leave_one(session) == ("the server is elsewhere" if TOLD else NOT_HERE)
    if before:
        assert os.sched_getaffinity(session.info.backend_pid) == before


def test_a_process_behind_somebody_else_is_left_alone(database_url: str) -> None:
    async def ask(folder: str) -> None:
        listener = await asyncio.start_unix_server(_forwards(database_url), f"{folder}/.s.PGSQL.1")
        async with connected(database_url, host=folder, port=1) as session:
            await _behind(database_url, session)
        listener.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(ask(folder))


def test_a_server_on_the_network_is_left_alone(database_url: str) -> None:
    async def ask() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
            listener = await asyncio.start_server(_forwards(database_url), sock=free)
            async with connected(database_url, host="127.0.0.1", port=port) as session:
                await _behind(database_url, session)
            listener.close()

    asyncio.run(ask())


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    return Settings(state_dir=tmp_path, large_lanes_aside=request.param)


@pytest.mark.parametrize("settings", ["on", "off"], indirect=True)
def test_large_requests_alone_step_aside(
    settings: Settings, database_url: str, client: httpx2.Client
) -> None:
    erp = Erp(client)
    erp.customer("C-1")
    assert erp.ask("SO-1", "1.00")["outcome"] == "APPROVE"
    order = {"customer_id": "C-1", "check_point": "ORDER", "amount": money("1.00")}
    item = {"idempotency_key": "2", "order": {"id": "SO-2"}, **order}
    answer = client.post("/v1/authorizations/batch", json={"items": [item]})
    assert answer.json()["results"][0]["decision"]["outcome"] == "APPROVE"

    async def look() -> tuple[bool, set[int], list[set[int]]]:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        async with connected(database_url) as watcher:
            usual = processors_of(watcher)
            rows = await (await watcher.execute(query)).fetchall()
            found = [os.sched_getaffinity(pid) for (pid,) in rows] if usual else []
            return put_on(watcher, usual) and usual > FIRST, usual, found

    can, usual, found = asyncio.run(look())
    aside = [one for one in found if one != usual]
    assert bool(aside) is (can and settings.large_lanes_aside == "on")
    assert all(one == usual - FIRST for one in aside)
    assert len(found) > len(aside) or not usual
