"""Features of payment behaviour, open items, orders, tenure and season, from what `look` paired.

Everything is masked first and then aggregated by plain means, sums and maxima: these run in one
pass over the pairs, whereas a filter inside an aggregation is evaluated group by group. Expressions
are made once: for one customer, making them takes as long as evaluating them.
"""

from functools import cache
from typing import Final

import polars as pl

from app.domain.feature_catalogue import LATE_30, RECENT_DAYS, RECENT_RATE_DAYS
from app.domain.features import TREND_DAYS, TREND_INVOICES

_SEASON_AGE_DAYS: Final = 180
"""Invoices due less than this before the day are of this season, not of an earlier year's."""

_LAG_RANGE: Final = 1 << 20
"""Days between any two dates are fewer; packs a due date and a lag into one whole number."""

_AS_OF, _DUE, _ISSUED = pl.col("as_of"), pl.col("due_date"), pl.col("issue_date")
_LAG, _AMOUNT, _OPEN = pl.col("lag"), pl.col("amount_minor"), pl.col("open_minor")


def _where(condition: pl.Expr, value: pl.Expr) -> pl.Expr:
    return pl.when(condition).then(value)


def _ago(days: int) -> pl.Expr:
    return _AS_OF - pl.duration(days=days)


def summarize(pairs: pl.DataFrame) -> pl.DataFrame:
    """Aggregate pairs to one row a question that has any invoice."""
    return _with_masks(pairs).group_by("row").agg(*_behaviour(), *_open_items(), *_buying())


def _with_masks(pairs: pl.DataFrame) -> pl.DataFrame:
    known, was_due = pl.col("known"), pl.col("known") & (_DUE <= _AS_OF)
    recent = _DUE.gt(_ago(TREND_DAYS))
    last = (pl.col("row") != pl.col("row").shift(-1)).fill_null(value=True)
    late = _where(known, _LAG.clip(0))
    return pairs.with_columns(
        late=late,
        on_time=_where(was_due, (_LAG <= 0).cast(pl.Float64)),
        on_time_recent=_where(
            was_due & (_DUE.gt(_ago(RECENT_RATE_DAYS))), (_LAG <= 0).cast(pl.Float64)
        ),
        late_recent=_where(was_due & recent, _LAG.clip(0)),
        late_before=_where(was_due & ~recent, _LAG.clip(0)),
        known_lag=_where(known, _LAG),
        known_amount=_where(known, _AMOUNT.cast(pl.Float64)),
        last=last,
        latest_currency=_where(last, pl.col("currency")).backward_fill(),
        terms=(_DUE - _ISSUED).dt.total_days(),
    ).with_columns(
        weighted=pl.col("late") * pl.col("known_amount"),
        packed=_where(known, _DUE.to_physical().cast(pl.Int64) * _LAG_RANGE + _LAG),
    )


@cache
def _behaviour() -> tuple[pl.Expr, ...]:
    touched = pl.col("first_on") <= _AS_OF
    in_parts = pl.col("in_parts") & touched
    over_30 = _LAG > LATE_30
    return (
        pl.col("on_time").mean().alias("on_time_rate"),
        pl.col("on_time_recent").mean().alias("on_time_rate_recent"),
        pl.col("late").mean().alias("mean_days_late"),
        pl.col("late_recent").mean().alias("mean_days_late_recent"),
        (pl.col("weighted").sum() / pl.col("known_amount").sum()).alias("mean_days_late_by_amount"),
        pl.col("known_lag").mean().alias("mean_lag_days"),
        pl.col("packed").max().alias("packed"),
        # of nothing at all, polars says that the spread is 0
        _where(pl.col("known").any(), pl.col("known_lag").cast(pl.Float64).std(ddof=0)).alias(
            "spread_days_late"
        ),
        pl.col("late").max().alias("max_days_late"),
        (pl.col("late_recent").mean() - pl.col("late_before").mean()).alias("recent_trend"),
        pl.col("late_recent").count().alias("recent_n"),
        pl.col("late_before").count().alias("before_n"),
        (in_parts.sum() / touched.sum()).alias("partial_share"),
        (pl.col("disputed_on") <= _AS_OF).fill_null(value=False).mean().alias("disputed_share"),
        pl.col("closed").sum().alias("invoices_closed"),
        pl.col("known").sum().alias("invoices_known"),
        (pl.col("late") > 0).sum().alias("late_n"),
        (pl.col("closed") | over_30).sum().alias("known_30_n"),
        over_30.sum().alias("late_30_n"),
    )


@cache
def _open_items() -> tuple[pl.Expr, ...]:
    overdue, is_open = pl.col("overdue"), ~pl.col("closed")
    age = (_AS_OF - _ISSUED).dt.total_days()
    own = pl.col("own").fill_null(value=False)
    return (
        _where(own, _OPEN).sum().alias("open_amount_minor"),
        _where(own, pl.col("open_before")).sum().alias("open_before_minor"),
        is_open.sum().alias("open_count"),
        _where(is_open, age).mean().alias("open_age_days"),
        _where(overdue & own, _OPEN).sum().alias("overdue_amount_minor"),
        overdue.sum().alias("overdue_count"),
        _where(overdue, _LAG).max().alias("overdue_days"),
        _where(overdue, _LAG).mean().alias("overdue_mean_days"),
    )


