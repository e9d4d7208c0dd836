"""Which decisions a policy is tried on, and what became of their orders since."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, DateTime, Float, String, bindparam, func, literal, select, text

from app.domain.trials import Later, OrderKey
from app.store.database import Tx
from app.store.schema.decisions import decision


@dataclass(frozen=True, slots=True)
class Period:
    """Decisions from `since` (inclusive) to `until` (exclusive); `segments` None: of all."""

    since: datetime
    until: datetime
    segments: frozenset[str] | None = None


def count(tx: Tx, period: Period, most: int) -> int:
    """Count decisions, `most` at most."""
    query = select(decision.c.decision_id).where(
        decision.c.evaluated_at >= period.since, decision.c.evaluated_at < period.until
    )
    if period.segments is not None:
        query = query.where(decision.c.segment_id.in_(sorted(period.segments)))
    some = query.limit(most).subquery()
    found: int = tx.execute(select(func.count()).select_from(some)).scalar_one()
    return found


def cuts(tx: Tx, period: Period, parts: int) -> list[datetime]:
    """Cut a period so that about as many decisions lie in each part; the ends are among the cuts.

    Decisions of one moment stay together, so that there may be fewer parts.
    """
    shares = [part / parts for part in range(1, parts)]
    query = select(
        func.percentile_disc(literal(shares, ARRAY(Float))).within_group(decision.c.evaluated_at)
    ).where(decision.c.evaluated_at >= period.since, decision.c.evaluated_at < period.until)
    inner = (tx.execute(query).scalar_one() if shares else None) or []
    return sorted({period.since, *inner, period.until})


_LATER = text("""
SELECT l.segment_id, l.order_id, sum(l.amount_minor)::bigint AS billed,
    coalesce(sum(l.amount_minor) FILTER (WHERE i.due_date < CASE
        WHEN i.open_minor > 0 THEN timezone(s.time_zone, :at)::date ELSE paid.last END), 0)::bigint
        AS overdue
FROM unnest(:segments, :orders) AS asked(segment_id, order_id)
JOIN invoice_line l USING (segment_id, order_id)
JOIN invoice i ON i.segment_id = l.segment_id AND i.invoice_id = l.invoice_id
JOIN segment s ON s.segment_id = l.segment_id
LEFT JOIN LATERAL (
    SELECT max(p.paid_date) AS last
    FROM allocation a
    JOIN payment p ON p.segment_id = a.segment_id AND p.payment_id = a.payment_id
    WHERE a.segment_id = i.segment_id AND a.invoice_id = i.invoice_id AND p.amount_minor > 0
) AS paid ON true
GROUP BY l.segment_id, l.order_id
""").bindparams(
    bindparam("segments", type_=ARRAY(String)),
    bindparam("orders", type_=ARRAY(String)),
    bindparam("at", type_=DateTime(timezone=True)),
)


def later(tx: Tx, orders: Sequence[OrderKey], at: datetime) -> dict[OrderKey, Later]:
    """Sum what orders were billed, and how much of it was past due; unbilled ones are absent.

    An invoice is past due that is open after its due date, as of the segment's business date at a
    moment, or whose last payment came after it.
    """
    asked = {
        "segments": [segment_id for segment_id, _ in orders],
        "orders": [order_id for _, order_id in orders],
        "at": at,
    }
    return {
        (row.segment_id, row.order_id): Later(row.billed, row.overdue)
        for row in tx.execute(_LATER, asked)
    }
