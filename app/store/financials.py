"""Financial statements of customers: only added; of a period the row added last holds."""

from collections.abc import Mapping
from datetime import date, datetime

import orjson
from sqlalchemy import text

from app.domain.financials import Statement, StoredStatement
from app.store.database import Tx
from app.store.schema.outside import financial_statement as table


def add(tx: Tx, customer_id: str, one: Statement, by: tuple[str, str | None]) -> datetime:
    """Add a version of a statement; `by` is the client and the person behind it."""
    client, actor = by
    values = {
        "customer_id": customer_id,
        "period_end": one.period_end,
        "known_on": one.known_on,
        "currency": one.currency,
        "figures": dict(one.figures),
        "ratios": dict(one.ratios),
        "source": one.source,
        "client": client,
        "actor": actor,
    }
    added: datetime = tx.execute(
        table.insert().values(values).returning(table.c.created_at)
    ).scalar_one()
    return added


def newest(tx: Tx, customer_id: str, period_end: date) -> StoredStatement | None:
    """Read the statement of a period that holds."""
    found = listing(tx, customer_id, None, 1, period_end)
    return found[0] if found else None


_LISTING = text("""
SELECT DISTINCT ON (f.period_end) f.period_end, f.known_on, f.currency, f.figures::text AS figures,
    f.ratios::text AS ratios, f.source, f.created_at
FROM customer_ref r JOIN financial_statement f ON f.customer_id = r.ref
WHERE r.customer_id = :id AND (CAST(:before AS date) IS NULL OR f.period_end < :before)
    AND (CAST(:only AS date) IS NULL OR f.period_end = :only)
ORDER BY f.period_end DESC, f.statement_id DESC LIMIT :most
""")


def listing(
    tx: Tx, customer_id: str, before: date | None, most: int, only: date | None = None
) -> list[StoredStatement]:
    """Read the statements that hold, the newest period first; `before` (exclusive) starts a page.

    What was told of an id that was merged into the customer is the customer's.
    """
    values = {"id": customer_id, "before": before, "only": only, "most": most}
    return [
        StoredStatement(
            Statement(
                row.period_end,
                row.known_on,
                row.currency,
                _read(row.figures),
                _read(row.ratios),
                row.source,
            ),
            row.created_at,
        )
        for row in tx.execute(_LISTING, values)
    ]


def _read(data: str) -> Mapping[str, str]:
    found: dict[str, str] = orjson.loads(data)
    return found
