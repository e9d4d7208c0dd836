"""The API's server of one process: opens, says so, and drains before it ends."""

import asyncio
import math
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final

import uvicorn

from app.cli.answer_guards import GuardedProtocol
from app.cli.answer_memory import Memory, share_arena
from app.cli.answer_pages import use_large_pages
from app.cli.failures import RefusedError
from app.cli.signals import endings
from app.composition import Composition
from app.main import application, tune_memory

_TIDY_TICKS: Final = 10
"""Ticks of the server, a tenth of a second each, between looks whether the process has grown."""

_KEEP_ALIVE_S: Final = 75
"""Longer than the minute after which balancers drop an idle connection."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where to answer, the longest wait for what is in flight (seconds), and who hears of it."""

    sock: socket.socket
    shutdown_s: float
    opened: Callable[[], None]


class ApiServer(uvicorn.Server):
    """Is not ready from the signal on, then drains."""

    def __init__(self, parts: Composition, door: Door) -> None:
        """Prepare; nothing is answered before `answer`."""
        share_arena()
        config = uvicorn.Config(
            application(parts),
            loop="uvloop",
            http=GuardedProtocol,
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=math.ceil(door.shutdown_s),
        )
        super().__init__(config)
        self._door = door
        self._readiness = parts.desk.check_readiness

    async def answer(self) -> None:
        """Answer until a signal or `end`, then drain.

        Raises:
            RefusedError: The application did not start.

        """
        try:
            await self.serve([self._door.sock])
        except SystemExit:
            raise RefusedError("the service did not start; the log says why") from None

    def end(self) -> None:
        """Begin to drain; `answer` returns when nothing is in flight any more."""
        self._readiness.open = False
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open, then settle what was made until now: it stays for good."""
        await super().startup(sockets)
        tune_memory()
        use_large_pages()
        self._memory = Memory()
        self._door.opened()

    async def on_tick(self, counter: int) -> bool:
        """Do what the server does ten times a second; now and then give memory back."""
        if counter % _TIDY_TICKS == 0:
            resting = not self.server_state.tasks
            if self._memory.untidy(resting=resting):
                # others run while the C library looks for holes
                await asyncio.to_thread(self._memory.tidy, resting=resting)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain on a signal."""
        self._readiness.open = False
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals while it answers: the first drains, a second SIGINT does not wait for that.

        The library raises the signal again when it has drained, which would end the process before
        the database is stopped.
        """
        before = {number: signal.signal(number, self.handle_exit) for number in endings()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
