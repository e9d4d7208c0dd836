"""Segments: read, lock, write."""

from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.domain.errors import SegmentUnknownError
from app.domain.segments import Segment
from app.store import rules_force
from app.store.database import Tx
from app.store.schema.parties import segment


def _from_row(row: RowMapping) -> Segment:
    return Segment(**row)


def _to_row(held: Segment) -> dict[str, Any]:
    return {column.name: getattr(held, column.name) for column in segment.c}


def read(tx: Tx, segment_id: str) -> Segment:
    """Read a segment without a lock.

    Raises:
        SegmentUnknownError: No such segment.

    """
    query = select(segment).where(segment.c.segment_id == segment_id)
    return _need(tx.execute(query).mappings().one_or_none(), segment_id)


def lock(tx: Tx, segment_id: str, *, shared: bool = False) -> Segment:
    """Read a segment and keep others from changing it until `tx` ends; before any account.

    `shared` lets others read it under the same kind of lock: who makes an account does not want
    the currency it starts with to change meanwhile.

    Raises:
        SegmentUnknownError: No such segment.

    """
    query = select(segment).where(segment.c.segment_id == segment_id)
    query = query.with_for_update(read=shared, key_share=not shared)
    return _need(tx.execute(query).mappings().one_or_none(), segment_id)


def lock_all(tx: Tx) -> None:
    """Keep all segments as they are until `tx` ends, the rules that are in force there included.

    Others may do the same, and make segments; before any customer or account.
    """
    tx.execute(
        select(segment.c.segment_id).order_by(segment.c.segment_id).with_for_update(read=True)
    ).all()


def _need(row: RowMapping | None, segment_id: str) -> Segment:
    if row is None:
        raise SegmentUnknownError(f"no segment {segment_id[:64]!r}", "segment")
    return _from_row(row)


def every(tx: Tx) -> list[Segment]:
    """Read all segments, by id; a company has few."""
    return [_from_row(row) for row in tx.execute(_EVERY).mappings()]


_EVERY = select(segment).order_by(segment.c.segment_id)


_KNOWN = text("SELECT EXISTS (SELECT FROM pg_timezone_names WHERE name = :name)")


def knows_zone(tx: Tx, name: str) -> bool:
    """Tell whether the database knows a time zone by its full name; machines' lists differ."""
    return bool(tx.execute(_KNOWN, {"name": name}).scalar_one())


def local_time(tx: Tx, name: str, at: datetime) -> datetime:
    """Tell what a clock shows there, as the database reckons; it knows the zone."""
    shown: datetime = tx.execute(select(func.timezone(name, at))).scalar_one()
    return shown


def create(tx: Tx, held: Segment) -> bool:
    """Add a segment; False where it exists (another transaction's is waited for).

    It is judged by the default rule set, which an activation cannot change in between.
    """
    statement = insert(segment).values(_to_row(held)).on_conflict_do_nothing()
    if tx.execute(statement.returning(segment.c.segment_id)).first() is None:
        return False
    rules_force.follow_default(tx, held.segment_id)
    return True


def write(tx: Tx, held: Segment) -> None:
    """Replace a segment that was locked in this transaction."""
    tx.execute(update(segment).where(segment.c.segment_id == held.segment_id).values(_to_row(held)))
