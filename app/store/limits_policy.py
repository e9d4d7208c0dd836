"""Parameters of limits by segment: versions that are only added."""

from collections.abc import Mapping
from itertools import takewhile
from typing import Any, Final

from sqlalchemy import insert, select

from app.domain.callers import Caller
from app.store.database import Tx
from app.store.schema.parties import limit_policy

_CALENDAR: Final = frozenset({"review_days", "warn_days"})
"""Parts of a policy that raise no limit."""


def newest(tx: Tx, segment_id: str) -> tuple[int, Mapping[str, Any]] | None:
    """Read the version in force, with its number; None: nobody stored one."""
    query = (
        select(limit_policy.c.version, limit_policy.c.data)
        .where(limit_policy.c.segment_id == segment_id)
        .order_by(limit_policy.c.version.desc())
        .limit(1)
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else (int(row.version), row.data)


def authors(tx: Tx, segment_id: str, version: int) -> set[str]:
    """Name the clients who put the terms of a version in force; none: it is what ships.

    Who only changed the calendar after them is one of them, and hides nobody.
    """
    query = (
        select(limit_policy.c.client, limit_policy.c.data)
        .where(limit_policy.c.segment_id == segment_id, limit_policy.c.version <= version)
        .order_by(limit_policy.c.version.desc())
    )
    rows = tx.execute(query).all()
    same = takewhile(lambda row: _terms(row.data) == _terms(rows[0].data), rows)
    return {row.client for row in same}


def _terms(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in _CALENDAR}


def add(tx: Tx, segment_id: str, version: int, data: Mapping[str, Any], caller: Caller) -> None:
    """Add a version; the segment is locked, so that nobody else adds the same."""
    told = {"client": caller.client, "actor": caller.actor, "data": dict(data)}
    tx.execute(insert(limit_policy).values(segment_id=segment_id, version=version, **told))
