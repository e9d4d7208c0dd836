"""Reviews of limits, only added; the work list they make, and limits that end soon."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import uuid4

import orjson
from sqlalchemy import insert, text

from app.domain.callers import Caller
from app.domain.money import Money
from app.domain.reviews import Ending, Review
from app.store.database import Tx
from app.store.inputs import SCORE
from app.store.limits_sql import OVER_WHEN_TOLD
from app.store.schema.parties import limit_review


@dataclass(frozen=True, slots=True)
class Asked:
    """Which part of a list: `after` is (day, id) of the last one seen, `most` the page's size.

    `until` is the last day, inclusive (None: that of the segment's own rule); `today` is the
    business date of each segment asked about, whose class is that of the moment `at`; `owner`
    None: anybody's.
    """

    until: date | None
    today: Mapping[str, date]
    owner: str | None
    after: tuple[date, str] | None
    most: int
    at: datetime


_TODAY: Final = "CAST(CAST(:today AS jsonb) ->> a.segment_id AS date)"

_LATEST: Final = f"""
standing AS (
    SELECT DISTINCT ON (l.account_id) l.account_id, l.limit_minor, l.currency, l.unlimited,
        l.valid_to, l.decided_at
    FROM credit_limit l
    JOIN account a ON a.account_id = l.account_id
    JOIN segment s ON s.segment_id = a.segment_id
    WHERE l.kind = 'base' AND l.status = 'APPROVED' AND l.valid_from <= {_TODAY}
        AND NOT {OVER_WHEN_TOLD}
    ORDER BY l.account_id, l.decided_at DESC, l.created_at DESC, l.limit_id DESC
)
"""  # noqa: S608 - made of constants

_DUE: Final = f"""
WITH {_LATEST},
told AS (
    SELECT a.account_id, a.customer_id, a.segment_id, a.owner, s.limit_minor, s.currency,
        coalesce({SCORE} ->> 'risk_class', 'N') AS risk_class,
        greatest((s.decided_at AT TIME ZONE g.time_zone)::date, r.reviewed_on) AS last_on,
        s.valid_to, {_TODAY} AS today
    FROM standing s
    JOIN account a ON a.account_id = s.account_id
    JOIN segment g ON g.segment_id = a.segment_id
    JOIN customer c ON c.customer_id = a.customer_id AND c.merged_into IS NULL
    LEFT JOIN account_input i ON i.account_id = a.account_id AND i.version = a.input_version
    LEFT JOIN LATERAL (SELECT max(v.reviewed_on) AS reviewed_on FROM limit_review v
        WHERE v.account_id = a.account_id) AS r ON true
    WHERE a.segment_id = ANY(:segments)
        AND (CAST(:owner AS text) IS NULL OR a.owner = :owner)
        AND (CAST(:account_id AS bigint) IS NULL OR a.account_id = :account_id)
),
dated AS (
    SELECT t.*, least(t.valid_to, t.last_on + CAST(CAST(:days AS jsonb) -> t.segment_id
        ->> t.risk_class AS integer)) AS due_on
    FROM told t
)
SELECT * FROM dated
WHERE due_on <= coalesce(CAST(:until AS date), today)
    AND (due_on, customer_id || '/' || segment_id) > (:day, :name)
ORDER BY due_on, customer_id || '/' || segment_id LIMIT :most
"""  # noqa: S608 - made of constants


_LIST_DUE: Final = text(_DUE)
_COUNT_DUE: Final = text(f"SELECT count(*) FROM ({_DUE}) AS found")  # noqa: S608 - as above

Days = Mapping[str, Mapping[str, int]]


def due(tx: Tx, asked: Asked, days: Days, account_id: int | None = None) -> list[Review]:
    """List accounts whose limit is to be reviewed, the longest due first.

    `days` are those between reviews, by segment and risk class; `account_id` asks about one only.
    """
    rows = tx.execute(_LIST_DUE, _of_due(asked, days, account_id))
    return [
        Review(
            row.account_id,
            row.customer_id,
            row.segment_id,
            row.owner,
            row.risk_class,
            _money(row),
            row.last_on,
            row.due_on,
        )
        for row in rows
    ]


def count_due(tx: Tx, asked: Asked, days: Days) -> int:
    """Count them."""
    return int(tx.execute(_COUNT_DUE, _of_due(asked, days, None)).scalar_one())


def _of_due(asked: Asked, days: Days, account_id: int | None) -> dict[str, Any]:
    told = {**_told(asked), "at": asked.at, "account_id": account_id}
    return {**told, "days": orjson.dumps(days).decode()}


def _told(asked: Asked) -> dict[str, Any]:
    day, name = asked.after or (date.min, "")
    return {
        "until": asked.until,
        "today": orjson.dumps(asked.today).decode(),
        "segments": list(asked.today),
        "owner": asked.owner,
        "day": day,
        "name": name,
        "most": asked.most,
    }


def _money(row: Any) -> Money | None:  # noqa: ANN401 - a row
    return None if row.limit_minor is None else Money(row.limit_minor, row.currency)


def _stands(limit: str, day: str) -> str:
    """Write that no base limit has replaced a `limit` in a segment `s` by a day."""
    return f"""NOT EXISTS (
        SELECT FROM credit_limit l
        WHERE l.account_id = {limit}.account_id AND l.status = 'APPROVED' AND l.kind = 'base'
            AND {limit}.kind = 'base' AND l.decided_at > {limit}.decided_at
            AND l.valid_from BETWEEN {limit}.valid_from AND {day} AND NOT {OVER_WHEN_TOLD})"""


_RENEWED_DAYS: Final = 31
"""So many days before a cover ends, the one that takes it over may begin."""

_ENDING: Final = f"""
SELECT e.limit_id, e.account_id, a.customer_id, a.segment_id, a.owner, e.kind, e.limit_minor,
    e.currency, e.unlimited, e.valid_to
FROM credit_limit e
JOIN account a ON a.account_id = e.account_id
JOIN segment s ON s.segment_id = a.segment_id
WHERE e.status = 'APPROVED' AND e.valid_to >= :earliest AND e.valid_to >= {_TODAY}
    AND e.valid_to <= coalesce(CAST(:until AS date),
        {_TODAY} + CAST(CAST(:warn AS jsonb) ->> a.segment_id AS integer))
    AND a.segment_id = ANY(:segments) AND (CAST(:owner AS text) IS NULL OR a.owner = :owner)
    AND (e.valid_to, e.limit_id::text) > (:day, :name)
    AND {_stands("e", "e.valid_to")}
    AND NOT EXISTS (
        SELECT FROM credit_limit n
        WHERE n.account_id = e.account_id AND n.status = 'APPROVED' AND n.kind = e.kind
            AND n.limit_id <> e.limit_id AND n.valid_from <= e.valid_to + 1
            AND (n.valid_to IS NULL OR n.valid_to > e.valid_to)
            -- covers add up: one that runs beside it already takes nothing over
            AND (e.kind <> 'cover' OR n.cover_kind = e.cover_kind
                AND n.valid_from > e.valid_to - {_RENEWED_DAYS} AND n.limit_minor >= e.limit_minor)
            AND {_stands("n", "e.valid_to + 1")})
ORDER BY e.valid_to, e.limit_id::text LIMIT :most
"""  # noqa: S608 - made of constants
_LIST_ENDING: Final = text(_ENDING)
_COUNT_ENDING: Final = text(
    f"SELECT kind, count(*) AS number FROM ({_ENDING}) AS found GROUP BY kind"  # noqa: S608
)


def ending(tx: Tx, asked: Asked, warn_days: Mapping[str, int]) -> list[Ending]:
    """List limits and covers that end by a day and have no successor, the next to end first.

    A base limit that another replaces before is none of them. What stands on the day after the end
    is a successor, whenever it was approved; of a cover one of its kind that begins at most a month
    before, of at least as much. `warn_days` is each segment's own rule.
    """
    rows = tx.execute(_LIST_ENDING, _of_ending(asked, warn_days))
    return [
        Ending(
            str(row.limit_id),
            row.account_id,
            row.customer_id,
            row.segment_id,
            row.owner,
            row.kind,
            _money(row),
            row.unlimited,
            row.valid_to,
        )
        for row in rows
    ]


def count_ending(tx: Tx, asked: Asked, warn_days: Mapping[str, int]) -> dict[str, int]:
    """Count them by kind."""
    rows = tx.execute(_COUNT_ENDING, _of_ending(asked, warn_days))
    return {row.kind: int(row.number) for row in rows}


def _of_ending(asked: Asked, warn_days: Mapping[str, int]) -> dict[str, Any]:
    told = {**_told(asked), "warn": orjson.dumps(warn_days).decode()}
    return {**told, "earliest": min(asked.today.values(), default=asked.at.date())}


def add(tx: Tx, account_id: int, on: date, note: str | None, by: tuple[Caller, Any]) -> str:
    """Keep that somebody looked at an account's limit; `by` is who, and the moment."""
    caller, at = by
    review_id = str(uuid4())
    told = {"client": caller.client, "actor": caller.actor, "note": note, "at": at}
    tx.execute(
        insert(limit_review).values(
            review_id=review_id, account_id=account_id, reviewed_on=on, **told
        )
    )
    return review_id
