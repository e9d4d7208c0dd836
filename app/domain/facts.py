"""Facts as values: the documents an ERP reports, the event that carries one, and its answer.

All amounts are minor units of the document's currency, gross and absolute, never deltas. A
document is (segment, kind, id); its newest version holds, and amount 0 cancels it.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Generic, Literal, TypeVar

from app.domain.accounts import Use
from app.domain.values import changed, quick

Kind = Literal[
    "order", "delivery", "invoice", "payment", "note", "credit_note", "write_off", "dispute"
]
Table = Literal["order_fact", "delivery", "invoice", "payment", "note", "credit", "dispute"]
"""Where documents of a kind are kept; credit notes and write-offs share one."""

NoteKind = Literal["BANK", "COMMERCIAL", "VOUCHER"]
NoteStatus = Literal["OPEN", "PAID", "DISCOUNTED", "ENDORSED", "DISHONOURED"]

EXPECTED: Final = -1
"""The version of a document that others refer to before it came: below every real version."""

NO_ORDER: Final = "\x1fD:"
"""Starts the stand-in order of a delivery without one; no id on the wire holds this character."""


@quick
@dataclass(frozen=True, slots=True)
class OrderBody:
    """The whole value of an order; CLOSED frees what is left of its reservation."""

    amount: int
    currency: str
    status: Literal["OPEN", "CLOSED"]

    @property
    def is_over(self) -> bool:
        """Whether nothing shall be reserved any more: closed, or cancelled by amount 0."""
        return self.status == "CLOSED" or not self.amount


@quick
@dataclass(frozen=True, slots=True)
class DeliveryBody:
    """What left under one delivery id for one order; `order_id` is empty without one."""

    order_id: str
    amount: int
    currency: str


@quick
@dataclass(frozen=True, slots=True)
class Line:
    """A part of an invoice; `final` says that nothing more will be billed for its delivery."""

    order_id: str | None
    delivery_id: str | None
    amount: int
    final: bool


@quick
@dataclass(frozen=True, slots=True)
class InvoiceBody:
    """A posted receivable; its lines add up to no more than its amount."""

    amount: int
    currency: str
    issue_date: date
    due_date: date
    lines: tuple[Line, ...] = ()


@quick
@dataclass(frozen=True, slots=True)
class Allocation:
    """What a payment settles of an invoice; `discount` lowers the invoice on top of `amount`."""

    invoice_id: str
    amount: int
    discount: int = 0


@dataclass(frozen=True, slots=True)
class NoteTerms:
    """The bill by which a payment was made."""

    note_id: str
    kind: NoteKind
    due_date: date


@quick
@dataclass(frozen=True, slots=True)
class PaymentBody:
    """Money received; its allocations add up to no more than its amount."""

    amount: int
    currency: str
    paid_date: date
    status: Literal["FINAL", "PROVISIONAL"] = "FINAL"
    expires_at: datetime | None = None
    allocations: tuple[Allocation, ...] = ()
    note: NoteTerms | None = None


@dataclass(frozen=True, slots=True)
class NoteBody:
    """How a bill stands; `recourse` matters where it was passed on."""

    status: NoteStatus
    recourse: bool = True


@quick
@dataclass(frozen=True, slots=True)
class CreditBody:
    """A credit note or a write-off; `credit_date` None: not said, the day it occurred."""

    amount: int
    currency: str
    invoice_id: str | None
    credit_date: date | None


@dataclass(frozen=True, slots=True)
class DisputeBody:
    """Whether an invoice is disputed; `since` is the day the dispute was reported."""

    open: bool
    since: date | None


@dataclass(frozen=True, slots=True)
class Provisional:
    """How far PROVISIONAL money counts: less `haircut_percent` (0 to 100), until it has `lapsed`.

    `haircut_percent` is the segment's when this version of the payment was applied.
    """

    haircut_percent: int = 100
    lapsed_at: datetime | None = None

    def counted(self, amount: int) -> int:
        """Give what counts of an amount in minor units, rounded down."""
        return 0 if self.lapsed_at else amount * (100 - self.haircut_percent) // 100


Body = OrderBody | DeliveryBody | InvoiceBody | PaymentBody | NoteBody | CreditBody | DisputeBody

B_co = TypeVar("B_co", bound=Body, covariant=True)


@quick
@dataclass(frozen=True, slots=True)
class Held(Generic[B_co]):
    """A document as it is held: its newest version, whose it is, and a digest of its content.

    `provisional` is there for PROVISIONAL payments, and for nothing else. `told_at` (aware, UTC) is
    when this version was told first; None: nobody knows, it counts as told ever since.
    """

    account_id: int
    version: int
    content: bytes
    body: B_co
    provisional: Provisional | None = None
    told_at: datetime | None = None


@quick
@dataclass(frozen=True, slots=True)
class Event:
    """One statement of a source system about one document.

    `content` digests the document, `digest` the whole statement; `occurred_at` is in neither, for
    no state follows from it, only from which day features know of it. `payload` is the statement
    as it came, as JSON.
    """

    source: str
    event_id: str
    customer_ref: str
    segment_id: str
    occurred_at: datetime
    kind: Kind
    document_id: str
    version: int
    body: Body
    content: bytes
    digest: bytes
    payload: str

    @property
    def ref(self) -> str:
        """How the journal names the document: `invoice:INV-1`."""
        return f"{self.kind}:{self.document_id}"

    @property
    def cause(self) -> str:
        """How the quarantine names the document; a newer version of it removes this cause."""
        part = f"\x1f{self.body.order_id}" if isinstance(self.body, DeliveryBody) else ""
        return f"doc:{self.segment_id}:{self.ref}{part}"


ProblemCode = Literal[
    "customer_unknown",
    "fx_rate_missing",
    "version_conflict",
    "event_id_reused",
    "amount_out_of_range",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an event waits in quarantine; `cause` names what would let it go (empty: a person)."""

    code: ProblemCode
    detail: str
    field: str | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class OverLimit:
    """An account that a fact put over its limit, or further over; `excess` in minor units."""

    customer_id: str
    excess: int
    currency: str


