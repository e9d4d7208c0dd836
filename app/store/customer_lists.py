"""Lists of customers, filtered by what is true of their account in one segment."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from app.domain.customers import OVERDUE_RED_DAYS
from app.domain.scores import TrafficLight
from app.domain.segments import MAIN
from app.store.database import Tx
from app.store.inputs import SCORE


@dataclass(frozen=True, slots=True)
class CustomerFilter:
    """What is asked for; `after` is the last id of the page before, `most` a page's size.

    `text` is looked for in names and ids, whatever the case.
    """

    most: int
    after: str | None = None
    owner: str | None = None
    segment: str | None = None
    light: TrafficLight | None = None
    text: str | None = None

    @property
    def about_accounts(self) -> bool:
        """Whether only customers with a certain account are meant."""
        return any(one is not None for one in (self.owner, self.segment, self.light))


# The light is that of `domain.customers.joint_light`; the limit is the one that the account says,
# which follows the business date by background work. Overdue items count for all groups above.
_LIGHT: Final = f"""
late AS MATERIALIZED (
    SELECT u.account_id, min(v.due_date) AS due
    FROM invoice v JOIN account b ON b.account_id = v.account_id, unnest(b.path) AS u(account_id)
    WHERE v.open_minor > 0 AND v.due_date < :today AND b.segment_id = :segment
    GROUP BY u.account_id
),
lit AS (
    SELECT a.customer_id, CASE
        WHEN NOT c.active
            OR EXISTS (SELECT FROM account p
                       WHERE p.account_id = any(a.path) AND p.status = 'STOPPED')
            OR NOT a.unlimited AND a.authorized_minor + a.open_delivery_minor + a.open_item_minor
                + a.note_receivable_minor - a.prepayment_minor > coalesce(a.limit_minor, 0)
            OR l.due < CAST(:today AS date) - CAST(:red_days AS integer)
            OR {SCORE} ->> 'traffic_light' = 'RED' THEN 'RED'
        WHEN l.due IS NOT NULL
            OR coalesce({SCORE} ->> 'traffic_light', 'YELLOW') = 'YELLOW' THEN 'YELLOW'
        ELSE 'GREEN' END AS light
    FROM account a JOIN customer c ON c.customer_id = a.customer_id
    LEFT JOIN account_input i ON i.account_id = a.account_id AND i.version = a.input_version
    LEFT JOIN late l ON l.account_id = a.account_id
    WHERE a.segment_id = :segment
)
"""  # noqa: S608 - made of constants

_CONDITIONS: Final = {
    "after": "c.customer_id > :after",
    "text": "(c.name ILIKE :text OR c.customer_id ILIKE :text)",
    "account": (
        "EXISTS (SELECT FROM account a WHERE a.customer_id = c.customer_id"
        " AND a.segment_id = :segment AND (CAST(:owner AS text) IS NULL OR a.owner = :owner))"
    ),
    "light": (
        "EXISTS (SELECT FROM lit WHERE lit.customer_id = c.customer_id AND lit.light = :light)"
    ),
    "sight": (
        "EXISTS (SELECT FROM account a WHERE a.customer_id = c.customer_id"
        " AND a.segment_id = any(:sight))"
    ),
}


def page(
    tx: Tx,
    wanted: CustomerFilter,
    sight: Collection[str] | None,
    at: datetime,
    today: date | None,
) -> list[str]:
    """List ids of a page, in order; `today` is the segment's business date `at`, for the light.

    `sight` are the segments of which at least one must know the customer; None: no matter.
    """
    asked: dict[str, Any] = {}
    if wanted.after is not None:
        asked["after"] = {"after": wanted.after}
    if wanted.text:
        asked["text"] = {"text": f"%{_escape(wanted.text)}%"}
    if wanted.about_accounts:
        asked["account"] = {"segment": wanted.segment or MAIN, "owner": wanted.owner}
    if wanted.light is not None:
        red = {"today": today, "red_days": OVERDUE_RED_DAYS, "at": at}
        asked["light"] = {"light": wanted.light.value, **red}
    if sight is not None:
        asked["sight"] = {"sight": sorted(sight)}
    values = {name: value for part in asked.values() for name, value in part.items()}
    return list(tx.execute(_query(list(asked)), values | {"most": wanted.most}).scalars())


def _query(asked: Collection[str]) -> TextClause:
    # Only the constants above are put together; every value is a parameter.
    conditions = "".join(f" AND {_CONDITIONS[name]}" for name in asked)
    query = text(
        f"{'WITH ' + _LIGHT if 'light' in asked else ''}"  # noqa: S608 - see above
        f"SELECT c.customer_id FROM customer c WHERE c.merged_into IS NULL{conditions}"
        " ORDER BY c.customer_id LIMIT :most"
    )
    return query.bindparams(bindparam("sight", type_=ARRAY(Text))) if "sight" in asked else query


def _escape(wanted: str) -> str:
    for special in "\\%_":
        wanted = wanted.replace(special, "\\" + special)
    return wanted
