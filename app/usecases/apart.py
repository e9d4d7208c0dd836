"""Threads of their own, for what everybody's answers wait for.

Handlers run in threads that all requests share, and one that waits for a lock or a connection keeps
its own meanwhile. Whoever stood behind a flood of such would wait as long as all of them.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeVar

_T = TypeVar("_T")


@dataclass(slots=True)
class Apart:
    """`most` threads, made when they are first needed; `name` is how they are listed."""

    most: int
    name: str
    _threads: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        """Make none of them yet."""
        self._threads = ThreadPoolExecutor(self.most, self.name)

    def do(self, act: Callable[..., _T], *given: object) -> asyncio.Future[_T]:
        """Begin to act as soon as one of them is free."""
        return asyncio.get_running_loop().run_in_executor(self._threads, act, *given)


FOR_LANES: Final = Apart(2, "lane")
"""Where a lane has accounts made, and expired money taken out: it stands still meanwhile."""

LOOK_UPS: Final = Apart(2, "look-up")
"""Where a token is recognised, and where it is seen whether the service is ready."""

CONNECTIONS: Final = FOR_LANES.most + LOOK_UPS.most
"""How many connections these threads may use at once."""
