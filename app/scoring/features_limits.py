"""How much of its limit a customer uses, and how that changes."""

from typing import Final

import polars as pl

from app.domain.feature_catalogue import RECENT_DAYS

_AS_OF: Final = pl.col("as_of")
_QUESTION: Final = ("row", "now")
"""A limit is looked for on two days of each observation, in one go."""


def utilizations(rows: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    """Add `utilization` and its change over `RECENT_DAYS` to rows with what is and was open.

    The change compares open invoices with the limit in force, on both days alike.
    """
    counted = pl.col("used_minor").is_not_null()
    used_now = _part(pl.col("open_amount_minor"), pl.col("limit_now"))
    used_before = _part(pl.col("open_before_minor"), pl.col("limit_before"))
    return _with_limits(rows, limits).with_columns(
        utilization=pl.when(counted)
        .then(_part(pl.col("used_minor"), pl.col("limit_minor")))
        .otherwise(used_now),
        utilization_change=used_now - used_before,
    )


def _with_limits(rows: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    """Add the limits in force on the day, `limit_now`, and `RECENT_DAYS` earlier."""
    asked = pl.concat(
        rows.select("row", "customer_id", day=(_AS_OF - pl.duration(days=ago)).cast(pl.Date))
        for ago in (0, RECENT_DAYS)
    )
    asked = asked.with_columns(now=pl.int_range(pl.len()) < len(rows))
    found = _in_force(asked, limits)
    for name, day in (("limit_now", pl.col("now")), ("limit_before", ~pl.col("now"))):
        ours = found.filter(day).select("row", pl.col("limit_minor").alias(name))
        rows = rows.join(ours, on="row", how="left", maintain_order="left")
    return rows


def _part(used: pl.Expr, limit: pl.Expr) -> pl.Expr:
    return pl.when(limit > 0).then(used / limit)


def _in_force(asked: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    """Find the limit in force at the end of a `day`, as `domain.limits.effective_limit` does.

    A temporary one wins, else the base approved last that none approved later has replaced, which
    one that was over before it was told does not; what valid covers grant is added.
    """
    kind, minor = pl.col("kind"), pl.col("limit_minor")
    begun = (
        asked.join(limits, on="customer_id")
        .filter(
            (pl.col("known_on") <= pl.col("day"))
            & (pl.col("valid_from") <= pl.col("day"))
            & (pl.col("ended_on") > pl.col("day")).fill_null(value=True)
        )
        .sort(*_QUESTION, "kind", "order", descending=[False, False, False, True])
    )
    lasted = (pl.col("valid_to") >= pl.col("known_on")).fill_null(value=True)
    began = pl.when(lasted).then(pl.col("valid_from"))
    later = began.cum_max().forward_fill().shift(1).over(*_QUESTION, "kind")
    replaced = ((kind == "base") & (later >= pl.col("valid_from"))).fill_null(value=False)
    valid = begun.filter(~replaced & (pl.col("valid_to") >= pl.col("day")).fill_null(value=True))
    return (
        valid.sort(*_QUESTION, kind != "cover", "kind", "order")  # covers, "base", "temporary"
        .group_by(*_QUESTION)
        .agg(
            best=pl.when(kind.last() != "cover").then(minor.last()),
            covered=pl.when(kind == "cover").then(minor).sum(),
        )
        .select(*_QUESTION, limit_minor=pl.col("best") + pl.col("covered"))
    )
