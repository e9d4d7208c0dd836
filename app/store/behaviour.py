"""How customers paid, read from documents: every invoice with what lowered it and when.

Money counts as it does in the ledger: FINAL payments that were not taken back and whose bill was
not dishonoured, with their discounts; credit notes and write-offs; all in the invoice's currency.
The newest version of each document counts: this is what is known today, whatever was known before,
which `portfolio_retold` reads.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import String

from app.domain.features import InvoiceHistory, Payment
from app.store.database import Tx

_AT_ONCE = 2000
"""Rows in memory at a time where several customers are read."""

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

_HISTORIES = text(f"""
SELECT a.customer_id, i.invoice_id, i.issue_date, i.due_date, i.amount_minor, i.currency,
    paid.days, paid.amounts, d.since
FROM account a
JOIN invoice i ON i.account_id = a.account_id
LEFT JOIN LATERAL (
    SELECT array_agg(day) AS days, array_agg(minor) AS amounts FROM (
{LOWERED}) AS lowered
) AS paid ON true
LEFT JOIN dispute d ON d.segment_id = i.segment_id AND d.invoice_id = i.invoice_id
WHERE a.customer_id = any(:ids) AND i.amount_minor > 0
ORDER BY a.customer_id
""").bindparams(  # noqa: S608 - made of a statement of this file
    bindparam("ids", type_=ARRAY(String))
)


def histories(
    tx: Tx, customer_ids: Sequence[str]
) -> Iterator[tuple[str, tuple[InvoiceHistory, ...]]]:
    """Read the invoices of customers over all segments, one customer in memory at a time.

    Customers without an invoice are absent. Read the iterator to its end within `tx`.
    """
    found = tx.execute(
        _HISTORIES,
        {"ids": list(customer_ids)},
        execution_options={"stream_results": len(customer_ids) > 1},
    )
    rows = found.yield_per(_AT_ONCE) if len(customer_ids) > 1 else found.all()
    for customer_id, of_customer in groupby(rows, key=lambda row: row[0]):
        yield customer_id, tuple(_history(row) for row in of_customer)


def _history(row: Any) -> InvoiceHistory:  # noqa: ANN401 - a row of `_HISTORIES`
    _, invoice_id, issue_date, due_date, amount_minor, currency, days, amounts, since = row
    payments = map(Payment, days, amounts) if days else ()
    return InvoiceHistory(
        invoice_id, issue_date, due_date, amount_minor, currency, tuple(payments), since
    )
