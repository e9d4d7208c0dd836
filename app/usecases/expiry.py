"""Authorizations that have ended by themselves: what is left of them is given back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.authorizations import ended, freed
from app.domain.errors import BusyError
from app.domain.orders import Order, OrderUse
from app.store import orders, segments
from app.store.database import Database, Tx, moment
from app.store.facts_inbox import use_indexes
from app.telemetry import EXPIRY_OVERDUE_SECONDS
from app.usecases.books import Books
from app.usecases.portions import LOCK_TIMEOUT_MS, MOST_PAYERS, Cursor, Portion, one_by_one


@dataclass(frozen=True, slots=True)
class ExpireAuthorizations:
    """End authorizations whose time is over by the database's clock, at most `most` at once.

    Any number may run at the same time: each takes the orders that nobody else works on.
    """

    database: Database
    most: int
    clock: Callable[[Tx], datetime] = moment

    def __call__(self, after: Cursor | None = None) -> Portion:
        """End the oldest ones; `after` are the payers that this pass has done alone.

        Where an account of one of them is out of reach, each payer is done alone.

        Raises:
            BusyError: The database was out of reach; nothing was changed.

        """
        alone = after or ()
        if after is None:
            self._watch()  # before anything that may fail: it says so
        try:
            done = self._end(orders.Whose(but=alone))
        except BusyError:
            return self._one_by_one(alone)
        if done == self.most:
            return Portion(done, alone)
        self._watch()
        return Portion(done)

    def _end(self, whose: orders.Whose) -> int:
        with self.database.begin(lock_timeout_ms=LOCK_TIMEOUT_MS) as tx:
            use_indexes(tx)
            at = self.clock(tx)
            due = orders.lock_expired(tx, at, self.most, whose)
            orders.write(tx, expire(tx, due, at))
        return len(due)

    def _one_by_one(self, alone: Cursor) -> Portion:
        with self.database.begin() as tx:
            use_indexes(tx)
            found = orders.payers_expired(tx, self.clock(tx), self.most, orders.Whose(but=alone))
        payers = found[:MOST_PAYERS]
        done, more = one_by_one(payers, lambda payer: self._end(orders.Whose(only=payer)))
        return Portion(done, (*alone, *payers), len(more))

    def _watch(self) -> None:
        """Publish for how long the oldest one is over: what others hold, or this cannot end."""
        with self.database.begin() as tx:
            use_indexes(tx)
            oldest, at = orders.oldest_expiry(tx), self.clock(tx)
        late_s = 0.0 if oldest is None else (at - oldest).total_seconds()
        EXPIRY_OVERDUE_SECONDS.set(max(0.0, late_s))


def expire(tx: Tx, due: Sequence[Order], at: datetime) -> list[Order]:
    """Free what locked orders reserve and end them; one that facts carry in full stays consumed."""
    holding = [order for order in due if order.reserved]
    if holding:
        books = Books.of_payers(tx, {order.account_id for order in holding}, at)
        books.settle_due(segments.every(tx))
        for order in holding:
            for entry in freed(order, books.path(order.account_id)):
                books.post(entry)
        books.close()
    waiting = [order for order in due if not order.reserved]
    uses = orders.uses(tx, [(order.segment_id, order.order_id) for order in waiting])
    return [ended(order, "EXPIRED") for order in holding] + [
        _end_waiting(order, uses.get(_use_key(order), OrderUse())) for order in waiting
    ]


def _end_waiting(order: Order, use: OrderUse) -> Order:
    """End an order that does not count yet, unless nothing would be left of it."""
    counting = replace(order, counts_from=None)
    return ended(order, "EXPIRED") if counting.left(use) else counting


def _use_key(order: Order) -> orders.UseKey:
    return order.segment_id, order.order_id, order.account_id, order.currency
