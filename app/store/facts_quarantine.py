"""Single rows of the quarantine, as a person decides about them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text

from app.store.database import Tx
from app.store.facts_inbox import Waiting

_FIND: Final = text("""
SELECT quarantine_id, segment_id, account_id, cause, payload, status FROM quarantine
WHERE quarantine_id = :id
""")
_LOCK: Final = text("""
SELECT quarantine_id, account_id FROM quarantine
WHERE quarantine_id = ANY(:ids) AND status = 'OPEN' ORDER BY quarantine_id FOR UPDATE
""")
_SIGN: Final = text("""
UPDATE quarantine SET closed_by = :closed_by, close_reason = :reason WHERE quarantine_id = :id
""")


@dataclass(frozen=True, slots=True)
class Found:
    """A row and where it belongs; `is_open` says whether it waits still."""

    row: Waiting
    segment_id: str
    is_open: bool


def find(tx: Tx, quarantine_id: int) -> Found | None:
    """Read a row, without a lock."""
    found = tx.execute(_FIND, {"id": quarantine_id}).one_or_none()
    if found is None:
        return None
    row = Waiting(
        found.quarantine_id,
        found.account_id,
        found.cause,
        int(found.payload["version"]),
        found.payload,
    )
    return Found(row, found.segment_id, found.status == "OPEN")


def lock_open(tx: Tx, ids: Collection[int]) -> dict[int, int | None]:
    """Lock those rows that still wait, after their accounts; gives the account of each."""
    rows = tx.execute(_LOCK, {"ids": sorted(ids)})
    return {row.quarantine_id: row.account_id for row in rows}


def sign(tx: Tx, quarantine_id: int, closed_by: str, reason: str) -> None:
    """Keep who closed a row by hand, and why."""
    tx.execute(_SIGN, {"id": quarantine_id, "closed_by": closed_by, "reason": reason})
