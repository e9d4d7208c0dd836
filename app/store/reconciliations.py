"""Snapshots of the ERP: compared in one statement, stored with what differs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import RowMapping, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from app.domain.errors import NotFoundError
from app.domain.exposure import CATEGORIES, Category
from app.domain.money import Money
from app.domain.reconciliation import Drift, DriftStatus, Ours, Told
from app.store.database import Tx
from app.store.exposure import sums_among
from app.store.schema.reconciliation import drift, reconciliation, reconciliation_feed

_BY_INDEX: Final = text(
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_mergejoin', 'off', true)"
)
"""Plans made on empty tables must not stay; what was told is joined to its sums by a hash."""

_AMONG: Final = {
    one: f"IN (SELECT account_id FROM named WHERE category = '{one}')"  # noqa: S608 - constants
    for one in CATEGORIES
}

_OURS: Final = text(f"""
WITH told AS (
    SELECT * FROM jsonb_to_recordset(CAST(:told AS jsonb))
        AS n(line integer, ref text, segment_id text, category text, currency text)
),
named AS MATERIALIZED (
    SELECT t.*, r.customer_id, a.account_id, coalesce(a.seq, 0) AS seq
    FROM told t
    LEFT JOIN customer_ref r ON r.ref = t.ref
    LEFT JOIN account a ON a.customer_id = r.customer_id AND a.segment_id = t.segment_id
),
ours AS MATERIALIZED ({sums_among(_AMONG)})
SELECT n.customer_id, n.account_id, n.seq, coalesce(o.minor, 0) AS minor
FROM named n
LEFT JOIN ours o ON o.account_id = n.account_id AND o.category = n.category
    AND o.currency = n.currency
ORDER BY n.line
""")  # noqa: S608 - made of constants


def compare(tx: Tx, told: Sequence[Told]) -> list[Ours]:
    """Sum our own documents for each figure; one statement, hence one snapshot for all."""
    tx.execute(_BY_INDEX)
    rows = [
        {
            "line": line,
            "ref": one.ref,
            "segment_id": one.segment_id,
            "category": one.category,
            "currency": one.amount.currency,
        }
        for line, one in enumerate(told)
    ]
    found = tx.execute(_OURS, {"told": orjson.dumps(rows).decode()})
    return [Ours(row.customer_id, int(row.minor), row.seq, row.account_id) for row in found]


@dataclass(frozen=True, slots=True)
class Stored:
    """A snapshot as it was compared; `results` are JSON, in the order of its items."""

    reconciliation_id: str
    source: str
    snapshot_id: str
    content: bytes
    as_of: datetime
    compared_at: datetime
    client: str
    actor: str | None
    matched: int
    drifted: int
    unknown: int
    results: list[dict[str, Any]]


def queue(tx: Tx, source: str, as_of: datetime) -> None:
    """Let the snapshots that name a source come one after the other until `tx` ends.

    Whoever tells them: two clients may speak of one figure, of which one drift of a source is open.
    """
    first = upsert(reconciliation_feed).values(source=source, as_of=as_of)
    tx.execute(first.on_conflict_do_nothing())
    query = select(reconciliation_feed.c.source).where(reconciliation_feed.c.source == source)
    tx.execute(query.with_for_update()).one()


def newest(tx: Tx, client: str, source: str) -> datetime | None:
    """Read the moment of the newest snapshot that a client has told of its source."""
    query = select(func.max(reconciliation.c.as_of)).where(
        reconciliation.c.client == client, reconciliation.c.source == source
    )
    moment: datetime | None = tx.execute(query).scalar_one()
    return moment


def find(tx: Tx, client: str, source: str, snapshot_id: str) -> Stored | None:
    """Find a snapshot by its names in a client's ERP."""
    query = select(reconciliation).where(
        reconciliation.c.client == client,
        reconciliation.c.source == source,
        reconciliation.c.snapshot_id == snapshot_id,
    )
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else _stored(row)


def moment_of(tx: Tx, reconciliation_id: str) -> datetime:
    """Read the moment that a stored snapshot tells of."""
    query = select(reconciliation.c.as_of)
    query = query.where(reconciliation.c.reconciliation_id == reconciliation_id)
    moment: datetime = tx.execute(query).scalar_one()
    return moment


def read(tx: Tx, reconciliation_id: str) -> Stored:
    """Read a snapshot by our own id.

    Raises:
        NotFoundError: There is none.

    """
    query = select(reconciliation).where(reconciliation.c.reconciliation_id == reconciliation_id)
    row = tx.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"no snapshot has the id {reconciliation_id}", "id")
    return _stored(row)


def _stored(row: RowMapping) -> Stored:
    return Stored(**{**row, "content": bytes(row["content"])})


def add(tx: Tx, stored: Stored, drifts: Sequence[Drift]) -> None:
    """Store a snapshot and what differs in it; older drifts of its figures are to be closed."""
    values = {column.name: getattr(stored, column.name) for column in reconciliation.c}
    tx.execute(insert(reconciliation).values(values))
    if drifts:
        tx.execute(insert(drift), [_drift_row(one) for one in drifts])


