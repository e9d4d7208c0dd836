"""Authorizations to read: those that orders have now, and those that ended with another payer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    UUID,
    ColumnElement,
    CompoundSelect,
    Date,
    FromClause,
    RowMapping,
    Select,
    TextClause,
    any_,
    case,
    cast,
    func,
    literal,
    null,
    select,
    text,
    union_all,
)

from app.domain.authorizations import Authorization, Status
from app.domain.money import Money
from app.store.database import Tx
from app.store.schema.documents import UNSPENT, credit_order, order_use, past_authorization
from app.store.schema.parties import account, customer_ref


@dataclass(frozen=True, slots=True)
class AuthorizationFilter:
    """Which are asked for; None: any. `before` is the id of the last one seen, newest first.

    `segments` are those within sight.
    """

    most: int
    before: str | None = None
    customer_id: str | None = None
    segment: str | None = None
    order_id: str | None = None
    status: Status | None = None
    segments: frozenset[str] | None = None


_LIVE = credit_order.c.state == "LIVE"
_CARRIED = (
    select(func.greatest(order_use.c.delivered_minor, order_use.c.invoiced_minor))
    .where(
        *(
            order_use.c[name] == credit_order.c[name]
            for name in ("segment_id", "order_id", "account_id", "currency")
        )
    )
    .scalar_subquery()
)
# what does not count yet reserves nothing: what is left of it follows from its facts
_LEFT = case(
    (
        credit_order.c.counts_from.is_not(None),
        func.greatest(0, credit_order.c.authorized_minor - func.coalesce(_CARRIED, 0)),
    ),
    else_=credit_order.c.reserved_minor,
)
_NOW_STATUS = case(
    (_LIVE & (_LEFT > 0), "OPEN"),
    (_LIVE, "CONSUMED"),
    else_=credit_order.c.state,
)
_INDEXED: Final[dict[Status, str]] = {
    "OPEN": UNSPENT,
    "CONSUMED": "state = 'LIVE'",
    "RELEASED": "state = 'RELEASED'",
    "EXPIRED": "state = 'EXPIRED'",
}
"""What holds for all with a status, in the words by which indexes know them."""

_PAST_STATUS = func.coalesce(past_authorization.c.state, "RELEASED")


def _select(
    table: FromClause,
    status: ColumnElement[str],
    left: ColumnElement[int],
    counts_from: ColumnElement[date | None],
) -> Select[Any]:
    payer = account.c.account_id == table.c.account_id
    owner = customer_ref.c.ref == account.c.customer_id
    return select(
        table.c.authorization_id,
        customer_ref.c.customer_id,
        table.c.segment_id,
        table.c.order_id,
        status.label("status"),
        table.c.currency,
        table.c.authorized_minor,
        left.label("reserved_minor"),
        table.c.expires_at,
        table.c.authorized_at,
        counts_from.label("counts_from"),
    ).select_from(table.join(account, payer).join(customer_ref, owner))


_NOW = _select(credit_order, _NOW_STATUS, _LEFT, credit_order.c.counts_from).where(
    credit_order.c.authorization_id.is_not(None)
)
_PAST = _select(past_authorization, _PAST_STATUS, literal(0), cast(null(), Date))
_HALVES = ((_NOW, credit_order, _NOW_STATUS), (_PAST, past_authorization, _PAST_STATUS))


def _from_row(row: RowMapping) -> Authorization:
    currency = row["currency"]
    return Authorization(
        authorization_id=row["authorization_id"],
        customer_id=row["customer_id"],
        segment_id=row["segment_id"],
        order_id=row["order_id"],
        status=row["status"],
        amount=Money(row["authorized_minor"], currency),
        remaining=Money(row["reserved_minor"], currency),
        expires_at=row["expires_at"],
        authorized_at=row["authorized_at"],
        counts_from=row["counts_from"],
    )


def get(tx: Tx, authorization_id: str) -> Authorization | None:
    """Read one by its id, past ones too."""
    now = _NOW.where(credit_order.c.authorization_id == authorization_id)
    past = _PAST.where(past_authorization.c.authorization_id == authorization_id)
    row = tx.execute(union_all(now, past)).mappings().one_or_none()
    return None if row is None else _from_row(row)


def amounts(tx: Tx, ids: Collection[str]) -> dict[str, Money]:
    """Look up what authorizations are for as they stand; those that have ended are absent."""
    own = credit_order.c
    query = select(own.authorization_id, own.authorized_minor, own.currency).where(
        own.authorization_id == any_(literal(sorted(ids), ARRAY(UUID(as_uuid=False)))), _LIVE
    )
    return {one: Money(*amount) for one, *amount in tx.execute(query)}


def page(tx: Tx, wanted: AuthorizationFilter) -> list[Authorization]:
    """List authorizations, newest first."""
    return [_from_row(row) for row in tx.execute(_page(wanted)).mappings()]


def _page(wanted: AuthorizationFilter) -> CompoundSelect[Any]:
    # Each half is cut off by itself, so that its own index brings no more rows than are shown.
    halves = [
        select(
            query.where(*_conditions(table, status, wanted))
            .order_by(table.c.authorization_id.desc())
            .limit(wanted.most)
            .subquery()
        )
        for query, table, status in _HALVES
        if table is credit_order or wanted.status not in ("OPEN", "CONSUMED")
    ]
    both = union_all(*halves)
    return both.order_by(both.selected_columns.authorization_id.desc()).limit(wanted.most)


def _conditions(
    table: FromClause, status: ColumnElement[str], wanted: AuthorizationFilter
) -> Sequence[ColumnElement[bool] | TextClause]:
    found: list[ColumnElement[bool] | TextClause] = []
    for column, value in (
        (customer_ref.c.customer_id, wanted.customer_id),
        (table.c.segment_id, wanted.segment),
        (table.c.order_id, wanted.order_id),
        (status, wanted.status),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.status is not None and (table is credit_order or wanted.status != "RELEASED"):
        found.append(text(_INDEXED[wanted.status]))
    if wanted.segments is not None:
        found.append(table.c.segment_id.in_(sorted(wanted.segments)))
    if wanted.before is not None:
        found.append(table.c.authorization_id < wanted.before)
    return found
