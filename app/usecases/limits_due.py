"""Limits and covers that begin or lapse by themselves: in force on their day, whoever asks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.store import accounts, limits_due, segments
from app.store.database import Database, Tx, moment
from app.store.facts_inbox import use_indexes
from app.usecases.books import Books
from app.usecases.portions import LOCK_TIMEOUT_MS, Cursor, Portion


@dataclass(frozen=True, slots=True)
class SettleLimits:
    """Put the limit of the business date in force on accounts, at most `most` at once.

    Who judges does so for the accounts it locks; lists, scores and what reads an account as it is
    stored need it too. The date is that of the account's segment by the database's clock. Any
    number may run at the same time: an account that somebody works on is left to the next pass.
    """

    database: Database
    most: int
    clock: Callable[[Tx], datetime] = moment

    def __call__(self, after: Cursor | None = None) -> Portion:
        """Settle the ones that have waited longest; `after` is the last one seen.

        Raises:
            BusyError: The database was out of reach; nothing was changed.

        """
        with self.database.begin(lock_timeout_ms=LOCK_TIMEOUT_MS) as tx:
            use_indexes(tx)
            at = self.clock(tx)
            place = None if after is None else (after[0], after[1])
            found = limits_due.due(tx, at, place, self.most)
            locked = accounts.lock_idle(tx, [account_id for _, account_id in found])
            books = Books(tx, at, locked, dict(locked))
            books.settle_due(segments.every(tx))
            books.close()
        done = sum(held != locked[key] for key, held in books.pool.items())
        more = found[-1] if len(found) == self.most else None
        return Portion(done, more, left=len(found) - len(locked))
