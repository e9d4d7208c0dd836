"""A database that hangs: what waits for it in threads that everybody needs is freed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

import structlog

from app.store.database import Database
from app.usecases.apart import FOR_LANES, FOR_ORDERS, LOOK_UPS, READINESS, Apart

MOST_S: Final = 60.0
"""Longer than what is done in such a thread takes: a statement has 30 s, most have less."""

_EVERY_S: Final = 5.0

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class HangWatch:
    """Cuts the connections of `database` when one of `threads` hangs; among what starts and stops.

    What hangs on is given as long again, and its connections are cut again: it may have connected
    anew to the same server. What hangs for another reason costs a cut each time, and no more.
    """

    database: Database
    threads: Sequence[Apart] = (FOR_LANES, LOOK_UPS, READINESS, FOR_ORDERS)
    most_s: float = MOST_S
    every_s: float = _EVERY_S
    _cut_at: float = float("-inf")
    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._work(), name="hangs")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def alive(self) -> bool:
        """Say whether it looks."""
        return self._task is not None and not self._task.done()

    def look(self) -> None:
        """Look now."""
        now = monotonic()
        begun = [max(since, self._cut_at) for one in self.threads for since in one.since()]
        if begun and now - min(begun) > self.most_s:
            self._cut_at = now
            _log.error("database_hangs", cut=self.database.cut(), longest_s=round(now - min(begun)))

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(self.every_s)
            self.look()
