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


@dataclass(frozen=True, slots=True)
class Activation:
    """A version comes into force from a moment on; `segment_id` None: by default everywhere.

    `follows`: as the default, which the segment follows again.
    """

    version: int
    segment_id: str | None
    effective_at: datetime
    client: str
    actor: str | None
    at: datetime
    follows: bool = False


@dataclass(frozen=True, slots=True)
class InForce:
    """What a segment is judged by, and what will come into force later, if anything."""

    segment_id: str
    version: int
    is_own: bool
    next_version: int | None
    next_at: datetime | None


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


_IN_FORCE = text("""
SELECT segment_id, own_rule_set AS is_own,
    CASE WHEN next_rule_set_at <= :at THEN next_rule_set_version ELSE rule_set_version END
        AS version,
    CASE WHEN next_rule_set_at > :at THEN next_rule_set_version END AS next_version,
    CASE WHEN next_rule_set_at > :at THEN next_rule_set_at END AS next_at
FROM segment ORDER BY segment_id
""")


def in_force(tx: Tx, at: datetime) -> list[InForce]:
    """Read by which version every segment is judged at a moment from now on."""
    return [InForce(**row) for row in tx.execute(_IN_FORCE, {"at": at}).mappings()]


def lock_segments(tx: Tx) -> None:
    """Keep segments as they are until `tx` ends, new ones included; reading them goes on."""
    tx.execute(text("LOCK TABLE segment IN SHARE ROW EXCLUSIVE MODE"))


def activate(tx: Tx, wanted: Activation) -> None:
    """Put a version in force, now or later, and keep who did it; segments are locked.

    Without a segment: in all that follow the default. What was to come into force by now has done
    so first. One version at most waits: another one scheduled takes its place.
    """
    values = {name: getattr(wanted, name) for name in Activation.__slots__}
    tx.execute(insert(rule_set_activation).values(values))
    now, parameters = wanted.effective_at <= wanted.at, values | {"own": True}
    if wanted.segment_id is not None:
        tx.execute(_OWN_NOW if now else _OWN_LATER, parameters)
        return
    tx.execute(_DEFAULT_NOW if now else _DEFAULT_LATER, parameters)
    tx.execute(_FOLLOW, {"segment_id": None})


def follow_default(tx: Tx, segment_id: str) -> None:
    """Let a segment be judged by the default for all, and by what comes after it."""
    tx.execute(_FOLLOW, {"segment_id": segment_id})


def note_following(tx: Tx, wanted: Activation) -> None:
    """Keep who let a segment follow the default again, and by which version it came to be judged.

    `wanted.segment_id` is a segment's.
    """
    values = {name: getattr(wanted, name) for name in Activation.__slots__}
    tx.execute(insert(rule_set_activation).values(values))


_NOW = """
    rule_set_version = :version,
    next_rule_set_version = CASE WHEN {stays} THEN next_rule_set_version END,
    next_rule_set_at = CASE WHEN {stays} THEN next_rule_set_at END
"""
_WAITS = "next_rule_set_at > :at"

_LATER = """
    rule_set_version = CASE WHEN next_rule_set_at <= :at THEN next_rule_set_version
        ELSE rule_set_version END,
    next_rule_set_version = :version, next_rule_set_at = :effective_at
"""

_OF = "UPDATE segment SET own_rule_set = true,{} WHERE segment_id = :segment_id"
# What waits for the default does not come to a segment that has one of its own from now on.
_OWN_NOW = text(_OF.format(_NOW.format(stays=f"own_rule_set AND {_WAITS}")))
_OWN_LATER = text(_OF.format(_LATER))
_NOW_BY_DEFAULT = _NOW.format(stays=_WAITS)
_DEFAULT_NOW = text(f"UPDATE rule_set_default SET {_NOW_BY_DEFAULT}")  # noqa: S608 - a constant
_DEFAULT_LATER = text(f"UPDATE rule_set_default SET {_LATER}")  # noqa: S608 - our own constant

_FOLLOW = text("""
UPDATE segment s SET own_rule_set = false, rule_set_version = d.rule_set_version,
    next_rule_set_version = d.next_rule_set_version, next_rule_set_at = d.next_rule_set_at
FROM rule_set_default d
WHERE CASE WHEN CAST(:segment_id AS text) IS NULL THEN NOT s.own_rule_set
    ELSE s.segment_id = :segment_id END
""")
