"""How customers paid, read from documents: every invoice with what lowered it and when.

Money counts as it does in the ledger: FINAL payments that were not taken back and whose bill was
not dishonoured, with their discounts; credit notes and write-offs; all in the invoice's currency.
The newest version of each document counts: this is what is known today, whatever was known before,
which `portfolio_retold` reads.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, cast

import psycopg

from app.domain.features import InvoiceHistory, Payment
from app.store.database import Tx

_Row = tuple[Any, ...]

_AT_ONCE: Final = 2000
"""Rows in memory at a time where several customers are read."""

_CURSOR: Final = "histories"
"""Always the same name, which SQLAlchemy's have not: psycopg remembers the text of a statement, and
a hundred that never come again would each hold on to a piece of what was memory of its time."""

LOWERED = """
SELECT p.paid_date AS day, l.amount_minor + l.discount_minor AS minor
FROM allocation l
JOIN payment p ON p.segment_id = l.segment_id AND p.payment_id = l.payment_id
LEFT JOIN note n ON n.segment_id = p.segment_id AND n.note_id = p.note_id
WHERE l.segment_id = i.segment_id AND l.invoice_id = i.invoice_id
    AND p.currency = i.currency AND p.amount_minor > 0 AND p.status = 'FINAL'
    AND n.status IS DISTINCT FROM 'DISHONOURED'
UNION ALL
SELECT c.credit_date, c.amount_minor FROM credit c
WHERE c.segment_id = i.segment_id AND c.invoice_id = i.invoice_id
    AND c.currency = i.currency AND c.amount_minor > 0
"""
"""What lowered an invoice `i` and when: `day` and `minor` of each payment, discount and credit."""

_HISTORIES: Final = f"""
SELECT a.customer_id, i.invoice_id, i.issue_date, i.due_date, i.amount_minor, i.currency,
    paid.days, paid.amounts, d.since
FROM account a
JOIN invoice i ON i.account_id = a.account_id
LEFT JOIN LATERAL (
    SELECT array_agg(day) AS days, array_agg(minor) AS amounts FROM (
{LOWERED}) AS lowered
) AS paid ON true
LEFT JOIN dispute d ON d.segment_id = i.segment_id AND d.invoice_id = i.invoice_id
WHERE a.customer_id = any(%(ids)s) AND i.amount_minor > 0
ORDER BY a.customer_id
"""  # noqa: S608 - made of a statement of this file


def histories(
    tx: Tx, customer_ids: Sequence[str]
) -> Iterator[tuple[str, tuple[InvoiceHistory, ...]]]:
    """Read the invoices of customers over all segments, one customer in memory at a time.

    Customers without an invoice are absent. Read the iterator to its end within `tx`, and no other
    one meanwhile.
    """
    for customer_id, of_customer in groupby(_rows(tx, list(customer_ids)), key=itemgetter(0)):
        yield customer_id, tuple(_history(row) for row in of_customer)


def _rows(tx: Tx, ids: list[str]) -> Iterator[_Row]:
    connection = cast("psycopg.Connection[_Row]", tx.connection.driver_connection)
    cursor: psycopg.Cursor[_Row] | psycopg.ServerCursor[_Row]
    if len(ids) == 1:
        cursor = connection.cursor()
    else:
        cursor = connection.cursor(_CURSOR)
        cursor.itersize = _AT_ONCE
    with cursor:
        cursor.execute(_HISTORIES, {"ids": ids})
        yield from cursor


def _history(row: Any) -> InvoiceHistory:  # noqa: ANN401 - a row of `_HISTORIES`
    _, invoice_id, issue_date, due_date, amount_minor, currency, days, amounts, since = row
    payments = map(Payment, days, amounts) if days else ()
    return InvoiceHistory(
        invoice_id, issue_date, due_date, amount_minor, currency, tuple(payments), since
    )
