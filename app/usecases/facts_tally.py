"""How many facts wait and how many figures drift, told anew now and then.

Whoever takes a fact in says so at once, but hears nothing of what others let go, and a process that
has just been started knows of nothing: background work looks at the database itself.
"""

from dataclasses import dataclass

from app.store import facts_inbox
from app.store.database import Database
from app.telemetry import QUARANTINE_SIZE
from app.usecases.portions import Cursor, Portion
from app.usecases.reconciliation import publish_drifts


@dataclass(frozen=True, slots=True)
class TallyFacts:
    """Publish what waits in quarantine and what differs from the newest snapshots."""

    database: Database

    def __call__(self, after: Cursor | None = None) -> Portion:
        """Count everything; it is one portion.

        Raises:
            BusyError: The database was out of reach.

        """
        del after
        with self.database.read() as tx:
            QUARANTINE_SIZE.set(facts_inbox.count_waiting(tx))
            publish_drifts(tx)
        return Portion(0)
