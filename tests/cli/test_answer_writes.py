"""What is written in a turn of the event loop leaves as one, and nothing is lost or reordered."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import closing
from typing import Any

import uvicorn

from app.cli.answer_guards import GuardedProtocol
from app.cli.answer_writes import JoinedWrites


class Sink(asyncio.Transport):
    """Keeps what arrives, a list of parts a call."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self.calls: list[bytes] = []
        self.ended = ""

    def writelines(self, parts: Any) -> None:  # noqa: ANN401 - asyncio's
        self.calls.append(b"".join(parts))

    def close(self) -> None:
        self.ended = "closed"

    def is_closing(self) -> bool:
        return bool(self.ended)

    def abort(self) -> None:
        self.ended = "aborted"


def over(sink: Sink, act: Callable[[JoinedWrites], None]) -> list[bytes]:
    """Write within one turn; gives the calls that had arrived by its end."""

    async def run() -> list[bytes]:
        act(JoinedWrites(sink))
        early = list(sink.calls)
        await asyncio.sleep(0)
        return early

    return asyncio.run(run())


def test_what_is_written_in_a_turn_leaves_as_one() -> None:
    sink = Sink()

    def act(joined: JoinedWrites) -> None:
        joined.write(b"head")
        joined.write(b"body")

    assert over(sink, act) == []
    assert sink.calls == [b"headbody"]


def test_what_is_long_does_not_wait() -> None:
    sink = Sink()

    def act(joined: JoinedWrites) -> None:
        joined.write(b"x" * 65_536)
        joined.write(b"y")
        joined.write(b"z")

    assert [len(one) for one in over(sink, act)] == [65_537]
    assert b"".join(sink.calls) == b"x" * 65_536 + b"yz"


def test_closing_sends_first_and_aborting_does_not() -> None:
    closed, aborted = Sink(), Sink()

    def close(joined: JoinedWrites) -> None:
        joined.write(b"last")
        joined.close()

    def abort(joined: JoinedWrites) -> None:
        joined.write(b"lost")
        joined.abort()

    assert over(closed, close) == [b"last"]
    over(aborted, abort)
    assert (closed.ended, aborted.ended, aborted.calls) == ("closed", "aborted", [])


def test_what_comes_after_the_client_went_away_is_dropped() -> None:
    sink = Sink()

    def act(joined: JoinedWrites) -> None:
        joined.write(b"late")
        sink.ended = "lost"

    over(sink, act)
    assert sink.calls == []


async def hello(_scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
    head = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}
    await send(head)
    await send({"type": "http.response.body", "body": b"hello"})


def served(
    act: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, bytes]],
) -> bytes:
    """Serve `hello` by the protocol and let a client act."""

    async def run() -> bytes:
        config = uvicorn.Config(
            hello, http=GuardedProtocol, ws="none", lifespan="off", log_config=None
        )
        server = uvicorn.Server(config)
        config.load()
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(
            lambda: GuardedProtocol(config, server.server_state, {}), "127.0.0.1", 0
        )
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with closing(listening), closing(writer):
            return await act(reader, writer)

    return asyncio.run(run())


def test_requests_one_behind_the_other_are_answered_in_order() -> None:
    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        ask = b"GET / HTTP/1.1\r\nHost: a\r\n"
        writer.write(ask + b"\r\n" + ask + b"Connection: close\r\n\r\n")
        return await reader.read()  # to the end: the last one closes

    told = served(act)
    assert told.count(b"HTTP/1.1 200 OK") == 2
    assert told.count(b"\r\n\r\nhello") == 2
    assert told.endswith(b"hello")
