"""Natural batching: what arrived while the last batch was in flight is decided together.

A lane is one task that alone owns one connection. It is never cancelled, only drained: a client
that hangs up takes nothing away from the transaction its question is part of. While the last
statements of a batch are on their way, COMMIT among them, the next one begins behind them, unless
it would be much smaller.
"""

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from app.domain.errors import BusyError, CreditError
from app.store.lane import Lane
from app.telemetry import BATCH_SIZE, LANE_QUEUE
from app.usecases.asks import Answer, Ask
from app.usecases.lane_tries import CatchUp, Deciding, Item, Part, Together, Tries
from app.usecases.queues import FairQueue

_SMOOTHING: Final = 0.2
"""How much the last batch counts in the pace that waiting is judged by."""

_WORTH: Final = 10
"""Questions that cost about as much as a batch costs by itself: see decision 90."""

_LOOK_S: Final = 0.25
"""How often a lane looks whether what is under way takes too long."""

_LARGE_QUEUE: Final = 8_192
"""Room for all large requests that have a turn, however many single questions wait beside them."""

_FULL: Final = "too many questions wait; try again in a moment"
_LATE: Final = "it has waited too long; try again in a moment"
_STALLED: Final = "the batch before takes too long; try again in a moment"

log = structlog.get_logger(__name__)

Decide = Callable[[Lane, Sequence[Ask]], Coroutine[None, None, list[Answer | CreditError]]]


