"""Orders beyond the credit horizon: from their day on they count, as a fact."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from app.domain.authorizations import counted
from app.domain.errors import BusyError
from app.domain.money import RateFinder
from app.domain.orders import Order, OrderUse
from app.store import orders, segments
from app.store.database import Database, Tx, moment
from app.store.facts_inbox import use_indexes
from app.usecases.books import Books
from app.usecases.dates import business_date
from app.usecases.portions import LOCK_TIMEOUT_MS, MOST_PAYERS, Cursor, Portion, one_by_one


@dataclass(frozen=True, slots=True)
class CountOrders:
    """Reserve for orders from the business date on from which they count, at most `most` at once.

    The date is that of the order's segment by the database's clock. Any number may run at the same
    time: each takes the orders that nobody else works on.
    """

    database: Database
    most: int
    clock: Callable[[Tx], datetime] = moment

    def __call__(self, after: Cursor | None = None) -> Portion:
        """Count those due first, above the limit if need be.

        `after` is the last one seen and the payers that this pass has done alone, as it does where
        an account is out of reach. What no rate values stays as it is, for the next pass.

        Raises:
            BusyError: The database was out of reach; nothing was changed.

        """
        place, alone = after or (None, ())
        try:
            due, done = self._some(place, orders.Whose(but=alone))
        except BusyError:
            return self._one_by_one(place, alone)
        more = len(due) == self.most
        return Portion(
            items=done,
            after=(_place(due[-1]), alone) if more else None,
            left=len(due) - done,
        )

    def of_payer(self, account_id: int, until_s: float) -> int:
        """Count the orders of one payer that are due, and that nobody else works on.

        No portion begins after `until_s` of the monotonic clock. Returns how many were counted.

        Raises:
            BusyError: An account was out of reach; of this portion nothing was changed.

        """
        place, whose, items = None, orders.Whose(only=account_id), 0
        while time.monotonic() <= until_s:
            due, done = self._some(place, whose)
            items += done
            if len(due) < self.most:
                break
            place = _place(due[-1])
        return items

    def _some(self, place: orders.Due | None, whose: orders.Whose) -> tuple[list[Order], int]:
        """Return what was due, and how many of them count now."""
        with self.database.begin(lock_timeout_ms=LOCK_TIMEOUT_MS) as tx:
            use_indexes(tx)
            at = self.clock(tx)
            due = orders.lock_due(tx, at, place, self.most, whose)
            done = _count(tx, due, at) if due else []
            orders.write(tx, done)
        return due, len(done)

    def _one_by_one(self, place: orders.Due | None, alone: tuple[int, ...]) -> Portion:
        """Do the next payers; what is left of theirs is for the next pass."""
        with self.database.begin() as tx:
            use_indexes(tx)
            whose = orders.Whose(but=alone)
            found = orders.payers_due(tx, self.clock(tx), place, self.most, whose)
        payers, short = found[:MOST_PAYERS], 0

        def count_alone(payer: int) -> int:
            nonlocal short
            due, done = self._some(place, orders.Whose(only=payer))
            short += len(due) - done
            return done

        done, more = one_by_one(payers, count_alone)
        # nor are those tried again whose orders no rate values: they would come first for ever
        return Portion(done, (place, (*alone, *payers)), len(more) + short)


def _place(order: Order) -> orders.Due | None:
    first = order.counts_from
    return None if first is None else (first, order.segment_id, order.order_id)


def _count(tx: Tx, due: Sequence[Order], at: datetime) -> list[Order]:
    """Book locked orders on all accounts of their payers' paths; returns those that count now."""
    known = {one.segment_id: one for one in segments.every(tx)}
    books = Books.of_payers(tx, {order.account_id for order in due}, at)
    books.settle_due(list(known.values()))
    uses = orders.uses(tx, [(order.segment_id, order.order_id) for order in due])
    today = {name: business_date(one, at) for name, one in known.items()}
    finders = _finders(books, due, today)
    done = []
    for order in due:
        use = uses.get(
            (order.segment_id, order.order_id, order.account_id, order.currency), OrderUse()
        )
        find = finders[today[order.segment_id]]
        booked = counted(order, use, books.path(order.account_id), find)
        if booked is not None:
            done.append(booked[0])
            for entry in booked[1]:
                books.post(entry)
    books.close()
    return done


def _finders(
    books: Books, due: Sequence[Order], today: Mapping[str, date]
) -> dict[date, RateFinder]:
    """Read the rates once for each business date that these orders have."""
    also = {order.currency for order in due}
    return {day: books.finder(day, also) for day in {today[order.segment_id] for order in due}}
