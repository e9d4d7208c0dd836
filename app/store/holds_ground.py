"""What the judgement of an open automatic hold rests on, as a digest, and which holds it moved for.

Nothing tells anybody that something changed: the ground itself is compared with the one a hold was
judged on, so that no change can be missed and none needs a word on the path of an answer. What
only counts by time (a limit that begins, an age in days) is in it by the day.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import DateTime, RowMapping, TextClause, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from app.domain.rates import MAX_AGE_DAYS
from app.store.database import Tx
from app.store.schema.decisions import order_hold

Place = tuple[datetime, str]
"""(opened_at, hold_id): the order in which holds are judged, the oldest first."""


@dataclass(frozen=True, slots=True)
class Moved:
    """An open automatic hold to be judged again, and the ground that was found for it.

    `root` is the topmost account of its payer's path: holds of one root compete.
    """

    hold_id: str
    segment_id: str
    order_id: str
    root: int
    opened_at: datetime
    ground: str

    @property
    def place(self) -> Place:
        """Where it stands among the others."""
        return self.opened_at, self.hold_id


# Payer by payer, for holds of one share what they rest on, and a plan of index look-ups is a good
# one whatever the planner thinks of the sizes. Accounts count with all groups above them; a new
# score or other slow input is a new version. What is late is summed up, since money may move
# between invoices without moving any balance. Rates are counted: the id of one that commits late
# may be below the highest.
_GROUND = f"""
WITH place AS MATERIALIZED (
    SELECT s.segment_id, d.today, concat_ws(':', s.mode, CASE
        WHEN s.next_rule_set_at <= :at THEN s.next_rule_set_version
        ELSE s.rule_set_version END, s.credit_horizon_days, d.today,
        greatest(0, floor(extract(epoch FROM :at - f.last_at) / 86400))) AS told
    FROM segment s
    CROSS JOIN LATERAL (SELECT (:at AT TIME ZONE s.time_zone)::date AS today) AS d
    CROSS JOIN LATERAL (
        SELECT max(last_at) AS last_at FROM feed WHERE segment_id = s.segment_id) AS f),
days AS MATERIALIZED (
    SELECT min(today) - {MAX_AGE_DAYS} AS first, max(today) AS last FROM place),
rate AS MATERIALIZED (
    SELECT concat_ws(':', first, last, (
        SELECT concat_ws(':', count(*), max(rate_id)) FROM fx_rate
        WHERE rate_date BETWEEN first AND last)) AS told
    FROM days),
payer AS MATERIALIZED (
    SELECT h.account_id, array_agg(h.hold_id) AS ids, array_agg(h.order_id) AS orders,
        array_agg(h.decision_id) AS decisions, array_agg(h.opened_at) AS opened,
        array_agg(h.judged_on) AS judged, array_agg(h.ask -> 'amount' ->> 1) AS currencies
    FROM order_hold h
    WHERE h.status = 'OPEN' AND h.kind = 'AUTOMATIC' AND h.ask IS NOT NULL AND {{wanted}}
    GROUP BY h.account_id),
ground AS (
    SELECT h.hold_id, a.segment_id, h.order_id, h.opened_at, h.judged_on,
        a.path[cardinality(a.path)] AS root,
        md5(concat_ws('|', h.decision_id, place.told, path.told, late.told,
        -- what was billed before it left moves no balance as it leaves, and is tested no more
        (SELECT u.delivered_minor FROM order_use u
        WHERE u.segment_id = a.segment_id AND u.order_id = h.order_id
            AND u.account_id = a.account_id AND u.currency = h.currency),
        CASE WHEN path.is_foreign OR path.currencies <> ARRAY[h.currency]
        THEN (SELECT rate.told FROM rate) END)) AS ground
    FROM payer
    JOIN account a ON a.account_id = payer.account_id
    JOIN place ON place.segment_id = a.segment_id
    CROSS JOIN LATERAL (
        SELECT string_agg(concat_ws(':', p.account_id, p.seq, p.input_version, p.status,
            p.quarantined, p.limit_changes_on <= place.today), ',' ORDER BY p.account_id) AS told,
            array_agg(DISTINCT p.currency) AS currencies,
            bool_or(p.foreign_use IS NOT NULL) AS is_foreign
        FROM account p WHERE p.account_id = any(a.path)) AS path
    CROSS JOIN LATERAL (
        SELECT concat_ws(':', count(*), sum(v.open_minor), min(v.due_date)) AS told
        FROM invoice v
        WHERE v.account_id = a.account_id AND v.open_minor > 0 AND v.due_date < place.today
    ) AS late
    CROSS JOIN LATERAL unnest(payer.ids, payer.orders, payer.decisions, payer.opened,
        payer.judged, payer.currencies)
        AS h(hold_id, order_id, decision_id, opened_at, judged_on, currency))
