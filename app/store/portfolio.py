"""Many customers at once: what features need of them, copied out as CSV, a portion at a time.

The database writes the text and polars reads it in bulk. What comes out is bytes; this room does
not know polars.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import psycopg
from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import insert

from app.domain.epochs import outcomes
from app.store import portfolio_lines, portfolio_retold, portfolio_sql
from app.store.database import Tx
from app.store.schema.outside import background_rate

COLUMNS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "invoices": (portfolio_sql.INVOICES, portfolio_lines.COLUMNS),
    "customers": (portfolio_sql.CUSTOMERS, ("customer_id", "currency", "since", "parent_id")),
    "limits": (
        portfolio_sql.LIMITS,
        (
            "customer_id",
            "kind",
            "known_on",
            "ended_on",
            "valid_from",
            "valid_to",
            "limit_minor",
            "order",
        ),
    ),
    "statements": (
        portfolio_sql.STATEMENTS,
        ("customer_id", "period_end", "known_on", "currency", "figures", "ratios"),
    ),
    "signals": (
        portfolio_sql.SIGNALS,
        ("customer_id", "known_on", "kind", "role", "ended_on"),
    ),
}
"""By name: the statement, and the columns of its CSV. An invoice has a row for each payment.

That of invoices makes lines by itself, and names those that `portfolio_retold` makes lines of; the
others are made lines by `portfolio_sql.lines`."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Of all customers at the end of a day: outcomes known and late, of more than 0 and 30 days."""

    day: date
    known: int
    late: int
    known_30: int
    late_30: int


def copy_out(tx: Tx, name: str, customer_ids: Collection[str]) -> bytes:
    """Read what is called `name` of some customers as CSV, no header; an empty field is null."""
    if name == "invoices":
        return _copy_invoices(tx, list(customer_ids))
    lines = portfolio_sql.lines(*COLUMNS[name])
    return _joined(_rows(tx, lines, {"ids": list(customer_ids)}))


def _copy_invoices(tx: Tx, customer_ids: list[str]) -> bytes:
    found = _rows(tx, portfolio_sql.INVOICES, {"ids": customer_ids})
    retold = [one for _, ids in found for one in ids or ()]
    if not retold:
        return _joined(found)
    keys = {(segment_id, invoice_id) for segment_id, invoice_id in retold}
    return _joined(found) + portfolio_retold.lines(tx, keys, customer_ids).encode()


def _rows(tx: Tx, query: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
    cursor: psycopg.Cursor[tuple[Any, ...]] = tx.connection.cursor()  # type: ignore[assignment]
    with cursor:
        return cursor.execute(query.encode(), values).fetchall()


def _joined(rows: list[tuple[Any, ...]]) -> bytes:
    return "".join(row[0] for row in rows if row[0] is not None).encode()


def sizes(tx: Tx, after: str, most: int) -> list[tuple[str, int]]:
    """List up to `most` customers above `after` in their order, with how many invoices each has."""
    cursor: psycopg.Cursor[tuple[str, int]] = tx.connection.cursor()  # type: ignore[assignment]
    with cursor:
        return cursor.execute(portfolio_sql.SIZES, {"after": after, "most": most}).fetchall()


def relatives(tx: Tx, customer_ids: Collection[str]) -> set[str]:
    """Name the parents and siblings of customers, at most 100 siblings each."""
    cursor: psycopg.Cursor[tuple[str]] = tx.connection.cursor()  # type: ignore[assignment]
    with cursor:
        rows = cursor.execute(portfolio_sql.RELATIVES, {"ids": sorted(customer_ids)})
        return {row[0] for row in rows}


def count_outcomes(tx: Tx, day: date) -> Counts:
    """Count over all invoices what their ends had shown by the end of a day; reads the ledger."""
    tx.execute(text("SET LOCAL statement_timeout = '30min'"))
    tx.execute(text("SET LOCAL work_mem = '64MB'"))  # else the sums of a large ledger go to disk
    row = tx.execute(text(portfolio_sql.BACKGROUND), {"day": day}).one()
    found = Counter(dict(enumerate(row)))
    for one in portfolio_retold.everything(tx):
        found.update(dict(enumerate(outcomes(one.epoch, day))))
    return Counts(day, *(found[place] for place in range(len(row))))


def newest_counts(tx: Tx, day: date) -> Counts | None:
    """Read the counts kept for the newest day that is not after `day`."""
    row = tx.execute(_NEWEST_COUNTS, {"until": day}).one_or_none()
    return None if row is None else Counts(*row)


_NEWEST_COUNTS: Final = (
    select(background_rate)
    .where(background_rate.c.day <= bindparam("until"))
    .order_by(background_rate.c.day.desc())
    .limit(1)
)


def keep_counts(tx: Tx, counts: Counts) -> None:
    """Keep the counts of a day; the ones counted last hold."""
    values = {name: getattr(counts, name) for name in ("known", "late", "known_30", "late_30")}
    statement = insert(background_rate).values(day=counts.day, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["day"], set_=values))
