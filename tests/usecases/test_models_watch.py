"""The watch over the registry goes on, whatever one look at it met."""

import threading

import pytest

from app.domain.errors import BusyError
from app.scoring.process import ScoringProcess
from app.usecases.models_loading import RefreshModels
from app.usecases.models_watch import ModelWatch


class Looks(RefreshModels):
    """The first look meets trouble, the second tells that there was one."""

    def __init__(self, trouble: Exception) -> None:
        """Meet it once."""
        self.trouble: Exception | None = trouble
        self.again = threading.Event()

    def __call__(self) -> int:
        if self.trouble is None:
            self.again.set()
            return 0
        trouble, self.trouble = self.trouble, None
        raise trouble


@pytest.mark.parametrize(
    "trouble", [BusyError("away"), OSError("no room")], ids=["busy", "no-room"]
)
def test_trouble_does_not_end_the_watch(trouble: Exception) -> None:
    looks = Looks(trouble)
    watch = ModelWatch(looks, ScoringProcess(), every_s=0.01)
    watch.begin()
    try:
        assert looks.again.wait(10)
        assert watch.alive()
    finally:
        watch.end()
