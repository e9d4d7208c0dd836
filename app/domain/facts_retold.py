"""What was told of a document in versions that are not its newest, so that a day knows its own.

Only what features look at counts as told: a newer version that says the same again changes nothing
for them. Any order of the same reports, with repeats, keeps the same versions; marks may be more
than are needed, never fewer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from app.domain.facts import (
    EXPECTED,
    Body,
    CreditBody,
    DeliveryBody,
    DisputeBody,
    Event,
    Held,
    InvoiceBody,
    NoteBody,
    OrderBody,
    PaymentBody,
    Table,
    day_of,
)
from app.domain.facts_book import Book
from app.domain.values import changed

Place = tuple[Table, tuple[str, str]]
"""A document's table, and its id with the second part of its key."""

Mark = tuple[str, str, str, int]
"""(invoice_id, kind, document_id, account): of an invoice one that it was with, of others 0."""

_TABLES: Final[frozenset[Table]] = frozenset({"invoice", "payment", "credit", "note"})
_OTHERS: Final = (OrderBody, DeliveryBody, DisputeBody)


@dataclass(slots=True)
class Retold:
    """What is to be kept: versions that are not the newest, and the invoices that they reach.

    `noted` are payments to be marked if their bill was ever dishonoured, `moved` credits if they
    have a version before: what would tell is not in memory.
    """

    versions: dict[tuple[Place, int], Held[Body]] = field(default_factory=dict)
    marks: set[Mark] = field(default_factory=set)
    noted: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)

    def replace(self, place: Place, before: Held[Body] | None, book: Book) -> None:
        """Note that a document was told for the first time or anew; `book` has what is held now."""
        if place[0] not in _TABLES:
            return
        after = book.held(*place)
        if after is None:
            return
        if before and before.version > EXPECTED:
            self.hear(place, before, book)
        self._note(place, after, book)

    def hear(self, place: Place, told: Held[Body], book: Book) -> None:
        """Note a version that is older than what is held."""
        if place[0] not in _TABLES:
            return
        held = book.held(*place)
        if held is None:
            return
        known = self.versions.get((place, told.version))
        if known is None or _is_before(told.told_at, known.told_at):
            self.versions[place, told.version] = told
        if _differ(told, held):
            self.marks.update(_marks(place, told))
            self.marks.update(_marks(place, held))
        self._note(place, told, book)

    def _note(self, place: Place, told: Held[Body], book: Book) -> None:
        """Let payments be looked at whose bill was dishonoured, or may have been."""
        body = told.body
        if isinstance(body, NoteBody) and body.status == "DISHONOURED":
            self.noted |= book.index.payments_with.get(place[1][0], set())
        elif isinstance(body, PaymentBody) and body.note:
            note = book.notes.get(body.note.note_id)
            if note and note.version > EXPECTED:
                self.noted.add(place[1][0])


def told_at(event: Event, now: datetime) -> datetime | None:
    """Give the moment from which a report counts: at the latest when it came, whatever it says.

    None for kinds of which features as of a day do not ask it.
    """
    return None if isinstance(event.body, _OTHERS) else min(event.occurred_at, now)


def earliest(held: Held[Body], again: Held[Body]) -> Held[Body]:
    """Join two equal reports: the earlier day and moment stay. Gives `held` where both are its."""
    body = min(held.body, again.body, key=day_of)
    if body is held.body and not _is_before(again.told_at, held.told_at):
        return held
    first = again.told_at if _is_before(again.told_at, held.told_at) else held.told_at
    return changed(held, body=body, told_at=first)


def shown(body: Body) -> dict[str, object]:
    """Write what features look at, days as YYYY-MM-DD; allocations are [invoice, amount, discount].

    Raises:
        TypeError: Features do not look at documents of this kind.

    """
    match body:
        case InvoiceBody():
            days = {"issue_date": body.issue_date, "due_date": body.due_date}
        case PaymentBody():
            return {
                "amount_minor": body.amount,
                "currency": body.currency,
                "paid_date": body.paid_date.isoformat(),
                "status": body.status,
                "note_id": body.note.note_id if body.note else None,
                "allocations": [[x.invoice_id, x.amount, x.discount] for x in body.allocations],
            }
        case CreditBody():
            days = {"credit_date": day_of(body)}
        case NoteBody():
            return {"status": body.status}
        case _:
            raise TypeError(type(body).__name__)
    told: dict[str, object] = {"amount_minor": body.amount, "currency": body.currency}
    told |= {name: day.isoformat() for name, day in days.items()}
    return told | ({"invoice_id": body.invoice_id} if isinstance(body, CreditBody) else {})


def kind_of(place: Place) -> str:
    """Name the kind of a document: credits of both kinds share a table."""
    return place[1][1] or place[0]


def _is_before(one: datetime | None, other: datetime | None) -> bool:
    """Compare moments; none is before all."""
    return other is not None and (one is None or one < other)


def _differ(one: Held[Body], other: Held[Body]) -> bool:
    moved = isinstance(one.body, InvoiceBody) and one.account_id != other.account_id
    return moved or shown(one.body) != shown(other.body)


def _marks(place: Place, told: Held[Body]) -> Iterator[Mark]:
    """Give the invoices that a version reaches."""
    body, kind, name = told.body, kind_of(place), place[1][0]
    if isinstance(body, InvoiceBody):
        yield name, kind, name, told.account_id
    elif isinstance(body, PaymentBody):
        yield from ((one.invoice_id, kind, name, 0) for one in body.allocations)
    elif isinstance(body, CreditBody) and body.invoice_id:
        yield body.invoice_id, kind, name, 0
