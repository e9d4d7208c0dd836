"""The service on a real port, in a thread of the test, and a clock that tests set."""

import asyncio
import socket
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

import uvicorn
from fastapi import FastAPI

PATIENCE_S = 30.0

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of `http://` addresses: else each reads all of the system's certificates."""


@dataclass(slots=True)
class Clock:
    """A clock for `now`: stands still until a test moves it."""

    at: datetime = field(default_factory=lambda: datetime(2026, 6, 15, 4, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.at

    def advance(self, **step: float) -> None:
        """Move forward; the arguments are those of `timedelta`."""
        self.at += timedelta(**step)


class _Server(uvicorn.Server):
    """A server that ends at once: its clients are gone before."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()
        self.over = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        self.loop = asyncio.get_running_loop()
        self.up.set()
        await self.over.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self.lifespan.shutdown()
        for sock in sockets or []:
            sock.close()


class ServiceThread:
    """An application served by uvicorn on a free port of 127.0.0.1 while the block lasts."""

    def __init__(self, app: FastAPI) -> None:
        """Take a port; nothing is answered before the block begins."""
        config = uvicorn.Config(app, access_log=False, log_config=None, lifespan="on")
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._run, name="service", daemon=True)
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._sock.getsockname()[1]}"

    def _run(self) -> None:
        try:
            self._server.run([self._sock])
        finally:
            self._sock.close()
            self._server.up.set()

    def __enter__(self) -> Self:
        """Start, and wait until it answers.

        Raises:
            RuntimeError: It did not start.

        """
        self._thread.start()
        if not self._server.up.wait(PATIENCE_S) or not self._server.started:
            message = "the application did not start; its log says why"
            raise RuntimeError(message)
        return self

    def __exit__(self, *_: object) -> None:
        """Drain and stop.

        Raises:
            RuntimeError: It did not stop.

        """
        self._server.loop.call_soon_threadsafe(self._server.over.set)
        self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            message = "the application did not stop"
            raise RuntimeError(message)
