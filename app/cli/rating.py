"""What a command that scores many customers does before and after."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.api.desk import Desk

_SELDOM: Final = 200_000
"""Objects made, more than those let go, between two looks for cycles: some portions' worth."""


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Look for cycles of garbage seldom within the block.

    Rows and scores are many and in no cycle: looking was a third of the processor time.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_SELDOM, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def models_loaded(desk: Desk) -> Iterator[None]:
    """Load what stands before the block, and end the processes behind it after."""
    desk.models.watch.begin()
    try:
        desk.models.refresh()
        yield
    finally:
        desk.models.watch.end()
        desk.scores.score_customers.rater.stop()