"""  # noqa: S608 - a number of the domain

_MOVED = text(
    _GROUND.format(
        wanted="h.auto_release IS NOT FALSE AND (h.opened_at, h.hold_id) > (:last, :last_id)"
    )
    + """
SELECT hold_id, segment_id, order_id, root, opened_at, ground FROM ground
WHERE judged_on IS DISTINCT FROM ground ORDER BY opened_at, hold_id LIMIT :most
"""
).bindparams(
    bindparam("at", type_=DateTime(timezone=True)),
    bindparam("last", type_=DateTime(timezone=True)),
    bindparam("last_id", type_=UUID(as_uuid=False)),
)

_NAMED = text(
    _GROUND.format(wanted="h.hold_id = any(:ids)")
    + """
SELECT hold_id, segment_id, order_id, root, opened_at, ground FROM ground
ORDER BY opened_at, hold_id
"""
).bindparams(
    bindparam("at", type_=DateTime(timezone=True)),
    bindparam("ids", type_=ARRAY(UUID(as_uuid=False))),
)

_FIRST: Place = (datetime.fromisoformat("0001-01-01T00:00:00+00:00"), f"{0:032x}")


def moved(tx: Tx, at: datetime, after: Place | None, most: int) -> list[Moved]:
    """List open automatic holds that were never judged on the ground of a moment, oldest first.

    `after` is the last one seen. Those that the policy wants a person for are none.
    """
    last, last_id = after or _FIRST
    values = {"at": at, "last": last, "last_id": last_id, "most": most}
    return [_of(row) for row in tx.execute(_MOVED, values).mappings()]


def named(tx: Tx, at: datetime, hold_ids: Sequence[str]) -> list[Moved]:
    """Read the ground of these holds, as far as they are open, automatic and were asked about."""
    return [_of(row) for row in tx.execute(_NAMED, {"at": at, "ids": list(hold_ids)}).mappings()]


def _of(row: RowMapping) -> Moved:
    return Moved(**{**row, "hold_id": str(row["hold_id"])})


def mark(tx: Tx, grounds: Mapping[str, str]) -> None:
    """Remember what holds were judged on; one that somebody works on is judged once more.

    A ground is read before the judgement that it is kept for: what moves in between shows.
    """
    free = (
        select(order_hold.c.hold_id)
        .where(order_hold.c.hold_id.in_(sorted(grounds)), order_hold.c.status == "OPEN")
        .order_by(order_hold.c.hold_id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    for hold_id in tx.execute(free).scalars().all():
        change = update(order_hold).where(order_hold.c.hold_id == hold_id)
        tx.execute(change.values(judged_on=grounds[str(hold_id)]))


_CHANGED = text("""
SELECT h.hold_id, greatest(max(j.at), max(i.created_at)) AS at
FROM order_hold h
JOIN account a ON a.account_id = h.account_id
JOIN account p ON p.account_id = any(a.path)
LEFT JOIN journal j ON j.account_id = p.account_id AND j.seq = p.seq
LEFT JOIN account_input i ON i.account_id = p.account_id AND i.version = p.input_version
WHERE h.hold_id = any(:ids) GROUP BY h.hold_id
""").bindparams(bindparam("ids", type_=ARRAY(UUID(as_uuid=False))))


def changed_at(tx: Tx, hold_ids: Sequence[str]) -> dict[str, datetime]:
    """Say when the accounts of holds changed last; a hold whose accounts never did is absent."""
    rows = tx.execute(_CHANGED, {"ids": list(hold_ids)})
    return {str(row.hold_id): row.at for row in rows if row.at is not None}


_OPEN = text("""
SELECT kind, count(*) AS many FROM order_hold WHERE status = 'OPEN' GROUP BY kind
""")


def count_open(tx: Tx) -> dict[str, int]:
    """Count the open holds by kind."""
    return {row.kind: row.many for row in tx.execute(_OPEN)}


def explained() -> TextClause:
    """Give the query of `moved` as one that tells its plan; for tests and for whoever looks."""
    return text(f"EXPLAIN {_MOVED.text}").bindparams(
        bindparam("at", type_=DateTime(timezone=True)),
        bindparam("last", type_=DateTime(timezone=True)),
        bindparam("last_id", type_=UUID(as_uuid=False)),
    )
