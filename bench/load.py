"""A closed loop of HTTP/1.1 clients: each sends its next request when it has its answer.

Latency therefore is what a client sees at that many connections, not at a given rate. It runs in
a process of its own; sockets are spoken to directly, so that the client costs little beside what
it measures.
"""

import asyncio
import gc
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from random import Random
from time import perf_counter
from typing import Final, cast

import uvloop

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END: Final = b"\r\n\r\n"
_CREATED: Final = b"201"
_OK: Final = b"200"
_PATIENCE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go; `token` is empty where none is needed."""

    port: int
    path: str
    token: str = ""

    def head(self, method: str = "POST") -> bytes:
        """Write the part of a request that never changes, the content type last."""
        lines = [f"{method} {self.path} HTTP/1.1", "Host: 127.0.0.1"]
        if self.token:
            lines.append(f"Authorization: Bearer {self.token}")
        lines.append("Content-Type: application/json")
        return "\r\n".join(lines).encode()


@dataclass(frozen=True, slots=True)
class Plan:
    """One measurement: orders of 10.00 for customers `B-0`, `B-1`, … below `customers`.

    `run` makes keys and orders unique; `warm_s` is driven before anything counts.
    """

    target: Target
    connections: int
    customers: int
    run: str
    seconds: float
    warm_s: float


@dataclass(slots=True)
class Tally:
    """Seconds of each answered request, answers that were not as wished, and time measured."""

    latencies_s: list[float] = field(default_factory=list)
    odd: int = 0
    seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        """Take over another round of the same measurement."""
        self.latencies_s.extend(other.latencies_s)
        self.odd += other.odd
        self.seconds += other.seconds

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / self.seconds if self.seconds else 0.0

    def percentile_ms(self, percent: float) -> float:
        """Give a percentile of the latencies (nearest rank), in milliseconds."""
        ordered = sorted(self.latencies_s)
        rank = min(len(ordered) - 1, int(len(ordered) * percent / 100))
        return ordered[rank] * 1000 if ordered else 0.0


def request(head: bytes, key: str, body: bytes) -> bytes:
    """Complete a request with its idempotency key and body."""
    return b"%b\r\nIdempotency-Key: %b\r\nContent-Length: %d\r\n\r\n%b" % (
        head,
        key.encode(),
        len(body),
        body,
    )


def orders(plan: Plan, place: int) -> Iterator[bytes]:
    """Write the requests of one connection: each a new order of a customer drawn uniformly."""
    draw = Random(f"{plan.run} {place}").randrange
    head = plan.target.head()
    for number in count():
        name = f"{plan.run}-{place}-{number}"
        body = (
            f'{{"customer_id":"B-{draw(plan.customers)}","check_point":"ORDER",'
            f'"order":{{"id":"{name}"}},"amount":{{"amount":"10.00","currency":"CNY"}}}}'
        )
        yield request(head, name, body.encode())


class _Client(asyncio.Protocol):
    """One connection; `tally` gets what is answered between `starts_s` and `ends_s`."""

    def __init__(
        self, requests: Iterator[bytes], tally: Tally, window_s: tuple[float, float]
    ) -> None:
        self._requests = requests
        self._tally = tally
        self._starts_s, self._ends_s = window_s
        self._read = bytearray()
        self._needed = 0
        self._sent_s = 0.0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._read += data
        if not self._needed:
            end = self._read.find(_END)
            length = _LENGTH.search(self._read, 0, end + 2) if end >= 0 else None
            if length is None:
                return
            self._needed = end + len(_END) + int(length[1])
        if len(self._read) >= self._needed:
            self._answered(bytes(self._read))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(exc or ConnectionError("the server closed the connection"))

    def _answered(self, answer: bytes) -> None:
        now_s = perf_counter()
        if self._sent_s >= self._starts_s and now_s <= self._ends_s:
            self._tally.latencies_s.append(now_s - self._sent_s)
            wished = answer[9:12] in {_OK, _CREATED} and b'"HOLD"' not in answer
            self._tally.odd += not wished
        self._read.clear()
        self._needed = 0
        self._send()

    def _send(self) -> None:
        following = next(self._requests, None)
        if following is None or perf_counter() >= self._ends_s:
            if not self.over.done():
                self.over.set_result(None)
            self._transport.close()
            return
        self._sent_s = perf_counter()
        self._transport.write(following)


async def _converse(
    port: int, sources: list[Iterator[bytes]], window_s: tuple[float, float]
) -> Tally:
    tally = Tally(seconds=window_s[1] - window_s[0])
    loop = asyncio.get_running_loop()
    clients = []
    for source in sources:
        made = partial(_Client, source, tally, window_s)
        clients.append((await loop.create_connection(made, "127.0.0.1", port))[1])
    async with asyncio.timeout(max(0.0, window_s[1] - perf_counter()) + _PATIENCE_S):
        await asyncio.gather(*(client.over for client in clients))
    return tally


def drive(plan: Plan) -> Tally:
    """Measure once; to be called in a process of its own.

    Raises:
        ConnectionError: The server closed a connection.
        TimeoutError: An answer took longer than 30 s.

    """
    gc.disable()
    sources = [orders(plan, place) for place in range(plan.connections)]
    starts_s = perf_counter() + plan.warm_s
    return uvloop.run(_converse(plan.target.port, sources, (starts_s, starts_s + plan.seconds)))


def send_all(port: int, requests: list[bytes], connections: int = 8) -> int:
    """Send requests that prepare a measurement, in any order; returns how many were refused."""
    sources = [iter(requests[place::connections]) for place in range(connections)]
    now_s = perf_counter()
    return uvloop.run(_converse(port, sources, (now_s, now_s + 60.0))).odd
