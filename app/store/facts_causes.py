"""The quarantine by what its open rows wait for; all of it follows an index."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import text

from app.store.database import Tx
from app.store.facts_inbox import Waiting

_CAUSES: Final = text("""
WITH RECURSIVE walk (cause, place) AS (
    (SELECT cause, 1 FROM quarantine
    WHERE status = 'OPEN' AND cause >= :first ORDER BY cause LIMIT 1)
    UNION ALL
    SELECT (
        SELECT q.cause FROM quarantine q
        WHERE q.status = 'OPEN' AND q.cause > w.cause ORDER BY q.cause LIMIT 1
    ), w.place + 1
    FROM walk w WHERE w.cause IS NOT NULL AND w.place < :most
)
SELECT cause FROM walk WHERE cause IS NOT NULL ORDER BY place
""")
"""From one cause to the next: what many rows wait for costs no more than what one does."""
_ROWS: Final = text("""
SELECT quarantine_id, account_id, concerns, cause, document, payload FROM quarantine
WHERE status = 'OPEN' AND cause = :cause AND quarantine_id > :after AND segment_id = ANY(:segments)
ORDER BY quarantine_id LIMIT :most
""")


_CONTRADICTED: Final = text("""
SELECT DISTINCT cause FROM quarantine
WHERE account_id = ANY(:ids) AND status = 'OPEN' AND code = 'version_conflict' ORDER BY cause
""")


def contradicted(tx: Tx, account_ids: Collection[int]) -> list[str]:
    """Name documents of which accounts hold what open rows tell otherwise, as causes."""
    return list(tx.execute(_CONTRADICTED, {"ids": sorted(account_ids)}).scalars())


def next_causes(tx: Tx, first: str, most: int) -> list[str]:
    """List up to `most` causes of open rows from `first` on, in the order of the index."""
    return list(tx.execute(_CAUSES, {"first": first, "most": most}).scalars())


def next_rows(
    tx: Tx, cause: str, segments: Collection[str], after: int, most: int
) -> list[Waiting]:
    """List up to `most` open rows of a cause in some segments, in the order they came."""
    asked = {"cause": cause, "segments": sorted(segments), "after": after, "most": most}
    return [Waiting.of(row) for row in tx.execute(_ROWS, asked)]
