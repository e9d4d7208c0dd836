"""A connection to a service that answers as the test says, on a real port."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn
import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from app.cli.answer_guards import GuardedProtocol

LOOK_S = 0.1
LONG_S = 5 * LOOK_S
"""More than anybody may owe anything."""

PATIENCE_S = 20.0
"""Until a test that waits for what does not come has failed."""

ASK = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
BUFFER = 65_536
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


class Quick(GuardedProtocol):
    """The service's protocol, in a hurry."""

    look_s = LOOK_S
    linger_s = LOOK_S


class Calm(GuardedProtocol):
    """The same, looking seldom enough that a request is whole between two looks."""

    look_s = 0.5
    linger_s = 60.0


@dataclass
class Echo:
    """Answers what it was asked, one whenever `gate` lets one through.

    It waits for `late_s` seconds before it reads, or does not read where it is `early`; between
    the head and the body of its answer it waits for `slow_s`.
    """

    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1_000_000))
    late_s: float = 0.0
    slow_s: float = 0.0
    early: bool = False
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.append(scope["path"])
        await asyncio.sleep(self.late_s)
        told: dict[str, Any] = {"path": scope["path"], "bytes": 0}
        more = not self.early
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.ended.append(scope["path"])
                return
            told["bytes"] += len(message["body"])
            more = message["more_body"]
        await self.gate.acquire()
        told["headers"] = [name.decode() for name, _ in scope["headers"]]
        body = json.dumps(told).encode()
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await asyncio.sleep(self.slow_s)
        await send({"type": "http.response.body", "body": body})


@dataclass
class Client:
    """One connection, and what the service has of it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    protocol: GuardedProtocol

    def send(self, data: bytes) -> None:
        """Send, whenever the system takes it."""
        self.writer.write(data)

    async def answer(self) -> tuple[int, dict[str, Any]]:
        """Read one answer: its status and its body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = head.partition("content-length: ")[2].partition("\r\n")[0]
        body = await self.reader.readexactly(int(length or 0))
        return int(head.split()[1]), json.loads(body or b"{}")

    async def rest(self) -> bytes:
        """Read to the end of the connection; a reset is one for who did not stop sending."""
        with suppress(ConnectionResetError):
            return await self.reader.read()
        return b""

    async def dribble(self, piece: bytes) -> None:
        """Send a little, again and again, until the service goes away."""
        while not self.reader.at_eof() and not self.writer.is_closing():
            self.send(piece)
            await asyncio.sleep(LOOK_S / 2)


@asynccontextmanager
async def served(
    app: ASGIApp, protocol: type[GuardedProtocol] = Quick, keep_alive_s: int = 60
) -> AsyncIterator[Client]:
    """Serve by the protocol, and connect once, with small buffers of the system at both ends."""
    config = uvicorn.Config(
        app, ws="none", lifespan="off", log_config=None, timeout_keep_alive=keep_alive_s
    )
    config.load()
    state = uvicorn.Server(config).server_state
    loop = asyncio.get_running_loop()
    made: asyncio.Future[GuardedProtocol] = loop.create_future()

    def make() -> GuardedProtocol:
        made.set_result(protocol(config, state, {}))
        return made.result()

    place = socket.create_server(("127.0.0.1", 0))
    place.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    listening = await loop.create_server(make, sock=place)
    here = socket.socket()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    here.settimeout(0)
    await loop.sock_connect(here, place.getsockname())
    reader, writer = await asyncio.open_connection(sock=here)
    with closing(listening), closing(writer):
        async with asyncio.timeout(PATIENCE_S):
            yield Client(reader, writer, await made)


def run(act: Callable[[], Awaitable[None]]) -> None:
    """Run on the loop of the service."""

    async def main() -> None:
        await act()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def asks(first: int, after: int) -> bytes:
    """Write requests that tell their numbers."""
    return b"".join(ASK % number for number in range(first, after))


async def until(condition: Callable[[], bool]) -> None:
    """Wait as long as it takes; `served` has a time-out."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.005)


async def refused(client: Client, status: int, code: str) -> None:
    """Expect a problem, and the end of the connection."""
    told, problem = await client.answer()
    assert (told, problem["status"], problem["code"]) == (status, status, code)
    assert problem["request_id"]
    assert await client.rest() == b""
