"""Parameters of limits by segment: versions that are only added."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select

from app.domain.callers import Caller
from app.store.database import Tx
from app.store.schema.parties import limit_policy


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


def author(tx: Tx, segment_id: str, version: int) -> str | None:
    """Say which client put a version in force; None: it is what ships."""
    query = select(limit_policy.c.client).where(
        limit_policy.c.segment_id == segment_id, limit_policy.c.version == version
    )
    found: str | None = tx.execute(query).scalar_one_or_none()
    return found


def add(tx: Tx, segment_id: str, version: int, data: Mapping[str, Any], caller: Caller) -> None:
    """Add a version; the segment is locked, so that nobody else adds the same."""
    told = {"client": caller.client, "actor": caller.actor, "data": dict(data)}
    tx.execute(insert(limit_policy).values(segment_id=segment_id, version=version, **told))
