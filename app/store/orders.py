"""Order roots: find, lock in (segment, order) order, write."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Select,
    Table,
    Text,
    cast,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from app.domain.orders import Order, OrderUse
from app.store.database import Tx
from app.store.schema.documents import UNSPENT, credit_order, order_use
from app.store.schema.parties import segment

Key = tuple[str, str]
"""(segment_id, order_id)."""

UseKey = tuple[str, str, int, str]
"""(segment_id, order_id, account_id, currency)."""


def from_row(row: Any) -> Order:  # noqa: ANN401 - a lane's row or SQLAlchemy's
    """Read a row of `credit_order`."""
    return Order(
        segment_id=row.segment_id,
        order_id=row.order_id,
        account_id=row.account_id,
        currency=row.currency,
        version=row.version,
        closed_version=row.closed_version,
        authorization_id=row.authorization_id and str(row.authorization_id),
        state=row.state,
        authorized=row.authorized_minor,
        reserved=row.reserved_minor,
        expires_at=row.expires_at,
        authorized_at=row.authorized_at,
        released_max=row.released_max_minor,
        released_until=row.released_until,
        rejected=row.rejected,
        hold_id=row.hold_id and str(row.hold_id),
        hold_kind=row.hold_kind,
        counts_from=row.counts_from,
        untested=row.untested,
    )


def to_row(order: Order) -> dict[str, Any]:
    """Write an order as columns of `credit_order`."""
    return {
        "segment_id": order.segment_id,
        "order_id": order.order_id,
        "account_id": order.account_id,
        "currency": order.currency,
        "version": order.version,
        "closed_version": order.closed_version,
        "authorization_id": order.authorization_id,
        "state": order.state,
        "authorized_minor": order.authorized,
        "reserved_minor": order.reserved,
        "expires_at": order.expires_at,
        "authorized_at": order.authorized_at,
        "released_max_minor": order.released_max,
        "released_until": order.released_until,
        "rejected": order.rejected,
        "hold_id": order.hold_id,
        "hold_kind": order.hold_kind,
        "counts_from": order.counts_from,
        "untested": order.untested,
    }


def past_row(order: Order, at: datetime) -> dict[str, Any]:
    """Write an authorization that another payer's or currency's replaces at a moment."""
    ran_out = order.state == "EXPIRED" or (order.status == "OPEN" and not order.lives(at))
    return {
        "authorization_id": order.authorization_id,
        "segment_id": order.segment_id,
        "order_id": order.order_id,
        "account_id": order.account_id,
        "currency": order.currency,
        "authorized_minor": order.authorized,
        "expires_at": order.expires_at,
        "authorized_at": order.authorized_at,
        "released_at": at,
        "state": "EXPIRED" if ran_out else "RELEASED",
    }


def _read(tx: Tx, keys: Collection[Key], *, locked: bool) -> dict[Key, Order]:
    query = (
        select(credit_order)
        .where(_among(credit_order, keys))
        .order_by(credit_order.c.segment_id.collate("C"), credit_order.c.order_id.collate("C"))
    )
    if locked:
        query = query.with_for_update(key_share=True)
    return {(row.segment_id, row.order_id): from_row(row) for row in tx.execute(query)}


def _among(table: Table, keys: Collection[Key]) -> ColumnElement[bool]:
    """Tell whether a row is of one of some orders; two arrays, as many pairs stop PostgreSQL."""
    pairs = sorted(keys)
    named = [func.unnest(literal([pair[place] for pair in pairs], ARRAY(Text))) for place in (0, 1)]
    return tuple_(table.c.segment_id, table.c.order_id).in_(select(*named))


def get_many(tx: Tx, keys: Collection[Key]) -> dict[Key, Order]:
    """Read orders without a lock; unknown ones are absent."""
    return _read(tx, keys, locked=False) if keys else {}


def lock(tx: Tx, keys: Collection[Key]) -> dict[Key, Order]:
    """Read orders and keep others waiting until `tx` ends; before any account is locked."""
    return _read(tx, keys, locked=True) if keys else {}


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose documents background work takes: one payer's, or all but some's (account ids)."""

    only: int | None = None
    but: Collection[int] = ()

    def among(self, query: Select[Any]) -> Select[Any]:
        """Leave the others out of a query for orders."""
        if self.only is not None:
            return query.where(credit_order.c.account_id == self.only)
        if self.but:
            return query.where(credit_order.c.account_id.not_in(self.but))
        return query


