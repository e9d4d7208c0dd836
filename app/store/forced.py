"""What stands above an account's limit, by the entries of its journal."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from app.domain.accounts import Kind
from app.store.database import Tx
from app.store.exposure import keep_order
from app.store.schema.evidence import journal


@dataclass(frozen=True, slots=True)
class ForcedEntry:
    """A journal entry and what stood above the limit after it, in minor units.

    `seq` None: the limit of today, which nobody has booked yet.
    """

    seq: int | None
    kind: Kind
    ref: str
    decision_id: str | None
    at: datetime
    forced: int


def entries(tx: Tx, account_id: int, before: int, most: int) -> list[ForcedEntry]:
    """Read an account's entries below a `seq`, the newest first."""
    keep_order(tx)
    names = ("seq", "kind", "ref", "decision_id", "at", "forced_minor")
    query = (
        select(*(journal.c[name] for name in names))
        .where(journal.c.account_id == account_id, journal.c.seq < before)
        .order_by(journal.c.seq.desc())
        .limit(most)
    )
    return [
        ForcedEntry(row.seq, row.kind, row.ref, row.decision_id, row.at, row.forced_minor)
        for row in tx.execute(query)
    ]
