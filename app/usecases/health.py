"""Whether requests can be answered: database, schema and lanes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.domain.errors import BusyError
from app.store.database import Database
from app.store.revision import unfit


class Part(Protocol):
    """Something that works in the background from start to stop."""

    def alive(self) -> bool:
        """Say whether it still works."""
        ...


@dataclass(slots=True)
class CheckReadiness:
    """Knows whether the service is open, and looks at what it stands on."""

    database: Database
    parts: Sequence[Part]
    open: bool = False

    def __call__(self) -> None:
        """Return if requests can be answered now.

        Raises:
            BusyError: Not open yet or not any more, the database is away or its schema does
                not suit, or a part has stopped.

        """
        if not self.open:
            raise BusyError("not ready: starting or stopping")
        if not all(part.alive() for part in self.parts):
            raise BusyError("not ready: a lane has stopped")
        with self.database.begin(lock_timeout_ms=1000, statement_timeout_s=2) as tx:
            why = unfit(tx)
        if why is not None:
            raise BusyError(f"not ready: {why}")
