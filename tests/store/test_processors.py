"""The server's work for large requests leaves a processor to the service, and nothing else does."""

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.settings import Settings
from app.store.processors import leave_one
from tests.erp import Erp, money

OURS = sorted(os.sched_getaffinity(0))
ALONE = "there is one processor"
ELSEWHERE = "the server is elsewhere" if len(OURS) > 1 else ALONE
Session = psycopg.AsyncConnection[Any]


@asynccontextmanager
async def connected(url: str, **other: str | int) -> AsyncIterator[Session]:
    told = make_conninfo(url, **other)
    session: Session = await psycopg.AsyncConnection.connect(told, autocommit=True)
    try:
        yield session
    finally:
        await session.close()


def processors_of(session: Session) -> list[int]:
    return sorted(os.sched_getaffinity(session.info.backend_pid))


def can_be_told(session: Session) -> bool:
    """Whether the server is here, we may say where it runs, and there is a choice."""
    if not session.info.host.startswith("/"):
        return False
    try:
        os.sched_setaffinity(session.info.backend_pid, OURS)
    except PermissionError:
        return False
    return len(OURS) > 1


def test_a_process_leaves_the_first_processor(database_url: str) -> None:
    async def ask() -> None:
        async with connected(database_url) as large, connected(database_url) as other:
            can = can_be_told(large)
            assert bool(leave_one(large)) is not can
            assert processors_of(large) == (OURS[1:] if can else OURS)
            assert processors_of(other) == OURS
            assert await (await large.execute("SELECT 1")).fetchone() == (1,)

    asyncio.run(ask())
    assert sorted(os.sched_getaffinity(0)) == OURS


def test_of_one_processor_none_is_left(database_url: str) -> None:
    async def ask() -> None:
        async with connected(database_url) as session:
            os.sched_setaffinity(0, OURS[:1])
            try:
                assert leave_one(session) == ALONE
            finally:
                os.sched_setaffinity(0, OURS)
            assert processors_of(session) == OURS

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


def test_a_process_behind_somebody_else_is_left_alone(database_url: str) -> None:
    """What listens is not the parent of the process that is named: that may be anybody's."""

    async def ask(folder: str) -> None:
        listener = await asyncio.start_unix_server(_forwards(database_url), f"{folder}/.s.PGSQL.1")
        async with connected(database_url, host=folder, port=1) as session:
            assert leave_one(session) == ELSEWHERE
            assert processors_of(session) == OURS
        listener.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(ask(folder))


def test_a_server_on_the_network_is_left_alone(database_url: str) -> None:
    async def ask() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
            listener = await asyncio.start_server(_forwards(database_url), sock=free)
            async with connected(database_url, host="127.0.0.1", port=port) as session:
                assert leave_one(session) == ELSEWHERE
                assert processors_of(session) == OURS
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

    async def look() -> tuple[bool, list[list[int]]]:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        async with connected(database_url) as watcher:
            rows = await (await watcher.execute(query)).fetchall()
            found = [sorted(os.sched_getaffinity(pid)) for (pid,) in rows]
            return can_be_told(watcher), found

    can, found = asyncio.run(look())
    aside = [one for one in found if one == OURS[1:]]
    assert bool(aside) is (can and settings.large_lanes_aside == "on")
    assert all(one == OURS for one in found if one not in aside)
    assert len(found) > len(aside)
