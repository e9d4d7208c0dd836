"""Long work within the event loop that lets others have their turn."""

import asyncio
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

_LONG_S: Final = 0.005
"""How long the loop is held at a time: about as long as it takes to decide a small batch."""


@dataclass(slots=True)
class Breath:
    """Between two steps of long work, `take` one: where enough time has passed, others run."""

    _since_s: float = field(default_factory=perf_counter)

    async def take(self) -> None:
        """Let others run if they have waited for `_LONG_S`."""
        if perf_counter() - self._since_s >= _LONG_S:
            await asyncio.sleep(0)
            self._since_s = perf_counter()
