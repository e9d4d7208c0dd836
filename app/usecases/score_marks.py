"""Whose scores facts make due, and how urgent that is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.domain.facts import Event, Result
from app.domain.scores_refresh import Urgency, is_adverse
from app.domain.segments import Segment
from app.store.facts_save import Saving
from app.usecases.books import Books
from app.usecases.dates import business_date


@dataclass(frozen=True, slots=True)
class Told:
    """Events with what became of each, whose account each is on, and the segments by id."""

    events: Sequence[Event]
    results: Sequence[Result]
    accounts: Mapping[tuple[str, str], int]
    segments: Mapping[str, Segment]


def touch(books: Books, work: Iterable[Saving], told: Told) -> None:
    """Say whose documents are being saved: these accounts, and the groups above them."""
    adverse = set()
    today = {name: business_date(one, books.at) for name, one in told.segments.items()}
    for event, result in zip(told.events, told.results, strict=True):
        if result.result == "applied" and is_adverse(event, today[event.segment_id]):
            adverse.add(told.accounts.get((event.segment_id, event.customer_ref)))
    for account_id in {one for saving in work for one in saving.accounts}:
        urgency = Urgency.ADVERSE if account_id in adverse else Urgency.EVENT
        for key in books.pool[account_id].path:
            books.touched[key] = min(urgency, books.touched.get(key, urgency))
