"""From any figure of an account down to its documents."""

from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import ConfigDict, Field

from app.api.auth import needs
from app.api.conventions import refusals
from app.api.desk import DeskDep
from app.api.strict import StrictRoute
from app.api.wire import AnswerModel, Id, MoneyOut, Page, decode_name, encode_cursor
from app.domain.callers import Caller
from app.domain.errors import FieldError
from app.domain.exposure import Document, DocumentType, Figure, Mark, OpenDelivery
from app.domain.facts import NoteKind, NoteStatus
from app.domain.money import Money
from app.domain.segments import MAIN
from app.usecases.exposure import FigurePage

router = APIRouter(prefix="/v1", tags=["customers"], route_class=StrictRoute)

_EUR: Final[dict[str, Any]] = {"amount": "1000.00", "currency": "EUR"}
_DOCUMENT: Final[dict[str, Any]] = {
    "type": "invoice",
    "id": "INV-1",
    "order_id": "SO-778",
    "note_id": None,
    "note_kind": None,
    "note_status": None,
    "disputed": True,
    "disputed_since": "2026-11-20",
    "customer_id": "C-1001",
    "amount": _EUR,
    "invoiced": None,
    "deliveries": [],
    "deliveries_left_out": 0,
    "worth": {"amount": "7812.30", "currency": "CNY"},
    "late_interest": None,
    "due_date": "2026-12-31",
    "expires_at": None,
}


class OpenDeliveryOut(AnswerModel):
    """A delivery and what invoice lines that name it have billed of it; cancelled ones are gone.

    It is open while `invoiced` is below `amount` and it is not `final`. A `final` one, for which no
    more will be billed, counts as what was billed of it, be that more or less than its amount.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "delivery_id": "DN-12",
                    "version": 1,
                    "amount": _EUR,
                    "invoiced": {"amount": "0.00", "currency": "EUR"},
                    "final": False,
                }
            ]
        }
    )

    delivery_id: str
    version: int
    amount: MoneyOut
    invoiced: MoneyOut
    final: bool

    @classmethod
    def of(cls, delivery: OpenDelivery) -> "OpenDeliveryOut":
        """Write a delivery for the wire."""
        return cls(
            delivery_id=delivery.delivery_id,
            version=delivery.version,
            amount=MoneyOut.of(delivery.amount),
            invoiced=MoneyOut.of(delivery.invoiced),
            final=delivery.final,
        )


class DocumentOut(AnswerModel):
    """A document and what it adds to the figure: `amount` in its own currency.

    `worth` is `amount` as the account values it, rounded by itself; null where no rate is known.
    `late_interest` has run up on what of a late invoice is still owed, at the rate of the payer's
    class (year of 360 days); it is shown, never booked, and null where the policy has no terms for
    the class. An adjustment has a sign. Where only an order as a whole carries an amount, `type`
    is `order`.

    In OPEN_DELIVERY `amount` is what was delivered less `invoiced`, all that was billed of the
    order by this payer in this currency, and `deliveries` are the payer's in it: the first hundred
    by id, `deliveries_left_out` counts the others. Lines that name the order alone are of no
    delivery, and only in the order's `invoiced`. An adjustment has neither.

    `note_kind` and `note_status` are the bill's that `note_id` names; one that nobody reported on
    is OPEN. `disputed`: the invoice is disputed now; `disputed_since` is the day of the newest
    report of the dispute (of one that came with an imported file, the day of the invoice).
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_DOCUMENT]})

    type: DocumentType
    id: str
    order_id: str | None
    note_id: str | None
    note_kind: NoteKind | None
    note_status: NoteStatus | None
    disputed: bool
    disputed_since: date | None
    customer_id: str
    amount: MoneyOut
    invoiced: MoneyOut | None
    deliveries: list[OpenDeliveryOut]
    deliveries_left_out: int
    worth: MoneyOut | None
    late_interest: MoneyOut | None
    due_date: date | None
    expires_at: datetime | None


