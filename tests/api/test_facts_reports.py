"""Many who report facts at once: bodies wait outside, few are applied, a slow one stops nobody."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx2
import psycopg
import pytest
from starlette.types import Message

from app.api.facts_reports import read_soon
from app.api.strict import StrictRequest
from app.domain.errors import BadRequestError
from app.store.database import Database
from app.usecases.facts import AT_WORK, MOST_BODIES
from tests.api.test_facts import URL, customer, post, waiting, words
from tests.domain.facts_cases import invoice

PATIENCE_S = 10.0


def half_a_body(client: httpx2.Client) -> socket.socket:
    """Begin to report, and stop in the middle of the body."""
    url, body = client.base_url, json.dumps({"events": [invoice()]}).encode()
    line = socket.create_connection((url.host, url.port or 80), PATIENCE_S)
    head = (
        f"POST {URL} HTTP/1.1\r\nHost: {url.host}\r\nContent-Type: application/json\r\n"
        f"Authorization: {client.headers['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    line.sendall(head.encode() + body[: len(body) // 2])
    return line


@pytest.fixture
def slow(client: httpx2.Client) -> Iterator[Callable[[], socket.socket]]:
    """Let senders begin, and hang up at the end."""
    with ExitStack() as undo:
        yield lambda: undo.enter_context(half_a_body(client))


def reporting(client: httpx2.Client, name: str, told: list[int]) -> threading.Thread:
    def report() -> None:
        told.append(post(client, invoice(name)).status_code)

    thread = threading.Thread(target=report)
    thread.start()
    return thread


def test_slow_senders_keep_nobody_from_being_applied(
    client: httpx2.Client, slow: Callable[[], socket.socket]
) -> None:
    customer(client)
    for _ in range(MOST_BODIES - 1):
        slow()
    began = time.monotonic()
    assert words(client, invoice()) == ["applied"]
    assert time.monotonic() - began < PATIENCE_S / 2


def test_no_more_bodies_come_in_than_may(
    client: httpx2.Client, slow: Callable[[], socket.socket]
) -> None:
    """Who comes late waits, a stranger is told so all the same, and hanging up lets one in."""
    customer(client)
    lines = [slow() for _ in range(MOST_BODIES)]
    waiting(client)  # by its answer those before it are in
    told: list[int] = []
    late = reporting(client, "I", told)
    stranger = httpx2.post(f"{client.base_url}{URL}", json={"events": [invoice()]})
    assert stranger.status_code == 401
    late.join(0.3)
    assert not told
    lines[0].close()
    late.join(PATIENCE_S)
    assert told == [200]


def test_no_more_batches_are_applied_at_once_than_may(
    client: httpx2.Client, database: Database
) -> None:
    customer(client)
    told: list[int] = []
    with psycopg.connect(database.url, autocommit=True) as eyes:

        def stuck() -> int:
            query = (
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            (found,) = eyes.execute(query).fetchone() or (0,)
            return int(found)

        with psycopg.connect(database.url) as holder:
            holder.execute("SELECT FROM account FOR NO KEY UPDATE")
            senders = [reporting(client, f"I{place}", told) for place in range(MOST_BODIES + 2)]
            _until(lambda: stuck() >= AT_WORK)
            time.sleep(0.2)  # whoever else could come as far would have
            assert (stuck(), told) == (AT_WORK, [])
    for sender in senders:
        sender.join(PATIENCE_S)
    assert told == [200] * (MOST_BODIES + 2)


def test_a_body_that_does_not_arrive_gives_its_place_up() -> None:
    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": URL, "headers": headers}

    async def nothing() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def wait() -> None:
        with pytest.raises(BadRequestError, match=r"did not arrive within 0\.02 s"):
            async with asyncio.timeout(PATIENCE_S):
                await read_soon(StrictRequest(scope, nothing), 0.02)

    asyncio.run(wait())


def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)
