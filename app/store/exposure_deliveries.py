"""The deliveries that what is open of orders is made of, and what was billed of each.

What counts for whom is said by `app.domain.facts_book`; a test holds the sums equal.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import text

from app.domain.exposure import Document, OpenDelivery
from app.domain.money import Money
from app.store.database import Tx

MOST_SHOWN: Final = 100
"""Deliveries of one order that are shown, inclusive: an order may have thousands."""

_MINE: Final = "t.account_id = u.account_id AND t.currency = u.currency AND t.amount_minor > 0"


def _looked_up(table: str, key: str) -> str:
    """Write the payer's rows of a table under a key, as `t`.

    OFFSET 0 keeps all else out of the look-up: on a table that was just filled, PostgreSQL would
    rather read all that the payer has, or all deliveries without an order, and pick the key.
    """
    where = f"segment_id = :segment AND {key}"
    return f"(SELECT * FROM {table} WHERE {where} OFFSET 0) AS t"  # noqa: S608 - constants


# A line with a delivery alone is of one order: of those that have the delivery the first in byte
# order, one without an order last. A final one settles the delivery wherever it is.
DELIVERIES: Final = text(f"""
SELECT u.place, d.delivery_id, d.version, d.amount_minor, d.found, b.invoiced_minor, b.final
FROM unnest(CAST(:orders AS text[]), CAST(:names AS text[]), CAST(:account_ids AS bigint[]),
    CAST(:currencies AS text[])) WITH ORDINALITY AS u(order_id, name, account_id, currency, place)
CROSS JOIN LATERAL (
    (SELECT t.delivery_id, t.version, t.amount_minor, count(*) OVER () AS found
    FROM {_looked_up("delivery", "order_id = u.order_id")}
    WHERE u.order_id <> '' AND {_MINE}
    ORDER BY t.delivery_id LIMIT :most)
    UNION ALL
    SELECT t.delivery_id, t.version, t.amount_minor, 1
    FROM {_looked_up("delivery", "delivery_id = u.name")}
    WHERE u.order_id = '' AND t.order_id = '' AND {_MINE}
) AS d
CROSS JOIN LATERAL (
    SELECT NOT EXISTS (
        SELECT FROM {_looked_up("delivery", "delivery_id = d.delivery_id")}
        WHERE {_MINE} AND (t.order_id = '', t.order_id COLLATE "C")
            < (u.order_id = '', u.order_id COLLATE "C")) AS takes_lone_lines
) AS h
CROSS JOIN LATERAL (
    SELECT coalesce(sum(l.amount_minor) FILTER (WHERE l.order_id IS NOT NULL
            OR h.takes_lone_lines), 0)::bigint AS invoiced_minor,
        coalesce(bool_or(l.final), false) AS final
    FROM invoice_line l
    CROSS JOIN LATERAL {_looked_up("invoice", "invoice_id = l.invoice_id")}
    WHERE l.segment_id = :segment AND l.delivery_id = d.delivery_id
        AND (l.order_id = u.order_id OR l.order_id IS NULL) AND {_MINE}
) AS b
ORDER BY u.place, d.delivery_id
""")  # noqa: S608 - made of constants


def detailed(tx: Tx, segment_id: str, documents: Sequence[Document]) -> list[Document]:
    """Fill in what documents of OPEN_DELIVERY of one segment are made of.

    Deliveries come by id, at most `MOST_SHOWN` of a document. Adjustments stay as they are. It
    reads by index as long as `tx` is the one that listed them, which has its planner told to.
    """
    wanted = [one for one in documents if one.invoiced is not None]
    found: dict[int, list[Any]] = {}
    rows = tx.execute(
        DELIVERIES,
        {
            "segment": segment_id,
            "orders": [one.order_id or "" for one in wanted],
            "names": [one.document_id for one in wanted],
            "account_ids": [one.place.account_id for one in wanted],
            "currencies": [one.amount.currency for one in wanted],
            "most": MOST_SHOWN,
        },
    )
    for row in rows:
        found.setdefault(row.place, []).append(row)
    filled = {one.place: _filled(one, found.get(place, ())) for place, one in enumerate(wanted, 1)}
    return [filled.get(one.place, one) for one in documents]


def _filled(document: Document, rows: Sequence[Any]) -> Document:
    currency = document.amount.currency
    return replace(
        document,
        deliveries=[
            OpenDelivery(
                delivery_id=row.delivery_id,
                version=row.version,
                amount=Money(row.amount_minor, currency),
                invoiced=Money(row.invoiced_minor, currency),
                final=row.final,
            )
            for row in rows
        ],
        deliveries_left_out=rows[0].found - len(rows) if rows else 0,
    )
