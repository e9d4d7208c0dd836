"""Which shares rest on a document, as the book stands: asked before and after it changes."""

from collections.abc import Iterable, Iterator

from app.domain.facts import DeliveryBody, Event, InvoiceBody, OrderBody, Table
from app.domain.facts_book import Book, UseKey

ShareKey = tuple[str, str, str, int]
"""(what, id, second part, account).

`invoice` and `payment`; `credit` with its kind; `order` for a reservation; `use` for what facts of
an order carry, with currency and account.
"""


def key_of_use(key: UseKey) -> ShareKey:
    """Name the share of what facts of an order carry."""
    return "use", key[0], key[2], key[1]


def orders_named(event: Event) -> Iterator[str]:
    """Give the orders that an event speaks of by name."""
    body = event.body
    if isinstance(body, OrderBody):
        yield event.document_id
    elif isinstance(body, DeliveryBody) and body.order_id:
        yield body.order_id
    elif isinstance(body, InvoiceBody):
        yield from (line.order_id for line in body.lines if line.order_id)


def rests_on_invoice(book: Book, invoice_id: str) -> Iterator[ShareKey]:
    """Give what an invoice, its coming or its going may change."""
    yield "invoice", invoice_id, "", 0
    for payment_id in book.index.payments_on.get(invoice_id, ()):
        yield "payment", payment_id, "", 0
    for key in book.index.credits_on.get(invoice_id, ()):
        yield "credit", *key, 0
    yield from _uses(book.uses_of_invoice(invoice_id))


def rests_on_payment(book: Book, payment_id: str) -> Iterator[ShareKey]:
    """Give what a payment may change: itself and the invoices it settles."""
    yield "payment", payment_id, "", 0
    held = book.payments.get(payment_id)
    for one in held.body.allocations if held else ():
        yield "invoice", one.invoice_id, "", 0


def rests_on_note(book: Book, note_id: str) -> Iterator[ShareKey]:
    """Give what a bill may change: the payments made by it and all they settle."""
    for payment_id in book.index.payments_with.get(note_id, ()):
        yield from rests_on_payment(book, payment_id)


def rests_on_credit(book: Book, key: tuple[str, str]) -> Iterator[ShareKey]:
    """Give what a credit may change: itself and its invoice."""
    yield "credit", *key, 0
    held = book.credits.get(key)
    if held and held.body.invoice_id:
        yield "invoice", held.body.invoice_id, "", 0


def rests_on_delivery(book: Book, delivery_id: str) -> Iterator[ShareKey]:
    """Give what any delivery of an id may change."""
    return _uses(book.uses_of_delivery(delivery_id))


def rests_on(book: Book, table: Table, key: tuple[str, str]) -> Iterable[ShareKey]:
    """Give the shares that rest on a document; `key` is its id and the second part of its key.

    They are found while they are gone through: the book is to stay as it is meanwhile.
    """
    match table:
        case "invoice":
            return rests_on_invoice(book, key[0])
        case "payment":
            return rests_on_payment(book, key[0])
        case "note":
            return rests_on_note(book, key[0])
        case "credit":
            return rests_on_credit(book, key)
        case "delivery":
            return rests_on_delivery(book, key[0])
        case "order_fact" | "dispute":
            return [("order", key[0], "", 0)] if table == "order_fact" else []


def uses_first(touched: Iterable[ShareKey]) -> list[ShareKey]:
    """Sort, so that what an order carries is known before its reservation is computed."""
    found = sorted(touched)
    if len(found) > 1:
        found.sort(key=_is_order)
    return found


def _is_order(key: ShareKey) -> bool:
    return key[0] == "order"


def _uses(keys: Iterable[UseKey]) -> Iterator[ShareKey]:
    for key in keys:
        yield key_of_use(key)
        yield "order", key[0], "", 0
