"""Read facts as the contract writes them: one object an event, its fields by its type."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

import orjson

from app.domain.errors import FieldError
from app.domain.facts import (
    Allocation,
    Body,
    CreditBody,
    DeliveryBody,
    DisputeBody,
    Event,
    InvoiceBody,
    Kind,
    Line,
    NoteBody,
    NoteKind,
    NoteStatus,
    NoteTerms,
    OrderBody,
    PaymentBody,
)
from app.usecases.collecting import uncollected
from app.usecases.facts_fields import Fields

MOST_EVENTS: Final = 5000
"""The most events of one batch, inclusive."""

_DIGEST_BYTES: Final = 16
_HEAD: Final = frozenset(
    {"source", "event_id", "type", "customer_id", "segment", "occurred_at", "version"}
)
_LINE: Final = frozenset({"order_id", "delivery_id", "amount", "final"})
_ALLOCATION: Final = frozenset({"invoice_id", "amount", "discount"})
_NOTE: Final = frozenset({"note_id", "kind", "due_date"})
_NOTE_KINDS: Final[tuple[NoteKind, ...]] = ("BANK", "COMMERCIAL", "VOUCHER")
_NOTE_STATUSES: Final[tuple[NoteStatus, ...]] = ("PAID", "DISCOUNTED", "ENDORSED", "DISHONOURED")


def parse_events(data: Sequence[object]) -> list[Event]:
    """Read a batch of facts.

    Raises:
        FieldError: Not 1 to 5,000 objects, or a field breaks a rule; its path is such as
            `events[17].amount.currency`.

    """
    if not 0 < len(data) <= MOST_EVENTS:
        raise FieldError(f"must have 1 to {MOST_EVENTS} items", "events")
    with uncollected():
        return [parse_event(one, f"events[{place}].") for place, one in enumerate(data)]


def parse_event(data: object, path: str = "") -> Event:
    """Read one fact; `path` (with its dot) goes before the names of fields in refusals.

    Raises:
        FieldError: A field is missing, unknown or breaks a rule.

    """
    fields = Fields(data, path)
    kind: Kind = fields.choice("type", _KINDS)
    known, name, read = _READERS[kind]
    fields.only(known)
    document_id, version, body = fields.id(name), fields.version(), read(fields)
    content = _digest([kind, body])
    customer_ref = fields.id("customer_id")
    segment_id = fields.optional_id("segment") or "main"
    digest = _said(customer_ref, segment_id, document_id, version, content)
    return Event(
        source=fields.id("source"),
        event_id=fields.id("event_id"),
        customer_ref=customer_ref,
        segment_id=segment_id,
        occurred_at=fields.instant("occurred_at"),
        kind=kind,
        document_id=document_id,
        version=version,
        body=body,
        content=content,
        digest=digest,
        payload=orjson.dumps(data).decode(),  # a fifth of what the objects take
    )


def digest_by(event: Event, customer_ref: str) -> bytes:
    """Digest a statement as if it named its customer by another id."""
    return _said(customer_ref, event.segment_id, event.document_id, event.version, event.content)


def _said(customer_ref: str, segment: str, document: str, version: int, content: bytes) -> bytes:
    """Digest what a statement says: two differ in it."""
    return _digest([customer_ref, segment, document, version, content.hex()])


def _digest(told: list[object]) -> bytes:
    return sha256(orjson.dumps(told)).digest()[:_DIGEST_BYTES]


def _order(fields: Fields) -> OrderBody:
    money = fields.money("amount")
    return OrderBody(money.minor, money.currency, fields.choice("status", ("OPEN", "CLOSED")))


def _delivery(fields: Fields) -> DeliveryBody:
    money = fields.money("amount")
    return DeliveryBody(fields.optional_id("order_id") or "", money.minor, money.currency)


def _invoice(fields: Fields) -> InvoiceBody:
    money = fields.money("amount")
    issued, due = fields.day("issue_date"), fields.day("due_date")
    if due < issued:
        raise fields.fault("due_date", f"must not be before issue_date {issued}")
    lines = tuple(_line(part, money.currency) for part in fields.parts("lines"))
    if sum(line.amount for line in lines) > money.minor:
        if money.minor:
            raise fields.fault("lines", "add up to more than the invoice")
        lines = ()  # who cancels it repeats what it had
    return InvoiceBody(money.minor, money.currency, issued, due, lines)


def _line(part: Fields, currency: str) -> Line:
    part.only(_LINE)
    return Line(
        part.optional_id("order_id"),
        part.optional_id("delivery_id"),
        part.money("amount", currency).minor,
        part.truth("final", default=False),
    )


def _payment(fields: Fields) -> PaymentBody:
    money = fields.money("amount")
    parts = tuple(_allocation(part, money.currency) for part in fields.parts("allocations"))
    if sum(part.amount for part in parts) > money.minor:
        if money.minor:
            raise fields.fault("allocations", "add up to more than the payment")
        parts = ()  # who takes it back repeats what it was for
    return PaymentBody(
        money.minor,
        money.currency,
        fields.day("paid_date"),
        fields.choice("status", ("FINAL", "PROVISIONAL"), "FINAL"),
        fields.optional_instant("expires_at"),
        parts,
        _terms(fields.inner("note")),
    )


def _allocation(part: Fields, currency: str) -> Allocation:
    part.only(_ALLOCATION)
    amount = part.money("amount", currency).minor
    return Allocation(part.id("invoice_id"), amount, part.optional_money("discount", currency))


def _terms(part: Fields | None) -> NoteTerms | None:
    if part is None:
        return None
    part.only(_NOTE)
    kind = part.choice("kind", _NOTE_KINDS)
    return NoteTerms(part.id("note_id"), kind, part.day("due_date"))


def _note(fields: Fields) -> NoteBody:
    status = fields.choice("status", _NOTE_STATUSES)
    return NoteBody(status, fields.truth("recourse", default=True))


def _credit(fields: Fields) -> CreditBody:
    money = fields.money("amount")
    invoice_id = fields.optional_id("invoice_id")
    return CreditBody(money.minor, money.currency, invoice_id, fields.optional_day("date"))


def _dispute(fields: Fields) -> DisputeBody:
    return DisputeBody(fields.truth("open"), None)


_Reader = tuple[frozenset[str], str, Callable[[Fields], Body]]


def _reader(read: Callable[[Fields], Body], name: str, *more: str) -> _Reader:
    return _HEAD | {name, *more}, name, read


_READERS: Final[dict[Kind, _Reader]] = {
    "order": _reader(_order, "order_id", "amount", "status"),
    "delivery": _reader(_delivery, "delivery_id", "order_id", "amount"),
    "invoice": _reader(_invoice, "invoice_id", "amount", "issue_date", "due_date", "lines"),
    "payment": _reader(
        _payment,
        "payment_id",
        "amount",
        "paid_date",
        "status",
        "expires_at",
        "allocations",
        "note",
    ),
    "note": _reader(_note, "note_id", "status", "recourse"),
    "credit_note": _reader(_credit, "credit_note_id", "invoice_id", "amount", "date"),
    "write_off": _reader(_credit, "write_off_id", "invoice_id", "amount", "date"),
    "dispute": _reader(_dispute, "invoice_id", "open"),
}
"""By type: the fields it may have, the one that names its document, and what reads the rest."""

_KINDS: Final[tuple[Kind, ...]] = tuple(_READERS)
