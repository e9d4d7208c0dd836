"""Order roots: find, lock in (segment, order) order, write."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from app.domain.orders import Order, OrderUse
from app.store.database import Tx
from app.store.schema.documents import credit_order, order_use

Key = tuple[str, str]
"""(segment_id, order_id)."""

UseKey = tuple[str, str, int, str]
"""(segment_id, order_id, account_id, currency)."""


def from_row(row: Mapping[str, Any] | RowMapping) -> Order:
    """Read a row of `credit_order`."""
    return Order(
        segment_id=row["segment_id"],
        order_id=row["order_id"],
        account_id=row["account_id"],
        currency=row["currency"],
        version=row["version"],
        closed_version=row["closed_version"],
        authorization_id=row["authorization_id"] and str(row["authorization_id"]),
        state=row["state"],
        authorized=row["authorized_minor"],
        reserved=row["reserved_minor"],
        expires_at=row["expires_at"],
        authorized_at=row["authorized_at"],
        released_max=row["released_max_minor"],
        released_until=row["released_until"],
        rejected=row["rejected"],
        hold_id=row["hold_id"] and str(row["hold_id"]),
        hold_kind=row["hold_kind"],
        counts_from=row["counts_from"],
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
    }


def past_row(order: Order, at: datetime) -> dict[str, Any]:
    """Write an authorization that another payer's or currency's replaces at a moment."""
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
    }


def _read(tx: Tx, keys: Collection[Key], *, locked: bool) -> dict[Key, Order]:
    query = (
        select(credit_order)
        .where(tuple_(credit_order.c.segment_id, credit_order.c.order_id).in_(sorted(keys)))
        .order_by(credit_order.c.segment_id.collate("C"), credit_order.c.order_id.collate("C"))
    )
    if locked:
        query = query.with_for_update(key_share=True)
    return {
        (row["segment_id"], row["order_id"]): from_row(row) for row in tx.execute(query).mappings()
    }


def get_many(tx: Tx, keys: Collection[Key]) -> dict[Key, Order]:
    """Read orders without a lock; unknown ones are absent."""
    return _read(tx, keys, locked=False) if keys else {}


def lock(tx: Tx, keys: Collection[Key]) -> dict[Key, Order]:
    """Read orders and keep others waiting until `tx` ends; before any account is locked."""
    return _read(tx, keys, locked=True) if keys else {}


def uses(tx: Tx, keys: Collection[Key]) -> dict[UseKey, OrderUse]:
    """Read what facts carry for orders; read it after the accounts are locked."""
    if not keys:
        return {}
    query = select(order_use).where(
        tuple_(order_use.c.segment_id, order_use.c.order_id).in_(sorted(keys))
    )
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
