"""How much of its limit a customer uses, and how that changes."""

from typing import Final

import polars as pl

from app.domain.feature_catalogue import RECENT_DAYS

_AS_OF: Final = pl.col("as_of")


def utilizations(rows: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    """Add `utilization` and its change over `RECENT_DAYS` to rows with what is and was open.

    The change compares open invoices with the limit in force, on both days alike.
    """
    now = _in_force(rows, limits, _AS_OF).rename({"limit_minor": "limit_now"})
    earlier = _AS_OF - pl.duration(days=RECENT_DAYS)
    before = _in_force(rows, limits, earlier).rename({"limit_minor": "limit_before"})
    counted = pl.col("used_minor").is_not_null()
    used_now = _part(pl.col("open_amount_minor"), pl.col("limit_now"))
    used_before = _part(pl.col("open_before_minor"), pl.col("limit_before"))
    return (
        rows.join(now, on="row", how="left", maintain_order="left")
        .join(before, on="row", how="left", maintain_order="left")
        .with_columns(
            utilization=pl.when(counted)
            .then(_part(pl.col("used_minor"), pl.col("limit_minor")))
            .otherwise(used_now),
            utilization_change=used_now - used_before,
        )
    )


def _part(used: pl.Expr, limit: pl.Expr) -> pl.Expr:
    return pl.when(limit > 0).then(used / limit)


def _in_force(rows: pl.DataFrame, limits: pl.DataFrame, day: pl.Expr) -> pl.DataFrame:
    """Find the limit in force at the end of a day, as `domain.limits.effective_limit` does.

    A temporary one wins, else the base approved last that none approved later has replaced; what
    valid covers grant is added.
    """
    asked = rows.select("row", "customer_id", day=day.cast(pl.Date))
    begun = (
        asked.join(limits, on="customer_id")
        .filter(
            (pl.col("known_on") <= pl.col("day"))
            & (pl.col("valid_from") <= pl.col("day"))
            & (pl.col("ended_on") > pl.col("day")).fill_null(value=True)
        )
        .sort("row", "kind", "order", descending=[False, False, True])
    )
    later = pl.col("valid_from").cum_max().shift(1).over("row", "kind")
    replaced = ((pl.col("kind") == "base") & (later >= pl.col("valid_from"))).fill_null(value=False)
    valid = begun.filter(~replaced & (pl.col("valid_to") >= pl.col("day")).fill_null(value=True))
    best = (
        valid.filter(pl.col("kind") != "cover")
        .sort("row", "kind", "order")  # "temporary" comes after "base"
        .group_by("row", maintain_order=True)
        .agg(pl.col("limit_minor").last())
    )
    covers = (
        valid.filter(pl.col("kind") == "cover")
        .group_by("row")
        .agg(covered=pl.col("limit_minor").sum())
    )
    return best.join(covers, on="row", how="left").select(
        "row", pl.col("limit_minor") + pl.col("covered").fill_null(0)
    )
