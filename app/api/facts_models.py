"""Facts on the wire: the shape of every type of event.

These models are what OpenAPI tells; a batch is read by `usecases/facts_events.py`, which the import
uses too and which says the same at a fifth of the cost. A test holds the two to each other.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from app.api.wire import BusinessDate, Id, Instant, MoneyIn, Version, WireModel
from app.usecases.facts_fields import MOST_PARTS

_AMOUNT: Final = {"amount": "12500.00", "currency": "CNY"}
_HEAD: Final[dict[str, Any]] = {
    "source": "erp-1",
    "event_id": "5f0c7d",
    "customer_id": "C-1001",
    "segment": "main",
    "occurred_at": "2026-12-01T08:00:00+08:00",
    "version": 1,
}

INVOICE: Final[dict[str, Any]] = {
    "type": "invoice",
    **_HEAD,
    "invoice_id": "INV-1",
    "amount": _AMOUNT,
    "issue_date": "2026-12-01",
    "due_date": "2027-01-30",
    "lines": [{"order_id": "SO-778", "amount": _AMOUNT}],
}


def _example(**fields: Any) -> ConfigDict:  # noqa: ANN401 - any JSON
    return ConfigDict(json_schema_extra={"examples": [{**fields}]})


def _event(kind: str, **fields: Any) -> ConfigDict:  # noqa: ANN401 - any JSON
    return _example(type=kind, **_HEAD, **fields)


class FactIn(WireModel):
    """What every event has; `version` decides what is newer.

    `occurred_at` is information: no balance follows from it, but since when features know of it.
    """

    source: Id
    event_id: Id
    customer_id: Id
    segment: Id | None = None
    occurred_at: Instant
    version: Version


class OrderFactIn(FactIn):
    """CLOSED frees what is left; OPEN records an order taken elsewhere and may pass the limit.

    The next ask for it holds to the limits what no ask did before.
    """

    model_config = _event("order", order_id="SO-778", amount=_AMOUNT, status="OPEN")

    type: Literal["order"]
    order_id: Id
    amount: MoneyIn
    status: Literal["OPEN", "CLOSED"]


class DeliveryFactIn(FactIn):
    """Consumes the order's reservation and becomes OPEN_DELIVERY; keyed by delivery and order."""

    model_config = _event("delivery", delivery_id="DN-12", order_id="SO-778", amount=_AMOUNT)

    type: Literal["delivery"]
    delivery_id: Id
    order_id: Id | None = None
    amount: MoneyIn


class LineIn(WireModel):
    """What an invoice bills of an order or delivery; `final`: nothing more will be billed of it."""

    model_config = _example(order_id="SO-778", delivery_id="DN-12", amount=_AMOUNT, final=True)

    order_id: Id | None = None
    delivery_id: Id | None = None
    amount: MoneyIn
    final: bool | None = None


class InvoiceFactIn(FactIn):
    """Adds OPEN_ITEM. One due date an invoice, not before its `issue_date`.

    Lines add up to no more than the amount; where it is 0, more are as none.
    """

    model_config = _example(**INVOICE)

    type: Literal["invoice"]
    invoice_id: Id
    amount: MoneyIn
    issue_date: BusinessDate
    due_date: BusinessDate
    lines: list[LineIn] | None = Field(None, max_length=MOST_PARTS)


class AllocationIn(WireModel):
    """What a payment settles of an invoice, in the payment's currency."""

    model_config = _example(invoice_id="INV-1", amount=_AMOUNT)

    invoice_id: Id
    amount: MoneyIn
    discount: MoneyIn | None = None


class NoteTermsIn(WireModel):
    """The bill by which a payment was made (承兑汇票 and the like)."""

    model_config = _example(note_id="BA-2026-7", kind="BANK", due_date="2027-05-30")

    note_id: Id
    kind: Literal["BANK", "COMMERCIAL", "VOUCHER"]
    due_date: BusinessDate


class PaymentFactIn(FactIn):
    """Settles invoices; the rest is PREPAYMENT. PROVISIONAL money counts once it is FINAL.

    Allocations add up to no more than the amount; where it is 0, more are as none.
    """

    model_config = _event(
        "payment",
        payment_id="PAY-1",
        amount=_AMOUNT,
        paid_date="2027-01-28",
        allocations=[{"invoice_id": "INV-1", "amount": _AMOUNT}],
    )

    type: Literal["payment"]
    payment_id: Id
    amount: MoneyIn
    paid_date: BusinessDate
    status: Literal["FINAL", "PROVISIONAL"] | None = None
    expires_at: Instant | None = None
    allocations: list[AllocationIn] | None = Field(None, max_length=MOST_PARTS)
    note: NoteTermsIn | None = None


class NoteFactIn(FactIn):
    """PAID, or passed on without recourse, frees the bill; DISHONOURED reopens the invoices."""

    model_config = _event("note", note_id="BA-2026-7", status="DISCOUNTED", recourse=False)

    type: Literal["note"]
    note_id: Id
    status: Literal["PAID", "DISCOUNTED", "ENDORSED", "DISHONOURED"]
    recourse: bool | None = None


class CreditNoteFactIn(FactIn):
    """Lowers the invoice; without one, or before it comes, it is PREPAYMENT."""

    model_config = _event(
        "credit_note", credit_note_id="CN-1", invoice_id="INV-1", amount=_AMOUNT, date="2026-12-05"
    )

    type: Literal["credit_note"]
    credit_note_id: Id
    invoice_id: Id | None = None
    amount: MoneyIn
    date: BusinessDate | None = None


class WriteOffFactIn(FactIn):
    """Lowers the invoice, and waits for it where it has not come; without one it is PREPAYMENT."""

    model_config = _event("write_off", write_off_id="WO-1", invoice_id="INV-1", amount=_AMOUNT)

    type: Literal["write_off"]
    write_off_id: Id
    invoice_id: Id | None = None
    amount: MoneyIn
    date: BusinessDate | None = None


class DisputeFactIn(FactIn):
    """Flags the item; no amount changes."""

    model_config = _event("dispute", invoice_id="INV-1", open=True)

    type: Literal["dispute"]
    invoice_id: Id
    open: bool


AnyFactIn = Annotated[
    OrderFactIn
    | DeliveryFactIn
    | InvoiceFactIn
    | PaymentFactIn
    | NoteFactIn
    | CreditNoteFactIn
    | WriteOffFactIn
    | DisputeFactIn,
    Field(discriminator="type"),
]

FACT: Final[TypeAdapter[Any]] = TypeAdapter(AnyFactIn)
"""Checks one event by these models."""


class ToldAsFact:
    """Takes any JSON where OpenAPI tells of `AnyFactIn`: whoever reads it checks it."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> CoreSchema:
        """Take it as it is."""
        return core_schema.any_schema()

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell what it must be."""
        return handler(FACT.core_schema)