class DocumentsOut(AnswerModel):
    """A page of what a figure is made of, in one snapshot; `totals` are the whole figure's.

    The amounts of all pages add up to `totals`, currency by currency. PREPAYMENT is told here as
    what was paid ahead: positive, though it lowers exposure.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "C-1001",
                    "segment": "main",
                    "category": "OPEN_ITEM",
                    "totals": [{"amount": "0.00", "currency": "CNY"}, _EUR],
                    "as_of": "2026-12-01T02:03:04Z",
                    "seq": 4711,
                    "items": [_DOCUMENT],
                    "next_cursor": None,
                }
            ]
        }
    )

    customer_id: str
    segment: str
    category: Figure
    totals: list[MoneyOut]
    as_of: datetime
    seq: int
    items: list[DocumentOut]
    next_cursor: str | None


class DocumentsQuery(Page):
    """Which figure of which of the customer's accounts."""

    segment: Id = MAIN
    category: Figure = Field(description="OVERDUE: what of OPEN_ITEM was due before today")

    def mark(self) -> Mark | None:
        """Read the last document seen; None on the first page.

        Raises:
            FieldError: The cursor is none of this list's.

        """
        key = self.after(int, int, str, str, str)
        if key is None:
            return None
        account_id, branch, due, name, currency = key
        told = decode_name(name)
        try:
            day = date.fromisoformat(due) if due else None
        except ValueError:
            raise FieldError("is not a cursor of this list", "cursor") from None
        if not 0 <= branch < _MOST_BRANCHES:
            raise FieldError("is not a cursor of this list", "cursor")
        return Mark(account_id, branch, day, told, currency)


_MOST_BRANCHES: Final = 100


def _cursor(mark: Mark) -> str:
    """Write a place of the list; ids are hexadecimal, for they may hold what no cursor takes."""
    due = mark.due_date.isoformat() if mark.due_date else ""
    return encode_cursor(
        [mark.account_id, mark.branch, due, mark.name.encode().hex(), mark.currency]
    )


def _out(document: Document, worth: Money | None, interest: Money | None) -> DocumentOut:
    return DocumentOut(
        type=document.document_type,
        id=document.document_id,
        order_id=document.order_id,
        note_id=document.note_id,
        note_kind=document.note_kind,
        note_status=document.note_status,
        disputed=document.disputed_since is not None,
        disputed_since=document.disputed_since,
        customer_id=document.customer_id,
        amount=MoneyOut.of(document.amount),
        invoiced=None if document.invoiced is None else MoneyOut.of(document.invoiced),
        deliveries=[OpenDeliveryOut.of(one) for one in document.deliveries],
        deliveries_left_out=document.deliveries_left_out,
        worth=None if worth is None else MoneyOut.of(worth),
        late_interest=None if interest is None else MoneyOut.of(interest),
        due_date=document.due_date,
        expires_at=document.expires_at,
    )


@router.get(
    "/customers/{customer_id}/account/documents",
    operation_id="listExposureDocuments",
    summary="Which documents is a figure made of?",
    responses=refusals(404),
)
def list_documents(
    customer_id: Id,
    query: Annotated[DocumentsQuery, Query()],
    caller: Annotated[Caller, Depends(needs("ledger:read"))],
    desk: DeskDep,
) -> DocumentsOut:
    """Answer a page of documents; a group's are its members'."""
    page = FigurePage(query.segment, query.category, query.mark(), query.limit)
    view = desk.figures.list_exposure(caller, customer_id, page)
    return DocumentsOut(
        customer_id=view.customer_id,
        segment=view.segment_id,
        category=query.category,
        totals=[MoneyOut.of(one) for one in view.totals],
        as_of=view.as_of,
        seq=view.seq,
        items=[
            _out(*one, interest)
            for one, interest in zip(view.documents, view.interest, strict=True)
        ],
        next_cursor=None if view.after is None else _cursor(view.after),
    )
