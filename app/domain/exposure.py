"""What a figure of an account is made of: its documents, one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from app.domain.accounts import Account, Use
from app.domain.facts import NoteKind, NoteStatus
from app.domain.money import Money, RateFinder

Category = Literal["AUTHORIZED", "OPEN_DELIVERY", "OPEN_ITEM", "NOTE_RECEIVABLE", "PREPAYMENT"]
"""What an account keeps a position in; each is a field of `Use`."""

Figure = Literal[Category, "OVERDUE"]

DocumentType = Literal[
    "order", "delivery", "invoice", "payment", "credit_note", "write_off", "adjustment"
]

CATEGORIES: Final[tuple[Category, ...]] = (
    "AUTHORIZED",
    "OPEN_DELIVERY",
    "OPEN_ITEM",
    "NOTE_RECEIVABLE",
    "PREPAYMENT",
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a list of documents goes on: after this one, in the order of the list."""

    account_id: int
    branch: int
    due_date: date | None
    name: str
    currency: str


@dataclass(frozen=True, slots=True)
class OpenDelivery:
    """A delivery of an order with something open, and what lines that name it have billed of it.

    It adds `amount` to what was delivered of the order; `final`, which says that no more will be
    billed for it, it adds `invoiced` instead, be that more or less.
    """

    delivery_id: str
    version: int
    amount: Money
    invoiced: Money
    final: bool


@dataclass(frozen=True, slots=True)
class Document:
    """One document and what it adds to a figure, in its own currency; an adjustment has a sign.

    `document_id` is the order's where only the order as a whole carries the amount. `order_id` is
    None where there is none or several. `note_kind` and `note_status` are there where `note_id`
    is. `disputed_since` is there where an invoice is disputed now: the day of the newest report.
    `invoiced` is what was billed of an order or delivery with something open, `deliveries` what it
    is made of, less the last ones by id, which `deliveries_left_out` counts. `place` is its place
    in the list.
    """

    document_type: DocumentType
    document_id: str
    order_id: str | None
    note_id: str | None
    note_kind: NoteKind | None
    note_status: NoteStatus | None
    disputed_since: date | None
    customer_id: str
    amount: Money
    invoiced: Money | None
    due_date: date | None
    expires_at: datetime | None
    place: Mark
    deliveries: Sequence[OpenDelivery] = ()
    deliveries_left_out: int = 0


def share(use: Use, category: Category) -> int:
    """Pick one category of a position, in minor units."""
    amounts: Mapping[Category, int] = {
        "AUTHORIZED": use.authorized,
        "OPEN_DELIVERY": use.open_delivery,
        "OPEN_ITEM": use.open_item,
        "NOTE_RECEIVABLE": use.note_receivable,
        "PREPAYMENT": use.prepayment,
    }
    return amounts[category]


def use_of(category: Category, minor: int) -> Use:
    """Make a position, or a change of one, in a single category."""
    return Use(**{category.lower(): minor})


def figures_of(account: Account, category: Category) -> list[Money]:
    """List an account's exact position in a category, by currency; its own currency first."""
    others = (code for code, held in sorted(account.foreign.items()) if share(held.use, category))
    return [
        Money(share(account.position(code), category), code) for code in (account.currency, *others)
    ]


def worth_of(account: Account, amount: Money, figure: Figure, find: RateFinder) -> Money | None:
    """Value a document as the account values its position; None where nothing values it.

    Rounded by itself (prepayment down, all else up), so that the worths of many documents may
    differ from the worth of their sum by less than a minor unit each.
    """
    if amount.currency == account.currency:
        return amount
    held = account.foreign.get(amount.currency)
    rate = held.rate if held else find(amount.currency, account.currency)
    if rate is None:
        return None
    category: Category = "OPEN_ITEM" if figure == "OVERDUE" else figure
    worth = use_of(category, amount.minor).valued(rate.factor(amount.currency, account.currency))
    return Money(share(worth, category), account.currency)
