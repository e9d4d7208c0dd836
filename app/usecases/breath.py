"""Long work within the event loop that lets others have their turn."""

import asyncio
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

_LONG_S: Final = 0.005
"""How long the loop is held at a time: about as long as it takes to decide a small batch."""

_MOST_S: Final = 0.5
"""How long others may take of one batch in all: accounts are locked meanwhile."""


@dataclass(slots=True)
class Breath:
    """Between two steps of long work, `take` one: where `long_s` have passed, others run.

    What they may take is bounded: each breath is a whole turn of the loop, however much waits.
    """

    long_s: float = _LONG_S
    _since_s: float = field(default_factory=perf_counter)
    _lent_s: float = 0.0

    async def take(self) -> None:
        """Let others run if they have waited for `long_s`, and have not had `_MOST_S` yet."""
        now_s = perf_counter()
        if now_s - self._since_s < self.long_s or self._lent_s >= _MOST_S:
            return
        await asyncio.sleep(0)
        self._since_s = perf_counter()
        self._lent_s += self._since_s - now_s
