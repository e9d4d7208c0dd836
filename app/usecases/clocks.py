"""Keep a process at the database's clock: what ends, ends by one clock, whoever began it."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from app.domain.errors import BusyError
from app.store.clock import ServerClock
from app.store.database import Database
from app.telemetry import CLOCK_AHEAD

_EVERY_S: Final = 60.0
_WRONG: Final = timedelta(seconds=1)
"""Clocks that differ by more are told in the log: somebody should set them."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ClockWatch:
    """Compares the clocks at the start, and every minute."""

    database: Database
    clock: ServerClock
    every_s: float = _EVERY_S
    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Compare them once before anything is answered, then go on."""
        await asyncio.to_thread(self.look)
        self._task = asyncio.create_task(self._work(), name="clock")

    async def stop(self) -> None:
        """Compare them no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def alive(self) -> bool:
        """Say yes: without it the process goes on by what it knew."""
        return True

    def look(self) -> None:
        """Compare them now; where the database is out of reach, nothing changes."""
        try:
            with self.database.read() as tx:
                ahead = self.clock.measure(tx)
        except BusyError as trouble:
            _log.warning("clock_not_compared", reason=trouble.detail)
            return
        CLOCK_AHEAD.set(ahead.total_seconds())
        if abs(ahead) > _WRONG:
            _log.warning("clocks_differ", database_ahead_s=round(ahead.total_seconds(), 3))

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(self.every_s)
            # its own task: whatever it raises is told here, and never ends the watch
            looking = asyncio.create_task(asyncio.to_thread(self.look))
            await asyncio.wait([looking])
            if trouble := looking.exception():
                _log.error("clock_not_compared", exc_info=trouble)
