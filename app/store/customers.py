"""Customers, the ids they go by, and the tree of groups they form."""

from collections.abc import Collection, Iterable

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    String,
    any_,
    bindparam,
    delete,
    func,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from app.domain.customers import Customer
from app.domain.errors import BusyError, CustomerUnknownError
from app.store.accounts import customer_of
from app.store.database import Tx
from app.store.schema.parties import customer, customer_ref

_TRIES = 5

_PLAIN = (
    "name",
    "kind",
    "country",
    "uscc",
    "lei",
    "industry",
    "parent_id",
    "since",
    "active",
    "size",
    "merged_into",
    "version",
)


def _from_row(row: RowMapping, aliases: Iterable[str]) -> Customer:
    return Customer(
        customer_id=row["customer_id"],
        **{name: row[name] for name in _PLAIN},
        aliases=tuple(aliases),
    )


def _among(column: ColumnElement[str], ids: Collection[str]) -> ColumnElement[bool]:
    return column == any_(literal(sorted(ids), ARRAY(String)))


def get_many(tx: Tx, ids: Collection[str]) -> dict[str, Customer]:
    """Read customers by id (not by alias) without a lock; unknown ones are absent."""
    refs: dict[str, list[str]] = {key: [] for key in ids}
    query = select(customer_ref).where(_among(customer_ref.c.customer_id, ids))
    for row in tx.execute(query.order_by(customer_ref.c.ref)):
        if row.ref != row.customer_id:
            refs[row.customer_id].append(row.ref)
    rows = tx.execute(select(customer).where(_among(customer.c.customer_id, ids))).mappings()
    return {row["customer_id"]: _from_row(row, refs[row["customer_id"]]) for row in rows}


def read(tx: Tx, customer_id: str) -> Customer:
    """Read a customer by id (not by alias).

    Raises:
        CustomerUnknownError: Nobody has this id.

    """
    found = get_many(tx, [customer_id]).get(customer_id)
    if found is None:
        raise CustomerUnknownError(f"no customer has the id {customer_id[:64]!r}", "customer_id")
    return found


def owners(tx: Tx, refs: Collection[str]) -> dict[str, str]:
    """Find the customers that ids or aliases name; what nobody uses is absent."""
    query = select(customer_ref).where(_among(customer_ref.c.ref, refs))
    return {row.ref: row.customer_id for row in tx.execute(query)}


def create(tx: Tx, held: Customer) -> bool:
    """Add a customer without its group and ids; False where the id exists.

    Another transaction's is waited for.
    """
    values = {name: getattr(held, name) for name in _PLAIN} | {"parent_id": None}
    statement = insert(customer).values(customer_id=held.customer_id, **values)
    made = statement.on_conflict_do_nothing().returning(customer.c.customer_id)
    return tx.execute(made).first() is not None


def write(tx: Tx, held: Customer) -> None:
    """Replace the master data of a customer that was locked in this transaction."""
    values = {name: getattr(held, name) for name in _PLAIN}
    statement = update(customer).where(customer.c.customer_id == held.customer_id)
    tx.execute(statement.values(**values, updated_at=func.now()))


def touch(tx: Tx, customer_id: str) -> None:
    """Raise the version: something that the customer's answer shows has changed."""
    statement = update(customer).where(customer.c.customer_id == customer_id)
    tx.execute(statement.values(version=customer.c.version + 1, updated_at=func.now()))


def add_refs(tx: Tx, customer_id: str, refs: Collection[str]) -> set[str]:
    """Claim ids for a customer, in one order whoever asks; returns those that somebody has."""
    taken = set()
    for ref in sorted(refs):
        statement = insert(customer_ref).values(ref=ref, customer_id=customer_id)
        claimed = statement.on_conflict_do_nothing().returning(customer_ref.c.ref)
        if tx.execute(claimed).first() is None:
            taken.add(ref)
    return taken


def drop_refs(tx: Tx, customer_id: str, refs: Collection[str]) -> None:
    """Give up aliases of a customer."""
    tx.execute(
        delete(customer_ref).where(
            customer_ref.c.customer_id == customer_id, _among(customer_ref.c.ref, refs)
        )
    )


