"""Bodies that may be large are read while others wait: who sends too slowly gives its place up."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from app.domain.errors import BusyError

_T = TypeVar("_T")


async def in_time(reading: Awaitable[_T], within_s: float) -> _T:
    """Wait for what reads a body, but no longer.

    Raises:
        BusyError: It did not arrive in time; over a better line it will.

    """
    try:
        async with asyncio.timeout(within_s):
            return await reading
    except TimeoutError:
        raise BusyError(f"the body did not arrive within {within_s:g} s") from None
