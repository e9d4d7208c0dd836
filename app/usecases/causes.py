"""What quarantined facts wait for, announced once it is there."""

from collections.abc import Callable, Iterable

import structlog

from app.domain.errors import BusyError

Requeue = Callable[[str], object]
"""Applies the facts that wait for a cause, `customer:<ref>` or `rate:<from>:<to>`."""

_log = structlog.get_logger(__name__)


def announce(requeue: Requeue, causes: Iterable[str]) -> None:
    """Hand causes on, after the commit that brought them.

    What could not be applied right now is left to the next one: the change itself stands.
    """
    for cause in causes:
        try:
            requeue(cause)
        except BusyError:
            _log.warning("quarantined facts were not applied yet")