@cache
def _buying() -> tuple[pl.Expr, ...]:
    own = pl.col("own").fill_null(value=False)
    before = ~pl.col("last") & (pl.col("currency") == pl.col("latest_currency"))
    recent = _ISSUED.gt(_ago(RECENT_DAYS))
    return (
        _where(own, _AMOUNT).median().alias("usual_minor"),
        own.sum().alias("usual_n"),
        _where(own, _AMOUNT).max().alias("largest_minor"),
        _where(pl.col("last"), _AMOUNT).max().alias("latest_minor"),
        _where(before, _AMOUNT).median().alias("before_minor"),
        before.sum().alias("before_latest_n"),
        _ISSUED.min().alias("first_issued"),
        _ISSUED.max().alias("last_issued"),
        recent.sum().alias("invoices_90d"),
        (~recent).sum().alias("older_n"),
        pl.col("terms").median().alias("median_terms_days"),
    )


def finish(asked: pl.DataFrame, pairs: pl.DataFrame, summary: pl.DataFrame) -> pl.DataFrame:
    """Turn a summary into features, one row a question, in the order of `asked`.

    `asked` has the columns of an observation, `row`, `since` and the four background counts.
    """
    rows = asked.join(summary, on="row", how="left", maintain_order="left").with_columns(
        pl.col(*_COUNTS).fill_null(0)
    )
    rows = rows.with_columns(*_rates(), *_habits(), *_times())
    return _with_season(rows, pairs)


_COUNTS: Final = (
    "invoices_closed",
    "invoices_known",
    "late_n",
    "known_30_n",
    "late_30_n",
    "recent_n",
    "before_n",
    "open_amount_minor",
    "open_before_minor",
    "open_count",
    "overdue_amount_minor",
    "overdue_count",
    "overdue_days",
    "overdue_mean_days",
    "usual_n",
    "before_latest_n",
    "invoices_90d",
    "older_n",
)
"""What is 0, not missing, for a customer without an invoice: nothing overdue is a fact."""


def share(top: pl.Expr, bottom: pl.Expr) -> pl.Expr:
    """Divide where the bottom is above 0, else missing."""
    return pl.when(bottom > 0).then(top / bottom)


def smoothed(late: str, known: str, rate: pl.Expr, weight: float) -> pl.Expr:
    """Pull a customer's rate towards that of all, which weighs as much as `weight` invoices."""
    return (pl.col(late) + weight * rate) / (pl.col(known) + weight)


@cache
def _rates() -> tuple[pl.Expr, ...]:
    enough = pl.min_horizontal("recent_n", "before_n") >= TREND_INVOICES
    packed = pl.col("packed") + _LAG_RANGE // 2
    return (
        pl.when(enough).then("recent_trend").alias("recent_trend"),
        (packed % _LAG_RANGE - _LAG_RANGE // 2).alias("last_lag_days"),
        share(pl.col("overdue_amount_minor"), pl.col("open_amount_minor")).alias("overdue_share"),
    )


@cache
def _habits() -> tuple[pl.Expr, ...]:
    order, terms = pl.col("order_amount_minor"), pl.col("order_terms_days")
    with_order = pl.when(pl.col("usual_n") >= TREND_INVOICES).then(order / pl.col("usual_minor"))
    without = pl.when(pl.col("before_latest_n") >= TREND_INVOICES).then(
        pl.col("latest_minor") / pl.col("before_minor")
    )
    return (
        pl.when(order.is_not_null()).then(with_order).otherwise(without).alias("order_habit"),
        (order / pl.col("largest_minor")).alias("order_to_largest"),
        (terms - pl.col("median_terms_days")).alias("terms_change_days"),
    )


@cache
def _times() -> tuple[pl.Expr, ...]:
    since = pl.when(pl.col("since") <= _AS_OF).then("since")
    first = pl.min_horizontal(since, "first_issued")
    span = (_AS_OF - pl.col("first_issued")).dt.total_days() - RECENT_DAYS
    usual = pl.col("older_n") * RECENT_DAYS / span
    old = (span >= RECENT_DAYS) & (pl.col("older_n") >= TREND_INVOICES)
    terms = pl.coalesce("order_terms_days", pl.col("median_terms_days").floor())
    due = _AS_OF + pl.duration(days=terms.cast(pl.Int64) + 1)
    return (
        (_AS_OF - first).dt.total_days().alias("tenure_days"),
        (_AS_OF - pl.col("last_issued")).dt.total_days().alias("days_since_invoice"),
        pl.when(old).then(pl.col("invoices_90d") / usual).alias("buying_pace"),
        due.dt.month().alias("due_month"),
        due.dt.day().alias("due_day_of_month"),
        due.dt.weekday().alias("due_weekday"),
    )


def _with_season(rows: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Add how often invoices of earlier years that were due in the same month were late."""
    old = pairs.filter(pl.col("known") & _DUE.le(_ago(_SEASON_AGE_DAYS)))
    rates = (
        old.select("row", (_LAG > 0).alias("was_late"), _DUE.dt.month().alias("due_month"))
        .join(rows.select("row", "due_month"), on=["row", "due_month"])
        .group_by("row")
        .agg(season_late_rate=pl.col("was_late").mean(), season_n=pl.len())
        .filter(pl.col("season_n") >= TREND_INVOICES)
        .drop("season_n")
    )
    return rows.join(rates, on="row", how="left", maintain_order="left")
