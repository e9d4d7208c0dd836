"""A client that takes none of its answer is cut off; one that reads slowly is not."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from starlette.types import Receive, Scope, Send

from app.cli.answer_flow import Flow
from app.cli.answer_writes import JoinedWrites
from tests.cli.connections import ASK, BUFFER, LOOK_S, run, served, until

LONG = 2**22
"""Far more than the system keeps for both ends of a connection of these tests."""


async def long(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer a lot at once."""
    length = (b"content-length", b"%d" % LONG)
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": bytes(LONG)})


@pytest.mark.parametrize(
    ("sent", "keep_alive_s"),
    [
        pytest.param(ASK % 1, 60, id="kept-alive"),
        pytest.param(ASK % 1, 0, id="closed-behind-its-answer"),
        pytest.param(ASK % 1 + ASK % 2, 60, id="another-waits"),
        pytest.param(ASK % 1 + b"GARBAGE\r\n\r\n", 60, id="refused"),
    ],
)
def test_who_reads_nothing_is_cut_off(sent: bytes, keep_alive_s: int) -> None:
    async def ask() -> None:
        async with served(long, keep_alive_s=keep_alive_s) as client:
            known = client.protocol.connections
            assert client.protocol in known
            client.send(sent)
            await until(lambda: client.protocol not in known)
            assert len(await client.rest()) < LONG

    run(ask)


def test_who_reads_slowly_gets_all() -> None:
    async def ask() -> None:
        async with served(long) as client:
            client.send(ASK % 1)
            head = await client.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            read = 0
            while read < LONG:
                read += len(await client.reader.readexactly(min(2 * BUFFER, LONG - read)))
                await asyncio.sleep(LOOK_S / 2)

    run(ask)


def test_what_was_written_is_counted_and_what_is_outstanding() -> None:
    async def ask() -> None:
        async with served(long) as client:
            connection = client.protocol.transport
            assert isinstance(connection, JoinedWrites)
            for number in range(1, 3):
                client.send(ASK % number)
                head = await client.reader.readuntil(b"\r\n\r\n")
                written, outstanding = connection.outstanding()
                assert written == number * (len(head) + LONG)
                assert 0 < outstanding < LONG
                await client.reader.readexactly(LONG)
                await until(lambda: not connection.outstanding()[1])

    run(ask)


@dataclass
class Told:
    """A connection as a test has it: bytes ever written, and those that the client has not."""

    now: tuple[int, int] = (0, 0)
    queue: list[object] = field(default_factory=list)

    def outstanding(self) -> tuple[int, int]:
        return self.now


@pytest.mark.parametrize(
    ("looks", "still"),
    [
        pytest.param([(9, 9), (9, 9)], True, id="nothing-moved"),
        pytest.param([(9, 9), (9, 8)], False, id="a-byte-was-taken"),
        pytest.param([(9, 9), (18, 9)], False, id="another-answer-as-long"),
        pytest.param([(9, 0), (9, 0)], False, id="all-was-taken"),
        pytest.param([(9, 9)], False, id="seen-once"),
    ],
)
def test_what_stands_still(looks: list[tuple[int, int]], *, still: bool) -> None:
    told = Told()
    flow = Flow(cast("JoinedWrites", told), told.queue)
    answers: list[Any] = []
    for told.now in looks:
        answers.append(flow.stands_still())
    assert answers == [False] * (len(looks) - 1) + [still]