@dataclass(frozen=True, slots=True)
class LaneSizes:
    """How much a lane takes: questions in one batch, and questions that wait.

    Who would have to wait longer than `wait_s` at the pace of the last batches is turned away at
    once; whose turn comes soon is let in, however many of another client wait. After `patience_s` a
    batch that meets locks is not taken apart any further: who is left hears BUSY, so that those who
    wait behind get their turn. One that takes `wait_s` longer is stalled: whoever waits behind it,
    or comes, hears BUSY. Nobody waits for longer than both together, whatever the pace becomes.
    """

    batch: int = 256
    queue: int = 2048
    wait_s: float = 2.0
    patience_s: float = 2.0

    @property
    def longest_wait_s(self) -> float:
        """The longest that anybody waits; so long a batch is under way before it is stalled."""
        return self.wait_s + self.patience_s

    def roomy(self) -> "LaneSizes":
        """Give those of a lane that takes large requests, all of one customer if need be."""
        return replace(self, queue=max(self.queue, _LARGE_QUEUE))

    def for_large(self) -> "LaneSizes":
        """Give those of a lane for large requests alone.

        Batches are smaller, by a third: one is read while another is judged, and rows are locked
        for less long; of a thousand questions each of three lanes makes two.
        """
        return replace(self.roomy(), batch=max(1, self.batch * 2 // 3))


@dataclass(slots=True)
class BatchingLane:
    """One lane with its queue; `make_account` makes an account that a batch found missing.

    All that a batch misses are made at once, each in a transaction of its own. `catch_up` books
    what time has changed on accounts; where nobody can, who meets such is told to try again.
    """

    lane: Lane
    decide: Decide
    make_account: Callable[[str, str], object]
    sizes: LaneSizes = field(default_factory=LaneSizes)
    catch_up: CatchUp = lambda _at, _accounts: False
    _waiting: FairQueue[Item] = field(init=False)
    _item_s: float = 0.0
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _tries: Tries = field(init=False)
    _task: asyncio.Task[None] | None = None
    _ahead: Deciding | None = None
    _until: float | None = None
    _looking: asyncio.TimerHandle | None = None
    _closing: bool = False

    def __post_init__(self) -> None:
        """Make the queue, and who tries again."""
        self._waiting = FairQueue(self.sizes.queue)
        self._tries = Tries(self.lane, self._begin, self.make_account, self.catch_up)

    async def start(self) -> None:
        """Begin to take questions."""
        self._task = asyncio.create_task(self._work(), name="lane")
        self._task.add_done_callback(self._ended)
        self._look()

    def _ended(self, _: asyncio.Task[None]) -> None:
        """Let nobody wait for a lane that has ended."""
        if self._looking is not None:
            self._looking.cancel()
        self._turn_away("the service is stopping; try again")

    def _turn_away(self, why: str, since: float = math.inf) -> int:
        """Tell all who have waited since then or longer to try again; say how many did."""
        away = self._waiting.take_while(lambda item: item.since <= since)
        LANE_QUEUE.dec(len(away))
        for item in away:
            item.tell(BusyError(why))
        return len(away)

    def _look(self) -> None:
        """Let nobody wait behind what is stalled, nor for too long behind what is slow.

        Who is in a batch hears what became of it, in time.
        """
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(_LOOK_S, self._look)
        if self._is_stalled() and (away := self._turn_away(_STALLED)):
            log.warning("lane_stalled", turned_away=away)
        if away := self._turn_away(_LATE, loop.time() - self.sizes.longest_wait_s):
            log.warning("lane_late", turned_away=away)

    def _is_stalled(self) -> bool:
        """Tell whether a batch is under way for longer than any may be, what is tried again too."""
        until = self._until
        if until is None and self._ahead is not None:
            until = self._ahead.until
        clock = asyncio.get_running_loop().time
        return until is not None and clock() > until + self.sizes.wait_s

    async def stop(self) -> None:
        """Take no more questions, answer those that wait, close the connection."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task
        await self.lane.close()

    def alive(self) -> bool:
        """Say whether the lane's task runs."""
        return self._task is not None and not self._task.done()

    @property
    def depth(self) -> int:
        """How many questions wait."""
        return len(self._waiting)

    async def ask(self, ask: Ask) -> Answer:
        """Put a question and wait for its answer.

        Raises:
            BusyError: The queue is full or the service is stopping; nothing was changed.
            CreditError: The refusal of this question.

        """
        (answer,) = await self.ask_all([ask])
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def ask_all(self, asks: Sequence[Ask]) -> list[Answer | BaseException]:
        """Put several questions of one client and wait for all answers, in their order.

        A bug stands in the place of the one that has it.

        Raises:
            BusyError: They do not fit into the queue together, or the service is stopping.

        """
        client = asks[0].caller.client
        self._admit(client)
        together, now = Together.of(len(asks)), asyncio.get_running_loop().time()
        LANE_QUEUE.inc(len(asks))
        for place, ask in enumerate(asks):
            away = self._waiting.put(client, Item(ask, together, place, now))
            if away is not None:  # the newest of whoever has the most: of this client, or another
                LANE_QUEUE.dec()
                away.tell(BusyError(_FULL))
        if len(self._waiting) >= self._worth():
            self._arrived.set()
        return await together.all()

    def _admit(self, client: str) -> None:
        """Turn away who would find no room, or wait too long.

        Raises:
            BusyError: Nothing was taken in.

        """
        waiting, sizes = self._waiting, self.sizes
        late = False
        if len(waiting) > sizes.batch:
            ahead = waiting.ahead_of(client)
            late = ahead > sizes.batch and ahead * self._item_s > sizes.wait_s
        if self._closing or not self.alive() or late or not waiting.has_room(client):
            raise BusyError(_FULL)
        if self._is_stalled():
            raise BusyError(_STALLED)

    async def _work(self) -> None:
        while True:
            if self._ahead is not None and self._ahead.failed:
                await self._recover(self._ahead)
            elif len(self._waiting) >= self._worth():
                await self._next()
            elif not self._closing:
                self._arrived.clear()
                await self._arrived.wait()
            elif self._ahead is not None and not self._ahead.task.done():
                await asyncio.wait([self._ahead.task])
            else:
                return

    def _worth(self) -> int:
        """Say how many must wait before a batch begins: behind another as many as that has, or ten.

        The server takes it after that one's COMMIT anyway, and more may come along by then.
        """
        ahead = self._ahead
        if ahead is None or self._closing:
            return 1
        return min(_WORTH, len(ahead.part.items))

    async def _next(self) -> None:
        """Take what waits and decide it, until its last statements are on their way."""
        taken = self._waiting.take(self.sizes.batch)
        LANE_QUEUE.dec(len(taken))
        items = [item for item in taken if item.awaited]  # others hung up
        if not items:
            return
        BATCH_SIZE.observe(len(items))
        clock = asyncio.get_running_loop().time
        began, ahead = clock(), self._ahead
        self._until = began + self.sizes.patience_s
        deciding = self._begin(Part(items), self._until)
        await deciding.free.wait()
        if ahead is not None:
            await asyncio.wait([ahead.task])  # was sent first, so it is over or about to be
        answered = deciding.task.done() and not deciding.failed
        self._ahead = None if answered else deciding
        if ahead is not None and ahead.failed:
            await self._recover(ahead, deciding)
        elif deciding.failed:
            await self._recover(deciding)
        self._until = None
        paced = max(len(items), _WORTH)  # what few cost says little of what each of many does
        self._item_s += ((clock() - began) / paced - self._item_s) * _SMOOTHING

    def _begin(self, part: Part, until: float) -> Deciding:
        """Have a part decided; who is in it is answered at once when it is committed."""
        free = asyncio.Event()
        self.lane.when_sent = free.set
        # its own task: whatever it raises is looked at later, and never ends the lane
        task = asyncio.create_task(self.decide(self.lane, [item.ask for item in part.items]))

        def over(task: asyncio.Task[list[Answer | CreditError]]) -> None:
            free.set()
            self._arrived.set()  # who waits for this one's end, and what recovers it
            if task.cancelled() or task.exception() is not None:
                return
            if self._ahead is not None and self._ahead.task is task:
                self._ahead = None  # who holds it holds its answers, and all that came with them
            for item, answer in zip(part.items, task.result(), strict=True):
                item.tell(answer)

        task.add_done_callback(over)
        return Deciding(part, task, free, until)

    async def _recover(self, first: Deciding, behind: Deciding | None = None) -> None:
        self._ahead = None
        self._until = (behind or first).until
        await self._tries.recover(first, behind)
        self._until = None
