"""The rows to learn from: every invoice as it was asked about on the day before it was issued."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from app.domain.feature_catalogue import NAMES
from app.scoring.features import feature_frame
from app.scoring.features_bills import settle, turns
from app.scoring.frames import Ledger
from app.scoring.training_matrix import Matrix, TrainingError

_ORDER: Final = ("issue_date", "customer_id", "amount_minor", "currency", "due_date", "closed_on")


MOST_ROWS: Final = 300_000
"""The newest so many invoices are rows: more say little more, and take memory by the gigabyte."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is foretold: an invoice more than `late_days` days late within `horizon_days`.

    Its window opens at the end of the day before it is issued and closes at the end of the last day
    on which it could still be paid without being late. An invoice that could not be late within the
    horizon (long terms) is no row.
    """

    late_days: int
    horizon_days: int


@dataclass(frozen=True, slots=True)
class Observed:
    """Closed rows with features, and how many invoices were no row, by why."""

    matrix: Matrix
    until: date
    left_out: Mapping[str, int]


def known_until(ledger: Ledger, today: date) -> date:
    """Give the last day that the ledger knows of, at most `today`.

    An invoice that fell due after the last fact is not late: nobody has looked since. What was told
    otherwise since then is no such fact.

    Raises:
        TrainingError: There is nothing in the ledger.

    """
    invoices = ledger.invoices.filter(pl.col("gone_on").is_null())
    paid = ledger.payments.filter(pl.col("paid_date") <= today)
    if len(invoices) < len(ledger.invoices):
        paid = paid.join(invoices, on="invoice", how="semi")
    days = [
        day
        for day in (invoices["issue_date"].max(), paid["paid_date"].max())
        if isinstance(day, date)
    ]
    if not days:
        raise TrainingError("the ledger has no invoice to learn from")
    return min(max(days), today)


def observe(ledger: Ledger, target: Target, today: date, most_rows: int = MOST_ROWS) -> Observed:
    """Compute label and features of the newest `most_rows` invoices whose window has closed.

    Labels are what is known of them today, features what was known when they were asked about.

    Raises:
        TrainingError: No window has closed yet.

    """
    until = known_until(ledger, today)
    bills = settle(ledger)
    invoices = _windows(bills.current, target)
    reaches = pl.col("closes") < pl.col("as_of") + pl.duration(days=target.horizon_days)
    rows = invoices.filter(reaches & (pl.col("closes") <= until)).sort(_ORDER, nulls_last=True)
    beyond = len(invoices) - len(invoices.filter(reaches))
    left_out = {
        "beyond_horizon": beyond,
        "window_open": len(invoices) - beyond - len(rows),
        "older": max(0, len(rows) - most_rows),
    }
    if rows.is_empty():
        raise TrainingError(f"no observation window has closed by {until}, the ledger's last day")
    newest = _with_past(rows.tail(most_rows), _windows(bills.rows, target))
    return Observed(_matrix(ledger, newest), until, left_out)


def _windows(bills: pl.DataFrame, target: Target) -> pl.DataFrame:
    closes = (pl.col("due_date") + pl.duration(days=target.late_days)).cast(pl.Date)
    return bills.with_columns(
        as_of=(pl.col("issue_date") - pl.duration(days=1)).cast(pl.Date),
        closes=closes,
        is_late=pl.col("closed_on").is_null() | (pl.col("closed_on") > closes),
    )


def _with_past(rows: pl.DataFrame, invoices: pl.DataFrame) -> pl.DataFrame:
    """Add how many of the customer's windows had closed before, and how many of them were late.

    As was known at the time: what counted otherwise before something else was told counts so.
    """
    closed = invoices.select(
        "customer_id",
        "known_on",
        "gone_on",
        day="closes",
        known=pl.lit(1.0),
        late=pl.col("is_late").cast(pl.Float64),
    )
    past = (
        turns(closed, ("known", "late"))
        .group_by("customer_id", closes="day")
        .agg(pl.col("known", "late").sum())
        .sort("closes", "customer_id")
        .with_columns(pl.col("known", "late").cum_sum().over("customer_id"))
    )
    found = (
        rows.with_row_index("place")
        .sort("as_of", "place")
        .join_asof(
            past,
            left_on="as_of",
            right_on="closes",
            by="customer_id",
            check_sortedness=False,
        )
        .sort("place")
    )
    return found.with_columns(pl.col("known", "late").fill_null(0))


def _matrix(ledger: Ledger, rows: pl.DataFrame) -> Matrix:
    terms = (pl.col("due_date") - pl.col("issue_date")).dt.total_days()
    asked = rows.select(
        "customer_id",
        "as_of",
        "currency",
        order_amount_minor="amount_minor",
        order_terms_days=terms.cast(pl.Int32),
    )
    features = feature_frame(ledger, asked)
    return Matrix(
        names=NAMES,
        values=features.to_numpy().astype(np.float64),
        labels=rows["is_late"].cast(pl.Float64).to_numpy(),
        customers=rows["customer_id"].to_numpy().astype(np.str_),
        days=rows["issue_date"].to_numpy().astype("datetime64[D]"),
        closes=rows["closes"].to_numpy().astype("datetime64[D]"),
        known=rows["known"].to_numpy(),
        late=rows["late"].to_numpy(),
        amounts=rows["amount_minor"].cast(pl.Float64).to_numpy(),
        segments=rows["segment_id"].fill_null("–").to_numpy().astype(np.str_),
    )
