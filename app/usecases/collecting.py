"""Work that makes very many objects, without looking for cycles among them."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

LONGEST_S: Final = 10.0
"""Blocks that overlap without end look for cycles this often, when one of them ends."""


@dataclass(slots=True)
class Blocks:
    """Counts the blocks that are open, in all threads of the process."""

    longest_s: float = LONGEST_S
    lock: Lock = field(default_factory=Lock)
    open: int = 0
    since_s: float = 0.0

    def enter(self) -> None:
        """Open one: cycles are not looked for."""
        with self.lock:
            if not self.open:
                self.since_s = time.monotonic()
            self.open += 1
            gc.disable()

    def leave(self) -> None:
        """Close one: the last, or the first to end after `longest_s`, lets cycles be looked for."""
        with self.lock:
            self.open -= 1
            now_s = time.monotonic()
            if not self.open or now_s - self.since_s >= self.longest_s:
                self.since_s = now_s
                gc.enable()


_blocks: Final = Blocks()


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cycles of garbage within the block, which is to end soon.

    A full batch of facts makes some hundred thousand objects that are in no cycle: looking at
    them time and again was a fifteenth of its processor time, and looking once while they are still
    needed another one. So the block is to end where they are gone. It is the whole process that
    does not look until the last of several blocks ends.
    """
    _blocks.enter()
    try:
        yield
    finally:
        _blocks.leave()
