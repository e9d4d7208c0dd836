"""The payment terms of a customer's class, and what being late has cost; nothing is booked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from app.domain.callers import Caller
from app.domain.exposure import Document
from app.domain.money import Money
from app.domain.segments import Segment
from app.domain.terms import ClassTerms, TermsTable, late_interest, read_terms
from app.store import accounts, groups, rules, segments, terms
from app.store.database import Database, Tx
from app.usecases.accounts import not_here
from app.usecases.dates import business_date


@dataclass(frozen=True, slots=True)
class TermsView:
    """What a customer may have (None: its policy has no table, or not its class) and has agreed.

    `late_interest` is by currency, on its own late invoices up to `as_of`.
    """

    customer_id: str
    segment_id: str
    risk_class: str
    agreed_days: int | None
    allowed: ClassTerms | None
    late_interest: list[Money]
    rule_set_version: int
    as_of: date


@dataclass(frozen=True, slots=True)
class ReadTerms:
    """Read the payment terms of a customer in a segment."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, caller: Caller, ref: str, segment_id: str) -> TermsView:
        """Return them by the rule set in force.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id.
            NotFoundError: The customer has no account there.

        """
        caller.visit(segment_id)
        at = self.now()
        with self.database.read() as tx:
            segment = segments.read(tx, segment_id)
            today, customer_id = business_date(segment, at), accounts.customer_of(tx, ref)
            held = accounts.find(tx, customer_id, segment_id)
            if held is None:
                raise not_here(caller, ref, segment_id)
            risk_class = terms.classes(tx, [held.account_id], at)[held.account_id]
            allowed = terms_table(tx, segment, at).get(risk_class)
            costs: dict[str, int] = {}
            if allowed is not None:
                percent = allowed.late_interest_percent
                costs = terms.late_interest(tx, held.account_id, percent, today)
            agreed = groups.term(tx, held.account_id).payment_terms_days
        return TermsView(
            customer_id,
            segment_id,
            risk_class,
            agreed,
            allowed,
            [Money(minor, code) for code, minor in costs.items() if minor],
            segment.rule_set_at(at),
            today,
        )


def terms_table(tx: Tx, segment: Segment, at: datetime) -> TermsTable:
    """Read the payment terms by class of the rule set that is in force in a segment."""
    return read_terms(rules.data_of(tx, segment.rule_set_at(at)))


def interest_on(
    tx: Tx, documents: Sequence[Document], table: TermsTable, today: date, at: datetime
) -> list[Money | None]:
    """Reckon the late interest on each document, by the payer's class at a moment.

    None: it is no late invoice, or has no terms.
    """
    late = [_is_late(one, today) for one in documents]
    if not table or not any(late):
        return [None] * len(documents)
    of_account = terms.classes(tx, {one.place.account_id for one in documents}, at)
    found: list[Money | None] = []
    for one, counts in zip(documents, late, strict=True):
        allowed = table.get(of_account[one.place.account_id])
        if not counts or allowed is None or one.due_date is None:
            found.append(None)
            continue
        minor = late_interest(one.amount.minor, one.due_date, today, allowed)
        found.append(Money(minor, one.amount.currency))
    return found


def _is_late(one: Document, today: date) -> bool:
    return one.document_type == "invoice" and one.due_date is not None and one.due_date < today
