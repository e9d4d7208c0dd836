"""Natural batching: what arrived while the last commit was in flight is decided together.

A lane is one task that alone owns one connection. It is never cancelled, only drained: a client
that hangs up takes nothing away from the transaction its question is part of.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from app.domain.errors import BusyError, CreditError
from app.store.lane import Lane, LostError
from app.telemetry import BATCH_SIZE, LANE_QUEUE
from app.usecases.asks import Answer, Ask
from app.usecases.batches import AccountMissingError
from app.usecases.queues import FairQueue

_SMOOTHING: Final = 0.2
"""How much the last batch counts in the pace that waiting is judged by."""

_TRIES: Final = 3
"""How often a batch of one is tried before its caller hears BUSY."""

log = structlog.get_logger(__name__)

Decide = Callable[[Lane, Sequence[Ask]], Coroutine[None, None, list[Answer | CreditError]]]


@dataclass(slots=True)
class _Item:
    """A question that waits; who is cancelled takes `answer` along, nothing of the batch."""

    ask: Ask
    answer: asyncio.Future[Answer | CreditError]


@dataclass(frozen=True, slots=True)
class _Part:
    """Items to be decided together; `made` are the accounts that were made for them so far."""

    items: Sequence[_Item]
    tries: int = _TRIES
    made: frozenset[tuple[str, str]] = frozenset()

    def halves(self) -> list["_Part"]:
        middle = len(self.items) // 2
        return [_Part(self.items[:middle], self.tries), _Part(self.items[middle:], self.tries)]


@dataclass(frozen=True, slots=True)
class LaneSizes:
    """How much a lane takes: questions in one batch, and questions that wait.

    Who would have to wait longer than `wait_s` at the pace of the last batches is turned away at
    once. After `patience_s` a batch that meets locks is not taken apart any further: who is left
    hears BUSY, so that those who wait behind get their turn.
    """

    batch: int = 256
    queue: int = 2048
    wait_s: float = 2.0
    patience_s: float = 2.0


@dataclass(slots=True)
class BatchingLane:
    """One lane with its queue; `make_account` makes an account that a batch found missing.

    All that a batch misses are made at once, each in a transaction of its own.
    """

    lane: Lane
    decide: Decide
    make_account: Callable[[str, str], object]
    sizes: LaneSizes = field(default_factory=LaneSizes)
    _waiting: FairQueue[_Item] = field(init=False)
    _item_s: float = 0.0
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None
    _closing: bool = False

    def __post_init__(self) -> None:
        """Make the queue."""
        self._waiting = FairQueue(self.sizes.queue)

    async def start(self) -> None:
        """Begin to take questions."""
        self._task = asyncio.create_task(self._work(), name="lane")
        self._task.add_done_callback(self._turn_away)

    def _turn_away(self, _: asyncio.Task[None]) -> None:
        """Let nobody wait for a lane that has ended."""
        for item in self._waiting.take(len(self._waiting)):
            _resolve(item, BusyError("the service is stopping; try again"))

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
        self._admit(ask.caller.client)
        item = self._put(ask)
        answer = await item.answer
        if isinstance(answer, CreditError):
            raise answer
        return answer

    async def ask_all(self, asks: Sequence[Ask]) -> list[Answer | BaseException]:
        """Put several questions of one client and wait for all answers, in their order.

        A bug stands in the place of the one that has it.

        Raises:
            BusyError: They do not fit into the queue together, or the service is stopping.

        """
        self._admit(asks[0].caller.client)
        items = [self._put(ask) for ask in asks]
        answers = (item.answer for item in items)
        return list(await asyncio.gather(*answers, return_exceptions=True))

    def _admit(self, client: str) -> None:
        """Turn away who would find no room, or wait too long.

        Raises:
            BusyError: Nothing was taken in.

        """
        waits = len(self._waiting)
        late = waits > self.sizes.batch and waits * self._item_s > self.sizes.wait_s
        full = late or not self._waiting.has_room(client)
        if self._closing or not self.alive() or full:
            raise BusyError("too many questions wait; try again in a moment")

    def _put(self, ask: Ask) -> _Item:
        item = _Item(ask, asyncio.get_running_loop().create_future())
        self._waiting.put(ask.caller.client, item)
        LANE_QUEUE.inc()
        self._arrived.set()
        return item

    async def _work(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            taken = self._waiting.take(self.sizes.batch)
            LANE_QUEUE.dec(len(taken))
            items = [item for item in taken if not item.answer.done()]  # others hung up
            if items:
                BATCH_SIZE.observe(len(items))
                began = clock()
                await self._settle(items)
                self._item_s += ((clock() - began) / len(items) - self._item_s) * _SMOOTHING

    async def _settle(self, items: list[_Item]) -> None:
        """Decide items together; what fails is rolled back and tried again in smaller parts."""
        clock = asyncio.get_running_loop().time
        until = clock() + self.sizes.patience_s
        parts = [_Part(items)]
        while parts:
            part = parts.pop()
            trouble = await self._decide(part)
            if isinstance(trouble, AccountMissingError) and clock() > until:
                trouble = BusyError("accounts are being made; try again in a moment")
            if isinstance(trouble, AccountMissingError):
                smaller = await self._make_accounts(part, trouble)
            elif trouble is not None:
                smaller = await self._after(part, trouble, late=clock() > until)
            else:
                continue
            parts += reversed(smaller)  # the first to arrive stays the first to be decided

    async def _decide(self, part: _Part) -> BaseException | None:
        """Decide a part and answer; or undo it, and return what went wrong."""
        # its own task: whatever it raises is looked at here, and never ends the lane
        deciding = asyncio.create_task(self.decide(self.lane, [item.ask for item in part.items]))
        await asyncio.wait([deciding])
        trouble = deciding.exception()
        if trouble is None:
            for item, answer in zip(part.items, deciding.result(), strict=True):
                _resolve(item, answer)
        else:
            await self.lane.rollback()
        return trouble

    async def _after(self, part: _Part, trouble: BaseException, *, late: bool) -> list[_Part]:
        """Say what to try next; where nothing is left to try, answer."""
        busy, lost = isinstance(trouble, BusyError), isinstance(trouble, LostError)
        # without a database smaller parts fare no better: all of them wait, or all hear BUSY
        if len(part.items) > 1 and not lost and not (busy and late):
            return part.halves()
        if busy and not late and part.tries > 1:
            log.info("lane_retry", reason=str(trouble.__cause__ or trouble)[:200])
            await asyncio.sleep(0.02 * (_TRIES + 1 - part.tries))
            return [replace(part, tries=part.tries - 1)]
        _refuse(part, trouble)
        return []

    async def _make_accounts(self, part: _Part, missing: AccountMissingError) -> list[_Part]:
        """Make all that a part misses, then try again; who else is in it pays for no failure."""
        making = asyncio.create_task(asyncio.to_thread(self._make_all, missing.accounts))
        await asyncio.wait([making])
        trouble = making.exception()
        if trouble is None and not missing.accounts <= part.made:
            return [replace(part, made=part.made | missing.accounts)]
        if len(part.items) > 1:
            return part.halves()
        _refuse(part, trouble or missing)
        return []

    def _make_all(self, accounts: Iterable[tuple[str, str]]) -> None:
        for customer_id, segment_id in sorted(accounts):
            self.make_account(customer_id, segment_id)


def _refuse(part: _Part, trouble: BaseException) -> None:
    """Answer everybody of a part with what went wrong; a bug goes to the caller as it is."""
    for item in part.items:
        if isinstance(trouble, CreditError):
            _resolve(item, trouble)
        elif not item.answer.done():
            item.answer.set_exception(trouble)


def _resolve(item: _Item, answer: Answer | CreditError) -> None:
    if not item.answer.done():
        item.answer.set_result(answer)
