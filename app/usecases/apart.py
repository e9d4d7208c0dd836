"""Threads of their own, for what everybody's answers wait for.

Handlers run in threads that all requests share, and one that waits for a lock or a connection keeps
its own meanwhile. Whoever stood behind a flood of such would wait as long as all of them.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Semaphore, get_ident
from time import monotonic
from typing import Final, TypeVar

from app.domain.errors import BusyError

_T = TypeVar("_T")


MOST_WAITING: Final = 200
"""How many may wait for a thread: beyond, they would hear too late to care."""


@dataclass(slots=True)
class Apart:
    """`most` threads, made when they are first needed; `name` is how they are listed."""

    most: int
    name: str
    _threads: ThreadPoolExecutor = field(init=False)
    _places: Semaphore = field(default_factory=lambda: Semaphore(MOST_WAITING))
    _since: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make none of them yet."""
        self._threads = ThreadPoolExecutor(self.most, self.name)

    def do(self, act: Callable[..., _T], *given: object) -> asyncio.Future[_T]:
        """Begin to act as soon as one of them is free.

        Where too many wait, BusyError is what comes of it. It raises nothing itself: some who
        ask look later at what became of it.
        """
        if not self._places.acquire(blocking=False):
            full: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
            full.set_exception(BusyError("too many wait for the database; try again"))
            return full
        doing = self._threads.submit(self._act, act, *given)
        doing.add_done_callback(lambda _: self._places.release())
        return asyncio.wrap_future(doing)

    def since(self) -> list[float]:
        """Say when what is under way began, by the clock that only runs forward, in seconds."""
        return [*self._since.values()]

    def _act(self, act: Callable[..., _T], *given: object) -> _T:
        me = get_ident()
        self._since[me] = monotonic()
        try:
            return act(*given)
        finally:
            del self._since[me]


FOR_LANES: Final = Apart(2, "lane")
"""Where a lane has accounts made, and expired money taken out: it stands still meanwhile."""

LOOK_UPS: Final = Apart(2, "look-up")
"""Where a token is recognised."""

READINESS: Final = Apart(1, "ready")
"""Where it is seen whether the service is ready, however many tokens are looked up."""

FOR_ORDERS: Final = Apart(2, "order-pd")
"""Where a model looks at an order before it is judged: what is late is missing, and so held."""

CONNECTIONS: Final = FOR_LANES.most + LOOK_UPS.most + READINESS.most + FOR_ORDERS.most
"""How many connections these threads may use at once."""
