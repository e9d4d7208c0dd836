"""Scores as evidence (`score`, only added), the one in force (`customer_score`), scorecards."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import any_, bindparam, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import String, Text

from app.domain.accounts import Account
from app.domain.scorecard import Scorecard
from app.domain.scorecard_json import scorecard_from_json, scorecard_to_json
from app.domain.scores import StoredScore
from app.domain.scores_json import score_from_json
from app.domain.scores_refresh import Urgency
from app.store.accounts import from_row
from app.store.database import Tx
from app.store.schema.decisions import customer_score, score, scorecard
from app.store.schema.parties import account, account_input, customer


@dataclass(frozen=True, slots=True)
class Subject:
    """A customer to be scored, under lock.

    `data` is its newest score as JSON (None: none), `told` the scores that decisions on its
    accounts see now, by account.
    """

    customer_id: str
    since: date | None
    score_id: int | None
    data: Mapping[str, Any] | None
    accounts: tuple[Account, ...]
    told: Mapping[int, Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Found:
    """A score to be stored: `data` is what decisions see of it, `evidence` with what it rests on.

    `as_of` is the day of the features. The evidence is added where it `is_new`; `inputs` are the
    accounts that do not have the score yet.
    """

    subject: Subject
    as_of: date
    data: Mapping[str, Any]
    evidence: Mapping[str, Any]
    is_new: bool
    inputs: tuple[int, ...]


def page(tx: Tx, after: str, limit: int) -> list[str]:
    """List ids of customers above `after`, in their order; who was merged into another is none."""
    query = select(customer.c.customer_id).where(
        customer.c.customer_id > after, customer.c.merged_into.is_(None)
    )
    return list(tx.execute(query.order_by(customer.c.customer_id).limit(limit)).scalars())


def count(tx: Tx) -> int:
    """Count the customers that are not merged into another."""
    query = text("SELECT count(*) FROM customer WHERE merged_into IS NULL")
    return int(tx.execute(query).scalar_one())


def of_accounts(tx: Tx, account_ids: Collection[int]) -> list[str]:
    """Name the customers of accounts and of the groups above these, each once."""
    query = text("""
        SELECT DISTINCT b.customer_id FROM account a JOIN account b ON b.account_id = any(a.path)
        WHERE a.account_id = any(:ids) ORDER BY b.customer_id
    """)
    return list(tx.execute(query, {"ids": sorted(account_ids)}).scalars())


def lock(tx: Tx, customer_ids: Collection[str]) -> list[Subject]:
    """Read customers to be scored, and keep others from scoring them until `tx` ends.

    Without the lock a score of older facts could be written over one of newer facts. It is a row
    of its own, taken before any account, so that no order waits for it.
    """
    ids = sorted(customer_ids)
    if _lock(tx, ids) < len(ids):
        tx.execute(_CLAIM, {"ids": ids})
        _lock(tx, ids)
    return read_subjects(tx, ids)


def _lock(tx: Tx, ids: Sequence[str]) -> int:
    return len(tx.execute(_LOCK, {"ids": list(ids)}).all())


_IDS = bindparam("ids", type_=ARRAY(String))
_LOCK = (
    select(customer_score.c.customer_id)
    .where(customer_score.c.customer_id == any_(_IDS))
    .order_by(customer_score.c.customer_id)
    .with_for_update()
)
_CLAIM = text("""
INSERT INTO customer_score (customer_id)
SELECT c.customer_id FROM customer c WHERE c.customer_id = any(:ids) AND c.merged_into IS NULL
ORDER BY c.customer_id ON CONFLICT DO NOTHING
""")


def read_subjects(tx: Tx, ids: Sequence[str]) -> list[Subject]:
    """Read customers as they stand, unlocked; merged ones are left out."""
    held: dict[str, dict[int, Account]] = {key: {} for key in ids}
    told: dict[int, Mapping[str, Any] | None] = {}
    for row in tx.execute(_OF_ACCOUNT, {"ids": list(ids)}).all():
        held[row.customer_id][row.account_id] = from_row(row)
        told[row.account_id] = row.score
    return [
        Subject(
            *row,
            accounts=tuple(held[row.customer_id].values()),
            told={key: told[key] for key in held[row.customer_id]},
        )
        for row in tx.execute(_OF_CUSTOMER, {"ids": list(ids)}).all()
    ]


_OF_ACCOUNT = (
    select(account, account_input.c.data["score"].label("score"))
    .outerjoin(
        account_input,
        (account_input.c.account_id == account.c.account_id)
        & (account_input.c.version == account.c.input_version),
    )
    .where(account.c.customer_id == any_(_IDS))
    .order_by(account.c.account_id)
)
_OF_CUSTOMER = (
    select(customer.c.customer_id, customer.c.since, score.c.score_id, score.c.data)
    .outerjoin(customer_score, customer_score.c.customer_id == customer.c.customer_id)
    .outerjoin(score, score.c.score_id == customer_score.c.score_id)
    .where(customer.c.customer_id == any_(_IDS), customer.c.merged_into.is_(None))
    .order_by(customer.c.customer_id)
)


def write(tx: Tx, found: Sequence[Found], at: datetime) -> None:
    """Store scores of customers that were locked in `tx`: as evidence, in force, for decisions.

    The evidence says when it was added; a score that was computed before is as old as it was.
    """
    ids = {one.subject.customer_id: one.subject.score_id for one in found}
    fresh = [
        {"customer_id": one.subject.customer_id, "data": one.evidence}
        for one in found
        if one.is_new
    ]
    if fresh:  # as one parameter: three a row, as VALUES have them, cost more than the insert
        added = tx.execute(_ADD, {"rows": orjson.dumps(fresh).decode(), "at": at}).all()
        ids |= {row.customer_id: row.score_id for row in added}
    in_force = [
        {
            "customer_id": one.subject.customer_id,
            "score_id": ids[one.subject.customer_id],
            "features_as_of": one.as_of,
            "scored_at": one.data["scored_at"],
            "seen": {str(held.account_id): held.seq for held in one.subject.accounts},
        }
        for one in found
    ]
    tx.execute(_IN_FORCE, {"rows": orjson.dumps(in_force).decode()})
    _tell_accounts(tx, found)


_ADD = text("""
INSERT INTO score (customer_id, data, scored_at)
SELECT n.customer_id, n.data, :at
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n(customer_id text, data jsonb)
RETURNING customer_id, score_id
""")

_IN_FORCE = text("""
UPDATE customer_score s SET score_id = n.score_id, features_as_of = n.features_as_of,
    seen = n.seen, scored_at = n.scored_at
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n(
    customer_id text, score_id bigint, features_as_of date, scored_at timestamptz, seen jsonb)
