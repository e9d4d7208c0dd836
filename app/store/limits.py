"""Limits: proposed, approved, rejected, ended; and the dates they put on an account.

A cover is a row of kind `cover`: whatever reads, decides on or ends limits has it too.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    FromClause,
    RowMapping,
    cast,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on

from app.domain.accounts import Account
from app.domain.callers import Caller
from app.domain.covers import CoverTerms
from app.domain.errors import NotFoundError
from app.domain.limits import KINDS, CreditLimit, LimitRecord, Paper
from app.store.database import Tx
from app.store.schema.parties import account, credit_limit, segment

LIVE = ("PROPOSED", "APPROVED")

_TERMS = {
    "cover_kind": "kind",
    "percentage": "percentage",
    "cap_minor": "cap_minor",
    "reference": "reference",
}
"""Columns that only covers have, and the terms that are in them."""


def _from_row(row: Mapping[str, Any] | RowMapping) -> LimitRecord:
    told = {name: value for name, value in row.items() if name not in _TERMS}
    terms = {field: row[name] for name, field in _TERMS.items()}
    cover = CoverTerms(**terms) if row["kind"] in KINDS["cover"] else None
    return LimitRecord(**{**told, "limit_id": str(row["limit_id"]), "cover": cover})


def _to_row(record: LimitRecord) -> dict[str, Any]:
    terms = {name: getattr(record.cover, field, None) for name, field in _TERMS.items()}
    plain = (column.name for column in credit_limit.c if column.name not in _TERMS)
    return {**terms, **{name: getattr(record, name) for name in plain}}


def approved(
    tx: Tx, account_ids: Collection[int], without: str | None = None
) -> dict[int, list[CreditLimit]]:
    """Read the approved limits of accounts, ordered by approval; read them under their locks.

    `without` is a limit that is taken not to be there.
    """
    query = (
        select(credit_limit, _over_when_told(credit_limit).label("over_when_told"))
        .join(account, account.c.account_id == credit_limit.c.account_id)
        .join(segment, segment.c.segment_id == account.c.segment_id)
        .where(credit_limit.c.account_id.in_(sorted(account_ids)))
        .where(credit_limit.c.status == "APPROVED")
        .order_by(credit_limit.c.decided_at, credit_limit.c.created_at, credit_limit.c.limit_id)
    )
    found: dict[int, list[CreditLimit]] = {key: [] for key in account_ids}
    for order, row in enumerate(tx.execute(query)):
        if row.limit_id == without:
            continue
        found[row.account_id].append(
            CreditLimit(
                row.kind,
                row.limit_minor,
                row.unlimited,
                row.valid_from,
                row.valid_to,
                order,
                row.over_when_told,
                str(row.limit_id),
            )
        )
    return found


def _over_when_told(limit: FromClause) -> ColumnElement[bool]:
    """Tell whether it was over before the business day of its approval, in its `segment`."""
    told_on = cast(func.timezone(segment.c.time_zone, limit.c.decided_at), Date)
    return func.coalesce(limit.c.valid_to < told_on, false())


def listing(tx: Tx, account_id: int, paper: Paper) -> list[LimitRecord]:
    """Read all limits (or covers) of an account, the newest first; people made them: few."""
    query = (
        select(credit_limit)
        .where(credit_limit.c.account_id == account_id, _of(paper))
        .order_by(credit_limit.c.created_at.desc(), credit_limit.c.limit_id.desc())
    )
    return [_from_row(row) for row in tx.execute(query).mappings()]


def _of(paper: Paper) -> ColumnElement[bool]:
    return credit_limit.c.kind.in_(sorted(KINDS[paper]))


def read(tx: Tx, limit_id: str, account_ids: Collection[int], paper: Paper) -> LimitRecord:
    """Read a limit of one of these accounts; under the account's lock nobody else changes it.

    Raises:
        NotFoundError: None of them has such a limit (or cover).

    """
    query = select(credit_limit).where(
        credit_limit.c.limit_id == limit_id,
        credit_limit.c.account_id.in_(sorted(account_ids)),
        _of(paper),
    )
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"the customer has no {paper} {limit_id}", f"{paper}_id")
    return _from_row(row)


def add(tx: Tx, record: LimitRecord) -> None:
    """Store a new limit."""
    tx.execute(insert(credit_limit).values(_to_row(record)))


def write(tx: Tx, record: LimitRecord) -> None:
    """Replace a limit whose account was locked in this transaction."""
    statement = update(credit_limit).where(credit_limit.c.limit_id == record.limit_id)
    tx.execute(statement.values(_to_row(record)))


def next_decision(tx: Tx, account_id: int, at: datetime) -> datetime:
    """Give the moment of a decision, later than every one before: what came last wins for good.

    Clocks of several servers may disagree; call it under the account's lock.
    """
    query = select(func.max(credit_limit.c.decided_at)).where(
        credit_limit.c.account_id == account_id
    )
    last = tx.execute(query).scalar_one()
    return at if last is None else max(at, last + timedelta(microseconds=1))


def has_amounts(tx: Tx, account_id: int, on: date) -> bool:
    """Tell whether a limit with an amount holds, may come to hold, or is proposed, from `on` on."""
    query = select(credit_limit.c.limit_id).where(
        credit_limit.c.account_id == account_id,
        credit_limit.c.status.in_(LIVE),
        credit_limit.c.limit_minor.is_not(None),
        or_(credit_limit.c.valid_to.is_(None), credit_limit.c.valid_to >= on),
    )
    return tx.execute(query.limit(1)).first() is not None


def end_all(tx: Tx, account_ids: Collection[int], by: Caller, at: datetime) -> None:
    """End what is approved and reject what is proposed on accounts that were locked."""
    of_accounts = credit_limit.c.account_id.in_(sorted(account_ids))
    statement = update(credit_limit).where(of_accounts)
    tx.execute(
        statement.where(credit_limit.c.status == "APPROVED").values(
            status="ENDED", ended_by=by.client, ended_actor=by.actor, ended_at=at
        )
    )
    tx.execute(
        statement.where(credit_limit.c.status == "PROPOSED").values(
            status="REJECTED", decided_by=by.client, decided_actor=by.actor, decided_at=at
        )
    )


def set_dates(tx: Tx, held: Account) -> None:
    """Keep what a locked account knows of its limit besides the limit itself."""
    statement = update(account).where(account.c.account_id == held.account_id)
    tx.execute(
        statement.values(
            limit_expired=held.limit_expired,
            limit_withheld=held.limit_withheld,
            limit_changes_on=held.limit_changes_on,
        )
    )


def valid_limits(tx: Tx, segment_id: str, on: date) -> list[tuple[str, LimitRecord]]:
    """Read what was approved last of each kind and is valid on a business date, by customer.

    Covers are no limits; of an account there are at most a base and a temporary one. A base limit
    that another replaced for good is none, though the other is over; one that was over before it
    was told replaced none.
    """
    later = credit_limit.alias()
    replaced = exists().where(
        credit_limit.c.kind == "base",
        later.c.account_id == credit_limit.c.account_id,
        later.c.status == "APPROVED",
        later.c.kind == "base",
        later.c.decided_at > credit_limit.c.decided_at,
        later.c.valid_from.between(credit_limit.c.valid_from, on),
        ~_over_when_told(later),
    )
    query = (
        select(account.c.customer_id, credit_limit)
        .ext(distinct_on(account.c.customer_id, credit_limit.c.kind))
        .join(account, account.c.account_id == credit_limit.c.account_id)
        .join(segment, segment.c.segment_id == account.c.segment_id)
        .where(
            account.c.segment_id == segment_id,
            credit_limit.c.status == "APPROVED",
            _of("limit"),
            credit_limit.c.valid_from <= on,
            or_(credit_limit.c.valid_to.is_(None), credit_limit.c.valid_to >= on),
            ~replaced,
        )
        .order_by(
            account.c.customer_id,
            credit_limit.c.kind,
            credit_limit.c.decided_at.desc(),
            credit_limit.c.created_at.desc(),
            credit_limit.c.limit_id.desc(),
        )
    )
    found = [dict(row) for row in tx.execute(query).mappings()]
    return [(str(row.pop("customer_id")), _from_row(row)) for row in found]
