"""Turns: of what is large only so much is under way at once; the others wait in line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from app.domain.errors import BusyError

_SMOOTHING: Final = 0.2
"""How much the last turn counts in the time that a turn takes."""

_FULL: Final = "too many large requests wait; try again"


@dataclass(slots=True)
class Turns:
    """`at_once` turns of one process, given in the order in which they are asked for.

    One client has `most_own` of them at most: who is slow, or a flood, leaves room for others.
    Who waits has taken nothing yet, so it costs next to nothing, and may be turned away: at once
    where the client's own before it take longer than `wait_s` at the pace of its last turns.
    """

    at_once: int
    most_own: int
    wait_s: float
    _free: asyncio.Semaphore = field(init=False)
    _own: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    _waiting: dict[str, int] = field(default_factory=dict)
    _turn_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Let all turns be free."""
        self._free = asyncio.Semaphore(self.at_once)

    @asynccontextmanager
    async def one(self, client: str) -> AsyncIterator[None]:
        """Let a client have a turn while the block runs; clients are known ones, and few.

        Raises:
            BusyError: None would become free within `wait_s`, or did; the block did not begin.

        """
        if self._expected_s(client) > self.wait_s:
            raise BusyError(_FULL)
        own = self._own.setdefault(client, asyncio.Semaphore(self.most_own))
        clock = asyncio.get_running_loop().time
        async with AsyncExitStack() as undo:
            try:
                async with asyncio.timeout(self.wait_s):
                    await self._enter(undo, client, own)
            except TimeoutError:
                raise BusyError(_FULL) from None
            began = clock()
            try:
                yield
            finally:
                took_s = clock() - began
                usual_s = self._turn_s.get(client, took_s)
                self._turn_s[client] = usual_s + (took_s - usual_s) * _SMOOTHING

    async def _enter(self, undo: AsyncExitStack, client: str, own: asyncio.Semaphore) -> None:
        """Wait behind the client's others, then behind everybody's."""
        self._waiting[client] = self._waiting.get(client, 0) + 1
        try:
            await undo.enter_async_context(own)
        finally:
            self._waiting[client] -= 1
        await undo.enter_async_context(self._free)

    def _expected_s(self, client: str) -> float:
        """Say how long who comes now would wait for the client's others."""
        return self._waiting.get(client, 0) / self.most_own * self._turn_s.get(client, 0.0)
