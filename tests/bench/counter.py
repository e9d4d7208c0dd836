"""A server that answers as a test tells it to, over real sockets, one request at a time."""

import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

Respond = Callable[[int], list[bytes]]
"""Makes the pieces of the answer to the n-th request, counted from 0 over all connections."""


def ok(body: bytes) -> bytes:
    """Write a whole answer of status 200."""
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


@contextmanager
def serving(respond: Respond, stalls: dict[int, float] | None = None) -> Iterator[int]:
    """Answer until the block ends; `stalls` are seconds that all wait at the n-th request."""
    turn, numbers = threading.Lock(), count()

    class _Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                length = 0
                while line not in {b"\r\n", b""}:
                    name, _, value = line.partition(b":")
                    length = int(value) if name == b"Content-Length" else length
                    line = self.rfile.readline()
                self.rfile.read(length)
                with turn:
                    number = next(numbers)
                    time.sleep((stalls or {}).get(number, 0.0))
                for piece in respond(number):
                    if not piece:
                        return
                    self.wfile.write(piece)
                    self.wfile.flush()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
