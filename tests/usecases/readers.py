"""The reads of ERP and CRM, each over a lane of its own, for tests that are not asynchronous."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from app.domain.callers import Caller
from app.domain.scores import StoredScore
from app.store.database import Database
from app.store.read_lane import ReadConnection
from app.usecases.accounts import AccountView
from app.usecases.read_lane import ReadLane
from app.usecases.reads import Card, Reads
from app.usecases.score_reads import COOLDOWN
from tests.usecases.town import ADMIN

T = TypeVar("T")


@dataclass(frozen=True)
class Reader:
    """Asks one question at a time."""

    database: Database
    now: Callable[[], datetime]
    cooldown: timedelta = COOLDOWN

    def account(self, ref: str, segment_id: str = "main", caller: Caller = ADMIN) -> AccountView:
        """Read an account."""
        return self.each(lambda reads: reads.account(caller, ref, segment_id))

    def score(self, ref: str, caller: Caller = ADMIN) -> StoredScore:
        """Read a stored score."""
        return self.each(lambda reads: reads.score(caller, ref))

    def card(self, ref: str, segment_id: str | None = None, caller: Caller = ADMIN) -> Card:
        """Read a card."""
        return self.each(lambda reads: reads.card(caller, ref, segment_id))

    def each(self, act: Callable[[Reads], Coroutine[Any, Any, T]]) -> T:
        """Act over a lane that begins and ends with it."""

        async def work() -> T:
            lane = ReadLane(ReadConnection(self.database.url), self.now)
            await lane.start()
            try:
                return await act(Reads.over(lane, self.cooldown))
            finally:
                await lane.stop()

        return asyncio.run(work())
