"""The questions asked when documents are loaded: by segment and ids of one kind, see `values`."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import TextClause, text

BETWEEN: Final = "\x1e"


def joined(ids: Iterable[str]) -> str:
    """Write ids as one parameter, which costs far less than an array of them.

    No id holds the character in between: it is a control character (see `facts_fields`).
    """
    return BETWEEN.join(ids)


def values(segment_id: str, ids: Iterable[str]) -> dict[str, str]:
    """Write the parameters of a question."""
    return {"segment": segment_id, "joined_ids": joined(ids)}


def split(name: str) -> str:
    """Write the array that a parameter made by `joined` stands for."""
    return f"string_to_array(:{name}, E'\\x1e')"


def _sql(columns: str, table: str, by: str, more: str = "") -> TextClause:
    return text(
        # every part is a constant of this file
        f"SELECT {columns} FROM {table} WHERE segment_id = :segment"  # noqa: S608
        f" AND {by} = ANY({split('joined_ids')}) {more}"
    )


_DELIVERY: Final = "delivery_id, order_id, version, account_id, currency, amount_minor, content"
_LINE: Final = "invoice_id, line_no, order_id, delivery_id, amount_minor, final"
DELIVERIES: Final = _sql(_DELIVERY, "delivery", "delivery_id")
DELIVERIES_OF: Final = _sql(_DELIVERY, "delivery", "order_id")
LINES: Final = _sql(_LINE, "invoice_line", "invoice_id")
LINES_OF: Final = _sql(_LINE, "invoice_line", "order_id")
LINES_ON: Final = _sql(_LINE, "invoice_line", "delivery_id", "AND order_id IS NULL")
INVOICES: Final = _sql(
    "invoice_id, version, account_id, currency, amount_minor, issue_date, due_date, open_minor,"
    " excess_minor, content, told_at",
    "invoice",
    "invoice_id",
)
_PAYMENT: Final = (
    "payment_id, version, account_id, currency, amount_minor, paid_date, status, expires_at,"
    " haircut_percent, lapsed_at, note_id, note_kind, note_due_date, prepayment_minor,"
    " note_receivable_minor, content, told_at"
)
PAYMENTS: Final = _sql(_PAYMENT, "payment", "payment_id")
PAYMENTS_WITH: Final = _sql(_PAYMENT, "payment", "note_id")
ALLOCATIONS: Final = _sql(
    "payment_id, line_no, invoice_id, amount_minor, discount_minor", "allocation", "payment_id"
)
PAYMENTS_ON: Final = _sql("DISTINCT payment_id", "allocation", "invoice_id")
_CREDIT: Final = (
    "credit_id, kind, version, account_id, currency, invoice_id, amount_minor, credit_date,"
    " prepayment_minor, content, told_at"
)
CREDITS: Final = _sql(_CREDIT, "credit", "credit_id")
CREDITS_ON: Final = _sql(_CREDIT, "credit", "invoice_id")
NOTES: Final = _sql(
    "note_id, version, account_id, status, recourse, content, told_at", "note", "note_id"
)
DISPUTES: Final = _sql(
    "invoice_id, version, account_id, open, since, content", "dispute", "invoice_id"
)
ORDER_FACTS: Final = _sql(
    "order_id, version, account_id, currency, amount_minor, status, content",
    "order_fact",
    "order_id",
)
USES: Final = _sql(
    "order_id, account_id, currency, delivered_minor, invoiced_minor", "order_use", "order_id"
)
ORDERS: Final = _sql("*", "credit_order", "order_id")
LOCK_ORDERS: Final = _sql(
    "*", "credit_order", "order_id", 'ORDER BY order_id COLLATE "C" FOR NO KEY UPDATE'
)
