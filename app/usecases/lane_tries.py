"""What a lane does about a batch that failed: undo it, and try again in smaller parts.

Nobody pays for another one's trouble, and who is left over hears why.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from app.domain.errors import BusyError, CreditError
from app.store.lane import Lane, LostError, SlowError
from app.telemetry import reason_of
from app.usecases.apart import FOR_LANES
from app.usecases.asks import Answer, Ask
from app.usecases.batches import AccountMissingError, BehindError

_TRIES: Final = 3
"""How often a batch of one is tried before its caller hears BUSY."""

CatchUp = Callable[[datetime, Collection[int]], bool]
"""Book what time has changed on accounts by a moment; whether all of it is."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Together:
    """Questions that were put at once: `told` has an answer, a refusal or a bug for each.

    `over` is done with the last of them, or cancelled by who hangs up: nobody waits for any then.
    """

    over: asyncio.Future[None]
    told: list[Answer | BaseException | None]
    left: int

    @classmethod
    def of(cls, count: int) -> "Together":
        """Wait for so many answers."""
        return cls(asyncio.get_running_loop().create_future(), [None] * count, count)

    async def all(self) -> list[Answer | BaseException]:
        """Wait until each is answered; in the order in which they were put."""
        await self.over
        return [one for one in self.told if one is not None]


@dataclass(slots=True)
class Item:
    """A question that waits, `since` a moment of the event loop's clock.

    Who is cancelled takes the answer along, nothing of the batch.
    """

    ask: Ask
    together: Together
    place: int
    since: float = 0.0

    @property
    def awaited(self) -> bool:
        """Whether it has no answer yet, and somebody waits for one."""
        return self.together.told[self.place] is None and not self.together.over.done()

    def tell(self, answer: Answer | BaseException) -> None:
        """Answer it once, unless its caller hung up."""
        together = self.together
        if together.told[self.place] is not None:
            return
        together.told[self.place] = answer
        together.left -= 1
        if not together.left and not together.over.done():
            together.over.set_result(None)


@dataclass(frozen=True, slots=True)
class Part:
    """Items to be decided together; `made` are the accounts that were made for them so far.

    `stuck` are accounts that could not be brought up to date for them.
    """

    items: Sequence[Item]
    tries: int = _TRIES
    made: frozenset[tuple[str, str]] = frozenset()
    stuck: frozenset[int] = frozenset()

    def halves(self) -> list["Part"]:
        """Give the first half and the second."""
        middle = len(self.items) // 2
        both = self.items[:middle], self.items[middle:]
        return [Part(items, self.tries, stuck=self.stuck) for items in both]


@dataclass(frozen=True, slots=True)
class Deciding:
    """A part while it is decided; `until` is how long a batch that meets locks is taken apart.

    `free` is set when the next batch may begin behind it, at its end at the latest.
    """

    part: Part
    task: asyncio.Task[list[Answer | CreditError]]
    free: asyncio.Event
    until: float

    @property
    def failed(self) -> bool:
        """Whether it is over, and not answered."""
        return self.task.done() and self.task.exception() is not None


@dataclass(frozen=True, slots=True)
class Tries:
    """Tries parts again, one after the other; nothing else uses the lane meanwhile.

    `begin` has a part decided and answers who is in it; `make_account` makes an account that a
    batch found missing, all that it misses at once, each in a transaction of its own.
    """

    lane: Lane
    begin: Callable[[Part, float], Deciding]
    make_account: Callable[[str, str], object]
    catch_up: CatchUp

    async def recover(self, first: Deciding, behind: Deciding | None = None) -> None:
        """Undo a batch that failed, and settle it; then the one that had begun behind it.

        That one may have failed with it, for no fault of its own: it is tried again as a whole, and
        the time that settling the first took is none of its patience. Whatever this raises, nobody
        of either waits any more.
        """
        clock = asyncio.get_running_loop().time
        try:
            if behind is not None:
                await asyncio.wait([behind.task])  # the transaction that is open may be its own
            began = clock()
            await self.lane.rollback()
            await self._settle(first.part, first.task.exception(), first.until)
            if behind is not None and behind.failed:
                await self._settle(behind.part, None, behind.until + (clock() - began))
        finally:  # who was answered does not hear it
            for one in (first, behind):
                if one is not None:
                    _refuse(one.part, BusyError("a lane broke down; try again with the same key"))

    async def _settle(self, whole: Part, trouble: BaseException | None, until: float) -> None:
        """Decide a part that met trouble (None: nothing of its own) part by part."""
        clock = asyncio.get_running_loop().time
        parts = await self._smaller(whole, trouble, late=clock() > until) if trouble else [whole]
        parts = parts[::-1]  # the first to arrive stays the first to be decided
        while parts:
            deciding = self.begin(parts.pop(), until)
            await asyncio.wait([deciding.task])
            trouble = deciding.task.exception()
            if trouble is not None:
                await self.lane.rollback()
                smaller = await self._smaller(deciding.part, trouble, late=clock() > until)
                parts += reversed(smaller)

    async def _smaller(self, part: Part, trouble: BaseException, *, late: bool) -> list[Part]:
        """Say what to try next after trouble that was undone."""
        if isinstance(trouble, AccountMissingError) and not late:
            return await self._make_accounts(part, trouble)
        if isinstance(trouble, BehindError) and not late and trouble.accounts - part.stuck:
            if await let_catch_up(self.catch_up, trouble):
                return [part]
            part = replace(part, stuck=part.stuck | trouble.accounts)  # once for all of them
        return await self._after(part, trouble, late=late)

    async def _after(self, part: Part, trouble: BaseException, *, late: bool) -> list[Part]:
        """Say what to try next; where nothing is left to try, answer."""
        busy, lost = isinstance(trouble, BusyError), isinstance(trouble, LostError)
        # what is missing or behind is seen without a wait, and what is slow is so by being much
        waited = busy and not isinstance(trouble, BehindError | SlowError)
        # without a database smaller parts fare no better: all of them wait, or all hear BUSY
        if len(part.items) > 1 and not lost and not (waited and late):
            return part.halves()
        if busy and not late and part.tries > 1:
            log.info("lane_retry", reason=reason_of(trouble))
            await asyncio.sleep(0.02 * (_TRIES + 1 - part.tries))
            return [replace(part, tries=part.tries - 1)]
        if isinstance(trouble, AccountMissingError):
            trouble = BusyError("the account is still to be made; try again in a moment")
        _refuse(part, trouble)
        return []

    async def _make_accounts(self, part: Part, missing: AccountMissingError) -> list[Part]:
        """Make all that a part misses, then try again; who else is in it pays for no failure."""
        making = FOR_LANES.do(self._make_all, missing.accounts)
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


async def let_catch_up(catch_up: CatchUp, due: BehindError) -> bool:
    """Bring accounts up to date, in transactions of its own; say whether all of them are."""
    catching_up = FOR_LANES.do(catch_up, due.at, due.accounts)
    await asyncio.wait([catching_up])
    trouble = catching_up.exception()
    if trouble is None:
        return catching_up.result()
    if isinstance(trouble, BusyError):
        log.warning("accounts_behind", reason=reason_of(trouble))
    else:
        log.error("accounts_behind", accounts=sorted(due.accounts), exc_info=trouble)
    return False


def _refuse(part: Part, trouble: BaseException) -> None:
    """Answer everybody of a part with what went wrong; a bug goes to the caller as it is."""
    for item in part.items:
        item.tell(trouble)
