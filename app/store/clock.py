"""The database's clock, as a process reads it without asking."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

from sqlalchemy import text

from app.store.database import Tx

_TRIES: Final = 5
_NOW: Final = text("SELECT clock_timestamp()")


def own_clock() -> datetime:
    """Read this machine's clock."""
    return datetime.now(UTC)


@dataclass(slots=True)
class ServerClock:
    """The machine's own clock, put right by how far the database's is `ahead` of it.

    Until it was measured they are taken for the same.
    """

    own: Callable[[], datetime] = own_clock
    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        """Say what the database's clock shows now (aware, UTC)."""
        return self.own() + self.ahead

    def measure(self, tx: Tx) -> timedelta:
        """Compare the clocks and go by the database's; returns how far it is ahead.

        The quickest of a few answers counts. What was known stays where this is less than half that
        answer's time from it: it tells nothing else.
        """
        took, found = min(self._answer(tx) for _ in range(_TRIES))
        if abs(found - self.ahead) > took / 2:
            self.ahead = found
        return self.ahead

    def _answer(self, tx: Tx) -> tuple[timedelta, timedelta]:
        """Ask once: how long the answer took, and how far ahead the clock was halfway."""
        asked_s, before = monotonic(), self.own()
        there: datetime = tx.execute(_NOW).scalar_one()
        took = timedelta(seconds=monotonic() - asked_s)
        return took, there.astimezone(UTC) - before - took / 2
