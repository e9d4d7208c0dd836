"""Frames out of what the database copied: CSV without a header, an empty field is null."""

import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import polars as pl

from app.domain.financials import ITEMS, RATIO_NAMES
from app.scoring.frames import FINANCIALS, Ledger

_INVOICE_ROWS: Final = {
    "customer_id": pl.String,
    "segment_id": pl.String,
    "invoice_id": pl.String,
    "known_on": pl.Date,
    "gone_on": pl.Date,
    "issue_date": pl.Date,
    "due_date": pl.Date,
    "amount_minor": pl.Int64,
    "currency": pl.String,
    "disputed_on": pl.Date,
    "undated": pl.String,
    "paid_date": pl.Date,
    "paid_minor": pl.Int64,
}

_OTHERS: Final[Mapping[str, Mapping[str, type[pl.DataType]]]] = {
    "customers": {
        "customer_id": pl.String,
        "currency": pl.String,
        "since": pl.Date,
        "parent_id": pl.String,
    },
    "limits": {
        "customer_id": pl.String,
        "kind": pl.String,
        "known_on": pl.Date,
        "ended_on": pl.Date,
        "valid_from": pl.Date,
        "valid_to": pl.Date,
        "limit_minor": pl.Int64,
        "order": pl.Int64,
    },
    "signals": {
        "customer_id": pl.String,
        "known_on": pl.Date,
        "kind": pl.String,
        "role": pl.String,
        "ended_on": pl.Date,
    },
    "statements": {
        "customer_id": pl.String,
        "period_end": pl.Date,
        "known_on": pl.Date,
        "currency": pl.String,
        "figures": pl.String,
        "ratios": pl.String,
    },
}


_NO_STATEMENTS: Final = pl.DataFrame(schema=FINANCIALS)
"""Made once: 70 columns for every customer without a statement would be a tenth of its features."""


def read_csv(data: bytes, schema: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """Read rows without a header, with the columns and types of `schema` in its order."""
    if not data:
        return pl.DataFrame(schema=dict(schema))
    return pl.read_csv(io.BytesIO(data), has_header=False, schema=dict(schema))


def ledger_of(parts: Mapping[str, bytes], background: Sequence[Mapping[str, object]]) -> Ledger:
    """Put together what was read of some customers.

    `background` are rows of what is known of all customers; none: the rates of these alone.
    """
    rows = read_csv(parts["invoices"], _INVOICE_ROWS).with_columns(
        invoice=pl.struct("segment_id", "invoice_id").rank("dense").cast(pl.Int64)
    )
    frames = {name: read_csv(parts[name], schema) for name, schema in _OTHERS.items()}
    told = frames.pop("statements")
    frames["financials"] = _NO_STATEMENTS if told.is_empty() else statements(told)
    frames["invoices"] = _invoices(rows)
    frames["payments"] = rows.filter(pl.col("paid_date").is_not_null()).select(
        "invoice", "paid_date", amount_minor="paid_minor"
    )
    if background:
        frames["background"] = pl.DataFrame(list(background))
    return Ledger.of(frames)


def _invoices(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep one row an invoice, and place disputes without a day of their own.

    Such a dispute is known today, once the invoice is paid in full since then, or since it was
    reported on a later day.
    """
    known = rows.unique("invoice", keep="any")
    undated = rows.filter(pl.col("undated") == "t")
    if undated.is_empty():
        return known
    reached = pl.col("paid_minor").cum_sum().over("invoice", order_by="paid_date")
    paid = (
        undated.filter(pl.col("paid_minor") > 0)
        .group_by("invoice", "paid_date", "amount_minor")
        .agg(pl.col("paid_minor").sum())
        .filter(reached >= pl.col("amount_minor"))
        .group_by("invoice")
        .agg(ended=pl.col("paid_date").min())
    )
    return known.join(paid, on="invoice", how="left").with_columns(
        disputed_on=pl.min_horizontal("ended", "disputed_on")
    )


def statements(rows: pl.DataFrame) -> pl.DataFrame:
    """Spread the figures and ratios of statements, given as JSON objects of numbers as text."""
    figures = pl.Struct(dict.fromkeys(ITEMS, pl.String))
    ratios = pl.Struct(dict.fromkeys(RATIO_NAMES, pl.String))
    return rows.select(
        "customer_id",
        "period_end",
        "known_on",
        "currency",
        *(
            pl.col("figures").str.json_decode(figures).struct.field(name).cast(pl.Float64)
            for name in ITEMS
        ),
        *(
            pl.col("ratios")
            .str.json_decode(ratios)
            .struct.field(name)
            .cast(pl.Float64)
            .alias(f"ratio_{name}")
            for name in RATIO_NAMES
        ),
    )


def observe(customer_ids: Sequence[str], as_of: date) -> pl.DataFrame:
    """Ask about customers, without an order, as of one day."""
    return pl.DataFrame(
        {"customer_id": customer_ids}, schema={"customer_id": pl.String}
    ).with_columns(as_of=pl.lit(as_of))
