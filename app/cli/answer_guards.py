"""What one connection may hold and for how long, before anybody knows who is behind it.

uvicorn reads on while requests wait behind one that is being answered, takes heads of any length,
lets trailers pass for headers, and waits without end for the rest of a request. Whatever ends
a connection here is answered in its turn: behind the requests that came before it.
"""

import asyncio
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, ClassVar, Final, NoReturn

import httptools
import orjson
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from app import telemetry
from app.api.problems import MEDIA_TYPE, render
from app.cli.answer_flow import Flow
from app.cli.answer_upgrades import feed
from app.cli.answer_writes import JoinedWrites
from app.domain.errors import BadRequestError, CreditError, TooManyRequestsError

MOST_HEAD_BYTES: Final = 65_536
"""Longest head of a request, inclusive; of trailers, which are dropped, up to a read more."""

MOST_HEADERS: Final = 256
"""Most fields of a head, inclusive: one of four bytes takes two hundred once it was read."""

MOST_QUEUED: Final = 64
"""Most requests of one connection, inclusive, that wait behind the one that is being answered.

Clients that send several ahead send a dozen; one read may hold fourteen thousand.
"""

_LOOK_S: Final = 20.0
_LINGER_S: Final = 1.0

_ENOUGH_BYTES: Final = 65_536
"""Who sent more than this from one look to the next is slow, not silent: 3 kB a second."""

