"""Whether a statement under a used event id is what was said under it, in other words."""

from app.domain.facts import Event, Result, is_same
from app.domain.facts_inbox import Inbox
from app.store.database import Tx
from app.store.facts_inbox import told_under
from app.store.facts_payers import names_of
from app.usecases.facts_events import digest_by, parse_event


def answer(tx: Tx, inbox: Inbox, event: Event) -> Result | None:
    """Answer a repeat, or a used id; None for a statement that is new.

    By another id of its customer it is the same, and with its parts in another order: an ERP that
    sends all again, after a merge or out of a table without an order, tells nothing else.
    """
    result = inbox.answer(event)
    if result is None or not result.problem or inbox.is_told(event):
        return result
    key = event.source, event.event_id
    first = inbox.known[key]
    if not _says(tx, event, first):
        return result
    told = inbox.told.get((key, first))
    if told is None:
        return Result(event.event_id, "duplicate")
    inbox.told[key, event.digest] = told  # it waits, or waited: not once more in these words
    return told


def _says(tx: Tx, event: Event, digest: bytes) -> bool:
    """Tell whether an event says what has a digest and was said first under its id."""
    names = names_of(tx, event.customer_ref) or [event.customer_ref]
    if any(digest_by(event, one) == digest for one in names):
        return True
    payload = told_under(tx, event.source, event.event_id)
    if payload is None:  # it is of the same batch
        return False
    first = parse_event(payload)
    return (
        first.customer_ref in names
        and (first.cause, first.version) == (event.cause, event.version)
        and is_same(first.body, event.body)
    )
