"""The work list: which holds, in which order."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Numeric, case, cast, func, literal, or_, tuple_

from app.domain.holds import HoldFilter, OrderHold, Sort
from app.domain.money import DIGITS
from app.store.database import Tx
from app.store.holds import from_row, holds_query, refs, with_amounts
from app.store.schema.authority import release_proposal
from app.store.schema.decisions import order_hold
from app.store.schema.parties import account

_OWN: Final = order_hold.c
_CURRENCY: Final = _OWN.ask["amount"][1].astext
_FACTOR: Final = case(
    *(
        (_CURRENCY.in_(sorted(code for code, has in DIGITS.items() if has == digits)), 10**digits)
        for digits in (0, 3)
    ),
    else_=100,
)
_AMOUNT: Final = func.coalesce(
    cast(_OWN.ask["amount"][0].astext, Numeric) / _FACTOR, literal(Decimal(-1), Numeric)
)
"""Major units of the order's own currency; -1 where nobody asked."""


def page(tx: Tx, wanted: HoldFilter) -> list[OrderHold]:
    """List holds as `wanted.sort` says; those of one key by their ids."""
    key = _key(wanted.sort)
    ordered = [key, _OWN.hold_id]
    if wanted.sort == "amount":
        ordered = [one.desc() for one in ordered]
    query = holds_query().where(*_conditions(wanted)).order_by(*ordered).limit(wanted.most)
    return with_amounts(tx, [from_row(row) for row in tx.execute(query).mappings()])


def _key(sort: Sort) -> ColumnElement[Any]:
    return _AMOUNT if sort == "amount" else _OWN[sort]


def _conditions(wanted: HoldFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for column, value in (
        (_OWN.status, wanted.status),
        (_OWN.kind, wanted.kind),
        (account.c.owner, wanted.owner),
        (_OWN.order_id, wanted.order_id),
        (_OWN.escalated_to, wanted.escalated_to),
        (_CURRENCY, wanted.currency),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.segment is not None:
        found.append(or_(_OWN.segment_id == wanted.segment, _OWN.segment_id.is_(None)))
    if wanted.segments is not None:
        found.append(or_(_OWN.segment_id.in_(sorted(wanted.segments)), _OWN.segment_id.is_(None)))
    if wanted.customer_id is not None:
        found.append(_OWN.customer_id.in_(refs(wanted.customer_id)))
    if wanted.reason is not None:
        found.append(_OWN.reasons.contains([{"code": wanted.reason}]))
    return [*found, *_bounds(wanted), *_named(wanted.hold_ids)]


def _named(hold_ids: Sequence[str] | None) -> list[ColumnElement[bool]]:
    return [] if hold_ids is None else [_OWN.hold_id.in_(sorted(hold_ids))]


def _bounds(wanted: HoldFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.least is not None:
        found.append(wanted.least <= _AMOUNT)
    if wanted.opened_before is not None:
        found.append(_OWN.opened_at < wanted.opened_before)
    if wanted.updated_since is not None:
        found.append(_OWN.updated_at >= wanted.updated_since)
    if wanted.proposed is not None:
        waits = (release_proposal.c.hold_id == _OWN.hold_id) & (
            release_proposal.c.status == "PROPOSED"
        )
        exists = release_proposal.select().where(waits).exists() & (_OWN.status == "OPEN")
        found.append(exists if wanted.proposed else ~exists)
    if wanted.after is not None:
        key, (value, hold_id) = _key(wanted.sort), wanted.after
        here = tuple_(key, _OWN.hold_id)
        last = tuple_(literal(value, key.type), literal(hold_id, _OWN.hold_id.type))
        found.append(here < last if wanted.sort == "amount" else here > last)
    return found
