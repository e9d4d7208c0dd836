"""Whether anything has moved an account, by its journal."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import text

from app.store.database import Tx
from app.store.exposure import keep_order

_MOST_ENTRIES: Final = 1000
"""An account with as many journal entries since a moment counts as moved, unread."""

_MOVED: Final = text("""
SELECT n.account_id
FROM unnest(CAST(:account_ids AS bigint[]), CAST(:seqs AS bigint[])) AS n(account_id, seq)
CROSS JOIN LATERAL (
    SELECT count(*) = :most OR coalesce(bool_or(kind IN ('FACT', 'MERGE')), false) AS moved FROM (
        SELECT kind, at FROM journal WHERE account_id = n.account_id AND seq <= n.seq
        ORDER BY seq DESC LIMIT :most
    ) AS newest
    WHERE at > :since
) AS m
WHERE m.moved
""")


def moved_since(tx: Tx, seqs: Mapping[int, int], since: datetime) -> set[int]:
    """Find the accounts, of some, that documents moved after a moment, up to an entry of each.

    `seqs` has that entry's `seq` by account, the moment is one of our clock. Limits, rates,
    reservations and adjustments do not count: they move no figure of the ERP's. Many entries
    (`_MOST_ENTRIES`) do, whatever they are. A group's are its members' documents too.
    """
    keep_order(tx)
    up_to = {"account_ids": list(seqs), "seqs": list(seqs.values())}
    wanted = {**up_to, "since": since, "most": _MOST_ENTRIES}
    return set(tx.execute(_MOVED, wanted).scalars())


_PASSED: Final = text("""
SELECT EXISTS (
    SELECT FROM journal WHERE account_id = :account_id AND seq > :seq
        AND kind NOT IN ('LIMIT', 'LIMIT_EFFECTIVE')
)
""")


def moved_from(tx: Tx, account_id: int, seq: int) -> bool:
    """Say whether anything but limits has moved an account from where it was compared."""
    moved: bool = tx.execute(_PASSED, {"account_id": account_id, "seq": seq}).scalar_one()
    return moved
