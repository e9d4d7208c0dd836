"""Turns: of what is large only so much is under way at once; the others wait in line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from app.domain.errors import BusyError


@dataclass(slots=True)
class Turns:
    """`at_once` turns of one process, given in the order in which they are asked for.

    One client has `most_own` of them at most: who is slow, or a flood, leaves room for others.
    Who waits has taken nothing yet, so it costs next to nothing, and may be turned away.
    """

    at_once: int
    most_own: int
    wait_s: float
    _free: asyncio.Semaphore = field(init=False)
    _own: dict[str, asyncio.Semaphore] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Let all turns be free."""
        self._free = asyncio.Semaphore(self.at_once)

    @asynccontextmanager
    async def one(self, client: str) -> AsyncIterator[None]:
        """Let a client have a turn while the block runs; clients are known ones, and few.

        Raises:
            BusyError: None became free within `wait_s`; the block did not begin.

        """
        own = self._own.setdefault(client, asyncio.Semaphore(self.most_own))
        async with AsyncExitStack() as undo:
            try:
                async with asyncio.timeout(self.wait_s):
                    await undo.enter_async_context(own)
                    await undo.enter_async_context(self._free)
            except TimeoutError:
                raise BusyError("too many large requests wait; try again") from None
            yield