_NOTHING: Final = -1

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a connection is ended with; the status is HTTP's own, the code one of the API's."""

    status: int
    error: CreditError


UNREADABLE: Final = Refusal(400, BadRequestError("this is not HTTP/1.1"))
LATE: Final = Refusal(408, BadRequestError("the request did not arrive in time"))
CROWDED: Final = Refusal(
    429,
    TooManyRequestsError(f"more than {MOST_QUEUED} requests wait behind another on a connection"),
)
HEAD_TOO_LARGE: Final = Refusal(
    431,
    BadRequestError(
        f"the head is longer than {MOST_HEAD_BYTES} bytes or has more than {MOST_HEADERS} fields"
    ),
)


class _StoppedError(Exception):
    """Ends the parser from within what it calls; why is in the protocol."""


class _Dropped(list[tuple[bytes, bytes]]):
    """Where uvicorn puts trailers: nowhere."""

    def append(self, _: tuple[bytes, bytes], /) -> None:
        pass


_TRAILERS: Final = _Dropped()


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds; it knows no websockets.

    Every `look_s` seconds a connection is looked at: what a client owed already at the look before
    (the first request, the rest of a head or of a body) is late. So each of these may take from
    `look_s` to twice that, and no request sets a timer. Who reads none of an answer for as long is
    cut off. After a refusal there are `linger_s` seconds to read it.
    """

    look_s: ClassVar[float] = _LOOK_S
    linger_s: ClassVar[float] = _LINGER_S

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Take what uvicorn gives each connection."""
        super().__init__(config, server_state, app_state, _loop)
        self.headers = []
        self._headed: object = None  # the newest scope whose head is complete
        self._heads = 0  # heads that were complete; 0: there is no cycle yet
        self._unended = 0  # bytes since a head, a message or a piece of a body ended
        self._heard = 0  # bytes since the last look
        self._owed = _NOTHING  # what the client owed then
        self._timer: asyncio.TimerHandle | None = None
        self._fault: Refusal | None = None  # why the parser was stopped
        self._refusal: Refusal | None = None  # what the connection ends with
        self._fresh: asyncio.Task[None] | None = None  # begun by this read, and so not yet at work

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - uvicorn narrows it
        """Begin, and wait for the first request; what is written within a turn leaves as one."""
        connection = JoinedWrites(transport)
        super().connection_made(connection)
        self.flow = self._flow = Flow(connection, self.pipeline)
        self._timer = self.loop.call_later(self.look_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; then either an answer is owed to the client, or it owes the rest in time."""
        if self._refusal is not None:
            return  # what follows a fault is no request; it is read so that the answer arrives
        self._unended += len(data)
        self._heard += len(data)
        self._fresh = None
        try:
            feed(self, data)
        except httptools.HttpParserError:
            self._refuse(self._fault or UNREADABLE)
            return
        cycle, known = self.cycle, self.scope is self._headed
        if known and self._heads and not (cycle.more_body or cycle.response_complete):
            self._unended = 0
            self._unset_keepalive_if_required()
        elif self._unended > MOST_HEAD_BYTES or len(self.headers) > MOST_HEADERS:
            self._refuse(HEAD_TOO_LARGE)
        elif not (known and self._heads and cycle.response_complete):
            # else it is the rest of what was answered, and keep-alive goes on
            self._unset_keepalive_if_required()

    def on_headers_complete(self) -> None:
        """Begin to answer, or queue; what comes by `on_header` after this are trailers.

        They are dropped: who takes a header out before it comes here does not look for it there.
        """
        if len(self.headers) > MOST_HEADERS or (
            # else no need to count: a read is seldom that long
            self._unended > MOST_HEAD_BYTES and self._head_bytes() > MOST_HEAD_BYTES
        ):
            self._stop(HEAD_TOO_LARGE)
        if len(self.pipeline) >= MOST_QUEUED:
            self._stop(CROWDED)
        super().on_headers_complete()
        self.headers = _TRAILERS
        self._headed, self._unended = self.scope, 0
        self._heads += 1

    def _start_asgi_task(
        self,
        cycle: RequestResponseCycle,
        app: Any,  # noqa: ANN401 - its type is private to uvicorn
    ) -> None:
        """Begin as uvicorn does, and keep what was begun."""
        self._fresh = self.loop.create_task(cycle.run_asgi(app))
        self._fresh.add_done_callback(self.tasks.discard)
        self.tasks.add(self._fresh)

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body: what comes between pieces is counted anew."""
        self._unended = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a message; one that offers another protocol ends where its body does."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, or say at last what the connection ends with."""
        if self._refusal is None or self.pipeline:
            super().on_response_complete()
        elif not self.transport.is_closing():
            self._tell(self._refusal)

    def _head_bytes(self) -> int:
        fields = sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)
        return len(self.url) + fields

    def _stop(self, fault: Refusal) -> NoReturn:
        self._fault = fault
        raise _StoppedError

    def _refuse(self, refusal: Refusal) -> None:
        """Begin no request any more, and end with a refusal once those before it are answered."""
        self._refusal = refusal
        self._unset_keepalive_if_required()
        self.headers.clear()  # they may be many, and its turn may be far
        cycle, turn = self.cycle, True
        if self.scope is not self._headed:  # the fault is in a head, and so behind all others
            turn = not self._heads or cycle.response_complete
        elif self.pipeline:  # it is in the body of the newest, which now must not begin
            self.pipeline.popleft()
            turn = False
        elif self._heads and cycle.response_started:
            self.transport.close()  # that was its one answer
            return
        elif self._heads:
            if self._fresh is not None:
                self._fresh.cancel()  # nothing is done that the client hears was refused
            cycle.disconnected = True  # who waits for its body waits no more, and says no more
            cycle.waiting_for_100_continue = False
            cycle.message_event.set()
        if turn:
            self._tell(refusal)

    def _tell(self, refusal: Refusal) -> None:
        """Answer, and close a little later: a reset would overtake what is still on its way."""
        request_id, status = token_hex(8), str(refusal.status)
        body = orjson.dumps({**render(refusal.error, request_id), "status": refusal.status})
        headers = [
            *self.server_state.default_headers,
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            (b"x-request-id", request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
        ]
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.flow.resume_reading()  # what is not read when it is closed would reset it
        self.transport.write(b"".join([STATUS_LINE[refusal.status], *lines, b"\r\n", body]))
        self.loop.call_later(self.linger_s, self.transport.close)
        telemetry.REQUESTS.labels("unmatched", telemetry.OTHER, status).inc()
        token = telemetry.REQUEST_ID.set(request_id)
        _log.info("connection_refused", status=refusal.status, detail=refusal.error.detail)
        telemetry.REQUEST_ID.reset(token)

    def _look(self) -> None:
        """See what stands still; goes on until the connection is lost, closed or not."""
        if self._flow.stands_still():
            _log.info("connection_unread")
            self.transport.abort()
            return
        self._timer = self.loop.call_later(self.look_s, self._look)
        if self._refusal is None and not self.transport.is_closing():
            self._look_for_what_is_owed()

    def _look_for_what_is_owed(self) -> None:
        cycle, known = self.cycle, self.scope is self._headed
        begun = self._heads > 0
        done = known and begun and (cycle.response_complete or not cycle.more_body)
        owed = _NOTHING if done or self._holds() else 2 * self._heads + known
        late = owed != _NOTHING and owed == self._owed and self._heard <= _ENOUGH_BYTES
        self._owed, self._heard = owed, 0
        if late and known and not begun:
            self.transport.close()  # nothing was begun that could be answered
        elif late:
            self._fresh = None
            self._refuse(LATE)

    def _holds(self) -> bool:
        """Say whether the client cannot go on: nothing is read, or it waits for us to speak."""
        cycle = self.cycle
        return self.flow.read_paused or (
            self._heads > 0
            and not cycle.response_complete
            and (cycle.response_started or cycle.waiting_for_100_continue)
        )
