"""When a score is to be computed anew: how urgent an event is, and how long a score rests."""

from datetime import date
from enum import IntEnum

from app.domain.accounts import Account
from app.domain.facts import (
    CreditBody,
    DisputeBody,
    Event,
    InvoiceBody,
    NoteBody,
    PaymentBody,
)


class Urgency(IntEnum):
    """What comes first; ADVERSE does not wait for the end of the cooldown.

    RELATIVE is due because a parent or sibling was scored after something came, and makes nobody
    due in turn.
    """

    ADVERSE = 0
    EVENT = 1
    NIGHT = 2
    RELATIVE = 3


def is_adverse(event: Event, today: date) -> bool:
    """Tell whether a fact speaks against its customer, as far as it says so by itself.

    A bounced bill, a dispute, money taken back, a loss written off, an invoice that is past due.
    `today` is the segment's business date.
    """
    match event.body:
        case NoteBody(status=status):
            return status == "DISHONOURED"
        case DisputeBody(open=is_open):
            return is_open
        case PaymentBody(amount=amount):
            return not amount
        case CreditBody():
            return event.kind == "write_off"
        case InvoiceBody(amount=amount, due_date=due_date):
            return amount > 0 and due_date < today
        case _:
            return False


def is_cut(before: Account, after: Account) -> bool:
    """Tell whether an account's limit in force became less than it was."""
    if after.unlimited or before == after:
        return False
    return before.unlimited or (after.limit_minor or 0) < (before.limit_minor or 0)
