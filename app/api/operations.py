"""The operations port: `/metrics`, apart from the API's port and without a token."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from prometheus_client import REGISTRY, CollectorRegistry, make_asgi_app
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.figures import AddedUp

_START_S: Final = 5.0


class PortTakenError(Exception):
    """The operations port cannot be listened on; one line that names address and cause."""


def create_operations_app(multiprocess_dir: str | None = None) -> ASGIApp:
    """Build the application; with `multiprocess_dir` it adds what child processes wrote there.

    `multiprocess_dir` is the `PROMETHEUS_MULTIPROC_DIR` of the children, which must be in their
    environment before they first import `prometheus_client`, and must not be in this one's.
    """
    registry: CollectorRegistry = REGISTRY
    if multiprocess_dir:
        registry = CollectorRegistry()
        registry.register(AddedUp(REGISTRY, multiprocess_dir))
    metrics: ASGIApp = make_asgi_app(registry)
    return Starlette(routes=[Route("/metrics", _Endpoint(metrics), methods=["GET"])])


class _Endpoint:
    """An ASGI application as a route's endpoint: a function would be taken for a handler."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def listen(host: str, port: int, setting: str = "AVAL_OPS_PORT") -> socket.socket:
    """Take the port, before anything else is started that would have to be undone.

    `setting` is the variable that chooses it, for the person who reads that it is taken.

    Raises:
        PortTakenError: Another program has it, or the address is not this machine's.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen()
    except OSError as bad:
        sock.close()
        line = f"operations port {host}:{port}: {bad.strerror}; {setting} chooses another"
        raise PortTakenError(line) from None
    sock.setblocking(False)  # noqa: FBT003 - the standard library takes it by position
    return sock


class _Server(uvicorn.Server):
    """A second server in one process: signals belong to the first."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answers.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class OperationsServer:
    """Serves the operations application in the running loop, on a socket from `listen`."""

    def __init__(self, app: ASGIApp, sock: socket.socket) -> None:
        """Prepare; nothing is answered before `start`."""
        config = uvicorn.Config(
            app, lifespan="off", access_log=False, log_config=None, server_header=False
        )
        self._server = _Server(config)
        self._sock = sock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to answer; returns when it does.

        Raises:
            TimeoutError: It did not within 5 seconds.

        """
        self._task = asyncio.create_task(self._server.serve([self._sock]))
        async with asyncio.timeout(_START_S):
            await self._server.answers.wait()

    async def stop(self) -> None:
        """Answer what is in flight and close; a second time is a no-op."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
            self._task = None
        self._sock.close()
