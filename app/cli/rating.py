"""The model that stands, loaded for a command that scores."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.api.desk import Desk


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