@quick
@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one event."""

    event_id: str
    result: Literal["applied", "duplicate", "stale", "quarantined"]
    over_limit: tuple[OverLimit, ...] = ()
    problem: Problem | None = None

    @property
    def is_known(self) -> bool:
        """Whether the event said nothing new."""
        return self.result in {"duplicate", "stale"}


@quick
@dataclass(frozen=True, slots=True)
class Share:
    """What one document (or order) adds to its account at the moment, in its own currency."""

    account_id: int
    currency: str
    use: Use


def day_of(body: Body) -> date:
    """Give the day that a report without a date takes from its event; others compare equal."""
    if isinstance(body, CreditBody):
        return body.credit_date or date.max
    if isinstance(body, DisputeBody):
        return body.since or date.max
    return body.paid_date if isinstance(body, PaymentBody) else date.max


def is_same(one: Body, other: Body) -> bool:
    """Compare two documents; lines and allocations may come in any order."""
    if isinstance(one, InvoiceBody) and isinstance(other, InvoiceBody):
        same = Counter(one.lines) == Counter(other.lines)
        return same and changed(one, lines=()) == changed(other, lines=())
    if isinstance(one, PaymentBody) and isinstance(other, PaymentBody):
        same = Counter(one.allocations) == Counter(other.allocations)
        return same and changed(one, allocations=()) == changed(other, allocations=())
    return one == other


ANEW: Final = "anew"
"""The cause of what waited for a rate until its account changed: the next pass tries it again."""


def customer_cause(ref: str) -> str:
    """Name the cause that a customer's id or alias removes by coming into being."""
    return f"customer:{ref}"


def rate_cause(source: str, target: str) -> str:
    """Name the cause that a rate between two currencies removes; direct and inverse are one."""
    first, second = sorted((source, target))
    return f"rate:{first}:{second}"