WHERE s.customer_id = n.customer_id
""")


def _tell_accounts(tx: Tx, found: Iterable[Found]) -> None:
    """Add a version of their inputs to accounts, each with its customer's score."""
    told = [{"account_id": key, "score": one.data} for one in found for key in one.inputs]
    if not told:
        return
    ids = sorted(key for one in found for key in one.inputs)
    # Locked first, in id order and in a statement of its own: the next one then sees what others
    # have added to these inputs.
    tx.execute(_NO_LONGER)
    tx.execute(_LOCK_ACCOUNTS, {"ids": ids}).all()
    tx.execute(_APPEND, {"rows": orjson.dumps(told).decode()})
    tx.execute(_POINT, {"ids": ids})


# Orders of all these customers wait once the first is locked: for another one it is waited no
# longer than they would.
_NO_LONGER = text("SET LOCAL lock_timeout = '300ms'")

_LOCK_ACCOUNTS = text("""
SELECT account_id FROM account WHERE account_id = any(:ids)
ORDER BY account_id FOR NO KEY UPDATE
""")

_APPEND = text("""
INSERT INTO account_input (account_id, version, data)
SELECT a.account_id, a.input_version + 1,
    coalesce(i.data, '{}'::jsonb) || jsonb_build_object('score', n.score)
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS n(account_id bigint, score jsonb)
JOIN account a ON a.account_id = n.account_id
LEFT JOIN account_input i ON i.account_id = a.account_id AND i.version = a.input_version
""")

_POINT = text("UPDATE account SET input_version = input_version + 1 WHERE account_id = any(:ids)")


def read_many(tx: Tx, customer_ids: Collection[str]) -> list[StoredScore]:
    """Read scores as stored; `stale` says that one is due to be computed anew."""
    return [
        StoredScore(
            customer_id=row.customer_id,
            score=score_from_json(row.data),
            features_as_of=row.features_as_of,
            scored_at=row.scored_at,
            stale=row.due is not None,
            rests=row.due == Urgency.EVENT,
        )
        for row in tx.execute(_READ, {"ids": sorted(customer_ids)})
    ]


_READ = text("""
SELECT c.customer_id, s.data, c.features_as_of, c.scored_at,
    (SELECT min(d.rank) FROM score_due d WHERE d.customer_id = c.customer_id AND d.rank < 2) AS due
FROM customer_score c JOIN score s ON s.score_id = c.score_id
WHERE c.customer_id = any(:ids)
""")


def active_scorecard(tx: Tx) -> Scorecard:
    """Read the scorecard in use; every database has one since it was seeded.

    Raises:
        LookupError: There is none: a bug.

    """
    query = select(scorecard.c.data.cast(Text)).where(scorecard.c.active)
    data = tx.execute(query).scalar_one_or_none()
    if data is None:
        message = "no scorecard is active; the database was never seeded"
        raise LookupError(message)
    return _scorecard(data)


@lru_cache(maxsize=4)
def _scorecard(data: str) -> Scorecard:
    """Read the JSON once, not for every customer; by content, which is the same everywhere."""
    return scorecard_from_json(orjson.loads(data))


def newest_scorecard(tx: Tx) -> int:
    """Keep others from adding a scorecard until `tx` ends, and give the highest version."""
    tx.execute(text("LOCK TABLE scorecard IN SHARE ROW EXCLUSIVE MODE"))
    found = tx.execute(text("SELECT coalesce(max(version), 0) FROM scorecard")).scalar_one()
    return int(found)


def activate_scorecard(tx: Tx, card: Scorecard) -> None:
    """Add a scorecard under its own version and let it be the one in use."""
    tx.execute(update(scorecard).where(scorecard.c.active).values(active=False))
    values = {"version": card.version, "name": card.name, "data": scorecard_to_json(card)}
    tx.execute(insert(scorecard).values(**values, active=True))
