"""Requests that offer another protocol are answered in this one, with their bodies.

Java's HttpClient offers HTTP/2 (`Upgrade: h2c`) with the first request of a connection, whatever it
sends. The parser takes all behind such a head for the other protocol, and uvicorn would answer a
request without its body (https://github.com/encode/uvicorn/discussions/2722).
"""

from collections.abc import Iterable
from typing import Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


class _Rest:
    """Hears of a request whose head was heard already; of those that follow it hears all."""

    def __init__(self, protocol: HttpToolsProtocol) -> None:
        self._to = protocol
        self._known = True
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        if not self._known:
            self._to.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._known:
            self._to.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._known:
            self._to.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._known:
            self._to.on_headers_complete()
        self._known = False


def feed(protocol: HttpToolsProtocol, data: bytes) -> None:
    """Let a protocol's parser have what came; behind an offer it goes on as if there were none.

    The protocol must take no message as complete while its parser says `should_upgrade()`.

    Raises:
        HttpParserError: What came is not HTTP.

    """
    rest = memoryview(data)
    while rest:
        try:
            protocol.parser.feed_data(rest)
        except httptools.HttpParserUpgrade as offer:
            rest = rest[offer.args[0] :]
            protocol.parser = httptools.HttpRequestParser(_Rest(protocol))
            protocol.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            protocol.parser.feed_data(_head(protocol.scope["headers"]))
        else:
            return


def _head(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write a head that says how long the body is, and nothing else."""
    framing = [b"%b: %b\r\n" % one for one in headers if one[0] in _FRAMING]
    return b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(framing)
