"""Financial statements of customers: only added.

Of a period the version known last holds, of those known since one day the one told last.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final

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


_COLUMNS: Final = """
    f.period_end, f.known_on, f.currency, f.figures::text AS figures, f.ratios::text AS ratios,
    f.source, f.created_at
FROM customer_ref r JOIN financial_statement f ON f.customer_id = r.ref
WHERE r.customer_id = :id
"""

_VERSIONS: Final = text(f"""
SELECT {_COLUMNS} AND f.period_end = :period_end
ORDER BY f.known_on DESC, f.statement_id DESC
""")

_LISTING: Final = text(f"""
SELECT DISTINCT ON (f.period_end) {_COLUMNS}
    AND (CAST(:before AS date) IS NULL OR f.period_end < :before)
ORDER BY f.period_end DESC, f.known_on DESC, f.statement_id DESC LIMIT :most
""")


def versions(tx: Tx, customer_id: str, period_end: date) -> list[StoredStatement]:
    """Read all that was told of a period; the first one holds. People tell them: few."""
    return _stored(tx.execute(_VERSIONS, {"id": customer_id, "period_end": period_end}))


def listing(tx: Tx, customer_id: str, before: date | None, most: int) -> list[StoredStatement]:
    """Read the statements that hold, the newest period first; `before` (exclusive) starts a page.

    What was told of an id that was merged into the customer is the customer's.
    """
    return _stored(tx.execute(_LISTING, {"id": customer_id, "before": before, "most": most}))


def _stored(rows: Iterable[Any]) -> list[StoredStatement]:
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
        for row in rows
    ]


def _read(data: str) -> Mapping[str, str]:
    found: dict[str, str] = orjson.loads(data)
    return found
