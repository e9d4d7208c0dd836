"""Rule sets in the database: versions that never change, and the life that each has had."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Exists,
    RowMapping,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)

from app.domain.errors import NotFoundError
from app.store.database import Tx
from app.store.schema.decisions import rule_set
from app.store.schema.rules import rule_set_activation, rule_set_event, rule_set_life

LifeStatus = Literal["DRAFT", "PROPOSED", "APPROVED", "REJECTED"]
Action = Literal["DRAFT", "PROPOSE", "APPROVE", "REJECT", "ACTIVATE", "FOLLOW"]


@dataclass(frozen=True, slots=True)
class Life:
    """How far a version has come, and by whom; names are those of authenticated clients."""

    version: int
    status: LifeStatus
    author: str
    proposed_by: str | None = None
    proposed_at: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredRuleSet:
    """A version with its life; `activated` says whether it ever came into force."""

    life: Life
    name: str
    rows: int
    created_at: datetime
    activated: bool


@dataclass(frozen=True, slots=True)
class Event:
    """What somebody did with a version."""

    action: Action
    client: str
    actor: str | None
    note: str | None
    at: datetime


def add(tx: Tx, data: Mapping[str, Any], author: str) -> int:
    """Add the next version as a draft and return its number.

    Numbers have no gap: whoever adds one at the same time waits.
    """
    tx.execute(text("LOCK TABLE rule_set_life IN SHARE ROW EXCLUSIVE MODE"))
    newest = tx.execute(select(func.max(rule_set.c.version))).scalar_one()
    version = (newest or 0) + 1
    tx.execute(insert(rule_set).values(version=version, data=data))
    tx.execute(insert(rule_set_life).values(version=version, author=author))
    return version


def data_of(tx: Tx, version: int) -> dict[str, Any]:
    """Read a version's JSON.

    Raises:
        NotFoundError: There is no such version.

    """
    query = select(rule_set.c.data).where(rule_set.c.version == version)
    found: dict[str, Any] | None = tx.execute(query).scalar_one_or_none()
    if found is None:
        raise NotFoundError(f"no rule set has the version {version}")
    return found


def lock(tx: Tx, version: int) -> Life:
    """Read how far a version has come, and keep others from taking it further until `tx` ends.

    Raises:
        NotFoundError: There is no such version.

    """
    query = select(rule_set_life).where(rule_set_life.c.version == version).with_for_update()
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"no rule set has the version {version}")
    return Life(**row)


def write(tx: Tx, life: Life) -> None:
    """Replace the life of a version that was locked in this transaction."""
    values = {name: getattr(life, name) for name in Life.__slots__}
    tx.execute(update(rule_set_life).where(rule_set_life.c.version == life.version).values(values))


def note(tx: Tx, version: int, event: Event) -> None:
    """Add to a version's history, which is only ever added to."""
    values = {name: getattr(event, name) for name in Event.__slots__}
    tx.execute(insert(rule_set_event).values(version=version, **values))


def history(tx: Tx, version: int) -> list[Event]:
    """Read what was done with a version, the oldest first."""
    columns = [rule_set_event.c[name] for name in Event.__slots__]
    query = select(*columns).where(rule_set_event.c.version == version)
    rows = tx.execute(query.order_by(rule_set_event.c.event_id)).mappings()
    return [Event(**row) for row in rows]


def _came_into_force(at: datetime) -> Exists:
    """Ask whether a version has been in force by a moment: at once, or scheduled and not dropped.

    A schedule is dropped by another one for the same segment, or for all, and by a segment that
    follows the default again, before its moment.
    """
    one, later = rule_set_activation, rule_set_activation.alias("later")
    dropped = exists().where(
        later.c.activation_id > one.c.activation_id,
        later.c.segment_id.is_not_distinct_from(one.c.segment_id),
        later.c.at < one.c.effective_at,
        or_(later.c.effective_at > later.c.at, later.c.follows),
    )
    return exists().where(one.c.version == rule_set.c.version, one.c.effective_at <= at, ~dropped)


def page(tx: Tx, before: int | None, limit: int, at: datetime) -> list[StoredRuleSet]:
    """Read versions as they are at a moment, the newest first; `before` is exclusive."""
    query = (
        select(
            rule_set_life,
            rule_set.c.created_at,
            func.coalesce(rule_set.c.data["name"].astext, "").label("name"),
            func.jsonb_array_length(rule_set.c.data["rows"]).label("rows"),
            _came_into_force(at).label("activated"),
        )
        .join(rule_set_life, rule_set_life.c.version == rule_set.c.version)
        .order_by(rule_set.c.version.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(rule_set.c.version < literal(before, BigInteger))
    return [_stored(row) for row in tx.execute(query).mappings()]


def _stored(row: RowMapping) -> StoredRuleSet:
    life = Life(**{name: row[name] for name in Life.__slots__})
    return StoredRuleSet(life, row["name"], row["rows"], row["created_at"], row["activated"])


def one(tx: Tx, version: int, at: datetime) -> StoredRuleSet:
    """Read one version without its rows, as it is at a moment.

    Raises:
        NotFoundError: There is no such version.

    """
    found = page(tx, version + 1, 1, at)
    if not found or found[0].life.version != version:
        raise NotFoundError(f"no rule set has the version {version}")
    return found[0]
