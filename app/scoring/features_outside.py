"""Features from outside the ledger: financial statements and registry signals."""

from typing import Final

import polars as pl

from app.domain.financials import GROSS_PROFIT_3Y, ITEMS, PREVIOUS_SALES, RATIOS, Ratio
from app.domain.signals import COUNTED_KINDS, RECENT_DAYS, SignalRole
from app.scoring.frames import FINANCIALS

_AS_OF: Final = pl.col("as_of")

_YEAR_BEFORE: Final = (300, 430)
"""A statement whose period ended so many days before another's is that of the year before."""


def statement_features(asked: pl.DataFrame, financials: pl.DataFrame) -> pl.DataFrame:
    """Compute growth, margins and ratios of the newest statement known, one row where there is one.

    Of a period the one known last holds, of those known by the day; of those known since the same
    day the one told last. A ratio that a statement gives wins over one computed from its lines.
    """
    known = (
        asked.select("row", "customer_id", "as_of")
        .join(financials.with_row_index("told"), on="customer_id")
        .filter((pl.col("known_on") <= _AS_OF) & (pl.col("period_end") <= _AS_OF))
        .sort("row", "period_end", "known_on", "told")
        .unique(["row", "period_end"], keep="last", maintain_order=True)
    )
    newest = known.group_by("row", maintain_order=True).last()
    one = _years_before(newest, known, 1)
    two = _years_before(newest, known, 2)
    rows = newest.join(one, on="row", how="left").join(two, on="row", how="left")
    rows = rows.with_columns(
        (pl.col("gross_profit") + pl.col("gross_profit_1") + pl.col("gross_profit_2")).alias(
            GROSS_PROFIT_3Y
        ),
        pl.col("sales_1").alias(PREVIOUS_SALES),
    )
    margin, margin_1 = _over("net_profit", "sales"), _over("net_profit_1", "sales_1")
    return rows.select(
        "row",
        (_AS_OF - pl.col("period_end")).dt.total_days().alias("financials_age_days"),
        _growth("total_assets").alias("assets_growth"),
        _growth("equity").alias("equity_growth"),
        (margin - margin_1).alias("net_margin_change"),
        *(_given_or_computed(ratio) for ratio in RATIOS),
    )


def _years_before(newest: pl.DataFrame, known: pl.DataFrame, years: int) -> pl.DataFrame:
    """Find the statement of an earlier year in the same currency, two null ones being the same.

    Its lines get the number of years as a suffix.
    """
    lower, upper = (years - 1) * 365 + _YEAR_BEFORE[0], (years - 1) * 365 + _YEAR_BEFORE[1]
    age = (pl.col("newest_end") - pl.col("period_end")).dt.total_days()
    return (
        known.join(
            newest.select("row", newest_end="period_end", newest_currency="currency"),
            on="row",
            maintain_order="left",
        )
        .filter(age.is_between(lower, upper))
        .filter(pl.col("currency").eq_missing(pl.col("newest_currency")))
        .group_by("row", maintain_order=True)
        .last()
        .select("row", *(pl.col(name).alias(f"{name}_{years}") for name in ITEMS))
    )


def _over(top: str, bottom: str) -> pl.Expr:
    return pl.when(pl.col(bottom) != 0).then(pl.col(top) / pl.col(bottom))


def _growth(item: str) -> pl.Expr:
    # of a negative base no growth can be told
    before = pl.col(f"{item}_1")
    return pl.when(before > 0).then(pl.col(item) / before - 1)


def _given_or_computed(ratio: Ratio) -> pl.Expr:
    name = f"ratio_{ratio.name}"
    return pl.coalesce(pl.col(name), _computed(ratio)).alias(name)


def _computed(ratio: Ratio) -> pl.Expr:
    top = _sum(ratio.top)
    if ratio.common_log:
        return pl.when(top > 0).then(top.log10())
    if not ratio.bottom:
        return top
    bottom = _sum(ratio.bottom)
    return pl.when(bottom != 0).then(top / bottom * ratio.factor)


def _sum(terms: tuple[str, ...]) -> pl.Expr:
    found = [-pl.col(one[1:]) if one.startswith("-") else pl.col(one) for one in terms]
    return pl.sum_horizontal(found, ignore_nulls=False)


def given_ratios() -> tuple[str, ...]:
    """Name the columns of a statement that give a ratio instead of its lines."""
    return tuple(name for name in FINANCIALS if name.startswith("ratio_"))


def signal_features(asked: pl.DataFrame, signals: pl.DataFrame) -> pl.DataFrame:
    """Count what registries had answered by the day, one row where they were ever asked."""
    known = (
        asked.select("row", "customer_id", "as_of")
        .join(signals, on="customer_id")
        .filter(pl.col("known_on") <= _AS_OF)
    )
    is_event = pl.col("kind").is_not_null()
    as_plaintiff = (pl.col("role") == SignalRole.PLAINTIFF.value).fill_null(value=False)
    adverse = is_event & ~as_plaintiff
    over = (pl.col("ended_on") <= _AS_OF).fill_null(value=False)
    as_defendant = (pl.col("role") == SignalRole.DEFENDANT.value).fill_null(value=False)
    age = (_AS_OF - pl.col("known_on")).dt.total_days()
    return known.group_by("row").agg(
        (adverse & ~over).sum().alias("signals_adverse"),
        *(
            (adverse & (pl.col("known_on") > _AS_OF - pl.duration(days=days)))
            .sum()
            .alias(f"signals_adverse_{days}d")
            for days in RECENT_DAYS
        ),
        (adverse & as_defendant & ~over).sum().alias("signals_as_defendant"),
        pl.when(adverse).then(age).min().alias("signal_last_days"),
        (is_event & as_plaintiff).sum().alias("signals_as_plaintiff"),
        age.min().alias("signals_checked_days"),
        *(
            ((pl.col("kind") == kind) & adverse & ~over)
            .fill_null(value=False)
            .sum()
            .alias(f"signals_{kind.lower()}")
            for kind in COUNTED_KINDS
        ),
    )
