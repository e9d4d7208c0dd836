"""What background work hands back: a pass is many short transactions, each one portion of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.domain.errors import BusyError

Cursor = tuple[Any, ...]
"""Where a pass goes on; only the use case that made it reads it."""

LOCK_TIMEOUT_MS: Final = 300
"""How long background work waits for a lock that is not skipped: as long as a lane does.

It holds orders meanwhile, and a lane that wants one of them waits no longer either.
"""


MOST_PAYERS: Final = 20
"""How many payers a portion does one by one: each may cost a whole lock time-out."""


@dataclass(frozen=True, slots=True)
class Portion:
    """`items` were done; `left` could not be for want of an exchange rate or a lock.

    What was left is tried again in the next pass.

    `after`: where the next portion goes on; None: the pass is over.
    """

    items: int
    after: Cursor | None = None
    left: int = 0


def one_by_one(
    account_ids: Sequence[int], act: Callable[[int], int]
) -> tuple[int, tuple[int, ...]]:
    """Do for each payer alone what was too much at once; says how much was done, and who is busy.

    One account that somebody holds for long must not keep the work of all others waiting.
    """
    done = 0
    busy = []
    for account_id in account_ids:
        try:
            done += act(account_id)
        except BusyError:
            busy.append(account_id)
    return done, tuple(busy)
