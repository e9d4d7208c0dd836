"""A Dask cluster: one that runs somewhere, or one of processes on this machine."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, Final

import distributed

_DASK: Final[Any] = distributed
"""It has no types."""

_LOCAL: Final = "local:"

# it tells of workers that do not end at once; they are killed, and have done what they did
logging.getLogger("distributed.nanny").setLevel(logging.ERROR)


@contextmanager
def cluster(where: str) -> Iterator[Any]:
    """Yield a client of the scheduler at an address, or of `local:N` workers made for the block.

    Raises:
        OSError: No scheduler answers there.

    """
    with ExitStack() as undo:
        address = where
        if where.startswith(_LOCAL):
            made = _DASK.LocalCluster(
                n_workers=int(where.removeprefix(_LOCAL)),
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                host="127.0.0.1",
            )
            address = undo.enter_context(closing(made)).scheduler_address
        yield undo.enter_context(_DASK.Client(address))