_SUPERSEDE: Final = text("""
WITH over AS (
    SELECT d.drift_id FROM drift d
    JOIN customer c ON c.customer_id = d.customer_id
    LEFT JOIN jsonb_to_recordset(CAST(:told AS jsonb))
        AS n(customer_id text, segment_id text, category text, currency text)
        ON n.customer_id = d.customer_id AND n.segment_id = d.segment_id
        AND n.category = d.category AND n.currency = d.currency
    WHERE d.status = 'OPEN' AND d.source = :source
        AND (n.customer_id IS NOT NULL OR c.merged_into IS NOT NULL)
    ORDER BY d.drift_id FOR UPDATE OF d
)
UPDATE drift d SET status = 'SUPERSEDED', closed_at = :at FROM over
WHERE d.drift_id = over.drift_id AND d.status = 'OPEN'
""")


def supersede(
    tx: Tx, source: str, figures: Collection[tuple[str, str, Category, str]], at: datetime
) -> None:
    """Close open drifts of a source on figures it tells anew, and of records merged meanwhile.

    A figure is (customer_id, segment_id, category, currency).
    """
    names = ("customer_id", "segment_id", "category", "currency")
    told = [dict(zip(names, one, strict=True)) for one in figures]
    tx.execute(_SUPERSEDE, {"told": orjson.dumps(told).decode(), "source": source, "at": at})


def _drift_row(one: Drift) -> dict[str, Any]:
    told = {
        column.name: getattr(one, column.name)
        for column in drift.c
        if column.name not in {"currency", "ours_minor", "theirs_minor", "closed_at"}
    }
    minors = {"ours_minor": one.ours.minor, "theirs_minor": one.theirs.minor}
    return {**told, **minors, "currency": one.ours.currency}


def _drift(row: RowMapping) -> Drift:
    told = {name: value for name, value in row.items() if name != "closed_at"}
    currency = told.pop("currency")
    ours, theirs = (
        Money(told.pop("ours_minor"), currency),
        Money(told.pop("theirs_minor"), currency),
    )
    return Drift(ours=ours, theirs=theirs, **told)


def read_drift(tx: Tx, drift_id: str, *, lock: bool = False) -> Drift:
    """Read a drift; `lock` keeps others from closing it until `tx` ends (after accounts).

    Raises:
        NotFoundError: There is none.

    """
    query = select(drift).where(drift.c.drift_id == drift_id)
    row = tx.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"no drift has the id {drift_id}", "drift_id")
    return _drift(row)


def close_drift(tx: Tx, drift_id: str, status: DriftStatus, at: datetime) -> None:
    """Close a drift that was locked in this transaction."""
    statement = update(drift).where(drift.c.drift_id == drift_id)
    tx.execute(statement.values(status=status, closed_at=at))


@dataclass(frozen=True, slots=True)
class DriftFilter:
    """Which open drifts: above an id, at most `most`; None does not restrict."""

    most: int
    after: str | None = None
    segments: Collection[str] | None = None
    segment_id: str | None = None
    category: Category | None = None
    customer_id: str | None = None


def open_drifts(tx: Tx, wanted: DriftFilter) -> list[Drift]:
    """List open drifts, oldest first."""
    query = select(drift).where(drift.c.status == "OPEN")
    for column, value in (
        (drift.c.segment_id, wanted.segment_id),
        (drift.c.category, wanted.category),
        (drift.c.customer_id, wanted.customer_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.segments is not None:
        query = query.where(drift.c.segment_id.in_(sorted(wanted.segments)))
    if wanted.after is not None:
        query = query.where(drift.c.drift_id > wanted.after)
    rows = tx.execute(query.order_by(drift.c.drift_id).limit(wanted.most))
    return [_drift(row) for row in rows.mappings()]


def last_compared(tx: Tx) -> datetime | None:
    """Say when the newest snapshot was compared, of whatever source; None: there was none."""
    found: datetime | None = tx.execute(select(func.max(reconciliation.c.compared_at))).scalar_one()
    return found


@dataclass(slots=True)
class OpenTotals:
    """Open drifts: how many by category, and how far they are off by currency, without sign.

    `moved` are those by category of accounts that documents moved since the snapshot's moment:
    they are in neither of the others.
    """

    settled: dict[str, int]
    moved: dict[str, int]
    off: dict[str, int]


def open_totals(tx: Tx) -> OpenTotals:
    """Count open drifts."""
    off = func.sum(func.abs(drift.c.theirs_minor - drift.c.ours_minor))
    names = (drift.c.category, drift.c.currency, drift.c.moved)
    query = select(*names, func.count(), off).where(drift.c.status == "OPEN").group_by(*names)
    totals = OpenTotals(dict.fromkeys(CATEGORIES, 0), dict.fromkeys(CATEGORIES, 0), {})
    for category, currency, moved, number, minor in tx.execute(query):
        (totals.moved if moved else totals.settled)[category] += number
        if not moved:
            totals.off[currency] = totals.off.get(currency, 0) + int(minor)
    return totals
