"""One attempt at a batch of facts, within one transaction.

Locks: orders by segment and id, accounts by id, then everything else. What the documents turn out
to touch beyond the locked set ends the attempt; the next one locks that too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from typing import Self

from app.domain.adjustments import Lowerings
from app.domain.callers import Caller
from app.domain.facts import (
    EXPECTED,
    DisputeBody,
    Event,
    NoteBody,
    Problem,
    Result,
    customer_cause,
)
from app.domain.facts_apply import Clerk
from app.domain.facts_balances import Balances
from app.domain.facts_concern import concerned
from app.domain.facts_inbox import Inbox
from app.domain.facts_orders import Stamp
from app.domain.facts_reach import orders_named
from app.domain.money import Rate
from app.domain.orders import Order
from app.domain.rates import find_rate
from app.domain.segments import Segment
from app.store import adjustments, facts_inbox, facts_quarantine, rates
from app.store.database import Tx
from app.store.facts_inbox import Waiting
from app.store.facts_load import Loaded, load, lock_orders
from app.store.facts_payers import Payers, find_payers, with_groups
from app.store.facts_save import Saving
from app.usecases.books import Books
from app.usecases.collecting import uncollected
from app.usecases.dates import business_date, dated
from app.usecases.facts_again import answer
from app.usecases.facts_scope import AccountsMissingError, OrderKey, Scope, WidenError
from app.usecases.score_marks import Told, touch


@dataclass(frozen=True, slots=True)
class Task:
    """Events to be applied for a caller; for a requeue the rows they wait in, one each."""

    caller: Caller
    at: datetime
    events: Sequence[Event]
    segments: Mapping[str, Segment]
    stamp: Stamp
    rows: Sequence[Waiting] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """Results in the order of the events, whose documents changed, whether the quarantine did.

    `known`: the version that is held at least, of documents told anew for which something waits.
    """

    results: list[Result]
    accounts: set[int]
    waiting_changed: bool
    known: dict[str, int]


def run_batch(tx: Tx, task: Task, scope: Scope) -> Done:
    """Apply a batch; whoever calls commits.

    Raises:
        WidenError: More is touched than `scope` and the events say.
        AccountsMissingError: Accounts are to be made first.
        TakenError: Another batch was first with a document or event.

    """
    facts_inbox.use_indexes(tx)
    batch = _Batch.lock(tx, task, scope)
    with uncollected():
        batch.open_clerks()
        results = batch.apply()
        moved = batch.save(results) or any(one.problem for one in results)
        accounts = {one for held in batch.work.values() for one in held.accounts}
        known = batch.inbox.held_of({row.document for row in batch.waiting})
        del batch  # what it held is gone before anybody looks for cycles again
    return Done(results, accounts, moved, known)


@dataclass(slots=True)
class _Batch:
    """A transaction at work: everything below is locked, and runs on in memory until `save`."""

    tx: Tx
    task: Task
    payers: Payers
    books: Books
    orders: dict[str, dict[str, Order]]
    inbox: Inbox
    waiting: list[Waiting]
    counted: set[int]
    gone: set[int]
    work: dict[str, Saving] = field(default_factory=dict)
    lowerings: Lowerings = field(default_factory=Lowerings)

    @classmethod
    def lock(cls, tx: Tx, task: Task, scope: Scope) -> Self:
        """Lock orders, then accounts; see that accounts are still whose they were.

        Raises:
            AccountsMissingError: Accounts are to be made first.
            WidenError: Customers moved meanwhile.

        """
        refs = {(event.segment_id, event.customer_ref) for event in task.events}
        payers = find_payers(tx, refs)
        if payers.missing:
            raise AccountsMissingError(payers.missing)
        wanted: dict[str, set[str]] = {event.segment_id: set() for event in task.events}
        for event in task.events:
            wanted[event.segment_id].update(orders_named(event))
        for segment, one in scope.orders:
            wanted[segment].add(one)
        orders = {one: lock_orders(tx, one, named) for one, named in sorted(wanted.items())}
        books = Books.open(tx, payers.paths | with_groups(tx, scope.accounts), task.at)
        if find_payers(tx, refs) != payers:
            raise WidenError(set(), set())
        waiting = facts_inbox.waiting_of(tx, {event.cause for event in task.events}, wanted)
        inbox = Inbox() if task.rows else facts_inbox.read_inbox(tx, task.events)
        ids = [row.quarantine_id for row in task.rows]
        rows = facts_quarantine.lock_open(tx, ids) if ids else {}
        counted = {one for row in waiting for one in row.accounts}.union(*rows.values())
        return cls(tx, task, payers, books, orders, inbox, waiting, counted, {*ids} - {*rows})

    def open_clerks(self) -> None:
        """Load the documents of each segment.

        Raises:
            WidenError: They touch what is not locked.

        """
        self.lowerings = adjustments.lowerings(self.tx, self.books.pool)
        # what waits may count on whom nothing that rests on the document names any more
        accounts = {*self.counted}
        orders: set[OrderKey] = set()
        for segment, known in self.orders.items():
            events = [event for event in self.task.events if event.segment_id == segment]
            loaded = load(self.tx, segment, events, known)
            accounts |= loaded.accounts
            orders |= {(segment, one) for one in loaded.orders}
            find = self._finder(segment, loaded)
            balances = Balances(self.books.pool, find, self.books.entries, self.lowerings)
            clerk = Clerk(loaded.book, balances, self.task.stamp, loaded.shares)
            clerk.haircut_percent = self.task.segments[segment].provisional_haircut_percent
            self.work[segment] = Saving(loaded, clerk, known)
        held = self.books.pool
        unlocked = {
            one
            for account in accounts
            for one in (held[account].path if account in held else (account,))
            if one not in held
        }
        if unlocked or orders:
            raise WidenError(unlocked, orders)

    def _finder(self, segment: str, loaded: Loaded) -> Callable[[str, str], Rate | None]:
        """Put due limits in force, and find the rates that count on the segment's business date.

        They are those of all that may be booked, of documents as well that are settled by now.
        """
        today = business_date(self.task.segments[segment], self.task.at)
        due = {
            key
            for key, held in self.books.pool.items()
            if held.segment_id == segment
            and held.limit_changes_on is not None
            and held.limit_changes_on <= today
        }
        if due:
            self.books.settle(due, today)
        currencies = {
            code for held in self.books.pool.values() for code in (held.currency, *held.foreign)
        }
        currencies |= {
            event.body.currency
            for event in self.task.events
            if not isinstance(event.body, NoteBody | DisputeBody)
        }
        currencies |= {share.currency for share in loaded.shares.values()}
        known = rates.recent(self.tx, currencies, today) if len(currencies) > 1 else []

        @cache
        def find(source: str, target: str) -> Rate | None:
            return find_rate(known, source, target, today)

        return find

    def apply(self) -> list[Result]:
        """Apply the events one after the other; repeats are answered from the inbox."""
        if self.task.rows:
            return [self._again(*one) for one in zip(self.task.events, self.task.rows, strict=True)]
        results = []
        for event in self.task.events:
            account_id = self.payers.accounts.get((event.segment_id, event.customer_ref))
            result = answer(self.tx, self.inbox, event) or self._apply(event, account_id)
            self.inbox.note(event, account_id, result, partial(self._concerned, event, account_id))
            results.append(result)
        return results

    def _concerned(self, event: Event, account_id: int | None) -> set[int]:
        """Give whom a fact that waits concerns besides its customer."""
        clerk = self.work[event.segment_id].clerk
        # what it may change is locked; what is only looked at is not, and stays as it is
        return (concerned(clerk.book, clerk.shares, event) & self.books.pool.keys()) - {account_id}

    def _again(self, event: Event, row: Waiting) -> Result:
        """Apply an event that waited, unless it left the quarantine meanwhile."""
        if row.quarantine_id in self.gone:
            return Result(event.event_id, "duplicate")
        return self._apply(event, self.payers.accounts.get((event.segment_id, event.customer_ref)))

    def _apply(self, event: Event, account_id: int | None) -> Result:
        clerk = self.work[event.segment_id].clerk
        if account_id is not None:
            return clerk.apply(dated(event, self.task.segments[event.segment_id]), account_id)
        if event.version < clerk.newest(event):
            return Result(event.event_id, "stale")
        detail, cause = f"no customer has the id {event.customer_ref!r}", event.customer_ref
        problem = Problem("customer_unknown", detail, "customer_id", customer_cause(cause))
        return Result(event.event_id, "quarantined", problem=problem)

    def save(self, results: Sequence[Result]) -> bool:
        """Write everything, events before the feed, where all meet; say whether any wait no more.

        Raises:
            TakenError: Another batch was first with a document or event.

        """
        tx, task = self.tx, self.task
        for saving in self.work.values():
            saving.save(tx, task.caller, task.at)
        adjustments.add(tx, self.lowerings.given(task.stamp.new_id, task.at))
        told = Told(task.events, results, self.payers.accounts, task.segments)
        touch(self.books, self.work.values(), told)
        self.books.close()
        superseded = self._supersede(results)
        if task.rows:
            self._let_go(results)
            return True
        facts_inbox.write_inbox(tx, self.inbox, task.at)
        facts_inbox.touch_feed(tx, task.events, task.at)
        return superseded

    def _supersede(self, results: Sequence[Result]) -> bool:
        """Close what waited for a document of which a version not older has been applied."""
        if not self.waiting:
            return False
        applied = {
            event.cause: event.version
            for event, result in zip(self.task.events, results, strict=True)
            if result.result == "applied"
        }
        own = {row.quarantine_id for row in self.task.rows}
        ended = {
            row.quarantine_id
            for row in self.waiting
            if row.is_over(applied.get(row.document, EXPECTED)) and row.quarantine_id not in own
        }
        return facts_inbox.close(self.tx, ended, "SUPERSEDED", self.task.at) > 0

    def _let_go(self, results: Sequence[Result]) -> None:
        """Close the rows whose events were applied; let the others wait for what they need now."""
        rows = list(zip(self.task.rows, self.task.events, results, strict=True))
        over = {row.quarantine_id for row, _, result in rows if result.result == "stale"}
        through = {row.quarantine_id for row, _, result in rows if not result.problem} - over
        facts_inbox.close(self.tx, through, "APPLIED", self.task.at)
        facts_inbox.close(self.tx, over, "SUPERSEDED", self.task.at)
        for row, event, result in rows:
            if result.problem:
                account_id = self.payers.accounts.get((event.segment_id, event.customer_ref))
                others = self._concerned(event, account_id)
                facts_inbox.keep_waiting(self.tx, row, account_id, others, result.problem)
