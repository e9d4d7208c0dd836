"""What background work hands back: a pass is many short transactions, each one portion of it."""

from dataclasses import dataclass
from typing import Any, Final

Cursor = tuple[Any, ...]
"""Where a pass goes on; only the use case that made it reads it."""

LOCK_TIMEOUT_MS: Final = 300
"""How long background work waits for a lock that is not skipped: as long as a lane does.

It holds orders meanwhile, and a lane that wants one of them waits no longer either.
"""


@dataclass(frozen=True, slots=True)
class Portion:
    """`items` were done; `left` could not be for want of an exchange rate and are tried again.

    `after`: where the next portion goes on; None: the pass is over.
    """

    items: int
    after: Cursor | None = None
    left: int = 0
