"""Load the part of a segment's documents that events touch, with all that rests on them.

Read it under the locks of the accounts: then nobody else changes these documents. What is found
may belong to accounts that are not locked yet; `Loaded` names them, and the caller begins again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, TextClause

from app.domain.accounts import Use
from app.domain.facts import (
    NO_ORDER,
    CreditBody,
    DeliveryBody,
    DisputeBody,
    Event,
    Held,
    InvoiceBody,
    Line,
    NoteBody,
    OrderBody,
    PaymentBody,
    Share,
    Table,
)
from app.domain.facts_apply import place_of
from app.domain.facts_book import Book
from app.domain.facts_reach import ShareKey, key_of_use
from app.domain.orders import Order, OrderUse
from app.domain.values import changed
from app.store import facts_queries as ask
from app.store.database import Tx
from app.store.facts_rows import allocations_of, invoice_of, payment_of
from app.store.orders import from_row as order_from_row

Rows = Sequence[Row[Any]]


@dataclass(slots=True)
class Loaded:
    """A book and the shares its documents have at the moment.

    `versions` are those of the rows that were found. `accounts` hold shares that may change, and
    `orders` are here without being locked: all of both must be.
    """

    book: Book
    shares: dict[ShareKey, Share] = field(default_factory=dict)
    versions: dict[tuple[Table, tuple[str, str]], int] = field(default_factory=dict)
    accounts: set[int] = field(default_factory=set)
    orders: set[str] = field(default_factory=set)


def load(tx: Tx, segment_id: str, events: Sequence[Event], locked: dict[str, Order]) -> Loaded:
    """Load what the events of one segment touch; `locked` are its orders that were locked."""
    loader = _Loader(tx, Loaded(Book(segment_id)))
    for event in events:
        loader.name(event)
    loader.load_deliveries()
    loader.load_money()
    loader.load_rest()
    loader.load_orders(locked)
    return loader.loaded


def lock_orders(tx: Tx, segment_id: str, ids: Iterable[str]) -> dict[str, Order]:
    """Read a segment's orders and keep others waiting until `tx` ends; before any account.

    Segments come in byte order too, whoever asks.
    """
    wanted = sorted(ids)
    if not wanted:
        return {}
    rows = tx.execute(ask.LOCK_ORDERS, ask.values(segment_id, wanted))
    return {row.order_id: order_from_row(row) for row in rows}


@dataclass(slots=True)
class _Loader:
    """Follows references from the events outwards; each set holds ids of one kind.

    `own` are the events' documents; the rest is what rests on them, or is only looked at.
    """

    tx: Tx
    loaded: Loaded
    own: dict[Table, set[tuple[str, str]]] = field(default_factory=dict)
    deliveries: set[str] = field(default_factory=set)
    orders: set[str] = field(default_factory=set)
    invoices: set[str] = field(default_factory=set)
    notes: set[str] = field(default_factory=set)
    lines: dict[str, dict[int, Line]] = field(default_factory=dict)

    def name(self, event: Event) -> None:
        """Note what an event speaks of."""
        table, key = place_of(event)
        self.own.setdefault(table, set()).add(key)
        body = event.body
        if isinstance(body, InvoiceBody):
            self.invoices.add(event.document_id)
            self._follow(body.lines)
        elif isinstance(body, PaymentBody):
            self.invoices.update([one.invoice_id for one in body.allocations])
            if body.note:
                self.notes.add(body.note.note_id)
        elif isinstance(body, DeliveryBody):
            self.deliveries.add(event.document_id)
            if body.order_id:
                self.orders.add(body.order_id)
        elif isinstance(body, CreditBody):
            if body.invoice_id:
                self.invoices.add(body.invoice_id)
        elif isinstance(body, OrderBody):
            self.orders.add(event.document_id)

    def _own(self, table: Table) -> list[str]:
        return [key[0] for key in self.own.get(table, ())]

    def _follow(self, lines: Iterable[Line]) -> None:
        for line in lines:
            if line.order_id:
                self.orders.add(line.order_id)
            elif line.delivery_id:
                self.deliveries.add(line.delivery_id)

    def _find(self, statement: TextClause, ids: Iterable[str]) -> Rows:
        wanted = sorted(set(ids))
        if not wanted:
            return ()
        return self.tx.execute(statement, ask.values(self.loaded.book.segment_id, wanted)).all()

    def _keep(self, table: Table, key: tuple[str, str], held: Held[Any]) -> None:
        self.loaded.book.hold(table, key, held)
        self.loaded.versions[table, key] = held.version
        if key in self.own.get(table, ()):
            self.loaded.accounts.add(held.account_id)

    def load_deliveries(self) -> None:
        """Load whole orders: their deliveries, and the lines that bill them."""
        self._keep_lines(self._find(ask.LINES, self._own("invoice")))
        for lines in self.lines.values():
            self._follow(lines.values())
        rows = self._find(ask.DELIVERIES, self.deliveries)
        known = {*self.deliveries}
        self.orders |= {row.order_id for row in rows if row.order_id}
        of_orders = self._find(ask.DELIVERIES_OF, self.orders)
        self.deliveries |= {row.delivery_id for row in of_orders}
        for row in (*rows, *of_orders, *self._find(ask.DELIVERIES, self.deliveries - known)):
            body = DeliveryBody(row.order_id, row.amount_minor, row.currency)
            held = Held(row.account_id, row.version, bytes(row.content), body)
            self._keep("delivery", (row.delivery_id, row.order_id), held)
        self._keep_lines(self._find(ask.LINES_OF, self.orders))
        self._keep_lines(self._find(ask.LINES_ON, self.deliveries))

    def _keep_lines(self, rows: Rows) -> None:
        for row in rows:
            line = Line(row.order_id, row.delivery_id, row.amount_minor, row.final)
            self.lines.setdefault(row.invoice_id, {})[row.line_no] = line

    def load_money(self) -> None:
        """Load payments, credits and the invoices they settle, with all that settles those too."""
        paid = {row.payment_id: row for row in self._find(ask.PAYMENTS, self._own("payment"))}
        with_notes = self._find(ask.PAYMENTS_WITH, self._own("note"))
        paid |= {row.payment_id: row for row in with_notes}
        settled = allocations_of(self._find(ask.ALLOCATIONS, paid))
        self.invoices |= {one.invoice_id for parts in settled.values() for one in parts}
        credited = self._find(ask.CREDITS, self._own("credit"))
        self.invoices |= {row.invoice_id for row in credited if row.invoice_id}
        others = {row.payment_id for row in self._find(ask.PAYMENTS_ON, self.invoices)} - {*paid}
        paid |= {row.payment_id: row for row in self._find(ask.PAYMENTS, others)}
        settled |= allocations_of(self._find(ask.ALLOCATIONS, others))
        for row in (*credited, *self._find(ask.CREDITS_ON, self.invoices)):
            self._keep_credit(row)
        for name, row in paid.items():
            self._keep_payment(row, payment_of(row, settled.get(name, ())))
        seen = {one.invoice_id for parts in settled.values() for one in parts}
        for row in self._find(ask.INVOICES, self.invoices | seen | {*self.lines}):
            self._keep_invoice(row)

    def _keep_invoice(self, row: Row[Any]) -> None:
        lines = self.lines.get(row.invoice_id, {})
        held = invoice_of(row, tuple(lines[number] for number in sorted(lines)))
        self._keep("invoice", (row.invoice_id, ""), held)
        if row.invoice_id in self.invoices:
            self.loaded.accounts.add(row.account_id)
        if row.amount_minor:
            use = Use(open_item=row.open_minor, prepayment=row.excess_minor)
            share = Share(row.account_id, row.currency, use)
            self.loaded.shares["invoice", row.invoice_id, "", 0] = share

    def _keep_payment(self, row: Row[Any], held: Held[PaymentBody]) -> None:
        self._keep("payment", (row.payment_id, ""), held)
        self.loaded.accounts.add(row.account_id)
        self.notes |= {row.note_id} if row.note_id else set()
        use = Use(prepayment=row.prepayment_minor, note_receivable=row.note_receivable_minor)
        share = Share(row.account_id, row.currency, use)
        self.loaded.shares["payment", row.payment_id, "", 0] = share

    def _keep_credit(self, row: Row[Any]) -> None:
        body = CreditBody(row.amount_minor, row.currency, row.invoice_id, row.credit_date)
        held = Held(row.account_id, row.version, bytes(row.content), body, told_at=row.told_at)
        self._keep("credit", (row.credit_id, row.kind), held)
        self.loaded.accounts.add(row.account_id)
        share = Share(row.account_id, row.currency, Use(prepayment=row.prepayment_minor))
        self.loaded.shares["credit", row.credit_id, row.kind, 0] = share

    def load_rest(self) -> None:
        """Load bills, disputes, order facts, and what facts of the orders carry."""
        for row in self._find(ask.NOTES, {*self.notes, *self._own("note")}):
            # a payment by it and its bouncing, of two customers, must not miss each other
            self.loaded.accounts.add(row.account_id)
            bill = _held(row, NoteBody(row.status, row.recourse))
            self._keep("note", (row.note_id, ""), changed(bill, told_at=row.told_at))
        for row in self._find(ask.DISPUTES, self._own("dispute")):
            body = DisputeBody(row.open, row.since)
            self._keep("dispute", (row.invoice_id, ""), _held(row, body))
        for row in self._find(ask.ORDER_FACTS, self._own("order_fact")):
            fact = OrderBody(row.amount_minor, row.currency, row.status)
            self._keep("order_fact", (row.order_id, ""), _held(row, fact))
        stand_ins = {NO_ORDER + name for name in self.deliveries}
        for row in self._find(ask.USES, self.orders | stand_ins):
            key = row.order_id, row.account_id, row.currency
            use = OrderUse(row.delivered_minor, row.invoiced_minor)
            self.loaded.book.uses[key] = use
            share = Share(row.account_id, row.currency, Use(open_delivery=use.open_delivery))
            self.loaded.shares[key_of_use(key)] = share

    def load_orders(self, locked: dict[str, Order]) -> None:
        """Take the locked orders; name those that are here but are not locked."""
        missing = self._find(ask.ORDERS, self.orders - {*locked})
        self.loaded.orders = {row.order_id for row in missing}
        facts = {*self._own("order_fact")}
        for order_id, order in locked.items():
            self.loaded.book.orders[order_id] = order
            share = Share(order.account_id, order.currency, Use(authorized=order.reserved))
            self.loaded.shares["order", order_id, "", 0] = share
            self.loaded.accounts |= {order.account_id} if order_id in facts else set()


def _held(row: Row[Any], body: Any) -> Held[Any]:  # noqa: ANN401 - any of the bodies
    return Held(row.account_id, row.version, bytes(row.content), body)
