"""Save what a batch changed of a segment's documents and orders.

A known document is safe under the lock of its account. New ones of two batches meet only at their
key: what is inserted must not be there, else the other batch was first and this one begins again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, insert, update

from app.domain.callers import Caller
from app.domain.facts import Table as Kind
from app.domain.facts_apply import Clerk, DocumentKey
from app.domain.orders import Order
from app.store import facts_rows
from app.store.copies import copy_in
from app.store.database import Tx
from app.store.facts_bulk import delete_of, insert_new, replace_version, upsert
from app.store.facts_load import Loaded
from app.store.facts_retold import save_retold
from app.store.orders import past_row
from app.store.orders import to_row as order_row
from app.store.schema import decisions, documents, evidence

Row = dict[str, Any]

_TABLES: Final[dict[Kind, Table]] = {
    "order_fact": documents.order_fact,
    "delivery": documents.delivery,
    "invoice": documents.invoice,
    "payment": documents.payment,
    "note": documents.note,
    "credit": documents.credit,
    "dispute": documents.dispute,
}


@dataclass(frozen=True, slots=True)
class Saving:
    """The work of one clerk on what was loaded; `known` are the orders that were locked."""

    loaded: Loaded
    clerk: Clerk
    known: dict[str, Order]

    @property
    def accounts(self) -> set[int]:
        """The accounts whose documents changed."""
        return self.clerk.changes.accounts

    def save(self, tx: Tx, caller: Caller, at: datetime) -> None:
        """Write documents, shares, orders and what ended with them; accounts are not written here.

        Raises:
            TakenError: Another batch was first; nothing of this one may stay.

        """
        changed: dict[str, set[DocumentKey]] = {kind: set() for kind in _TABLES}
        for table, key in self.clerk.changes.documents:
            changed[table].add(key)
        invoices, payments = (sorted(changed[kind]) for kind in ("invoice", "payment"))
        for what, name, second, _ in self.clerk.changes.shares:
            if what in changed:
                changed[what].add((name, second))
        for kind in _TABLES:
            self._save_kind(tx, kind, sorted(changed[kind]))
        self._save_lines(tx, [name for name, _ in invoices])
        self._save_allocations(tx, [name for name, _ in payments])
        save_retold(tx, self.clerk.book.segment_id, self.clerk.changes.retold)
        self._save_uses(tx)
        self._save_orders(tx, at)
        self._cancel_holds(tx, caller, at)

    def _save_kind(self, tx: Tx, kind: Kind, keys: list[DocumentKey]) -> None:
        book, shares, versions = self.clerk.book, self.clerk.shares, self.loaded.versions
        written = facts_rows.DOCUMENTS[kind]
        fresh: list[facts_rows.Row] = []
        known: list[Row] = []
        for key in keys:
            row = written.row(book, key, shares.get((kind, *key, 0)))
            was = versions.get((kind, key))
            if was is None:
                fresh.append(row)
            else:
                known.append({**dict(zip(written.columns, row, strict=True)), "was": was})
        if fresh:
            copy_in(tx, _TABLES[kind], written.columns, fresh)
        replaced = replace_version(tx, _TABLES[kind], known)
        if replaced != len(known):
            message = f"{len(known)} documents were read under lock but {replaced} were there still"
            raise AssertionError(message)

    def _save_lines(self, tx: Tx, invoices: list[str]) -> None:
        """Replace the lines of changed invoices."""
        book, table = self.clerk.book, documents.invoice_line
        delete_of(tx, table, "invoice_id", book.segment_id, self._known("invoice", invoices))
        rows = [row for key in invoices for row in facts_rows.line_rows(book, key)]
        if rows:
            copy_in(tx, table, facts_rows.LINE, rows)

    def _save_allocations(self, tx: Tx, payments: list[str]) -> None:
        """Replace the allocations of changed payments."""
        book, table = self.clerk.book, documents.allocation
        delete_of(tx, table, "payment_id", book.segment_id, self._known("payment", payments))
        rows = [row for key in payments for row in facts_rows.allocation_rows(book, key)]
        if rows:
            copy_in(tx, table, facts_rows.ALLOCATION, rows)

    def _known(self, kind: Kind, ids: list[str]) -> list[str]:
        """Give those of documents that were there before this batch."""
        return [one for one in ids if (kind, (one, "")) in self.loaded.versions]

    def _save_uses(self, tx: Tx) -> None:
        book = self.clerk.book
        rows = [
            {
                "order_id": key[0],
                "account_id": key[1],
                "currency": key[2],
                "delivered_minor": book.uses[key].delivered,
                "invoiced_minor": book.uses[key].invoiced,
            }
            for key in sorted(self.clerk.changes.uses)
        ]
        upsert(tx, documents.order_use, _within(book.segment_id, rows))

    def _save_orders(self, tx: Tx, at: datetime) -> None:
        orders, changes = self.clerk.book.orders, self.clerk.changes
        changed = {name for what, name, _, _ in changes.shares if what == "order"}
        names = sorted((changed | changes.orders) & {*orders})
        fresh = [order_row(orders[name]) for name in names if name not in self.known]
        insert_new(tx, documents.credit_order, fresh)
        upsert(
            tx,
            documents.credit_order,
            [
                order_row(orders[name])
                for name in names
                if name in self.known and orders[name] != self.known[name]
            ],
        )
        insert_new(tx, documents.past_authorization, [past_row(one, at) for one in changes.past])

    def _cancel_holds(self, tx: Tx, caller: Caller, at: datetime) -> None:
        """Cancel the open holds of orders that were closed; the order's lock guards them."""
        ids = sorted(self.clerk.changes.cancelled_holds)
        if not ids:
            return
        hold = decisions.order_hold
        cancelled = tx.execute(
            update(hold)
            .where(hold.c.hold_id.in_(ids), hold.c.status == "OPEN")
            .values(status="CANCELLED", closed_at=at, updated_at=at)
            .returning(hold.c.hold_id)
        ).scalars()
        rows = [
            {
                "hold_id": str(one),
                "action": "cancel",
                "client": caller.client,
                "actor": caller.actor,
                "reason_code": "ORDER_CLOSED",
                "at": at,
            }
            for one in cancelled
        ]
        if rows:
            tx.execute(insert(evidence.order_hold_event), rows)


def _within(segment_id: str, rows: Iterable[Row]) -> list[Row]:
    return [{"segment_id": segment_id, **row} for row in rows]
