"""Exchange rates, only ever added."""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row, func, insert, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on

from app.domain.money import Rate
from app.domain.rates import MAX_AGE_DAYS
from app.store.database import Tx
from app.store.schema.parties import fx_rate


def add(tx: Tx, rate: Rate) -> int:
    """Store a rate and return its id; of one pair and date the one stored last wins."""
    return int(
        tx.execute(
            insert(fx_rate)
            .values(
                base=rate.base,
                quote=rate.quote,
                rate=rate.rate,
                rate_date=date.fromisoformat(rate.rate_date),
                source=rate.source,
            )
            .returning(fx_rate.c.rate_id)
        ).scalar_one()
    )


def recent(tx: Tx, currencies: Collection[str], today: date) -> list[Rate]:
    """Read the rates among `currencies` that a conversion of `today` may take, in stored order.

    Of one pair and date the one stored last: an ERP may tell rates every few minutes.
    """
    named = fx_rate.c.base, fx_rate.c.quote, fx_rate.c.rate_date
    newest = (
        select(fx_rate)
        .ext(distinct_on(*named))
        .where(
            fx_rate.c.rate_date.between(today - timedelta(days=MAX_AGE_DAYS), today),
            fx_rate.c.base.in_(currencies),
            fx_rate.c.quote.in_(currencies),
        )
        .order_by(*named, fx_rate.c.rate_id.desc())
        .subquery()
    )
    return [_from_row(row) for row in tx.execute(select(newest).order_by(newest.c.rate_id))]


def nearest(tx: Tx, pair: tuple[str, str], day: date) -> Rate | None:
    """Read the rate of a pair, in either direction, whose date is nearest to a day; None: no rate.

    One of that day or before it goes before any later one; of one date the one stored last.
    """
    columns = fx_rate.c
    query = (
        select(fx_rate)
        .where(tuple_(columns.base, columns.quote).in_([pair, pair[::-1]]))
        .order_by(
            columns.rate_date > day, func.abs(columns.rate_date - day), columns.rate_id.desc()
        )
        .limit(1)
    )
    row = tx.execute(query).one_or_none()
    return None if row is None else _from_row(row)


def mark(tx: Tx, first: date, last: date) -> tuple[int, int]:
    """Sum up the rates that conversions of these days may take: it changes when one is added."""
    query = select(func.count(), func.coalesce(func.max(fx_rate.c.rate_id), 0)).where(
        fx_rate.c.rate_date.between(first - timedelta(days=MAX_AGE_DAYS), last)
    )
    count, newest = tx.execute(query).one()
    return int(count), int(newest)


def listing(
    tx: Tx, pair: tuple[str | None, str | None], before: int | None, most: int
) -> list[tuple[int, Rate]]:
    """Read rates with their ids, the one stored last first; `before` is the last id of a page.

    `pair` is (base, quote) as stored; None: any.
    """
    query = select(fx_rate).order_by(fx_rate.c.rate_id.desc()).limit(most)
    for column, wanted in zip((fx_rate.c.base, fx_rate.c.quote), pair, strict=True):
        if wanted is not None:
            query = query.where(column == wanted)
    if before is not None:
        query = query.where(fx_rate.c.rate_id < before)
    return [(row.rate_id, _from_row(row)) for row in tx.execute(query)]


def _from_row(row: Row[Any]) -> Rate:
    return Rate(row.base, row.quote, row.rate.normalize(), row.rate_date.isoformat(), row.source)
