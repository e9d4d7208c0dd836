"""Memory that was freed, given back to the machine.

What a large request took is free again when it is answered, but the C library keeps it: between
what lives on there are holes, and the next large request does not always fit into them. So a
service that was asked for everything once would stay as large as all of that together.
"""

import ctypes
import gc
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_STEP_BYTES: Final = 8 * 1024 * 1024
"""By how much a process must have grown since it was tidied last: to look for holes takes 10 ms."""

_ARENAS: Final = -8
"""`M_ARENA_MAX` of glibc's `mallopt`: the most places that memory is taken from."""

_STATM: Final = Path("/proc/self/statm")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Read how much memory this process has; 0 where the system does not tell as Linux does."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def share_arena() -> None:
    """Let all threads that begin from now on take memory from one place; with glibc only.

    Else each of the first eight a processor has its own, with its own holes. They take turns for
    the interpreter, so they seldom meet there.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_ARENAS, 1)


def give_back() -> None:
    """Let the C library give back what it does not need; others than glibc have no such call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@dataclass(slots=True)
class Memory:
    """Tidies this process whenever it has grown; what is really in use costs one look, no more.

    What is in flight keeps its pages, and is free soon after: so once nothing is, it tidies again.
    """

    resident: Callable[[], int] = resident_bytes
    give_back: Callable[[], None] = give_back
    _least: int = field(init=False)
    _unfinished: bool = False

    def __post_init__(self) -> None:
        """Begin with what it has now."""
        self._least = self.resident()

    def untidy(self, *, resting: bool) -> bool:
        """Tell whether it is worth tidying; `resting`: nothing is in flight."""
        now = self.resident()
        self._least = min(self._least, now)
        grown = now >= self._least + _STEP_BYTES
        return grown or (resting and self._unfinished)

    def tidy(self, *, resting: bool) -> None:
        """Give back what is free, and remember what is left.

        What refers to itself is collected seldom once it is old (see `tune_memory`): a failed
        attempt at a large batch would stay for good. Where nobody waits there is time to look at
        what was made since the start; whoever comes just then waits until that is over.
        """
        if resting:
            gc.collect()
        self.give_back()
        self._least = self.resident()
        self._unfinished = not resting
