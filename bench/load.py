"""The load: HTTP/1.1 clients on keep-alive connections, in a process of its own.

Closed loop: each connection sends its next request when it has its answer, so latency is what a
client sees at that many connections. Open loop: requests are due by a fixed schedule, whatever
the server does, and latency counts from when a request was due; one that finds no free connection
waits, and its waiting counts. Sockets are spoken to directly, so that the clients cost little
beside what they measure. Needs Linux.
"""

import gc
import select
import socket
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from time import perf_counter
from typing import Final, Protocol

from bench.tallies import Tally

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length: "
_BUSY: Final = b"503"
_BUSY_ITEM: Final = b'"code":"busy"'
"""Stands once for each item of a large request that was shed while others were answered."""
_CHUNK: Final = 262_144
_PATIENCE_S: Final = 60.0


class Requests(Protocol):
    """Where requests come from; it travels to the load's process, so it must pickle."""

    @property
    def wanted(self) -> bytes:
        """What a good answer holds once an item; empty: any 2xx answer is one item."""
        ...

    @property
    def size(self) -> int:
        """How many items a request asks for."""
        ...

    def requests(self, place: int) -> Iterator[bytes]:
        """Give the requests of the connection number `place`."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """One measurement of `seconds` after `warm_s` that do not count.

    `each`: so many requests a connection instead, and all of them count. `rate`: an open loop of
    that many requests a second over all connections.
    """

    port: int
    source: Requests
    connections: int
    seconds: float
    warm_s: float = 0.0
    each: int | None = None
    rate: float | None = None


def due_times(rate: float, seconds: float) -> Iterator[float]:
    """Give when requests are due, in seconds from the start: evenly, the first at 0."""
    return (number / rate for number in range(int(rate * seconds)))


class _Client:
    """One connection with at most one request under way; `since_s` is when it began to wait."""

    __slots__ = ("_needed", "_read", "_rest", "_sock", "requests", "since_s")

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.setblocking(False)  # noqa: FBT003 - the standard library takes it by position
        self._read = b""
        self._rest = memoryview(b"")
        self._needed = 0
        self.requests = requests
        self.since_s = 0.0

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def send(self, request: bytes) -> bool:
        """Send a request; False: some of it waits for room, `flush` goes on with it."""
        sent = self._sock.send(request)
        self._rest = memoryview(request)[sent:]
        return not self._rest

    def flush(self) -> bool:
        self._rest = self._rest[self._sock.send(self._rest) :]
        return not self._rest

    def receive(self) -> bytes | None:
        """Read what is there; the whole answer, once it is whole."""
        got = self._sock.recv(_CHUNK)
        if not got:
            message = "the server closed the connection"
            raise ConnectionError(message)
        read = self._read = self._read + got if self._read else got
        if not self._needed:
            end, at = read.find(_END), read.find(_LENGTH)
            if end < 0 or at < 0:
                return None
            at += len(_LENGTH)
            self._needed = end + len(_END) + int(read[at : read.find(b"\r", at)])
        if len(read) < self._needed:
            return None
        self._read, self._needed = b"", 0
        return read


class _Drive:
    """The clients of one measurement and what they count."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._wanted, self._size = plan.source.wanted, plan.source.size
        self._poll = select.epoll()
        self._clients: dict[int, _Client] = {}
        for place in range(plan.connections):
            requests = islice(plan.source.requests(place), plan.each)
            client = _Client(plan.port, requests)
            self._clients[client.fileno()] = client
            self._poll.register(client.fileno(), select.EPOLLIN)
        self.tally = Tally()
        self._first_s = perf_counter()
        self._starts_s = self._first_s + plan.warm_s
        endless = plan.each is None
        self._ends_s = self._starts_s + plan.seconds if endless else float("inf")
        self._last_s = self._first_s + plan.warm_s + (plan.seconds if endless else 0)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        self._poll.close()

    def closed_loop(self) -> None:
        busy = 0
        for client in self._clients.values():
            busy += self._ask_next(client)
        while busy:
            for client in self._answered(1.0):
                busy -= not self._ask_next(client)

    def _ask_next(self, client: _Client) -> bool:
        """Send a client's next request; False: it has none, or the time is over."""
        if perf_counter() >= self._ends_s:
            return False
        request = next(client.requests, None)
        if request is not None:
            self._send(client, request, perf_counter())
        return request is not None

    def open_loop(self, rate: float) -> None:
        plan = self._plan
        dues = deque(due_times(rate, plan.warm_s + plan.seconds))
        idle = deque(self._clients.values())
        total = len(idle)
        while dues or len(idle) < total:
            now_s = perf_counter() - self._first_s
            while dues and idle and dues[0] <= now_s:
                client = idle.popleft()
                self._send(client, next(client.requests), self._first_s + dues.popleft())
            wait_s = max(0.0, dues[0] - now_s) if dues and idle else 1.0
            # unlike epoll's, its time-out is in µs
            ready, _, _ = select.select([self._poll], [], [], wait_s)
            if ready or not dues or not idle:
                idle.extend(self._answered(0))

    def _send(self, client: _Client, request: bytes, since_s: float) -> None:
        client.since_s = since_s
        if not client.send(request):
            self._poll.modify(client.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _answered(self, wait_s: float) -> Iterator[_Client]:
        """Give the clients that have their answer, which is counted."""
        for number, event in self._poll.poll(wait_s):
            client = self._clients[number]
            if event & select.EPOLLOUT and client.flush():
                self._poll.modify(number, select.EPOLLIN)
            if event & ~select.EPOLLOUT:
                answer = client.receive()
                if answer is not None:
                    self._count(answer, client.since_s)
                    yield client
        if perf_counter() > self._last_s + _PATIENCE_S:
            message = f"an answer took longer than {_PATIENCE_S:.0f} s"
            raise TimeoutError(message)

    def _count(self, answer: bytes, since_s: float) -> None:
        now_s = perf_counter()
        tally = self.tally
        if self._plan.each is not None:
            self._last_s = now_s
        good = answer[9:10] == b"2"
        items = good * (answer.count(self._wanted) if self._wanted else self._size)
        tally.done += items
        if self._starts_s <= now_s <= self._ends_s:
            tally.items += items
        if self._starts_s <= since_s <= self._ends_s:
            tally.latencies_s.append(now_s - since_s)
        if not good or items != self._size:
            whole = answer[9:12] == _BUSY
            shed = self._size if whole else answer.count(_BUSY_ITEM)
            tally.shed += shed
            tally.odd += not whole and items + shed != self._size

    def finish(self) -> Tally:
        whole = self._plan.each is not None
        self.tally.seconds = self._last_s - self._starts_s if whole else self._plan.seconds
        return self.tally


def drive(plan: Plan) -> Tally:
    """Measure once; to be called in a process of its own.

    Raises:
        ConnectionError: The server closed a connection.
        TimeoutError: An answer came more than a minute too late.

    """
    gc.disable()
    run = _Drive(plan)
    began_s = time.process_time()
    try:
        if plan.rate is None:
            run.closed_loop()
        else:
            run.open_loop(plan.rate)
    finally:
        run.close()
        gc.enable()
    tally = run.finish()
    tally.load_s = time.process_time() - began_s
    return tally
