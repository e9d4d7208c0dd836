"""Turns: of what is large only so much is under way at once; the others wait in line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.domain.errors import BusyError


@dataclass(slots=True)
class Turns:
    """`at_once` turns of one process, given in the order in which they are asked for.

    Who waits has taken nothing yet, so it costs next to nothing, and may be turned away.
    """

    at_once: int
    wait_s: float
    _free: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        """Let all turns be free."""
        self._free = asyncio.Semaphore(self.at_once)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Have a turn while the block runs.

        Raises:
            BusyError: None became free within `wait_s`; the block did not begin.

        """
        try:
            async with asyncio.timeout(self.wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise BusyError("too many large requests wait; try again") from None
        try:
            yield
        finally:
            self._free.release()
