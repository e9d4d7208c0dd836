"""Accounts along a customer's chain of groups: made when first needed, moved when it moves.

Locks go in this order, here and for whoever calls: request key, segment, customers by id, orders,
accounts by id. So accounts are made before any order or account is locked.
"""

from collections.abc import Callable
from datetime import datetime

from app.domain.accounts import Account
from app.domain.errors import BusyError
from app.domain.groups import Transfer, Why, carry_out, positions, under
from app.domain.segments import Segment
from app.store import accounts, customers, facts_causes, groups, segments
from app.store.database import Database, Tx
from app.usecases.books import Books
from app.usecases.dates import business_date
from app.usecases.portions import LOCK_TIMEOUT_MS


class MergedError(BusyError):
    """A customer became part of another one since its id was looked up."""


def ensure_accounts(tx: Tx, customer_id: str, segment_id: str) -> Account:
    """Read a customer's account in a segment, made with those of its groups where missing.

    `customer_id` is an id, not an alias. Call it before locking orders or accounts. Others may do
    the same at once: all get the same accounts. The account is not locked.

    Raises:
        SegmentUnknownError: No such segment.
        MergedError: The customer is part of another one by now.
        BusyError: The customer's group is being rearranged.

    """
    found = accounts.find(tx, customer_id, segment_id)
    if found is not None:
        return found
    segment = segments.lock(tx, segment_id, shared=True)
    chain = customers.lock_with_groups(tx, [customer_id], shared=True)[customer_id]
    if customers.owners(tx, [customer_id]).get(customer_id, customer_id) != customer_id:
        # an account of its own would stand beside its heir's, under none of the heir's groups
        raise MergedError(f"{customer_id!r} has just become part of another customer; try again")
    path: tuple[int, ...] = ()
    for group_id in reversed(chain):
        path = _make(tx, group_id, segment, path).path
    return _make(tx, customer_id, segment, path)


def accounts_on(database: Database) -> Callable[[str, str], object]:
    """Make what makes a customer's account in a segment for a lane, in a transaction of its own.

    A lane stands still meanwhile: it waits no longer for who changes the customer than for others.
    """

    def make(customer_id: str, segment_id: str) -> None:
        with database.begin(lock_timeout_ms=LOCK_TIMEOUT_MS) as tx:
            ensure_accounts(tx, customer_id, segment_id)

    return make


def _make(tx: Tx, customer_id: str, segment: Segment, above: tuple[int, ...]) -> Account:
    groups.create(tx, customer_id, segment, above)
    found = accounts.find(tx, customer_id, segment.segment_id)
    if found is None:
        message = f"the account of {customer_id!r} in {segment.segment_id!r} was not made"
        raise AssertionError(message)
    return found


def regroup(tx: Tx, customer_id: str, why: str, at: datetime) -> None:
    """Let the accounts of a customer and its members follow its new parent, which is written.

    What they pool leaves the accounts of the old groups and joins those of the new ones, in every
    segment. The old and the new chain are locked by the caller.

    Raises:
        RateMissingError: A new group's account cannot value what is open in another currency.
        BusyError: Something moved meanwhile.

    """
    parent_id = customers.read(tx, customer_id).parent_id
    family = groups.family(tx, customer_id)
    own = {term.segment_id: term.account_id for term in groups.terms(tx, [customer_id])}
    above = {
        segment_id: ensure_accounts(tx, parent_id, segment_id).path if parent_id else ()
        for segment_id in own
    }
    ids = {key for _, path in family.values() for key in path}
    books = Books.open(tx, ids.union(*above.values()), at)
    for segment_id, moved_id in own.items():
        if books.pool[moved_id].path != family[moved_id][1]:
            raise BusyError("the group is being rearranged; try again")
        old, new = family[moved_id][1][1:], above[segment_id]
        today = business_date(segments.read(tx, segment_id), at)
        books.settle({*old} ^ {*new}, today)
        moved = positions(books.pool[moved_id])
        transfer = Transfer(moved, old, new, Why("REGROUP", why))
        books.entries += carry_out(books.pool, transfer, books.finder(today))
    books.close()
    groups.set_paths(
        tx,
        {
            key: under(path, own[segment_id], above[segment_id])
            for key, (segment_id, path) in family.items()
        },
    )
    facts_causes.look_again(tx, own.values())
