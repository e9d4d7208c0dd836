"""How many facts wait and how many figures drift, told anew now and then.

Whoever takes a fact in says so at once, but hears nothing of what others let go, and a process that
has just been started knows of nothing: background work looks at the database itself.
"""

from dataclasses import dataclass

from app.store import facts_inbox, reconciliations
from app.store.database import Database
from app.telemetry import QUARANTINE_SIZE
from app.telemetry.snapshots import SNAPSHOT_TIMESTAMP
from app.usecases.portions import Cursor, Portion
from app.usecases.reconciliation import publish_drifts


@dataclass(frozen=True, slots=True)
class TallyFacts:
    """Publish what waits in quarantine, what differs from the newest snapshots, and their age."""

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
            compared = reconciliations.last_compared(tx)
        if compared is not None:
            SNAPSHOT_TIMESTAMP.set(compared.timestamp())
        return Portion(0)
