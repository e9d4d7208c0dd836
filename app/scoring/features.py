"""The feature table: the one function that training, serving and `aval features` compute it by.

As of a day means: everything that was known at the END of that day, and nothing of later. Memory
is bounded by working off questions in portions, by the invoices they look at.
"""

from collections.abc import Callable, Iterator
from typing import Final

import polars as pl

from app.domain.feature_catalogue import NAMES, SMOOTHING
from app.scoring.features_bills import Bills, background_of, look, settle, was_known
from app.scoring.features_limits import utilizations
from app.scoring.features_outside import signal_features, statement_features
from app.scoring.features_payment import finish, smoothed, summarize
from app.scoring.features_related import related
from app.scoring.frames import Ledger, conform
from app.scoring.observing import ObservingError

PAIRS_AT_ONCE: Final = 500_000
"""Invoices looked at together, over all questions of a portion; about 200 MB at the most."""


def observed(read: Callable[[], Ledger], observations: pl.DataFrame) -> pl.DataFrame:
    """Compute features as `feature_frame` does, and fail as the process behind a pipe does.

    `read` makes a ledger of what the database gave, which may be what breaks.

    Raises:
        ObservingError: They cannot be computed of one of these.

    """
    try:
        return feature_frame(read(), observations)
    except (Exception, pl.exceptions.PanicException) as error:  # whatever a customer's data broke
        raise ObservingError.of(f"{type(error).__name__}: {error}") from error


def feature_frame(
    ledger: Ledger, observations: pl.DataFrame, *, pairs_at_once: int = PAIRS_AT_ONCE
) -> pl.DataFrame:
    """Compute all features of the catalogue, one row an observation, in the same order.

    Columns are those of `NAMES`, Float64, null where a feature is missing; never NaN or infinite.
    `pairs_at_once` bounds memory and changes no value.

    Raises:
        FrameError: `observations` lacks a column, or has one of another type.

    """
    asked = _prepare(ledger, conform("observations", observations))
    bills = settle(ledger)
    background = ledger.background if ledger.background is not None else background_of(bills)
    asked = _with_background(asked, background)
    parts = [_features(ledger, bills, part) for part in _portions(asked, bills, pairs_at_once)]
    return pl.concat(parts) if parts else pl.DataFrame(schema=dict.fromkeys(NAMES, pl.Float64))


def _prepare(ledger: Ledger, observations: pl.DataFrame) -> pl.DataFrame:
    """Give each question a number, its customer's currency and the begin of the relation."""
    known = ledger.customers.select("customer_id", "since", usual_currency="currency")
    asked = observations.with_row_index("row").join(
        known, on="customer_id", how="left", maintain_order="left"
    )
    asked = asked.with_columns(currency=pl.coalesce("currency", "usual_currency"))
    return _newest_currency(asked, ledger.invoices) if _lacks_currency(asked) else asked


def _newest_currency(asked: pl.DataFrame, invoices: pl.DataFrame) -> pl.DataFrame:
    """Give who has no currency that of the newest invoice known."""
    newest = (
        asked.select("row", "customer_id", "as_of")
        .join(invoices, on="customer_id")
        .filter((pl.col("issue_date") <= pl.col("as_of")) & (pl.col("amount_minor") > 0))
        .filter(was_known())
        .group_by("row")
        .agg(
            newest_currency=pl.col("currency")
            .sort_by("issue_date", "amount_minor", "currency")
            .last()
        )
    )
    return asked.join(newest, on="row", how="left", maintain_order="left").with_columns(
        currency=pl.coalesce("currency", "newest_currency")
    )


def _lacks_currency(asked: pl.DataFrame) -> bool:
    return asked["currency"].null_count() > 0


def _with_background(asked: pl.DataFrame, background: pl.DataFrame) -> pl.DataFrame:
    """Add the rates of all customers as of the newest day that is known of."""
    rates = background.sort("day").select(
        "day",
        global_late_rate=_rate("late", "known"),
        global_late_30_rate=_rate("late_30", "known_30"),
    )
    days = asked.select("as_of").unique().sort("as_of")
    by_day = days.join_asof(rates, left_on="as_of", right_on="day").drop("day")
    return asked.join(by_day, on="as_of", how="left", maintain_order="left")


def _rate(late: str, known: str) -> pl.Expr:
    return pl.when(pl.col(known) > 0).then(pl.col(late) / pl.col(known))


def _portions(asked: pl.DataFrame, bills: Bills, most: int) -> Iterator[pl.DataFrame]:
    """Cut the questions where the invoices of their customers add up to `most`."""
    if len(asked) * len(bills.rows) <= most:
        yield asked
        return
    sizes = bills.rows.group_by("customer_id").agg(size=pl.len())
    portion = pl.col("size").fill_null(0).cast(pl.Int64).cum_sum() // most
    numbered = asked.join(sizes, on="customer_id", how="left", maintain_order="left").with_columns(
        portion=portion
    )
    for part in numbered.partition_by("portion", maintain_order=True):
        yield part.drop("size", "portion")


def _features(ledger: Ledger, bills: Bills, asked: pl.DataFrame) -> pl.DataFrame:
    pairs = look(asked, bills)
    rows = finish(asked, pairs, summarize(pairs))
    rows = utilizations(rows, ledger.limits).with_columns(
        prior_late_rate=smoothed("late_n", "invoices_known", pl.col("global_late_rate"), SMOOTHING),
        prior_late_30_rate=smoothed(
            "late_30_n", "known_30_n", pl.col("global_late_30_rate"), SMOOTHING
        ),
    )
    for part in _others(ledger, bills, asked):
        rows = rows.join(part, on="row", how="left", maintain_order="left")
    known = frozenset(rows.columns)
    return rows.select(_FINITE[name] if name in known else _MISSING[name] for name in NAMES)


def _others(ledger: Ledger, bills: Bills, asked: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Compute what few customers have, and only where anybody has it."""
    if not ledger.financials.is_empty():
        yield statement_features(asked, ledger.financials)
    if not ledger.signals.is_empty():
        yield signal_features(asked, ledger.signals)
    if ledger.customers["parent_id"].null_count() < len(ledger.customers):
        yield related(asked, bills, ledger.customers)


def _finite(name: str) -> pl.Expr:
    value = pl.col(name).cast(pl.Float64)
    return pl.when(value.is_finite()).then(value).alias(name)


_FINITE: Final = {name: _finite(name) for name in NAMES}
_MISSING: Final = {name: pl.lit(None, pl.Float64).alias(name) for name in NAMES}
