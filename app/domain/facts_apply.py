"""Apply facts one after the other, in memory: versions, shares, postings, one answer an event.

An event is applied wholly or not at all; one that is found wrong leaves no trace in the book.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from app.domain.accounts import Use
from app.domain.facts import (
    EXPECTED,
    Body,
    CreditBody,
    DeliveryBody,
    Event,
    Held,
    InvoiceBody,
    NoteBody,
    OrderBody,
    PaymentBody,
    Problem,
    Provisional,
    Result,
    Share,
    Table,
    day_of,
    is_same,
)
from app.domain.facts_balances import Balances, Place, Posted
from app.domain.facts_book import Book, UseKey
from app.domain.facts_orders import OrderChange, Stamp, record_order
from app.domain.facts_reach import ShareKey, rests_on, uses_first
from app.domain.facts_retold import Retold, earliest, told_at
from app.domain.orders import Order, OrderUse
from app.domain.values import changed

DocumentKey = tuple[str, str]
"""Id, and the order of a delivery or the kind of a credit; else empty."""

DocumentPlace = tuple[Table, DocumentKey]

_NO_USE: Final = OrderUse()


@dataclass(slots=True)
class Changes:
    """What is to be saved: documents by table and key, shares, orders, what ended with orders.

    `accounts` are those whose documents changed. `retold` is what versions before the newest said.
    """

    documents: set[DocumentPlace] = field(default_factory=set)
    shares: set[ShareKey] = field(default_factory=set)
    uses: set[UseKey] = field(default_factory=set)
    orders: set[str] = field(default_factory=set)
    past: list[Order] = field(default_factory=list)
    cancelled_holds: list[str] = field(default_factory=list)
    accounts: set[int] = field(default_factory=set)
    retold: Retold = field(default_factory=Retold)


@dataclass(slots=True)
class _Step:
    """One event under way: what it touches, what shares and uses become.

    `place` is its document's and `before` what was there. `held` is what was in the places it wrote
    to, in that order, `root` the order as it was.
    """

    place: DocumentPlace
    before: Held[Body] | None
    held: list[tuple[DocumentPlace, Held[Body] | None]] = field(default_factory=list)
    touched: set[ShareKey] = field(default_factory=set)
    order: OrderChange | None = None
    root: Order | None = None
    uses: dict[UseKey, OrderUse] = field(default_factory=dict)
    shares: dict[ShareKey, Share | None] = field(default_factory=dict)


@dataclass(slots=True)
class Clerk:
    """Applies the events of one segment to its book and to balances that all segments share.

    `shares` are those the accounts hold at the moment, `haircut_percent` is the segment's.
    """

    book: Book
    balances: Balances
    stamp: Stamp
    shares: dict[ShareKey, Share] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)
    haircut_percent: int = 100

    def apply(self, event: Event, account_id: int) -> Result:
        """Apply one event for the account of its customer; its dates are all filled in."""
        place = place_of(event)
        held = self.book.held(*place)
        if event.version < self.newest(event):
            self.changes.retold.hear(place, self._held(event, account_id), self.book)
            return Result(event.event_id, "stale")
        if held and held.version == event.version:
            return self._repeat(event, held, account_id)
        step = _Step(place, held)
        self._put(step, event, self._held(event, account_id))
        posted = self._settle(step, event)
        if isinstance(posted, Problem):
            self._undo(step)
            return Result(event.event_id, "quarantined", problem=posted)
        self._keep(step, posted)
        self.changes.retold.replace(place, held, self.book)
        self.changes.accounts.add(account_id)
        if held:
            self.changes.accounts.add(held.account_id)
        return Result(event.event_id, "applied", posted.over_limit)

    def _held(self, event: Event, account_id: int) -> Held[Body]:
        """Hold an event's document; PROVISIONAL money that comes too late has lapsed already."""
        body, terms = event.body, None
        if isinstance(body, PaymentBody) and body.status == "PROVISIONAL":
            late = body.expires_at is not None and body.expires_at <= self.stamp.at
            terms = Provisional(self.haircut_percent, self.stamp.at if late else None)
        first = told_at(event, self.stamp.at)
        return Held(account_id, event.version, event.content, body, terms, first)

    def newest(self, event: Event) -> int:
        """Give the newest version that anybody told of an event's document; asks for it count."""
        held = self.book.held(*place_of(event))
        order = self.book.orders.get(event.document_id) if event.kind == "order" else None
        asked = EXPECTED if order is None or order.version is None else order.version
        return max(asked, held.version if held else EXPECTED)

    def _repeat(self, event: Event, held: Held[Body], account_id: int) -> Result:
        """Answer a version that is held already; the earliest of equal reports stays."""
        told = held.content == event.content or is_same(held.body, event.body)
        if not told or held.account_id != account_id:
            detail = f"version {event.version} of {event.ref} is held with other content"
            problem = Problem("version_conflict", detail, "version", event.cause)
            return Result(event.event_id, "quarantined", problem=problem)
        first = earliest(held, self._held(event, account_id))
        if first is not held:
            step = _Step(place_of(event), held)
            self._put(step, event, first)
            self.changes.documents.update(place for place, _ in step.held)
            if isinstance(first.body, CreditBody) and first.body != held.body:
                self.changes.retold.moved.add(event.document_id)
        return Result(event.event_id, "duplicate")

    def _put(self, step: _Step, event: Event, held: Held[Body]) -> None:
        """Put the event's document in the book, and what it expects that has not come yet."""
        table, key = step.place
        # Where nothing was, nothing rests on it that does not rest on it afterwards; but the first
        # delivery of an id takes what lines of that id alone billed for themselves.
        if table == "delivery" or step.before:
            step.touched.update(rests_on(self.book, table, key))
        step.held.append((step.place, step.before))
        self.book.hold(table, key, held)
        step.touched.update(rests_on(self.book, table, key))
        body = held.body
        if isinstance(body, PaymentBody):
            for one in body.allocations:
                self._expect(step, one.invoice_id, held.account_id, body)
            if body.note and body.note.note_id not in self.book.notes:
                expected = Held(held.account_id, EXPECTED, b"", NoteBody("OPEN"))
                self._hold_new(step, ("note", (body.note.note_id, "")), expected)
        elif isinstance(body, CreditBody) and body.invoice_id:
            self._expect(step, body.invoice_id, held.account_id, body)
        elif isinstance(body, OrderBody):
            self._record(step, event, body, held.account_id)

    def _expect(
        self, step: _Step, invoice_id: str, account_id: int, body: PaymentBody | CreditBody
    ) -> None:
        """Hold the place of an invoice that has not come.

        Two batches for different payers, one with the invoice and one with its payment, share no
        account lock: they meet at this row's key, and the later one begins again.
        """
        if invoice_id in self.book.invoices:
            return
        day = day_of(body)
        expected = Held(account_id, EXPECTED, b"", InvoiceBody(0, body.currency, day, day))
        self._hold_new(step, ("invoice", (invoice_id, "")), expected)

    def _hold_new(self, step: _Step, place: DocumentPlace, held: Held[Body]) -> None:
        step.held.append((place, None))
        self.book.hold(*place, held)

    def _record(self, step: _Step, event: Event, body: OrderBody, account_id: int) -> None:
        book, order_id = self.book, event.document_id
        step.root = book.orders.get(order_id)
        root = step.root or Order(book.segment_id, order_id, account_id, body.currency)
        now = {"account_id": account_id, "currency": body.currency, "version": event.version}
        step.order = record_order(root, changed(root, **now), body, self.stamp)
        book.orders[order_id] = step.order.order

    def _undo(self, step: _Step) -> None:
        """Put the book back as it was before a step that was not kept."""
        for place, held in reversed(step.held):
            self.book.hold(*place, held)
        if step.order and step.root:
            self.book.orders[step.root.order_id] = step.root
        elif step.order:
            del self.book.orders[step.order.order.order_id]

    def _settle(self, step: _Step, event: Event) -> Posted | Problem:
        """Compute the touched shares anew and stage the differences."""
        moves: dict[Place, Use] = {}
        for key in uses_first(step.touched):
            if not self._is_ours(key):
                continue
            before, after = self.shares.get(key), self._share(step, key)
            if before == after:
                continue
            step.shares[key] = after
            if before and before.use:
                _move(moves, before, -before.use)
            if after and after.use:
                _move(moves, after, after.use)
        posted = self.balances.stage(moves, event.ref)
        if isinstance(posted, Problem) and not posted.cause:
            return replace(posted, cause=event.cause)
        return posted

    def _is_ours(self, key: ShareKey) -> bool:
        """Tell whether an order's share may change: other payers' were not locked, nor read whole.

        A delivery or a line counts for the payer it names, never for another one's orders.
        """
        if key[0] == "order" and key[1] in self.book.orders:
            return self.book.orders[key[1]].account_id in self.balances.accounts
        return key[0] != "use" or key[3] in self.balances.accounts

    def _share(self, step: _Step, key: ShareKey) -> Share | None:
        what, name, second, account_id = key
        if what == "invoice":
            return self.book.share_of_invoice(name)
        if what == "payment":
            return self.book.share_of_payment(name)
        if what == "credit":
            return self.book.share_of_credit((name, second))
        if what == "use":
            use = self.book.use_of((name, account_id, second))
            step.uses[name, account_id, second] = use
            return Share(account_id, second, Use(open_delivery=use.open_delivery))
        return self._share_of_order(step, name)

    def _share_of_order(self, step: _Step, order_id: str) -> Share | None:
        order = self.book.orders.get(order_id)
        if order is None:
            return None
        key = order_id, order.account_id, order.currency
        use = step.uses.get(key) or self.book.uses.get(key, _NO_USE)
        return Share(order.account_id, order.currency, Use(authorized=order.left(use)))

    def _keep(self, step: _Step, posted: Posted) -> None:
        """Let the event stand."""
        self.balances.keep(posted)
        changes = self.changes
        for place, _ in step.held:
            changes.documents.add(place)
        for key, share in step.shares.items():
            changes.shares.add(key)
            before = self.shares.pop(key, None)
            if before:
                changes.accounts.add(before.account_id)
            if share is None:
                continue
            changes.accounts.add(share.account_id)
            self.shares[key] = share
            if key[0] == "order":
                order = self.book.orders[key[1]]
                self.book.orders[key[1]] = changed(order, reserved=share.use.authorized)
        for use_key, use in step.uses.items():
            if use != self.book.uses.get(use_key, _NO_USE):
                self.book.uses[use_key] = use
                changes.uses.add(use_key)
        if step.order:
            changes.orders.add(step.order.order.order_id)
            changes.past += [step.order.past] if step.order.past else []
            hold = step.order.cancelled_hold
            changes.cancelled_holds += [hold] if hold else []


def place_of(event: Event) -> tuple[Table, DocumentKey]:
    """Find where an event's document is kept."""
    match event.kind:
        case "order":
            return "order_fact", (event.document_id, "")
        case "delivery":
            order_id = event.body.order_id if isinstance(event.body, DeliveryBody) else ""
            return "delivery", (event.document_id, order_id)
        case "credit_note" | "write_off":
            return "credit", (event.document_id, event.kind)
        case _:
            return event.kind, (event.document_id, "")


def _move(moves: dict[Place, Use], share: Share, use: Use) -> None:
    place = share.account_id, share.currency
    moves[place] = moves[place] + use if place in moves else use