EVERYBODY: Final = Whose()


def lock_expired(tx: Tx, at: datetime, most: int, whose: Whose = EVERYBODY) -> list[Order]:
    """Lock orders whose authorization ended at a moment or before, the oldest first.

    Those that somebody else works on are left for the next time: nobody is waited for.
    """
    query = whose.among(_expired(at)).limit(most)
    locked = query.with_for_update(key_share=True, skip_locked=True)
    return [from_row(row) for row in tx.execute(locked)]


def payers_expired(tx: Tx, at: datetime, most: int, whose: Whose = EVERYBODY) -> list[int]:
    """Name whose are the first `most` orders that `lock_expired` would take, without a lock."""
    return _payers(tx, whose.among(_expired(at)).limit(most))


def _expired(at: datetime) -> Select[Any]:
    query = select(credit_order).where(text(UNSPENT), credit_order.c.expires_at <= at)
    return query.order_by(credit_order.c.expires_at)


def _payers(tx: Tx, query: Select[Any]) -> list[int]:
    return list(dict.fromkeys(row["account_id"] for row in tx.execute(query).mappings()))


def oldest_expiry(tx: Tx) -> datetime | None:
    """Say when the first of all authorizations that something is left of ends, or has ended."""
    query = select(func.min(credit_order.c.expires_at)).where(text(UNSPENT))
    found: datetime | None = tx.execute(query).scalar_one()
    return found


Due = tuple[date, str, str]
"""(counts_from, segment_id, order_id): the order in which orders begin to count."""


def lock_due(
    tx: Tx, at: datetime, after: Due | None, most: int, whose: Whose = EVERYBODY
) -> list[Order]:
    """Lock orders that count from the business date of a moment on, those due first first.

    `after` is the last one seen. What has expired by then never counts; those that somebody else
    works on are left for the next time.
    """
    query = whose.among(_due(at, after)).limit(most)
    locked = query.with_for_update(key_share=True, skip_locked=True, of=credit_order)
    return [from_row(row) for row in tx.execute(locked)]


def payers_due(
    tx: Tx, at: datetime, after: Due | None, most: int, whose: Whose = EVERYBODY
) -> list[int]:
    """Name whose are the first `most` orders that `lock_due` would take, without a lock."""
    return _payers(tx, whose.among(_due(at, after)).limit(most))


def _due(at: datetime, after: Due | None) -> Select[Any]:
    place = tuple_(*(credit_order.c[name] for name in ("counts_from", "segment_id", "order_id")))
    today = cast(func.timezone(segment.c.time_zone, literal(at, DateTime(timezone=True))), Date)
    query = (
        select(credit_order)
        .join(segment, segment.c.segment_id == credit_order.c.segment_id)
        .where(
            credit_order.c.counts_from.is_not(None),
            credit_order.c.counts_from <= today,
            or_(credit_order.c.expires_at.is_(None), credit_order.c.expires_at > at),
        )
        .order_by(credit_order.c.counts_from, credit_order.c.segment_id, credit_order.c.order_id)
    )
    return query if after is None else query.where(place > after)


def uses(tx: Tx, keys: Collection[Key]) -> dict[UseKey, OrderUse]:
    """Read what facts carry for orders; read it after the accounts are locked."""
    if not keys:
        return {}
    query = select(order_use).where(_among(order_use, keys))
    return {
        (row.segment_id, row.order_id, row.account_id, row.currency): OrderUse(
            row.delivered_minor, row.invoiced_minor
        )
        for row in tx.execute(query)
    }


def write(tx: Tx, orders: Collection[Order]) -> None:
    """Insert or replace order roots that were locked (or found missing) in this transaction."""
    if not orders:
        return
    statement = insert(credit_order)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["segment_id", "order_id"],
            set_={
                name: statement.excluded[name]
                for name in (column.name for column in credit_order.columns)
                if name not in {"segment_id", "order_id"}
            },
        ),
        [to_row(order) for order in orders],
    )
