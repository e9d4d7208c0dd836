"""Whom a fact that waits concerns besides its customer: whose figures it would have changed."""

from collections.abc import Iterator, Mapping

from app.domain.facts import CreditBody, Event, PaymentBody, Share
from app.domain.facts_apply import place_of
from app.domain.facts_book import Book
from app.domain.facts_reach import ShareKey, rests_on


def concerned(book: Book, shares: Mapping[ShareKey, Share], event: Event) -> set[int]:
    """Give the accounts of what rests on the event's document, as held or as told now.

    An order's reservation goes with what its facts carry for the same payer, and is not asked.

    A payment that is taken back opens the invoices of whoever owes them, a bill that bounces what
    was paid by it: their exposure may be incomplete as much as that of the event's customer.
    """
    keys = (key for key in _touched(book, event) if key[0] != "order")
    return {shares[key].account_id for key in keys if key in shares}


def _touched(book: Book, event: Event) -> Iterator[ShareKey]:
    table, key = place_of(event)
    yield from rests_on(book, table, key)
    body = event.body
    if isinstance(body, PaymentBody):
        for one in body.allocations:
            yield "invoice", one.invoice_id, "", 0
    elif isinstance(body, CreditBody) and body.invoice_id:
        yield "invoice", body.invoice_id, "", 0
