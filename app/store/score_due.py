"""Whose score is due: rows are added beside what happened, and taken by whoever scores.

Adding never waits: each transaction adds rows of its own, however many others do for the same
customer. Taking skips what somebody else takes. A row that is taken was committed with what it
speaks of, so what the taker reads afterwards has it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, String

from app.domain.scores_refresh import Urgency
from app.store.database import Tx

_ADD = text("""
INSERT INTO score_due (customer_id, rank, since)
SELECT n.customer_id, :rank, :at FROM unnest(CAST(:ids AS text[])) AS n(customer_id)
""")
_RIPE: Final = "(d.rank = 0 OR s.scored_at IS NULL OR s.scored_at <= :rested)"

_TAKE = text(f"""
SELECT d.customer_id FROM score_due d
LEFT JOIN customer_score s ON s.customer_id = d.customer_id
WHERE {_RIPE} AND d.customer_id <> all(:apart)
ORDER BY d.rank, d.due_id LIMIT :most FOR UPDATE OF d SKIP LOCKED
""").bindparams(bindparam("apart", type_=ARRAY(String)))  # noqa: S608 - a constant

_TAKE_THOSE = text(f"""
SELECT d.customer_id FROM score_due d
LEFT JOIN customer_score s ON s.customer_id = d.customer_id
WHERE {_RIPE} AND d.customer_id = any(:ids)
FOR UPDATE OF d SKIP LOCKED
""").bindparams(bindparam("ids", type_=ARRAY(String)))  # noqa: S608 - a constant

_AMONG = text(f"""
SELECT DISTINCT d.customer_id FROM account a
JOIN account b ON b.account_id = any(a.path)
JOIN score_due d ON d.customer_id = b.customer_id
LEFT JOIN customer_score s ON s.customer_id = d.customer_id
WHERE a.account_id = any(:ids) AND {_RIPE}
ORDER BY d.customer_id LIMIT :most
""").bindparams(bindparam("ids", type_=ARRAY(BigInteger)))  # noqa: S608 - a constant

_LOCK = text("""
SELECT due_id FROM score_due WHERE customer_id = any(:ids) ORDER BY due_id FOR UPDATE SKIP LOCKED
""").bindparams(bindparam("ids", type_=ARRAY(String)))

_REMOVE = text("DELETE FROM score_due WHERE due_id = any(:ids) RETURNING since").bindparams(
    bindparam("ids", type_=ARRAY(BigInteger))
)


_PUT_BACK = text("""
WITH gone AS (DELETE FROM score_due WHERE due_id = any(:ids) RETURNING customer_id, rank, since)
INSERT INTO score_due (customer_id, rank, since)
SELECT customer_id, rank, min(since) FROM gone GROUP BY customer_id, rank
""").bindparams(bindparam("ids", type_=ARRAY(BigInteger)))


@dataclass(frozen=True, slots=True)
class Queue:
    """How many rows wait, and since when the oldest does; None where none waits."""

    rows: int
    oldest: datetime | None


def add(tx: Tx, customer_ids: Collection[str], urgency: Urgency, at: datetime) -> None:
    """Say that the scores of customers are due since a moment."""
    if customer_ids:
        tx.execute(_ADD, {"ids": sorted(customer_ids), "rank": urgency.value, "at": at})


def take(
    tx: Tx, at: datetime, cooldown: timedelta, most: int, apart: Collection[str] = ()
) -> list[str]:
    """Choose up to `most` rows' customers, and keep other takers from them.

    In the order of the queue, adverse ones first; none of `apart`. Who was scored less than
    `cooldown` ago waits, unless something adverse came.
    """
    values = {"rested": at - cooldown, "most": most, "apart": list(apart)}
    return list(dict.fromkeys(tx.execute(_TAKE, values).scalars()))


def take_those(tx: Tx, at: datetime, cooldown: timedelta, ids: Sequence[str]) -> list[str]:
    """Choose as `take` does, of these only; in their order."""
    found = set(tx.execute(_TAKE_THOSE, {"rested": at - cooldown, "ids": list(ids)}).scalars())
    return [one for one in ids if one in found]


def ripe(
    tx: Tx, account_ids: Collection[int], at: datetime, cooldown: timedelta, most: int
) -> list[str]:
    """Name customers of accounts, and of the groups above, that would be taken now; unlocked."""
    values = {"ids": sorted(account_ids), "rested": at - cooldown, "most": most}
    return list(tx.execute(_AMONG, values).scalars())


def remove(tx: Tx, customer_ids: Collection[str]) -> list[datetime]:
    """Take customers off the list before they are scored in `tx`; returns since when they were due.

    Rows that others hold stay: these score the customer as well, one after the other.
    """
    ids = list(tx.execute(_LOCK, {"ids": sorted(customer_ids)}).scalars())
    return list(tx.execute(_REMOVE, {"ids": ids}).scalars()) if ids else []


def put_back(tx: Tx, customer_id: str) -> None:
    """Let others of the same urgency come before a customer that could not be scored.

    Rows that others hold stay where they are.
    """
    ids = list(tx.execute(_LOCK, {"ids": [customer_id]}).scalars())
    tx.execute(_PUT_BACK, {"ids": ids})


def queue(tx: Tx, urgency: Urgency, most: int) -> Queue:
    """Look at what is as urgent as that or more; counts up to `most`."""
    row = tx.execute(_QUEUE, {"rank": urgency.value, "most": most}).one()
    return Queue(*row)


def night(tx: Tx, most: int) -> int:
    """Count what the night has put on the list, up to `most`."""
    return int(tx.execute(_NIGHT, {"most": most}).scalar_one())


_NIGHT = text("""
SELECT count(*) FROM (SELECT FROM score_due WHERE rank = 2 ORDER BY due_id LIMIT :most) AS d
""")
_QUEUE = text("""
SELECT count(*), min(since) FROM (
    SELECT since FROM score_due WHERE rank <= :rank ORDER BY rank, due_id LIMIT :most) AS d
""")
