"""What orders carry, read and written again when two records of one payer become one."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, delete, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert

from app.domain.facts import DeliveryBody, Held, Line
from app.domain.facts_book import Book, UseKey
from app.domain.orders import OrderUse
from app.store import facts_queries
from app.store.database import Tx
from app.store.facts_rows import invoice_of
from app.store.orders import Key
from app.store.schema.documents import order_use

_NAMES = text("""
WITH line AS (
    SELECT l.segment_id, l.order_id, l.delivery_id FROM invoice_line l
    JOIN invoice v ON v.segment_id = l.segment_id AND v.invoice_id = l.invoice_id
    WHERE v.account_id = ANY(:ids)
),
named AS (
    SELECT segment_id, delivery_id FROM delivery WHERE account_id = ANY(:ids)
    UNION SELECT segment_id, delivery_id FROM line WHERE delivery_id IS NOT NULL
)
SELECT segment_id, order_id, NULL AS delivery_id FROM credit_order WHERE account_id = ANY(:ids)
UNION SELECT segment_id, order_id, NULL FROM order_use WHERE account_id = ANY(:ids)
UNION SELECT segment_id, order_id, NULL FROM line WHERE order_id IS NOT NULL
UNION SELECT d.segment_id, d.order_id, NULL
    FROM delivery d JOIN named n ON n.segment_id = d.segment_id AND n.delivery_id = d.delivery_id
    WHERE d.order_id <> ''
UNION SELECT segment_id, NULL, delivery_id FROM named
""")


@dataclass(frozen=True, slots=True)
class Names:
    """What documents of some accounts speak of: orders and deliveries as (segment, id)."""

    orders: frozenset[Key]
    deliveries: frozenset[Key]


def names(tx: Tx, account_ids: Collection[int]) -> Names:
    """List the orders and deliveries that documents of accounts speak of, whoever pays for them."""
    rows = tx.execute(_NAMES, {"ids": sorted(account_ids)}).all()
    return Names(
        frozenset((row.segment_id, row.order_id) for row in rows if row.order_id is not None),
        frozenset((row.segment_id, row.delivery_id) for row in rows if row.delivery_id),
    )


def load(tx: Tx, segment_id: str, known: Names) -> Book:
    """Load the deliveries of a segment's orders and what bills them."""
    book = Book(segment_id)
    orders, deliveries = _of(segment_id, known.orders), _of(segment_id, known.deliveries)

    def find(statement: Any, ids: Iterable[str]) -> Any:  # noqa: ANN401 - rows of any table
        return tx.execute(statement, facts_queries.values(segment_id, sorted(ids))).all()

    of_orders = find(facts_queries.DELIVERIES_OF, orders)
    deliveries |= {row.delivery_id for row in of_orders}
    for row in find(facts_queries.DELIVERIES, deliveries):
        body = DeliveryBody(row.order_id, row.amount_minor, row.currency)
        held = Held(row.account_id, row.version, bytes(row.content), body)
        book.hold("delivery", (row.delivery_id, row.order_id), held)
    lines: dict[str, dict[int, Line]] = {}
    for row in (
        *find(facts_queries.LINES_OF, orders),
        *find(facts_queries.LINES_ON, deliveries),
    ):
        line = Line(row.order_id, row.delivery_id, row.amount_minor, row.final)
        lines.setdefault(row.invoice_id, {})[row.line_no] = line
    for row in find(facts_queries.INVOICES, lines):
        numbered = lines[row.invoice_id]
        held_invoice = invoice_of(row, tuple(numbered[number] for number in sorted(numbered)))
        book.hold_invoice(row.invoice_id, held_invoice)
    return book


def _of(segment_id: str, keys: Iterable[Key]) -> set[str]:
    return {name for segment, name in keys if segment == segment_id}


def carried(
    tx: Tx, segment_id: str, account_ids: Collection[int], order_ids: Iterable[str]
) -> dict[UseKey, OrderUse]:
    """Read what orders carry for accounts."""
    query = select(order_use).where(
        order_use.c.segment_id == segment_id,
        order_use.c.account_id.in_(sorted(account_ids)),
        order_use.c.order_id == func.any(literal(sorted(order_ids), ARRAY(Text))),
    )
    return {
        (row.order_id, row.account_id, row.currency): OrderUse(
            row.delivered_minor, row.invoiced_minor
        )
        for row in tx.execute(query)
    }


def replace(
    tx: Tx, segment_id: str, gone: Collection[UseKey], uses: dict[UseKey, OrderUse]
) -> None:
    """Write what orders carry in place of what they carried."""
    for order_id, account_id, currency in gone:
        tx.execute(
            delete(order_use).where(
                order_use.c.segment_id == segment_id,
                order_use.c.order_id == order_id,
                order_use.c.account_id == account_id,
                order_use.c.currency == currency,
            )
        )
    rows = [
        {
            "segment_id": segment_id,
            "order_id": key[0],
            "account_id": key[1],
            "currency": key[2],
            "delivered_minor": use.delivered,
            "invoiced_minor": use.invoiced,
        }
        for key, use in sorted(uses.items())
    ]
    if rows:
        tx.execute(insert(order_use), rows)
