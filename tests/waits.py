"""Waiting for what another thread or process is about to do."""

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], within_s: float = 20.0) -> None:
    """Look again and again until it is true; fails where it is not within the time."""
    until_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.005)
