"""Documents as rows and back; amounts are minor units of the row's currency."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row as DbRow

from app.domain.accounts import Use
from app.domain.facts import (
    Allocation,
    CreditBody,
    DeliveryBody,
    DisputeBody,
    Held,
    InvoiceBody,
    Line,
    NoteBody,
    NoteTerms,
    OrderBody,
    PaymentBody,
    Provisional,
    Share,
)

Row = dict[str, Any]

_NOTHING = Use()


def head(held: Held[Any]) -> Row:
    """Write what rows of all documents have."""
    return {
        "version": held.version,
        "account_id": held.account_id,
        "content": held.content,
    }


def told(held: Held[Any]) -> Row:
    """Write what rows of documents have whose past counts: since when this version is known."""
    return head(held) | {"told_at": held.told_at}


def order_fact_row(order_id: str, held: Held[OrderBody]) -> Row:
    """Write a row of `order_fact`."""
    body = held.body
    return head(held) | {
        "order_id": order_id,
        "currency": body.currency,
        "amount_minor": body.amount,
        "status": body.status,
    }


def delivery_row(key: tuple[str, str], held: Held[DeliveryBody]) -> Row:
    """Write a row of `delivery`."""
    return head(held) | {
        "delivery_id": key[0],
        "order_id": key[1],
        "currency": held.body.currency,
        "amount_minor": held.body.amount,
    }


def invoice_row(invoice_id: str, held: Held[InvoiceBody], share: Share | None) -> Row:
    """Write a row of `invoice`; its lines go to `invoice_line`."""
    body, use = held.body, share.use if share else _NOTHING
    return told(held) | {
        "invoice_id": invoice_id,
        "currency": body.currency,
        "amount_minor": body.amount,
        "issue_date": body.issue_date,
        "due_date": body.due_date,
        "open_minor": use.open_item,
        "excess_minor": use.prepayment,
    }


def line_rows(invoice_id: str, body: InvoiceBody) -> list[Row]:
    """Write the rows of `invoice_line`."""
    return [
        {
            "invoice_id": invoice_id,
            "line_no": number,
            "order_id": line.order_id,
            "delivery_id": line.delivery_id,
            "amount_minor": line.amount,
            "final": line.final,
        }
        for number, line in enumerate(body.lines)
    ]


def payment_row(payment_id: str, held: Held[PaymentBody], share: Share | None) -> Row:
    """Write a row of `payment`; its allocations go to `allocation`."""
    body, use, note = held.body, share.use if share else _NOTHING, held.body.note
    terms = held.provisional
    return told(held) | {
        "payment_id": payment_id,
        "currency": body.currency,
        "amount_minor": body.amount,
        "paid_date": body.paid_date,
        "status": body.status,
        "expires_at": body.expires_at,
        "haircut_percent": terms.haircut_percent if terms else None,
        "lapsed_at": terms.lapsed_at if terms else None,
        "note_id": note.note_id if note else None,
        "note_kind": note.kind if note else None,
        "note_due_date": note.due_date if note else None,
        "prepayment_minor": use.prepayment,
        "note_receivable_minor": use.note_receivable,
    }


def allocation_rows(payment_id: str, body: PaymentBody) -> list[Row]:
    """Write the rows of `allocation`."""
    return [
        {
            "payment_id": payment_id,
            "line_no": number,
            "invoice_id": one.invoice_id,
            "amount_minor": one.amount,
            "discount_minor": one.discount,
        }
        for number, one in enumerate(body.allocations)
    ]


def note_row(note_id: str, held: Held[NoteBody]) -> Row:
    """Write a row of `note`."""
    return told(held) | {
        "note_id": note_id,
        "status": held.body.status,
        "recourse": held.body.recourse,
    }


def credit_row(key: tuple[str, str], held: Held[CreditBody], share: Share | None) -> Row:
    """Write a row of `credit`."""
    body = held.body
    return told(held) | {
        "credit_id": key[0],
        "kind": key[1],
        "currency": body.currency,
        "invoice_id": body.invoice_id,
        "amount_minor": body.amount,
        "credit_date": body.credit_date,
        "prepayment_minor": share.use.prepayment if share else 0,
    }


def dispute_row(invoice_id: str, held: Held[DisputeBody]) -> Row:
    """Write a row of `dispute`."""
    return head(held) | {
        "invoice_id": invoice_id,
        "open": held.body.open,
        "since": held.body.since,
    }


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
