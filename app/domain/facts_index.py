"""Which documents speak of which: the relations among the documents of a book.

Everything here is found again from the documents; it only saves looking through all of them.
"""

from dataclasses import dataclass, field

from app.domain.facts import CreditBody, InvoiceBody, Line, PaymentBody

DeliveryKey = tuple[str, str]
"""(delivery_id, order_id); the order is empty for a delivery without one."""

CreditKey = tuple[str, str]
"""(id, kind)."""


def _link(index: dict[str, set[str]], name: str, key: str) -> None:
    index.setdefault(name, set()).add(key)


@dataclass(slots=True)
class Index:
    """Relations by the id they lead from; sets and mappings are empty rather than missing a name.

    `lines_of` holds the lines that name an order, `lines_on` those that name a delivery alone;
    both by invoice.
    """

    orders_of: dict[str, set[str]] = field(default_factory=dict)
    deliveries_of: dict[str, set[str]] = field(default_factory=dict)
    lines_of: dict[str, dict[str, list[Line]]] = field(default_factory=dict)
    lines_on: dict[str, dict[str, list[Line]]] = field(default_factory=dict)
    payments_on: dict[str, set[str]] = field(default_factory=dict)
    payments_with: dict[str, set[str]] = field(default_factory=dict)
    credits_on: dict[str, set[CreditKey]] = field(default_factory=dict)

    def link_delivery(self, key: DeliveryKey) -> None:
        """Relate a delivery id and an order, for good: an absent delivery counts nothing."""
        _link(self.orders_of, key[0], key[1])
        _link(self.deliveries_of, key[1], key[0])

    def link_invoice(self, invoice_id: str, body: InvoiceBody) -> None:
        """Relate an invoice's lines to what they name."""
        for line in body.lines:
            if line.order_id:
                of_order = self.lines_of.setdefault(line.order_id, {})
                of_order.setdefault(invoice_id, []).append(line)
            elif line.delivery_id:
                on_delivery = self.lines_on.setdefault(line.delivery_id, {})
                on_delivery.setdefault(invoice_id, []).append(line)

    def unlink_invoice(self, invoice_id: str, body: InvoiceBody) -> None:
        """Forget what `link_invoice` related."""
        for line in body.lines:
            if line.order_id:
                self.lines_of[line.order_id].pop(invoice_id, None)
            elif line.delivery_id:
                self.lines_on[line.delivery_id].pop(invoice_id, None)

    def link_payment(self, payment_id: str, body: PaymentBody) -> None:
        """Relate a payment to the invoices it settles and to its bill."""
        for one in body.allocations:
            _link(self.payments_on, one.invoice_id, payment_id)
        if body.note:
            _link(self.payments_with, body.note.note_id, payment_id)

    def unlink_payment(self, payment_id: str, body: PaymentBody) -> None:
        """Forget what `link_payment` related."""
        for one in body.allocations:
            self.payments_on[one.invoice_id].discard(payment_id)
        if body.note:
            self.payments_with[body.note.note_id].discard(payment_id)

    def link_credit(self, key: CreditKey, body: CreditBody) -> None:
        """Relate a credit to the invoice it lowers."""
        if body.invoice_id:
            self.credits_on.setdefault(body.invoice_id, set()).add(key)

    def unlink_credit(self, key: CreditKey, body: CreditBody) -> None:
        """Forget what `link_credit` related."""
        if body.invoice_id:
            self.credits_on[body.invoice_id].discard(key)
