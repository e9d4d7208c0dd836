"""Work that makes very many objects, without looking for cycles among them."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cycles of garbage within the block, which is to end soon.

    A full batch of facts makes some hundred thousand objects that are in no cycle: looking at
    them time and again was a fifteenth of its processor time. It is the whole process that does not
    look: of two blocks at once the first to end lets it look again, which costs time, nothing else.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
