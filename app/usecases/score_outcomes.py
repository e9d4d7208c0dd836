"""What all customers' invoices came to, counted once a day: features of each rest on it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.store import portfolio, score_models
from app.store.database import Database, Tx, moment
from app.usecases.portions import Cursor, Portion


@dataclass(frozen=True, slots=True)
class CountOutcomes:
    """Count once a day what all customers' invoices came to, where a model stands that asks it."""

    database: Database
    name: str | None = None
    clock: Callable[[Tx], datetime] = moment

    def __call__(self, after: Cursor | None = None) -> Portion:
        """Count as of the end of yesterday, unless that was done.

        Raises:
            BusyError: The database was out of reach.

        """
        del after
        with self.database.read() as tx:
            yesterday = self.clock(tx).date() - timedelta(days=1)
            names = score_models.standing(tx, self.name)
            known = portfolio.newest_counts(tx, yesterday)
            if (names.champion or names.shadow) is None or (known and known.day == yesterday):
                return Portion(0)
            counts = portfolio.count_outcomes(tx, yesterday)
        with self.database.begin() as tx:
            portfolio.keep_counts(tx, counts)
        return Portion(1)
