"""API keys: only the sha256 of a token is stored, next to what it may do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, exists, insert, select, text, update

from app.store.database import Tx
from app.store.schema.parties import api_key, segment


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key; several with one name may be active at once (rotation).

    `segments` None: all of them. `revoked_at` None: it works.
    """

    key_id: int
    name: str
    scopes: tuple[str, ...]
    segments: tuple[str, ...] | None
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be stored; `digest` is the sha256 of its token."""

    name: str
    digest: bytes
    scopes: Sequence[str]
    segments: Sequence[str] | None
    created_at: datetime


_COLUMNS = (
    api_key.c.key_id,
    api_key.c.name,
    api_key.c.scopes,
    api_key.c.segments,
    api_key.c.created_at,
    api_key.c.revoked_at,
)


def _read(row: Row[*tuple[Any, ...]]) -> ApiKey:
    return ApiKey(
        row.key_id,
        row.name,
        tuple(row.scopes),
        None if row.segments is None else tuple(row.segments),
        row.created_at,
        row.revoked_at,
    )


def add(tx: Tx, key: NewKey) -> None:
    """Store a key."""
    tx.execute(
        insert(api_key).values(
            name=key.name,
            hash=key.digest,
            scopes=list(key.scopes),
            segments=None if key.segments is None else list(key.segments),
            created_at=key.created_at,
        )
    )


def find(tx: Tx, digest: bytes) -> ApiKey | None:
    """Find the key of a token's sha256 unless it is revoked."""
    query = select(*_COLUMNS).where(api_key.c.hash == digest, api_key.c.revoked_at.is_(None))
    row = tx.execute(query).one_or_none()
    return _read(row) if row else None


def list_all(tx: Tx) -> list[ApiKey]:
    """Read every key, revoked ones too, by name and age."""
    query = select(*_COLUMNS).order_by(api_key.c.name, api_key.c.key_id)
    return [_read(row) for row in tx.execute(query)]


def revoke(tx: Tx, name: str, at: datetime) -> int:
    """Revoke every working key of a name; returns how many those were."""
    change = (
        update(api_key)
        .where(api_key.c.name == name, api_key.c.revoked_at.is_(None))
        .values(revoked_at=at)
    )
    return tx.execute(change).rowcount


def any_ever(tx: Tx) -> bool:
    """Say whether there ever was a key, and keep others from adding one until `tx` ends."""
    tx.execute(text("LOCK TABLE api_key IN SHARE ROW EXCLUSIVE MODE"))
    return bool(tx.execute(select(exists().select_from(api_key))).scalar_one())


def unknown_segments(tx: Tx, segments: Sequence[str]) -> list[str]:
    """Name those of `segments` that do not exist, in their order."""
    query = select(segment.c.segment_id).where(segment.c.segment_id.in_(segments))
    known = set(tx.execute(query).scalars())
    return [one for one in segments if one not in known]
