"""Documents as rows and back; amounts are minor units of the row's currency."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row as DbRow

from app.domain.accounts import Use
from app.domain.facts import (
    Allocation,
    Held,
    InvoiceBody,
    Line,
    NoteTerms,
    PaymentBody,
    Provisional,
    Share,
    Table,
)
from app.domain.facts_book import Book

Row = tuple[object, ...]
"""The values of a row, in the order of its columns."""

Key = tuple[str, str]
"""The id of a document, and the second part of its key (empty for most)."""

_NOTHING = Use()
_HEAD: Final = ("segment_id", "version", "account_id", "content")
_TOLD: Final = (*_HEAD, "told_at")


def _head(book: Book, held: Held[Any]) -> Row:
    """Write what rows of all documents have."""
    return book.segment_id, held.version, held.account_id, held.content


def _told(book: Book, held: Held[Any]) -> Row:
    """Write what rows of documents have whose past counts: since when this version is known."""
    return book.segment_id, held.version, held.account_id, held.content, held.told_at


def _order_fact(book: Book, key: Key, _: Share | None) -> Row:
    held = book.order_facts[key[0]]
    body = held.body
    return (*_head(book, held), key[0], body.currency, body.amount, body.status)


def _delivery(book: Book, key: Key, _: Share | None) -> Row:
    held = book.deliveries[key]
    return (*_head(book, held), *key, held.body.currency, held.body.amount)


def _invoice(book: Book, key: Key, share: Share | None) -> Row:
    """Write a row of `invoice`; its lines go to `invoice_line`."""
    held = book.invoices[key[0]]
    body, use = held.body, share.use if share else _NOTHING
    return (
        *_told(book, held),
        key[0],
        body.currency,
        body.amount,
        body.issue_date,
        body.due_date,
        use.open_item,
        use.prepayment,
    )


def _payment(book: Book, key: Key, share: Share | None) -> Row:
    """Write a row of `payment`; its allocations go to `allocation`."""
    held = book.payments[key[0]]
    body, use, note = held.body, share.use if share else _NOTHING, held.body.note
    terms = held.provisional
    return (
        *_told(book, held),
        key[0],
        body.currency,
        body.amount,
        body.paid_date,
        body.status,
        body.expires_at,
        terms.haircut_percent if terms else None,
        terms.lapsed_at if terms else None,
        note.note_id if note else None,
        note.kind if note else None,
        note.due_date if note else None,
        use.prepayment,
        use.note_receivable,
    )


def _note(book: Book, key: Key, _: Share | None) -> Row:
    held = book.notes[key[0]]
    return (*_told(book, held), key[0], held.body.status, held.body.recourse)


def _credit(book: Book, key: Key, share: Share | None) -> Row:
    held = book.credits[key]
    body = held.body
    return (
        *_told(book, held),
        *key,
        body.currency,
        body.invoice_id,
        body.amount,
        body.credit_date,
        share.use.prepayment if share else 0,
    )


def _dispute(book: Book, key: Key, _: Share | None) -> Row:
    held = book.disputes[key[0]]
    return (*_head(book, held), key[0], held.body.open, held.body.since)


@dataclass(frozen=True, slots=True)
class Written:
    """How documents of a kind are written: `row` gives the values of `columns` in their order."""

    columns: tuple[str, ...]
    row: Callable[[Book, Key, Share | None], Row]


_ORDER_FACT: Final = (*_HEAD, "order_id", "currency", "amount_minor", "status")
_DELIVERY: Final = (*_HEAD, "delivery_id", "order_id", "currency", "amount_minor")
_INVOICE: Final = (
    *(*_TOLD, "invoice_id", "currency", "amount_minor", "issue_date", "due_date"),
    *("open_minor", "excess_minor"),
)
_PAYMENT: Final = (
    *(*_TOLD, "payment_id", "currency", "amount_minor", "paid_date", "status", "expires_at"),
    *("haircut_percent", "lapsed_at", "note_id", "note_kind", "note_due_date"),
    *("prepayment_minor", "note_receivable_minor"),
)
_CREDIT: Final = (
    *(*_TOLD, "credit_id", "kind", "currency", "invoice_id", "amount_minor", "credit_date"),
    "prepayment_minor",
)
DOCUMENTS: Final[dict[Table, Written]] = {
    "order_fact": Written(_ORDER_FACT, _order_fact),
    "delivery": Written(_DELIVERY, _delivery),
    "invoice": Written(_INVOICE, _invoice),
    "payment": Written(_PAYMENT, _payment),
    "note": Written((*_TOLD, "note_id", "status", "recourse"), _note),
    "credit": Written(_CREDIT, _credit),
    "dispute": Written((*_HEAD, "invoice_id", "open", "since"), _dispute),
}

LINE: Final = (
    *("segment_id", "invoice_id", "line_no", "order_id", "delivery_id"),
    *("amount_minor", "final"),
)
"""The columns of `invoice_line`."""

ALLOCATION: Final = (
    *("segment_id", "payment_id", "line_no", "invoice_id"),
    *("amount_minor", "discount_minor"),
)
"""The columns of `allocation`."""


def line_rows(book: Book, invoice_id: str) -> Iterator[Row]:
    """Write the rows of `invoice_line`."""
    segment_id = book.segment_id
    for number, one in enumerate(book.invoices[invoice_id].body.lines):
        yield segment_id, invoice_id, number, one.order_id, one.delivery_id, one.amount, one.final


def allocation_rows(book: Book, payment_id: str) -> Iterator[Row]:
    """Write the rows of `allocation`."""
    segment_id = book.segment_id
    for number, one in enumerate(book.payments[payment_id].body.allocations):
        yield segment_id, payment_id, number, one.invoice_id, one.amount, one.discount


def invoice_of(row: DbRow[Any], lines: tuple[Line, ...]) -> Held[InvoiceBody]:
    """Read a row of `invoice`."""
    body = InvoiceBody(row.amount_minor, row.currency, row.issue_date, row.due_date, lines)
    return Held(row.account_id, row.version, bytes(row.content), body, told_at=row.told_at)


def payment_of(row: DbRow[Any], allocations: Sequence[Allocation]) -> Held[PaymentBody]:
    """Read a row of `payment`."""
    note = NoteTerms(row.note_id, row.note_kind, row.note_due_date) if row.note_id else None
    body = PaymentBody(
        row.amount_minor,
        row.currency,
        row.paid_date,
        row.status,
        row.expires_at,
        tuple(allocations),
        note,
    )
    terms = None
    if row.haircut_percent is not None:
        terms = Provisional(row.haircut_percent, row.lapsed_at)
    return Held(row.account_id, row.version, bytes(row.content), body, terms, row.told_at)


def allocations_of(rows: Iterable[DbRow[Any]]) -> dict[str, list[Allocation]]:
    """Read rows of `allocation`, by payment and in the order of its lines."""
    found: dict[str, list[Allocation]] = {}
    for row in sorted(rows, key=lambda row: (row.payment_id, row.line_no)):
        one = Allocation(row.invoice_id, row.amount_minor, row.discount_minor)
        found.setdefault(row.payment_id, []).append(one)
    return found
