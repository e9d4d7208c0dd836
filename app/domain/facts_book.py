"""The book: the documents of one segment that a batch touches, and what each adds to accounts.

A share is computed from documents alone, never from the share before; so the order in which
documents came, and how often, cannot be seen in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast

from app.domain.accounts import Use
from app.domain.facts import (
    NO_ORDER,
    Body,
    CreditBody,
    DeliveryBody,
    DisputeBody,
    Held,
    InvoiceBody,
    Line,
    NoteBody,
    OrderBody,
    PaymentBody,
    Share,
    Table,
)
from app.domain.facts_index import CreditKey, DeliveryKey, Index
from app.domain.facts_shares import (
    counts,
    home_order,
    invoice_use,
    order_of,
    payment_use,
    provisional_use,
    use_of_order,
)
from app.domain.orders import Order, OrderUse

UseKey = tuple[str, int, str]
"""(order_id, account_id, currency)."""

_K = TypeVar("_K")
_V = TypeVar("_V")

_NO_USE: Final = OrderUse()


@dataclass(slots=True)
class Book:
    """Documents and orders by id, and the relations among them.

    What is only looked at (an invoice that another payment settles too) may be here without its
    relations; a share is computed only where everything it rests on was loaded.
    """

    segment_id: str
    order_facts: dict[str, Held[OrderBody]] = field(default_factory=dict)
    deliveries: dict[DeliveryKey, Held[DeliveryBody]] = field(default_factory=dict)
    invoices: dict[str, Held[InvoiceBody]] = field(default_factory=dict)
    payments: dict[str, Held[PaymentBody]] = field(default_factory=dict)
    notes: dict[str, Held[NoteBody]] = field(default_factory=dict)
    credits: dict[CreditKey, Held[CreditBody]] = field(default_factory=dict)
    disputes: dict[str, Held[DisputeBody]] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    uses: dict[UseKey, OrderUse] = field(default_factory=dict)
    index: Index = field(default_factory=Index)

    def held(self, table: Table, key: tuple[str, str]) -> Held[Body] | None:
        """Find a document by its id and the second part of its key (empty for most)."""
        found: Held[Body] | None
        match table:
            case "invoice":
                found = self.invoices.get(key[0])
            case "payment":
                found = self.payments.get(key[0])
            case "delivery":
                found = self.deliveries.get(key)
            case "order_fact":
                found = self.order_facts.get(key[0])
            case "credit":
                found = self.credits.get(key)
            case "note":
                found = self.notes.get(key[0])
            case "dispute":
                found = self.disputes.get(key[0])
        return found

    def hold(self, table: Table, key: tuple[str, str], held: Held[Body] | None) -> None:
        """Put a document in its place; None takes it out, as if it had never come."""
        match table:
            case "invoice":
                self.hold_invoice(key[0], cast("Held[InvoiceBody] | None", held))
            case "payment":
                self.hold_payment(key[0], cast("Held[PaymentBody] | None", held))
            case "delivery":
                self.index.link_delivery(key)
                _place(self.deliveries, key, cast("Held[DeliveryBody] | None", held))
            case "order_fact":
                _place(self.order_facts, key[0], cast("Held[OrderBody] | None", held))
            case "credit":
                self.hold_credit(key, cast("Held[CreditBody] | None", held))
            case "note":
                _place(self.notes, key[0], cast("Held[NoteBody] | None", held))
            case "dispute":
                _place(self.disputes, key[0], cast("Held[DisputeBody] | None", held))

    def hold_invoice(self, key: str, held: Held[InvoiceBody] | None) -> None:
        """Put an invoice in its place; None takes it out."""
        before = self.invoices.pop(key, None)
        if before:
            self.index.unlink_invoice(key, before.body)
        if held:
            self.invoices[key] = held
            self.index.link_invoice(key, held.body)

    def hold_payment(self, key: str, held: Held[PaymentBody] | None) -> None:
        """Put a payment in its place; None takes it out."""
        before = self.payments.pop(key, None)
        if before:
            self.index.unlink_payment(key, before.body)
        if held:
            self.payments[key] = held
            self.index.link_payment(key, held.body)

    def hold_credit(self, key: CreditKey, held: Held[CreditBody] | None) -> None:
        """Put a credit note or write-off in its place; None takes it out."""
        before = self.credits.pop(key, None)
        if before:
            self.index.unlink_credit(key, before.body)
        if held:
            self.credits[key] = held
            self.index.link_credit(key, held.body)

    def is_here(self, invoice_id: str | None, currency: str) -> bool:
        """Tell whether money of `currency` can settle an invoice: it came and is not cancelled."""
        held = self.invoices.get(invoice_id) if invoice_id else None
        return held is not None and held.body.amount > 0 and held.body.currency == currency

    def _note_of(self, payment: PaymentBody) -> NoteBody | None:
        held = self.notes.get(payment.note.note_id) if payment.note else None
        return held.body if held else None

    def share_of_invoice(self, invoice_id: str) -> Share | None:
        """Compute what an invoice adds: what it owes, or what was paid too much."""
        held = self.invoices.get(invoice_id)
        if held is None or not held.body.amount:
            return None
        body = held.body
        cash = reductions = 0
        for payment_id in self.index.payments_on.get(invoice_id, ()):
            payment = self.payments[payment_id].body
            if payment.currency == body.currency and counts(payment, self._note_of(payment)):
                for one in payment.allocations:
                    if one.invoice_id == invoice_id:
                        cash += one.amount
                        reductions += one.discount
        for key in self.index.credits_on.get(invoice_id, ()):
            credit = self.credits[key].body
            if credit.currency == body.currency:
                if key[1] == "credit_note":
                    cash += credit.amount
                else:
                    reductions += credit.amount
        return Share(held.account_id, body.currency, invoice_use(body.amount, cash, reductions))

    def share_of_payment(self, payment_id: str) -> Share | None:
        """Compute what a payment adds beside what it settles."""
        held = self.payments.get(payment_id)
        if held is None:
            return None
        body = held.body
        if held.provisional:
            return Share(held.account_id, body.currency, provisional_use(body, held.provisional))
        settled = sum(
            one.amount for one in body.allocations if self.is_here(one.invoice_id, body.currency)
        )
        return Share(
            held.account_id, body.currency, payment_use(body, settled, self._note_of(body))
        )

    def share_of_credit(self, key: CreditKey) -> Share | None:
        """Compute what a credit adds beside what it settles; a write-off waits for its invoice."""
        held = self.credits.get(key)
        if held is None:
            return None
        body = held.body
        waits = key[1] == "write_off" and body.invoice_id is not None
        settles = waits or self.is_here(body.invoice_id, body.currency)
        return Share(held.account_id, body.currency, Use(prepayment=0 if settles else body.amount))

    def home_of(self, delivery_id: str, account_id: int, currency: str) -> str:
        """Find the order that a line naming a delivery alone belongs to."""
        return home_order(
            delivery_id,
            (
                held.body
                for order_id in self.index.orders_of.get(delivery_id, ())
                if (held := self.deliveries.get((delivery_id, order_id)))
                and held.account_id == account_id
                and held.body.currency == currency
            ),
        )

    def _billed(
        self, lines: dict[str, list[Line]], account_id: int, currency: str
    ) -> Iterator[Line]:
        for invoice_id, of_invoice in lines.items():
            held = self.invoices[invoice_id]
            body = held.body
            if held.account_id == account_id and body.currency == currency and body.amount:
                yield from of_invoice

    def use_of(self, key: UseKey) -> OrderUse:
        """Compute what facts of an order carry for one payer in one currency."""
        order_id, account_id, currency = key
        own = "" if order_id.startswith(NO_ORDER) else order_id
        names = {order_id[len(NO_ORDER) :]} if not own else self.index.deliveries_of.get(own, ())
        of_order = self.index.lines_of.get(own)
        lines = list(self._billed(of_order, account_id, currency)) if of_order else []
        finals = [line for line in lines if line.final]
        delivered = []
        for name in sorted(names):
            held = self.deliveries.get((name, own))
            if (
                held
                and held.body.amount
                and held.account_id == account_id
                and held.body.currency == currency
            ):
                delivered.append((name, held.body.amount))
            on_delivery = self.index.lines_on.get(name)
            if on_delivery:
                alone = list(self._billed(on_delivery, account_id, currency))
                finals += [line for line in alone if line.final]
                if alone and self.home_of(name, account_id, currency) == order_id:
                    lines += alone
        if not lines and not delivered:
            return _NO_USE
        return use_of_order(delivered, lines, finals)

    def uses_of_delivery(self, delivery_id: str) -> Iterator[UseKey]:
        """Give what a delivery of this id, or a line naming it alone, has a part in."""
        for order_id in self.index.orders_of.get(delivery_id, ()):
            held = self.deliveries.get((delivery_id, order_id))
            if held:
                yield order_of(delivery_id, order_id), held.account_id, held.body.currency
        for invoice_id in self.index.lines_on.get(delivery_id, ()):
            invoice = self.invoices[invoice_id]
            account_id, currency = invoice.account_id, invoice.body.currency
            yield self.home_of(delivery_id, account_id, currency), account_id, currency

    def uses_of_invoice(self, invoice_id: str) -> Iterator[UseKey]:
        """Give what an invoice's lines have a part in."""
        held = self.invoices.get(invoice_id)
        if held is None:
            return
        for line in held.body.lines:
            if line.order_id:
                yield line.order_id, held.account_id, held.body.currency
            elif line.delivery_id:
                yield from self.uses_of_delivery(line.delivery_id)


def _place(held: dict[_K, _V], key: _K, value: _V | None) -> None:
    if value is None:
        held.pop(key, None)
    else:
        held[key] = value
