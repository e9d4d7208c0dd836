"""What documents add to an account: each formula of the contract, as a function of amounts.

All amounts are minor units of one currency and none is negative.
"""

from collections.abc import Iterable

from app.domain.accounts import Use
from app.domain.facts import NO_ORDER, DeliveryBody, Line, NoteBody, PaymentBody, Provisional
from app.domain.orders import OrderUse

_NOTHING = Use()


def invoice_use(amount: int, cash: int, reductions: int) -> Use:
    """Split an invoice into what it still owes and what was paid too much.

    `cash` (payments and credit notes) beyond what is owed is prepayment. `reductions` (discounts
    and write-offs) lower what is owed; by themselves they are never anybody's money.
    """
    over = cash + reductions - amount
    return Use(open_item=-over) if over < 0 else Use(prepayment=min(cash, over))


def counts(payment: PaymentBody, note: NoteBody | None) -> bool:
    """Tell whether a payment settles: neither taken back, nor provisional, nor dishonoured."""
    if not payment.amount or payment.status == "PROVISIONAL":
        return False
    return payment.note is None or note is None or note.status != "DISHONOURED"


def is_receivable(note: NoteBody | None) -> bool:
    """Tell whether a bill may still come back to us; one never reported on may."""
    if note is None or note.status == "OPEN":
        return True
    return note.status in {"DISCOUNTED", "ENDORSED"} and note.recourse


def provisional_use(payment: PaymentBody, terms: Provisional) -> Use:
    """Give what PROVISIONAL money adds: prepayment, whatever it is meant to settle.

    So invoices stay overdue until it is FINAL. A bill that is only announced counts nothing: when
    it is here, it takes an invoice's place in the exposure and lowers nothing.
    """
    return Use(prepayment=0 if payment.note else terms.counted(payment.amount))


def payment_use(payment: PaymentBody, settled: int, note: NoteBody | None) -> Use:
    """Give what a FINAL payment adds itself: money not settling an invoice, and its bill.

    `settled` is what its allocations settle of invoices that are here in its currency.
    """
    if not counts(payment, note):
        return _NOTHING
    bill = payment.amount if payment.note is not None and is_receivable(note) else 0
    return Use(prepayment=payment.amount - settled, note_receivable=bill)


def order_of(delivery_id: str, order_id: str) -> str:
    """Name the order a delivery counts for: its own, else a stand-in of the delivery's."""
    return order_id or NO_ORDER + delivery_id


def home_order(delivery_id: str, deliveries: Iterable[DeliveryBody]) -> str:
    """Find the order of a line that names a delivery alone.

    Of the deliveries of that id: what is not cancelled first, then what has an order, then byte
    order; a delivery that is not here stands for itself.
    """
    ranked = min(
        ((not one.amount, not one.order_id, one.order_id) for one in deliveries), default=None
    )
    return order_of(delivery_id, ranked[2] if ranked else "")


def use_of_order(
    deliveries: Iterable[tuple[str, int]], lines: Iterable[Line], finals: Iterable[Line]
) -> OrderUse:
    """Add up an order: `deliveries` are pairs of id and amount, `lines` what was billed of it.

    What is cancelled is in neither.

    `finals` are the final lines that speak of this order or of a delivery of it, wherever their
    own amount is billed. Without a delivery such a line settles all deliveries of the order, those
    to come too; what has not left it cannot make delivered.
    """
    billed = list(lines)
    invoiced = sum(line.amount for line in billed)
    done = {line.delivery_id for line in finals}
    if None in done:
        return OrderUse(min(sum(amount for _, amount in deliveries), invoiced), invoiced)
    delivered = 0
    for delivery_id, amount in deliveries:
        if delivery_id in done:
            delivered += sum(line.amount for line in billed if line.delivery_id == delivery_id)
        else:
            delivered += amount
    return OrderUse(delivered, invoiced)
