"""How the parent and the siblings of a customer pay: the same figures, of other customers."""

from typing import Final

import polars as pl

from app.scoring.features_bills import Bills, look
from app.scoring.features_payment import share

_FIGURES: Final = {
    "open_minor": pl.when("own").then("open_minor").sum(),
    "overdue_minor": pl.when(pl.col("own") & pl.col("overdue")).then("open_minor").sum(),
    "overdue_days": pl.when("overdue").then("lag").max(),
    "late": (pl.col("known") & (pl.col("lag") > 0)).sum(),
    "known": pl.col("known").sum(),
}


def related(asked: pl.DataFrame, bills: Bills, customers: pl.DataFrame) -> pl.DataFrame:
    """Add `parent_…` and `siblings…`; missing without a parent, or where it has no invoice.

    Shares are of amounts in the asking customer's currency, over all siblings together.
    """
    family = customers.filter(pl.col("parent_id").is_not_null()).select("customer_id", "parent_id")
    ours = asked.select("row", "customer_id", "as_of", "currency").join(family, on="customer_id")
    parents = ours.select("row", "as_of", "currency", customer_id="parent_id")
    siblings = (
        ours.join(family.rename({"customer_id": "sibling_id"}), on="parent_id")
        .filter(pl.col("sibling_id") != pl.col("customer_id"))
        .select("row", "as_of", "currency", customer_id="sibling_id")
    )
    counts = siblings.group_by("row").agg(siblings=pl.len())
    none = ours.select("row").with_columns(siblings=pl.lit(0, pl.UInt32))
    counts = pl.concat([counts, none.join(counts, on="row", how="anti")], how="vertical_relaxed")
    return (
        asked.select("row")
        .join(_figures(parents, bills, "parent"), on="row", how="left", maintain_order="left")
        .join(_figures(siblings, bills, "siblings"), on="row", how="left", maintain_order="left")
        .join(counts, on="row", how="left", maintain_order="left")
    )


def _figures(others: pl.DataFrame, bills: Bills, whose: str) -> pl.DataFrame:
    """Sum up how others paid, by the `row` that asks."""
    sums = look(others, bills).group_by("row").agg(**_FIGURES)
    return sums.select(
        "row",
        pl.col("overdue_days").fill_null(0).alias(f"{whose}_overdue_days"),
        share(pl.col("overdue_minor"), pl.col("open_minor")).alias(f"{whose}_overdue_share"),
        share(pl.col("late"), pl.col("known")).alias(f"{whose}_late_rate"),
    )
