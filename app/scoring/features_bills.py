"""Invoices and what became of them, and how they looked to an observer on a day.

An invoice's end is one day, `closed_on`, on which its payments first reached its amount. As all
payments are positive, whether it was closed on a day follows from that day alone, so nothing that
happens later can reach back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from app.domain.feature_catalogue import LATE_30, RECENT_DAYS
from app.scoring.frames import BACKGROUND, Ledger

_TIMES: Final = ("known_on", "gone_on")


@dataclass(frozen=True, slots=True)
class Bills:
    """`rows`: invoices with `first_on`, `closed_on` and `in_parts` (paid otherwise than at once).

    They are in the order of customer, issue date, amount, currency, number. `parts` are the
    payments, one row a day, of invoices that are `in_parts`. Of an invoice about which something
    else was told later there is a row for each time, see `frames.INVOICES`.
    """

    rows: pl.DataFrame
    parts: pl.DataFrame

    @property
    def current(self) -> pl.DataFrame:
        """The rows that hold today: one an invoice."""
        return self.rows.filter(pl.col("gone_on").is_null())

    @property
    def as_ever(self) -> bool:
        """Whether of none of them anything else was told before or later."""
        return all(self.rows[name].null_count() == len(self.rows) for name in _TIMES)


def was_known() -> pl.Expr:
    """Tell whether a row is what was known at the end of the day `as_of`."""
    as_of = pl.col("as_of")
    began = (pl.col("known_on") <= as_of).fill_null(value=True)
    return began & (pl.col("gone_on") > as_of).fill_null(value=True)


def turns(rows: pl.DataFrame, counts: Sequence[str]) -> pl.DataFrame:
    """Let rows that count something from `day` on do so only while they were what was known.

    Gives rows of `day` and `counts` (and what else there is) to be added up over the days: what
    counted until a row was gone is taken away then.
    """
    begun = rows.with_columns(day=pl.max_horizontal("day", "known_on"))
    gone = begun.filter(pl.col("gone_on") > pl.col("day"))
    taken = gone.with_columns(*(-pl.col(name) for name in counts), day=pl.col("gone_on"))
    there = (pl.col("gone_on") > pl.col("day")).fill_null(value=True)
    return pl.concat([begun.filter(there), taken]).drop("known_on", "gone_on")


def settle(ledger: Ledger) -> Bills:
    """Find out when each invoice was paid in full, if it was."""
    invoices = ledger.invoices.filter(pl.col("amount_minor") > 0)
    paid = (
        ledger.payments.filter(pl.col("amount_minor") > 0)
        .group_by("invoice", "paid_date")
        .agg(pl.col("amount_minor").sum().alias("paid_minor"))
        .sort("invoice", "paid_date")
        .join(invoices.select("invoice", "amount_minor"), on="invoice", maintain_order="left")
        .with_columns(reached=pl.col("paid_minor").cum_sum().over("invoice"))
    )
    closing = pl.col("reached") >= pl.col("amount_minor")
    ends = paid.group_by("invoice").agg(
        first_on=pl.col("paid_date").min(),
        closed_on=pl.when(closing).then("paid_date").min(),
    )
    at_once = pl.col("closed_on") == pl.col("first_on")
    rows = (
        invoices.join(ends, on="invoice", how="left")
        .with_columns(in_parts=pl.col("first_on").is_not_null() & ~at_once.fill_null(value=False))
        .sort("customer_id", "issue_date", "amount_minor", "currency", "invoice")
    )
    in_parts = rows.filter("in_parts").select("invoice")
    parts = paid.select("invoice", "paid_date", "paid_minor")
    return Bills(rows, parts.join(in_parts, on="invoice", how="semi"))


def background_of(bills: Bills) -> pl.DataFrame:
    """Count by day what the ends of all invoices had shown until then."""
    due, closed = pl.col("due_date"), pl.col("closed_on")
    counted = []
    for known, late, days in (("known", "late", 0), ("known_30", "late_30", LATE_30)):
        decided = due + pl.duration(days=days + 1)
        is_late = closed.is_null() | (closed >= decided)
        counted.append(
            turns(
                bills.rows.select(
                    "known_on",
                    "gone_on",
                    day=pl.when(is_late)
                    .then(decided)
                    .otherwise(pl.max_horizontal(closed, "issue_date"))
                    .cast(pl.Date),
                    **{known: pl.lit(1, pl.Int64), late: is_late.cast(pl.Int64)},
                ),
                (known, late),
            )
        )
    columns = [name for name in BACKGROUND if name != "day"]
    return (
        pl.concat(counted, how="diagonal")
        .group_by("day")
        .agg(pl.col(columns).sum())
        .sort("day")
        .with_columns(pl.col(columns).cum_sum())
        .select(list(BACKGROUND))
    )


def look(asked: pl.DataFrame, bills: Bills) -> pl.DataFrame:
    """Pair each question with every invoice issued by its day, as it was known at its end.

    `asked` has `row`, `customer_id`, `as_of` and `currency`. The answer is in the order of `row`,
    and within one in that of `Bills.rows`. `open_before` is what was open `RECENT_DAYS` earlier.
    """
    as_of, due = pl.col("as_of"), pl.col("due_date")
    earlier = as_of - pl.duration(days=RECENT_DAYS)
    as_ever = bills.as_ever
    pairs = (
        asked.select("row", "customer_id", "as_of", pl.col("currency").alias("account_currency"))
        .join(
            bills.rows.drop(_TIMES) if as_ever else bills.rows,
            on="customer_id",
            maintain_order="left_right",
        )
        .filter(pl.col("issue_date") <= as_of, *(() if as_ever else (was_known(),)))
        .drop(_TIMES, strict=False)
        .with_columns(
            closed=(pl.col("closed_on") <= as_of).fill_null(value=False),
            earlier=earlier.cast(pl.Date),
        )
    )
    pairs = _owed(pairs, bills.parts)
    end = pl.when("closed").then("closed_on").otherwise("as_of")
    return pairs.with_columns(
        lag=(end - due).dt.total_days(),
        known=pl.col("closed") | (as_of > due),
        overdue=~pl.col("closed") & (due < as_of),
        own=pl.col("currency") == pl.col("account_currency"),
    )


def _owed(pairs: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """Add what was open on the day, `open_minor`, and on the day of the trend, `open_before`."""
    split = pairs.filter("in_parts").select("row", "invoice", "as_of", "earlier")
    paid = (
        split.join(parts, on="invoice")
        .filter(pl.col("paid_date") <= pl.col("as_of"))
        .group_by("row", "invoice")
        .agg(
            paid=pl.col("paid_minor").sum(),
            paid_before=pl.when(pl.col("paid_date") <= pl.col("earlier")).then("paid_minor").sum(),
        )
    )
    amount = pl.col("amount_minor")
    was_closed = (pl.col("closed_on") <= pl.col("earlier")).fill_null(value=False)
    was_there = pl.col("issue_date") <= pl.col("earlier")
    return (
        pairs.join(paid, on=["row", "invoice"], how="left", maintain_order="left")
        .with_columns(
            open_minor=pl.when("closed").then(0).otherwise(amount - pl.col("paid").fill_null(0)),
            open_before=pl.when(was_there & ~was_closed)
            .then(amount - pl.col("paid_before").fill_null(0))
            .otherwise(0),
        )
        .drop("paid", "paid_before")
    )
