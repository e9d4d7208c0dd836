"""Signals as processes find them that somebody starts at a terminal."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def by_default(*numbers: signal.Signals) -> Iterator[None]:
    """Let no process that is started within the block inherit that signals are ignored.

    The tests may: nohup ignores SIGHUP, and a shell SIGINT and SIGQUIT of what it runs beside it.
    """
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
