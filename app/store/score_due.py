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

# However many rows a customer has while nobody works them off, one is looked at: where any is ripe,
# the first by rank is. `rank + 0` is in the index by customer, and keeps that by rank away.
_AMONG = text(f"""
SELECT c.customer_id FROM (
    SELECT DISTINCT b.customer_id FROM account a JOIN account b ON b.account_id = any(a.path)
    WHERE a.account_id = any(:ids)) AS c
LEFT JOIN customer_score s ON s.customer_id = c.customer_id
CROSS JOIN LATERAL (
    SELECT rank FROM score_due WHERE customer_id = c.customer_id ORDER BY rank + 0 LIMIT 1) AS d
WHERE {_RIPE}
LIMIT :most
""").bindparams(bindparam("ids", type_=ARRAY(BigInteger)))  # noqa: S608 - a constant

_LOCK = text("""
SELECT due_id FROM score_due WHERE customer_id = any(:ids) ORDER BY due_id FOR UPDATE SKIP LOCKED
""").bindparams(bindparam("ids", type_=ARRAY(String)))

_REMOVE = text("""
DELETE FROM score_due WHERE due_id = any(:ids) RETURNING customer_id, rank, since
""").bindparams(bindparam("ids", type_=ARRAY(BigInteger)))

FAMILY_AT_MOST: Final = 100
"""So many children of one parent are due when one of them, or the parent, was scored. The night
alone scores a larger family: whoever pays in it moves the figures of the others little."""

# A row that nobody works off yet is enough: whoever takes it reads later than now. One that is
# locked may be taken by a reader of before.
_ADD_RELATIVES = text(f"""
INSERT INTO score_due (customer_id, rank, since)
SELECT DISTINCT r.customer_id, :rank, :at
FROM (SELECT DISTINCT unnest(ARRAY[c.parent_id, c.customer_id]) AS customer_id
    FROM customer c WHERE c.customer_id = any(:ids)) AS head
CROSS JOIN LATERAL (SELECT array(
    SELECT o.customer_id FROM customer o WHERE o.parent_id = head.customer_id
    AND o.merged_into IS NULL LIMIT {FAMILY_AT_MOST + 1}) AS ids) AS family
CROSS JOIN LATERAL unnest(family.ids) AS r(customer_id)
JOIN customer_score s ON s.customer_id = r.customer_id AND s.scored_at <= :seen
WHERE cardinality(family.ids) <= {FAMILY_AT_MOST} AND r.customer_id <> all(:ids) AND NOT EXISTS (
    SELECT FROM score_due d WHERE d.customer_id = r.customer_id FOR UPDATE SKIP LOCKED)
""").bindparams(bindparam("ids", type_=ARRAY(String)))  # noqa: S608 - a constant

# What the night listed is the last of all then: it must not fill the night's room on the list.
_PUT_BACK = text(f"""
WITH gone AS (
    DELETE FROM score_due WHERE due_id = any(:ids)
    RETURNING customer_id, CASE rank WHEN {Urgency.NIGHT.value} THEN {Urgency.RELATIVE.value}
        ELSE rank END AS rank, since)
INSERT INTO score_due (customer_id, rank, since)
SELECT customer_id, rank, min(since) FROM gone GROUP BY customer_id, rank
""").bindparams(bindparam("ids", type_=ARRAY(BigInteger)))  # noqa: S608 - numbers of the domain


@dataclass(frozen=True, slots=True)
class Due:
    """A row: whose score is due, as what, and since when."""

    customer_id: str
    urgency: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Queue:
    """How many rows wait, and since when the oldest does; None where none waits."""

    rows: int
    oldest: datetime | None


def add(tx: Tx, customer_ids: Collection[str], urgency: Urgency, at: datetime) -> None:
    """Say that the scores of customers are due since a moment."""
    if customer_ids:
        tx.execute(_ADD, {"ids": sorted(customer_ids), "rank": urgency.value, "at": at})


def add_relatives(tx: Tx, customer_ids: Collection[str], seen: datetime, at: datetime) -> None:
    """Say that the scores of children and siblings are due, of whom features see these customers.

    Not of who was scored later than `seen`, nor of who is on the list already and not being scored.
    """
    values = {"ids": sorted(customer_ids), "seen": seen, "at": at}
    tx.execute(_ADD_RELATIVES, values | {"rank": Urgency.RELATIVE.value})


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
    """Name customers of accounts, and of the groups above, that would be taken now; unlocked.

    In the order of their ids; where there are more than `most`, any that many.
    """
    values = {"ids": sorted(account_ids), "rested": at - cooldown, "most": most}
    return sorted(tx.execute(_AMONG, values).scalars())


def remove(tx: Tx, customer_ids: Collection[str]) -> list[Due]:
    """Take customers off the list before they are scored in `tx`; returns the rows that were there.

    Rows that others hold stay: these score the customer as well, one after the other, or only
    look whether it is on the list, and it is scored once more.
    """
    ids = list(tx.execute(_LOCK, {"ids": sorted(customer_ids)}).scalars())
    return [Due(*row) for row in tx.execute(_REMOVE, {"ids": ids})] if ids else []


def put_back(tx: Tx, customer_id: str) -> None:
    """Let others of the same urgency come before a customer that could not be scored.

    One of the night stands behind everybody from then on.
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
