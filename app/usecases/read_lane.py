"""The read lane: what was asked while round trips were in flight is read in the next one.

One task alone owns one connection and is never cancelled, only drained. It brings rows; whoever
asked makes the answer of its own row, so that a bug there is nobody else's. Two round trips may
be in flight: while the server reads one batch, the other's answers leave.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, Protocol

import structlog

from app.domain.errors import BusyError, CreditError
from app.store.lane import LostError
from app.store.read_rows import Row, Want
from app.telemetry import READ_BATCH_SIZE, READ_QUEUE, reason_of
from app.usecases.queues import FairQueue

_TRIES: Final = 2
"""How often a batch is read when the connection is lost; reading twice harms nobody."""

_MOST_IN_FLIGHT: Final = 2
"""Round trips in flight, inclusive: more of them would only make batches small."""

_FULL: Final = "too many questions wait; try again in a moment"

log = structlog.get_logger(__name__)


class Source(Protocol):
    """Where rows come from: one round trip a batch, several at a time."""

    def fetch(self, wants: Sequence[Want], at: datetime) -> Coroutine[None, None, list[Row]]:
        """Read one row a question, in their order, as of a moment."""
        ...

    def close(self) -> Coroutine[None, None, None]:
        """Let go of what is held."""
        ...


@dataclass(frozen=True, slots=True)
class Read:
    """A row, and the moment as of which it was read."""

    row: Row
    at: datetime


@dataclass(slots=True)
class _Item:
    want: Want
    answer: asyncio.Future[Read | CreditError]


@dataclass(slots=True)
class ReadLane:
    """The lane with its queue; at most `batch` questions a round trip, `queue` waiting."""

    source: Source
    now: Callable[[], datetime]
    batch: int = 256
    queue: int = 2048
    _waiting: FairQueue[_Item] = field(init=False)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _in_flight: set[asyncio.Task[None]] = field(default_factory=set)
    _task: asyncio.Task[None] | None = None
    _closing: bool = False

    def __post_init__(self) -> None:
        """Make the queue, in which clients take turns."""
        self._waiting = FairQueue(self.queue)

    async def start(self) -> None:
        """Begin to take questions."""
        self._task = asyncio.create_task(self._work(), name="read-lane")
        self._task.add_done_callback(self._turn_away)

    def _turn_away(self, _: asyncio.Task[None]) -> None:
        """Let nobody wait for a lane that has ended."""
        left = self._waiting.take(len(self._waiting))
        READ_QUEUE.dec(len(left))
        _refuse(left, BusyError("the service is stopping; try again"))

    async def stop(self) -> None:
        """Take no more questions, answer those that wait, close the connection."""
        self._closing = True
        self._arrived.set()
        if self._task is not None:
            await self._task
        await self.source.close()

    def alive(self) -> bool:
        """Say whether the lane's task runs."""
        return self._task is not None and not self._task.done()

    async def read(self, client: str, want: Want) -> Read:
        """Put a client's question and wait for its row.

        Who is cancelled here takes its own future along, nothing of the batch.

        Raises:
            BusyError: The queue is full and nobody has more in it than the client, the service is
                stopping or the database out of reach.

        """
        if self._closing or not self.alive() or not self._waiting.has_room(client):
            raise BusyError(_FULL)
        item = _Item(want, asyncio.get_running_loop().create_future())
        READ_QUEUE.inc()
        away = self._waiting.put(client, item)
        if away is not None:  # the newest of whoever has the most
            READ_QUEUE.dec()
            _refuse([away], BusyError(_FULL))
        self._arrived.set()
        answer = await item.answer
        if isinstance(answer, CreditError):
            raise answer
        return answer

    async def _work(self) -> None:
        while True:
            if len(self._in_flight) >= _MOST_IN_FLIGHT or (self._closing and not self._waiting):
                if not self._in_flight:
                    return
                await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
            elif self._waiting:
                self._begin()
            else:
                self._arrived.clear()
                await self._arrived.wait()

    def _begin(self) -> None:
        """Take what waits, and have it read."""
        taken = self._waiting.take(self.batch)
        READ_QUEUE.dec(len(taken))
        items = [item for item in taken if not item.answer.done()]  # others have hung up
        if items:
            READ_BATCH_SIZE.observe(len(items))
            settling = asyncio.create_task(self._settle(items))
            self._in_flight.add(settling)
            settling.add_done_callback(partial(self._settled, items))

    def _settled(self, items: list[_Item], settling: asyncio.Task[None]) -> None:
        """Let nobody wait for a batch that is over, whatever became of it."""
        self._in_flight.discard(settling)
        if settling.cancelled():  # the process ends, and who waits with it
            return
        bug = settling.exception()
        if bug is not None:
            _refuse(items, bug)

    async def _settle(self, items: list[_Item]) -> None:
        """Answer items together; a bug takes them apart until it is alone with its caller."""
        parts = [items]
        while parts:
            part = parts.pop()
            trouble = await self._answer(part)
            if trouble is None:
                continue
            if isinstance(trouble, BusyError) or len(part) == 1:
                _refuse(part, trouble)
            else:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]

    async def _answer(self, items: Sequence[_Item]) -> BaseException | None:
        """Read the rows of items and hand them out; or return what went wrong."""
        wants = [item.want for item in items]
        trouble: BaseException | None = None
        for _ in range(_TRIES):
            at = self.now()
            # its own task: whatever it raises is looked at here, and never ends the lane
            fetching = asyncio.create_task(self.source.fetch(wants, at))
            await asyncio.wait([fetching])
            trouble = fetching.exception()
            if trouble is None:
                for item, row in zip(items, fetching.result(), strict=True):
                    if not item.answer.done():
                        item.answer.set_result(Read(row, at))
                return None
            if not isinstance(trouble, LostError):
                break
            log.info("read_lane_retry", reason=reason_of(trouble))
        return trouble


def _refuse(items: Iterable[_Item], trouble: BaseException) -> None:
    """Answer everybody with what went wrong; a bug goes to the caller as it is."""
    for item in items:
        if item.answer.done():
            continue
        if isinstance(trouble, CreditError):
            item.answer.set_result(trouble)
        else:
            item.answer.set_exception(trouble)
