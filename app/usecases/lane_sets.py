"""All lanes of a process: which one a question goes to."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from app.usecases.asks import Answer, Ask
from app.usecases.lanes import BatchingLane
from app.usecases.score_orders import OrderPds
from app.usecases.turns import Turns

LARGE_TURNS: Final = (4, 3)
SHARED_TURNS: Final = (3, 2)
"""Large requests under way, of all and of one client: two are decided while one is read or told.

On lanes that they share with single questions, fewer: more of one client would not find room.
"""

_TURN_S: Final = 10.0


@dataclass(slots=True)
class Lanes:
    """Every lane of the process: some for authorizations, some for large requests, one for checks.

    A customer's orders of one kind go to one lane, so that they meet in a batch and not at a row
    lock. Large requests keep the server and the judging busy in turns, and nobody behind them;
    without `large` they share the others' lanes. `pds` fill in what a policy reads of a model,
    before a lane takes the question.
    """

    authorizations: Sequence[BatchingLane]
    checks: BatchingLane
    large: Sequence[BatchingLane] = ()
    pds: OrderPds | None = None
    turns: Turns = field(init=False)

    def __post_init__(self) -> None:
        """Bound what is large."""
        self.turns = Turns(*(LARGE_TURNS if self.large else SHARED_TURNS), _TURN_S)

    async def start(self) -> None:
        """Start all lanes."""
        for lane in self._all:
            await lane.start()
        if self.pds is not None:
            await self.pds.start()

    async def stop(self) -> None:
        """Drain all lanes."""
        if self.pds is not None:
            await self.pds.stop()
        await asyncio.gather(*(lane.stop() for lane in self._all))

    def alive(self) -> bool:
        """Say whether all lanes run."""
        return all(lane.alive() for lane in self._all)

    @property
    def _all(self) -> Sequence[BatchingLane]:
        return (*self.authorizations, *self.large, self.checks)

    def turn(self, client: str) -> AbstractAsyncContextManager[None]:
        """Let a large request in when it is its turn; the body of one that waits is not read yet.

        So what large requests hold in memory and in the queues is bounded, however many come.
        """
        return self.turns.one(client)

    async def ask(self, ask: Ask) -> Answer:
        """Put a question to the lane of its kind.

        Raises:
            BusyError: Try again; nothing was changed.
            CreditError: The refusal of this question.

        """
        if self.pds is not None and self.pds.wanted:
            (ask,) = await self.pds.fill([ask])
        return await self._of(ask).ask(ask)

    async def ask_all(self, asks: Sequence[Ask]) -> list[Answer | BaseException]:
        """Put the questions of one request; each has its own answer, refusal or bug in its place.

        What a full lane turns away hears BUSY.
        """
        if self.pds is not None and self.pds.wanted:
            asks = await self.pds.fill(asks)
        lanes = self.large or self.authorizations
        of_lane: dict[int, list[int]] = {}
        for place, ask in enumerate(asks):
            of_lane.setdefault(_place(ask, lanes), []).append(place)
        parts = [
            lanes[lane].ask_all([asks[place] for place in places])
            for lane, places in of_lane.items()
        ]
        told = await asyncio.gather(*parts, return_exceptions=True)
        answers: dict[int, Answer | BaseException] = {}
        for places, answered in zip(of_lane.values(), told, strict=True):
            each = [answered] * len(places) if isinstance(answered, BaseException) else answered
            answers |= dict(zip(places, each, strict=True))
        return [answers[place] for place in range(len(asks))]

    def _of(self, ask: Ask) -> BatchingLane:
        if ask.kind == "CHECK":
            return self.checks
        return self.authorizations[_place(ask, self.authorizations)]


def _place(ask: Ask, lanes: Sequence[BatchingLane]) -> int:
    return hash(ask.question.customer_id) % len(lanes)
