"""Many who report facts at once: bodies wait outside, few are applied, a slow one stops nobody."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.client import HTTPResponse

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from starlette.types import Message

from app.api.desk import Desk
from app.api.facts_reports import SMALL_BYTES, read_soon
from app.api.strict import StrictRequest
from app.domain.errors import BusyError
from app.store.database import Database
from app.usecases.facts import AT_WORK, BODY_S, MOST_BODIES
from app.usecases.keys import CreateKey
from app.usecases.turns import Turns
from tests.api.test_facts import URL, customer, words
from tests.domain.facts_cases import invoice
from tests.server import NO_TLS, Clock, ServiceThread

PATIENCE_S = 60.0
CLIENT_S = 30.0
"""A client's patience: less than a slow body is waited for, more than a busy machine needs."""


def body(name: str = "I", customer_id: str = "anna", *, large: bool = True) -> bytes:
    """Write a batch; a large one says no more than a small one, at greater length."""
    plain = json.dumps({"events": [invoice(name, customer_id=customer_id)]}).encode()
    return plain + b" " * SMALL_BYTES if large else plain


def half_a_body(client: httpx2.Client) -> socket.socket:
    """Begin to report, and stop in the middle of the body."""
    url, whole = client.base_url, body()
    line = socket.create_connection((url.host, url.port or 80), PATIENCE_S)
    head = (
        f"POST {URL} HTTP/1.1\r\nHost: {url.host}\r\nContent-Type: application/json\r\n"
        f"Authorization: {client.headers['Authorization']}\r\nContent-Length: {len(whole)}\r\n\r\n"
    )
    line.sendall(head.encode() + whole[: len(whole) // 2])
    return line


@pytest.fixture
def slow(client: httpx2.Client) -> Iterator[Callable[[], socket.socket]]:
    """Let senders begin, and hang up at the end."""
    with ExitStack() as undo:
        yield lambda: undo.enter_context(half_a_body(client))


@pytest.fixture
def other(client: httpx2.Client, database: Database, clock: Clock) -> Iterator[httpx2.Client]:
    """Speak for another client."""
    token = CreateKey(database, clock)("shop", ["ledger:write"])
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(
        base_url=client.base_url, headers=headers, timeout=CLIENT_S, verify=NO_TLS
    ) as second:
        yield second


def post(client: httpx2.Client, content: bytes) -> httpx2.Response:
    return client.post(URL, content=content, headers={"Content-Type": "application/json"})


def reporting(client: httpx2.Client, content: bytes, told: list[int]) -> threading.Thread:
    def report() -> None:
        told.append(post(client, content).status_code)

    thread = threading.Thread(target=report)
    thread.start()
    return thread


def test_slow_senders_keep_no_other_client_from_being_applied(
    client: httpx2.Client, other: httpx2.Client, slow: Callable[[], socket.socket]
) -> None:
    customer(client)
    for _ in range(2 * MOST_BODIES):
        slow()
    began = time.monotonic()
    assert post(other, body()).status_code == 200
    assert time.monotonic() - began < BODY_S / 2  # none of the slow ones was given up by then


def test_no_more_bodies_come_in_than_may(
    client: httpx2.Client, slow: Callable[[], socket.socket]
) -> None:
    """Who comes late waits, a stranger is told so all the same, and hanging up lets one in."""
    customer(client)
    lines = [slow() for _ in range(MOST_BODIES - 1)]
    assert words(client, invoice("small")) == ["applied"]  # by its answer those before it are in
    told: list[int] = []
    late = reporting(client, body(), told)
    stranger = httpx2.post(f"{client.base_url}{URL}", content=body(), timeout=CLIENT_S)
    assert stranger.status_code == 401
    late.join(0.3)
    assert not told
    lines[0].close()
    late.join(PATIENCE_S)
    assert told == [200]


@contextmanager
def stuck_at(database: Database, customer_id: str) -> Iterator[Callable[[], int]]:
    """Lock a customer's account meanwhile; gives how many wait for locks."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with (
        psycopg.connect(database.url, autocommit=True) as eyes,
        psycopg.connect(database.url) as holder,
    ):

        def stuck() -> int:
            (found,) = eyes.execute(query).fetchone() or (0,)
            return int(found)

        holder.execute(
            "SELECT FROM account WHERE customer_id = %s FOR NO KEY UPDATE", (customer_id,)
        )
        yield stuck


def test_no_more_large_batches_are_applied_at_once_than_may(
    client: httpx2.Client, other: httpx2.Client, database: Database
) -> None:
    """Small ones wait neither for their turns nor for the locks they wait for."""
    customer(client)
    customer(client, "ben")
    assert words(client, invoice("first"), invoice("second", customer_id="ben")) == ["applied"] * 2
    told: list[int] = []
    with stuck_at(database, "anna") as stuck:
        senders = [
            reporting(one, body(f"I{place}-{place % 2}"), told)
            for place, one in enumerate([client, other] * (MOST_BODIES - 1))
        ]
        _until(lambda: stuck() >= AT_WORK)
        time.sleep(0.2)  # whoever else could come as far would have
        assert (stuck(), told) == (AT_WORK, [])
        assert post(other, body("S", "ben", large=False)).status_code == 200
    for sender in senders:
        sender.join(PATIENCE_S)
    assert told == [200] * len(senders)


def test_a_body_that_does_not_arrive_gives_its_place_up_and_may_be_sent_again() -> None:
    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": URL, "headers": headers}

    async def nothing() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def wait() -> None:
        with pytest.raises(BusyError, match=r"did not arrive within 0\.02 s"):
            async with asyncio.timeout(PATIENCE_S):
                await read_soon(StrictRequest(scope, nothing), 0.02)

    asyncio.run(wait())


@pytest.fixture
def hasty(app: FastAPI, admin_token: str) -> Iterator[httpx2.Client]:
    """Speak to a service that takes one body at a time, and waits three seconds for it."""
    desk: Desk = app.state.desk
    one = Turns(1, 1, PATIENCE_S)
    app.state.desk = replace(desk, facts=replace(desk.facts, arriving=one, body_s=3.0))
    headers = {"Authorization": f"Bearer {admin_token}"}
    with (
        ServiceThread(app) as running,
        httpx2.Client(
            base_url=running.url, headers=headers, timeout=CLIENT_S, verify=NO_TLS
        ) as client,
    ):
        yield client


def test_who_sends_too_slowly_is_told_so_and_the_next_one_comes_in(hasty: httpx2.Client) -> None:
    customer(hasty)
    with half_a_body(hasty) as line:
        told: list[int] = []
        late = reporting(hasty, body(), told)
        answer = HTTPResponse(line)
        answer.begin()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        found = json.loads(answer.read())
        assert (found["code"], found["detail"]) == ("busy", "the body did not arrive within 3 s")
        late.join(PATIENCE_S)
    assert told == [200]


def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)
