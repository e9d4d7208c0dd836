"""What was known of an invoice from day to day, where something else was told of it later.

A document stands at the end of a day as the highest version told by then says. What was told first
counts from its own date on, however late it came; but a bill is OPEN until it is told otherwise. A
version that was told no earlier than a higher one never stood.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from app.domain.feature_catalogue import LATE_30
from app.domain.values import quick

Body = Mapping[str, Any]
"""What features look at of a version, as `facts_retold.shown` writes it."""

DocumentKey = tuple[str, str]
"""(kind, id)."""


class Version(NamedTuple):
    """One version of a document. `at` (aware) and its business `day`: when it was told first.

    None: nobody knows, it counts as told before all others. `payer` is a customer, of an invoice.
    """

    number: int
    at: datetime | None
    day: date | None
    payer: str | None
    body: Body


@quick
@dataclass(frozen=True, slots=True)
class Epoch:
    """An invoice as it was known from the end of `known_on` on, until the day before `gone_on`.

    `known_on` None: ever since; `gone_on` None: still. `lowered` are days and amounts in the
    invoice's currency, in no order.
    """

    known_on: date | None
    gone_on: date | None
    payer: str | None
    issue_date: date
    due_date: date
    amount_minor: int
    currency: str
    lowered: Sequence[tuple[date, int]]


class _Span(NamedTuple):
    """What a document said from the end of `known_on` on; `date.min`: ever since."""

    known_on: date
    payer: str | None
    body: Body


def epochs(
    invoice_id: str,
    documents: Mapping[DocumentKey, Iterable[Version]],
    notes: Mapping[str, Iterable[Version]],
) -> Iterator[Epoch]:
    """Cut an invoice where anything changed that reaches it; what was cancelled is not there.

    `documents` are the invoice and what ever lowered it, with all their versions; `notes` the bills
    of those payments by id.
    """
    spans = {key: _spans(versions) for key, versions in documents.items()}
    bills = {name: _bill(versions) for name, versions in notes.items()}
    named = {
        one.body["note_id"]
        for (kind, _), held in spans.items()
        if kind == "payment"
        for one in held
    }
    borders = {one.known_on for held in spans.values() for one in held}
    borders |= {one.known_on for name in named & {*bills} for one in bills[name]}
    ordered = sorted(borders)
    for known_on, gone_on in zip(ordered, [*ordered[1:], None], strict=True):
        held = {key: _on(of_document, known_on) for key, of_document in spans.items()}
        own = held.pop(("invoice", invoice_id), None)
        if own is None or own.body["amount_minor"] <= 0:
            continue
        body = own.body
        yield Epoch(
            None if known_on == date.min else known_on,
            gone_on,
            own.payer,
            date.fromisoformat(body["issue_date"]),
            date.fromisoformat(body["due_date"]),
            body["amount_minor"],
            body["currency"],
            [
                lowered
                for (kind, _), span in held.items()
                if span and span.body["currency"] == body["currency"]
                for lowered in _lowered(invoice_id, kind, span.body, bills, known_on)
            ],
        )


def outcomes(epoch: Epoch, day: date) -> tuple[bool, bool, bool, bool]:
    """Tell whether an invoice's end was known by the end of a day, and was late.

    Then the same of more than 30 days late. Nothing of it is true while it was known otherwise.
    """
    begun = (epoch.known_on is None or epoch.known_on <= day) and epoch.issue_date <= day
    if not begun or (epoch.gone_on is not None and day >= epoch.gone_on):
        return False, False, False, False

    def is_paid(until: date) -> bool:
        return sum(minor for when, minor in epoch.lowered if when <= until) >= epoch.amount_minor

    def found(due: date) -> tuple[bool, bool]:
        return is_paid(day) or due < day, due < day and not is_paid(due)

    return *found(epoch.due_date), *found(epoch.due_date + timedelta(days=LATE_30))


def _lowered(
    invoice_id: str,
    kind: str,
    body: Body,
    bills: Mapping[str, Sequence[_Span]],
    on: date,
) -> Iterator[tuple[date, int]]:
    """Give what a payment or credit took off an invoice, as both stood on a day."""
    if body["amount_minor"] <= 0:
        return
    if kind != "payment":
        if body["invoice_id"] == invoice_id:
            yield date.fromisoformat(body["credit_date"]), body["amount_minor"]
        return
    bill = _on(bills.get(body["note_id"], ()), on)
    if body["status"] == "FINAL" and (bill is None or bill.body["status"] != "DISHONOURED"):
        paid = date.fromisoformat(body["paid_date"])
        yield from ((paid, x[1] + x[2]) for x in body["allocations"] if x[0] == invoice_id)


def _on(spans: Sequence[_Span], day: date) -> _Span | None:
    return next((one for one in reversed(spans) if one.known_on <= day), None)


def _spans(versions: Iterable[Version]) -> list[_Span]:
    """Say what a document said from when on: the first version that stood, ever since."""
    told = _bill(versions)
    return [told[0]._replace(known_on=date.min), *told[1:]] if told else []


def _bill(versions: Iterable[Version]) -> list[_Span]:
    """Say what a bill was from when on; of versions told on one day the highest counts."""
    stood: dict[date, _Span] = {}
    later: datetime | None = None
    newest = True
    for one in sorted(versions, key=lambda one: -one.number):
        if newest or (later is not None and (one.at is None or one.at < later)):
            day = one.day or date.min
            stood.setdefault(day, _Span(day, one.payer, one.body))
            later, newest = one.at, False
    return list(reversed(stood.values()))
