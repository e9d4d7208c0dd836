"""How far the night has come that scores everybody: a row a segment, worked on by one at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text

from app.domain.scores_refresh import Urgency
from app.store.database import Tx


@dataclass(frozen=True, slots=True)
class Night:
    """The night that belongs to a business date; `after` is the last customer listed.

    `done_at` is when all were listed; None: there are more.
    """

    segment_id: str
    night: date
    after: str | None
    done_at: datetime | None


_MAKE = text("""
INSERT INTO score_night (segment_id, night, begun_at, done_at)
SELECT segment_id, :night, :at, :at FROM unnest(CAST(:ids AS text[])) AS n(segment_id)
ON CONFLICT DO NOTHING
""")
_LOCK = text("""
SELECT segment_id, night, after, done_at FROM score_night
WHERE segment_id = ANY(CAST(:ids AS text[])) AND (night < :night OR done_at IS NULL)
ORDER BY segment_id LIMIT 1 FOR UPDATE SKIP LOCKED
""")
_LIST = text("""
WITH listed AS (
    SELECT a.customer_id FROM account a JOIN customer c ON c.customer_id = a.customer_id
    WHERE a.segment_id = :segment AND a.customer_id > :after AND c.merged_into IS NULL
    ORDER BY a.customer_id LIMIT :most
), added AS (
    INSERT INTO score_due (customer_id, rank, since)
    SELECT customer_id, :rank, :at FROM listed
)
SELECT count(*), max(customer_id) FROM listed
""")
_BEGIN_ANEW = text("""
INSERT INTO score_night (segment_id, night, begun_at)
SELECT segment_id, CAST(:at AS timestamptz)::date - 2, :at FROM segment ORDER BY segment_id
ON CONFLICT (segment_id) DO UPDATE SET after = NULL, done_at = NULL
""")
_MOVE = text("""
UPDATE score_night SET night = :night, after = :after, done_at = :done_at,
    listed = CASE WHEN night = :night THEN listed ELSE 0 END + :listed,
    begun_at = CASE WHEN night = :night THEN begun_at ELSE :at END
WHERE segment_id = :segment
""")


def make(tx: Tx, segment_ids: Sequence[str], night: date, at: datetime) -> None:
    """Make the rows of segments that have none yet; their first night is the one after `night`."""
    tx.execute(_MAKE, {"ids": list(segment_ids), "night": night, "at": at})


def begin_anew(tx: Tx, at: datetime) -> None:
    """Let every segment's night begin again now, whatever it had done; whoever lists one goes on.

    A row that is not there yet gets a night that is over: the one listed is that of the day.
    """
    tx.execute(_BEGIN_ANEW, {"at": at})


def lock(tx: Tx, segment_ids: Sequence[str], night: date) -> Night | None:
    """Take the first of segments whose night of a date is to begin or to go on, unless others have.

    All of them are on the same business date.
    """
    row = tx.execute(_LOCK, {"ids": list(segment_ids), "night": night}).one_or_none()
    return None if row is None else Night(*row)


def list_next(tx: Tx, one: Night, most: int, at: datetime) -> tuple[int, str | None]:
    """Put up to `most` more customers of the segment on the list; gives how many, and the last."""
    values = {"segment": one.segment_id, "after": one.after or "", "most": most}
    row = tx.execute(_LIST, values | {"rank": Urgency.NIGHT.value, "at": at}).one()
    return row[0], row[1]


def move(tx: Tx, one: Night, listed: int, at: datetime) -> None:
    """Write how far a locked night has come."""
    values = {
        "segment": one.segment_id,
        "night": one.night,
        "after": one.after,
        "done_at": one.done_at,
        "listed": listed,
        "at": at,
    }
    tx.execute(_MOVE, values)
