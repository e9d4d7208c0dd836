"""What surrounds every request: its id, its log line, its figures and the headers of its answer.

Pure ASGI, because Starlette's `BaseHTTPMiddleware` loses contexts and disconnects. A client that
goes away is no error: the answer has nowhere to go, and nothing here waits for it.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from secrets import token_hex
from time import perf_counter
from typing import Final
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import telemetry

SLASH: Final = "\ufdd0"
"""Stands for `%2F` in a path until the route has matched; a noncharacter, so in no valid id."""

_SLASH_QUOTED: Final = b"%EF%B7%90"
_ENCODED_SLASH: Final = re.compile(rb"%2[fF]")
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_LONGEST_ID: Final = 128
_NO_STORE: Final = (b"cache-control", b"no-store")
_NOSNIFF: Final = (b"x-content-type-options", b"nosniff")
_KEY: Final = "aval.trace"

_log = telemetry.BoundOnce(__name__)


@dataclass(slots=True)
class Trace:
    """What is known of one request: its id, who asks (authentication sets it), the status sent.

    `client` is the name of an API key or a token's `client_id`, never a person; `status` is 0
    until an answer has begun.
    """

    request_id: str
    client: str | None = None
    status: int = 0


@lru_cache(maxsize=64)
def _on_the_wire(name: str) -> bytes:
    return name.lower().encode("latin-1")


def headers_named(scope: Scope, name: str) -> list[bytes]:
    """Find the values of a header, whatever its case, in the order they were sent."""
    wanted = _on_the_wire(name)
    return [value for known, value in scope["headers"] if known == wanted]


def trace_of(scope: Scope) -> Trace:
    """Return the request's trace; outside the middleware (a bare test application) an empty one."""
    found: Trace = scope.setdefault(_KEY, Trace(""))
    return found


def route_template(scope: Scope) -> str:
    """Return the path with its parameters' names (`/v1/customers/{customer_id}`), or `unmatched`.

    Included routers know their own half only; FastAPI keeps the whole in the effective context.
    """
    whole = scope.get("fastapi", {}).get("effective_route_context")
    template = getattr(whole or scope.get("route"), "path_format", None)
    return template or "unmatched"


class RequestMiddleware:
    """Give each HTTP request an id, count and log its answer, and forbid storing it.

    `X-Request-ID` is taken when it is 1 to 128 printable ASCII characters, otherwise replaced.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Draw the process's part of made ids once: randomness costs a system call each time."""
        self.app = app
        self._prefix = token_hex(8)
        self._number = count(1).__next__

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; its answer leaves with the house's headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started_s = perf_counter()
        trace = Trace(_taken(scope) or f"{self._prefix}-{self._number():x}")
        scope[_KEY] = trace
        _keep_slashes(scope)

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                trace.status = message["status"]
                message["headers"] = _marked(message.get("headers", ()), trace.request_id)
            await send(message)

        token = telemetry.REQUEST_ID.set(trace.request_id)
        try:
            await self.app(scope, receive, send_marked)
        finally:
            _tell(scope, trace, perf_counter() - started_s)
            telemetry.REQUEST_ID.reset(token)


def _taken(scope: Scope) -> str | None:
    given = headers_named(scope, "x-request-id")
    if not given:
        return None
    text = given[0].decode("latin-1")
    good = 0 < len(text) <= _LONGEST_ID and text.isascii() and text.isprintable()
    return text if good else None


def _keep_slashes(scope: Scope) -> None:
    """Let an id with a slash stay one path segment: servers decode `%2F` before routing."""
    raw: bytes = scope.get("raw_path") or b""
    if b"%2" in raw and _ENCODED_SLASH.search(raw):
        scope["path"] = unquote(_ENCODED_SLASH.sub(_SLASH_QUOTED, raw).decode("latin-1"))


def _marked(
    headers: list[tuple[bytes, bytes]] | tuple[()], request_id: str
) -> list[tuple[bytes, bytes]]:
    marked = [*headers, (b"x-request-id", request_id.encode("latin-1")), _NOSNIFF]
    if b"cache-control" not in [name for name, _ in headers]:
        marked.append(_NO_STORE)
    return marked


def _tell(scope: Scope, trace: Trace, seconds: float) -> None:
    # Nothing sent means that an exception passed through or the task was cancelled.
    status = trace.status or 500
    method = scope["method"] if scope["method"] in _METHODS else telemetry.OTHER
    route = route_template(scope)
    telemetry.count_request(route, method, str(status), seconds)
    _log.info(
        "request",
        method=method,
        route=route,
        status=status,
        ms=round(seconds * 1000, 2),
        client=trace.client,
    )
