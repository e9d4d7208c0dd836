"""Which version of the rules judges which segment, from when on, and by whose word.

A segment follows the default until it has a version of its own. One that is scheduled for it is not
its own yet: what waits for such a segment is another one than what waits for the default, and until
it comes the segment is judged by whatever the default is by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import insert, text

from app.store.database import Tx
from app.store.schema.rules import rule_set_activation


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


_OWN_WAITS: Final = """
NOT s.own_rule_set AND s.next_rule_set_at IS NOT NULL
    AND (s.next_rule_set_version, s.next_rule_set_at)
        IS DISTINCT FROM (d.next_rule_set_version, d.next_rule_set_at)
"""
"""Whether a segment's own version is scheduled; all that follow wait for what the default does."""

_IN_FORCE = text(f"""
SELECT s.segment_id,
    s.own_rule_set OR (({_OWN_WAITS}) AND s.next_rule_set_at <= :at) AS is_own,
    CASE WHEN s.next_rule_set_at <= :at THEN s.next_rule_set_version ELSE s.rule_set_version END
        AS version,
    CASE WHEN s.next_rule_set_at > :at THEN s.next_rule_set_version END AS next_version,
    CASE WHEN s.next_rule_set_at > :at THEN s.next_rule_set_at END AS next_at
FROM segment s CROSS JOIN rule_set_default d ORDER BY s.segment_id
""")  # noqa: S608 - our own constants


def in_force(tx: Tx, at: datetime) -> list[InForce]:
    """Read by which version every segment is judged at a moment from now on."""
    return [InForce(**row) for row in tx.execute(_IN_FORCE, {"at": at}).mappings()]


def lock_segments(tx: Tx) -> None:
    """Keep segments as they are until `tx` ends, new ones included; reading them goes on."""
    tx.execute(text("LOCK TABLE segment IN SHARE ROW EXCLUSIVE MODE"))


def own_waiting(tx: Tx, at: datetime) -> Mapping[str, datetime]:
    """Say for which segments that follow the default a version of their own waits, until when.

    What came into force by `at` is their own from now on. Segments are locked.
    """
    tx.execute(_SETTLE_OWN, {"at": at})
    return {row.segment_id: row.next_rule_set_at for row in tx.execute(_WAITING)}


_SETTLE_OWN = text(f"""
UPDATE segment s SET own_rule_set = true, rule_set_version = s.next_rule_set_version,
    next_rule_set_version = NULL, next_rule_set_at = NULL
FROM rule_set_default d WHERE {_OWN_WAITS} AND s.next_rule_set_at <= :at
""")  # noqa: S608 - our own constants

_WAITING = text(f"""
SELECT s.segment_id, s.next_rule_set_at
FROM segment s CROSS JOIN rule_set_default d WHERE {_OWN_WAITS} ORDER BY s.segment_id
""")  # noqa: S608 - our own constants


def default_waiting(tx: Tx, at: datetime) -> tuple[int, datetime] | None:
    """Give the version that is to be the default after `at`, and from when on."""
    row = tx.execute(_DEFAULT_WAITS, {"at": at}).one_or_none()
    return None if row is None else (row.next_rule_set_version, row.next_rule_set_at)


_DEFAULT_WAITS = text("""
SELECT next_rule_set_version, next_rule_set_at FROM rule_set_default WHERE next_rule_set_at > :at
""")


def activate(tx: Tx, wanted: Activation) -> None:
    """Put a version in force, now or later, and keep who did it; segments are locked.

    Without a segment: in all that follow the default, those for which one of their own waits among
    them. What was to come into force by now has done so first. One version at most waits: another
    one scheduled takes its place.
    """
    values = {name: getattr(wanted, name) for name in Activation.__slots__}
    tx.execute(insert(rule_set_activation).values(values))
    waiting = sorted(own_waiting(tx, wanted.at))
    now, parameters = wanted.effective_at <= wanted.at, values | {"waiting": waiting}
    if wanted.segment_id is not None:
        tx.execute(_OWN_NOW if now else _OWN_LATER, parameters)
        return
    tx.execute(_DEFAULT_NOW if now else _DEFAULT_LATER, parameters)
    tx.execute(_FOLLOW_UNTIL, {"waiting": waiting})
    tx.execute(_FOLLOW, {"waiting": waiting, "segment_id": None})


def follow_default(tx: Tx, segment_id: str) -> None:
    """Let a segment be judged by the default for all, and by what comes after it."""
    tx.execute(_FOLLOW, {"waiting": [], "segment_id": segment_id})


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

_OWN = "own_rule_set OR segment_id = ANY(:waiting)"
_OF = "UPDATE segment SET {} WHERE segment_id = :segment_id"
# What waits for the default does not come to a segment that has one of its own from now on.
_OWN_NOW = text(_OF.format("own_rule_set = true," + _NOW.format(stays=f"({_OWN}) AND {_WAITS}")))
_OWN_LATER = text(_OF.format(_LATER))
_NOW_BY_DEFAULT = _NOW.format(stays=_WAITS)
_DEFAULT_NOW = text(f"UPDATE rule_set_default SET {_NOW_BY_DEFAULT}")  # noqa: S608 - a constant
_DEFAULT_LATER = text(f"UPDATE rule_set_default SET {_LATER}")  # noqa: S608 - our own constant

_FOLLOW = text("""
UPDATE segment s SET own_rule_set = false, rule_set_version = d.rule_set_version,
    next_rule_set_version = d.next_rule_set_version, next_rule_set_at = d.next_rule_set_at
FROM rule_set_default d
WHERE CASE WHEN CAST(:segment_id AS text) IS NULL
    THEN NOT s.own_rule_set AND s.segment_id <> ALL(:waiting)
    ELSE s.segment_id = :segment_id END
""")

_FOLLOW_UNTIL = text("""
UPDATE segment s SET rule_set_version = d.rule_set_version
FROM rule_set_default d WHERE s.segment_id = ANY(:waiting)
""")