def hand_over_refs(tx: Tx, source_id: str, target_id: str) -> None:
    """Let all ids of one customer name another."""
    statement = update(customer_ref).where(customer_ref.c.customer_id == source_id)
    tx.execute(statement.values(customer_id=target_id))


def merged(tx: Tx, customer_id: str) -> set[str]:
    """List the ids of records that were merged into a customer; they stay its aliases."""
    query = (
        select(customer_ref.c.ref)
        .join(customer, customer.c.customer_id == customer_ref.c.ref)
        .where(customer_ref.c.customer_id == customer_id, customer_ref.c.ref != customer_id)
    )
    return set(tx.execute(query).scalars())


_ABOVE = text("""
WITH RECURSIVE above AS (
    SELECT customer_id AS member, customer_id, parent_id, 0 AS step
    FROM customer WHERE customer_id = any(:ids)
    UNION ALL
    SELECT a.member, c.customer_id, c.parent_id, a.step + 1
    FROM above a JOIN customer c ON c.customer_id = a.parent_id WHERE a.step < 32
)
SELECT member, customer_id FROM above WHERE step > 0 ORDER BY member, step
""").bindparams(bindparam("ids", type_=ARRAY(String)))


def above(tx: Tx, ids: Collection[str]) -> dict[str, list[str]]:
    """List the groups above customers, nearest first."""
    found: dict[str, list[str]] = {key: [] for key in ids}
    for row in tx.execute(_ABOVE, {"ids": sorted(ids)}):
        found[row.member].append(row.customer_id)
    return found


_LEVELS = text("""
WITH RECURSIVE below AS (
    SELECT customer_id, 0 AS step FROM customer WHERE customer_id = :id
    UNION ALL
    SELECT c.customer_id, b.step + 1
    FROM below b JOIN customer c ON c.parent_id = b.customer_id WHERE b.step < 32
)
SELECT max(step) FROM below
""")


def levels_below(tx: Tx, customer_id: str) -> int:
    """Count the levels of members below a customer; 0: it is no group."""
    return int(tx.execute(_LEVELS, {"id": customer_id}).scalar() or 0)


def lock(tx: Tx, customer_id: str) -> None:
    """Keep others from changing a customer until `tx` ends; before any order or account."""
    query = select(customer.c.customer_id).where(customer.c.customer_id == customer_id)
    tx.execute(query.with_for_update(key_share=True)).all()


def lock_named(tx: Tx, ref: str, *, chain: bool = False) -> str:
    """Lock the customer that an id or alias names, and return its id; before orders and accounts.

    `chain` is for who may make its account: with the groups above it, in id order.

    Raises:
        CustomerUnknownError: Nobody has this id.
        BusyError: The id was handed over to another customer meanwhile.

    """
    customer_id = customer_of(tx, ref)
    if chain:
        lock_with_groups(tx, [customer_id])
    else:
        lock(tx, customer_id)
    if customer_of(tx, ref) != customer_id:
        raise BusyError("the customer is being merged; try again")
    return customer_id


def lock_with_groups(tx: Tx, ids: Collection[str], *, shared: bool = False) -> dict[str, list[str]]:
    """Lock customers and every group above them, and list the groups above each.

    Whoever moves a customer holds the locks of its old and its new chain, so that two moves that
    touch one tree follow each other, and a chain does not change while it is held. `shared` is
    for who only needs the chain to stay. Rows are locked in id order, before any order or account.

    Raises:
        BusyError: The chains changed faster than they could be locked.

    """
    chains = above(tx, ids)
    for _ in range(_TRIES):
        wanted = {*ids, *(group for chain in chains.values() for group in chain)}
        query = (
            select(customer.c.customer_id)
            .where(_among(customer.c.customer_id, wanted))
            .order_by(customer.c.customer_id.collate("C"))
            .with_for_update(read=shared, key_share=not shared)
        )
        tx.execute(query).all()
        before, chains = chains, above(tx, ids)
        if chains == before:
            return chains
    raise BusyError("the group is being rearranged; try again")
