"""The scores in force that the scorecard computed, with what they were computed from."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from app.store.database import Tx

_AT_ONCE = 500


def rated_by_card(tx: Tx) -> Iterator[dict[str, Any]]:
    """Read them as they are stored, `features` included, a few hundred in memory at a time."""
    query = text("""
    SELECT s.data FROM customer_score c JOIN score s ON s.score_id = c.score_id
    WHERE s.data->>'source' = 'scorecard' AND s.data ? 'features'
    ORDER BY c.customer_id
    """)
    rows = tx.execute(query, execution_options={"yield_per": _AT_ONCE})
    for row in rows:
        yield row.data
