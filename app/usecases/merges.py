"""Join two records of one payer: one goes on, the other's ids name it from then on."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import uuid4

from app.domain.accounts import Use
from app.domain.callers import Caller
from app.domain.changes import customer_change
from app.domain.errors import BusyError, FieldError, MergeConflictError
from app.domain.facts import NO_ORDER
from app.domain.groups import Transfer, Why, carry_out, positions
from app.domain.limits import inherit
from app.domain.merges import Rejoined, rejoin
from app.domain.scores_refresh import Urgency
from app.store import (
    accounts,
    adjustments,
    changes,
    customers,
    groups,
    inputs,
    limits,
    merge_uses,
    merges,
    orders,
    overrides,
    score_due,
    segments,
    snoozes,
)
from app.store.database import Database, Tx
from app.store.facts_causes import contradicted, look_again
from app.store.merge_uses import Names
from app.usecases.books import Books
from app.usecases.causes import Requeue, announce
from app.usecases.customers import CustomerView, view
from app.usecases.dates import business_date
from app.usecases.groups import ensure_accounts
from app.usecases.rules_named import need_unnamed
from app.usecases.sight import need_sight
from app.usecases.signals import checked_days, count_anew

_TRIES: Final = 3


class _MovedError(Exception):
    """An order came in between the locks of orders and accounts: begin again."""


@dataclass(frozen=True, slots=True)
class MergeCustomers:
    """Move all that one record of a payer has to another, and let its ids name that one.

    `requeue` looks again at what contradicted a document: of one payer, it may say the same now.
    """

    database: Database
    now: Callable[[], datetime]
    requeue: Requeue

    def __call__(self, caller: Caller, source_ref: str, into: str) -> CustomerView:
        """Return the record that goes on; merging again changes nothing.

        Raises:
            CustomerUnknownError: Nobody has the first id.
            FieldError: Nobody has the second, or both are the same record.
            MergeConflictError: The first id is an alias of a third record, or a group, or a rule in
                force names it, or an override of its score is in force.
            RateMissingError: The other's accounts cannot value what is open.
            ForbiddenError: It reaches into segments that the caller does not see.
            BusyError: Somebody else changes the same records.

        """
        for _ in range(_TRIES):
            try:
                with self.database.begin() as tx:
                    segments.lock_all(tx)
                    source_id, target_id = _resolve(tx, source_ref, into)
                    if source_id != target_id:
                        at = self.now()
                        _check(tx, caller, (source_id, target_id), at)
                        _Merge(tx, caller, source_id, target_id, at).run()
                    found = view(tx, caller, target_id)
                    causes = contradicted(tx, merges.account_ids(tx, target_id).values())
            except _MovedError:
                continue
            announce(self.requeue, causes)
            return found
        raise BusyError("orders keep coming in for the customer; try again")


def _resolve(tx: Tx, source_ref: str, into: str) -> tuple[str, str]:
    """Lock both records; equal ids mean that they are one already."""
    source_id = accounts.customer_of(tx, source_ref)
    target_id = customers.owners(tx, [into]).get(into)
    if target_id is None:
        raise FieldError(f"no customer has the id {into!r}", "into")
    if source_ref == target_id:
        raise FieldError("is the customer itself", "into")
    if source_id == target_id:
        return source_id, target_id
    if source_id != source_ref:
        raise MergeConflictError(
            f"{source_ref!r} is another id of {source_id!r}: merge that one instead"
        )
    customers.lock_with_groups(tx, [source_id, target_id])
    if customers.owners(tx, [source_ref, into]) != {source_ref: source_id, into: target_id}:
        raise BusyError("one of the customers is being merged; try again")
    return source_id, target_id


def _check(tx: Tx, caller: Caller, ids: tuple[str, str], at: datetime) -> None:
    """Insist that the first of two locked records may go into the second."""
    source_id, target_id = ids
    need_sight(tx, caller, source_id, target_id)
    if customers.levels_below(tx, source_id):
        raise MergeConflictError(f"{source_id!r} is a group: give its members another parent first")
    need_unnamed(tx, source_id)
    # what a person said of the payer is taken back by who may say it, not by a merge
    if said := overrides.in_force(tx, [source_id], at):
        raise MergeConflictError(
            f"override {said[source_id].override_id} of {source_id!r} is in force: "
            f"say it of {target_id!r} where it shall go on, and end it first"
        )


@dataclass(frozen=True, slots=True)
class _Merge:
    """One merge within its transaction."""

    tx: Tx
    caller: Caller
    source_id: str
    target_id: str
    at: datetime

    @property
    def _why(self) -> Why:
        return Why("MERGE", f"{self.source_id}>{self.target_id}")

    def run(self) -> None:
        """Move documents, balances, holds and ids, in the order of locks."""
        tx = self.tx
        source = merges.account_ids(tx, self.source_id)
        for segment_id in source:
            ensure_accounts(tx, self.target_id, segment_id)
        target = merges.account_ids(tx, self.target_id)
        family = {  # records merged into the source before follow it
            key: path for key, (_, path) in groups.family(tx, self.source_id).items()
        }
        names, books = self._lock({*source.values(), *target.values(), *family}, source)
        heirs = {key: target[segment_id] for segment_id, key in source.items()}
        merges.hand_over(tx, heirs)
        for segment_id, key in source.items():
            self._join(books, names, segment_id, (key, heirs[key]))
        limits.end_all(tx, source.values(), self.caller, self.at)
        self._settle_source(books, source)
        books.close()
        self._lead_on(books, family, heirs)
        look_again(tx, target.values())
        merges.hand_over_holds(tx, self.source_id, self.target_id)
        self._retire(list(source.values()))
        self._tell([*source.values()], [*target.values()])

    def _lock(self, own: set[int], source: dict[str, int]) -> tuple[Names, Books]:
        names = merge_uses.names(self.tx, source.values())
        orders.lock(self.tx, names.orders)
        paths = accounts.get_many(self.tx, own)
        ids = {key for one in paths.values() for key in one.path}
        books = Books.open(self.tx, ids, self.at)
        if merge_uses.names(self.tx, source.values()) != names:
            raise _MovedError
        return names, books

    def _join(self, books: Books, names: Names, segment_id: str, pair: tuple[int, int]) -> None:
        """Move one segment's balances, and count anew what its orders carry."""
        leaves, joins = (books.pool[key].path for key in pair)
        today = business_date(segments.read(self.tx, segment_id), self.at)
        books.settle({*leaves, *joins}, today)
        books.pool[pair[1]] = inherit(books.pool[pair[1]], books.pool[pair[0]])
        rejoined = self._rejoin(names, segment_id, pair)
        gives = self._give_way(pair[1])
        # what is counted anew may be of a currency in which nothing was open any more
        find = books.finder(today, {*rejoined.deltas, *gives})
        moved = positions(books.pool[pair[0]])
        books.entries += carry_out(books.pool, Transfer(moved, leaves, joins, self._why), find)
        gave = Transfer(gives, (), joins, replace(self._why, kind="ADJUSTMENT"))
        books.entries += carry_out(books.pool, gave, find)
        changed = Transfer(rejoined.deltas, (), joins, self._why)
        books.entries += carry_out(books.pool, changed, find)

    def _rejoin(self, names: Names, segment_id: str, pair: tuple[int, int]) -> Rejoined:
        tx, target_id = self.tx, pair[1]
        book = merge_uses.load(tx, segment_id, names)
        keys = {key for key in names.orders if key[0] == segment_id}
        own = [one for one in orders.get_many(tx, keys).values() if one.account_id == target_id]
        order_ids = {order_id for _, order_id in keys}
        order_ids |= {
            NO_ORDER + name for segment, name in names.deliveries if segment == segment_id
        }
        before = merge_uses.carried(tx, segment_id, pair, order_ids)
        rejoined = rejoin(before, book, own, target_id, order_ids)
        merge_uses.replace(tx, segment_id, before, rejoined.uses)
        orders.write(tx, rejoined.orders)
        return rejoined

    def _give_way(self, account_id: int) -> dict[str, Use]:
        """Take back of adjustments what orders, counted anew, leave too little for."""
        lowerings = adjustments.lowerings(self.tx, [account_id])
        still = dict.fromkeys(lowerings.own, Use())
        ways = lowerings.ways(still)
        lowerings.keep(still, ways, self._why.ref)
        adjustments.add(self.tx, lowerings.given(lambda: str(uuid4()), self.at))
        return {currency: way for (_, currency), way in ways.items()}

    def _settle_source(self, books: Books, source: dict[str, int]) -> None:
        for segment_id, key in source.items():
            today = business_date(segments.read(self.tx, segment_id), self.at)
            books.settle([key], today, self._why.ref)

    def _lead_on(
        self, books: Books, family: dict[int, tuple[int, ...]], account_ids: dict[int, int]
    ) -> None:
        """Let the source's accounts stand under the target's: whoever locks one sees it moved."""
        paths = {}
        for key, path in family.items():
            source_account = next(one for one in path if one in account_ids)
            paths[key] = (key, *books.pool[account_ids[source_account]].path)
        groups.set_paths(self.tx, paths)

    def _retire(self, account_ids: list[int]) -> None:
        before = customers.get_many(self.tx, [self.source_id, self.target_id])
        source = before[self.source_id]
        retired = replace(
            source,
            active=False,
            parent_id=None,
            merged_into=self.target_id,
            version=source.version + 1,
        )
        customers.write(self.tx, retired)
        customers.hand_over_refs(self.tx, self.source_id, self.target_id)
        customers.touch(self.tx, self.target_id)
        after = customers.get_many(self.tx, before)
        for name in (self.source_id, self.target_id):
            changes.add(self.tx, self.caller, customer_change(before[name], after[name]))
        overrides.end_all(self.tx, [self.source_id], self.caller.client, self.at)
        snoozes.end_all(self.tx, self.source_id, self.caller.client, self.at)
        inputs.change(self.tx, account_ids, {"active": False, "snoozed": {}})

    def _tell(self, source: list[int], target: list[int]) -> None:
        """Let what registries know of the source, and how it paid, follow to the target."""
        days = checked_days(self.tx, {*source, *target})
        count_anew(self.tx, self.target_id, target, days)
        score_due.add(self.tx, [self.target_id], Urgency.ADVERSE, self.at)
