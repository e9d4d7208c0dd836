"""What features are computed from: the ledger and what is known of customers, as polars frames.

Days are dates; amounts are whole minor units of the row's currency. Rows may come in any order.
Every row has the day on which it became known, so that a feature can be computed as of any day.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

import polars as pl

from app.domain.financials import ITEMS, RATIO_NAMES

INVOICES: Final = pl.Schema(
    {
        "customer_id": pl.String,
        "invoice": pl.Int64,
        "issue_date": pl.Date,
        "due_date": pl.Date,
        "amount_minor": pl.Int64,
        "currency": pl.String,
        "disputed_on": pl.Date,
        "segment_id": pl.String,
        "known_on": pl.Date,
        "gone_on": pl.Date,
    }
)
"""`invoice` is a number that no other invoice of the ledger has; `disputed_on` is the day on which
a dispute became known, null for none. No feature looks at `segment_id`: a model's card does. Rows
of 0 or less are cancelled invoices: not there.

An invoice about which something else was told later has a row, a number and payments for each time:
that row is what was known of it from the end of `known_on` on (null: ever since, which is from its
issue), and until the day before `gone_on` (null: still)."""

PAYMENTS: Final = pl.Schema({"invoice": pl.Int64, "paid_date": pl.Date, "amount_minor": pl.Int64})
"""What lowered an invoice (money, discount, credit), in its currency; above 0, others are none."""

CUSTOMERS: Final = pl.Schema(
    {"customer_id": pl.String, "currency": pl.String, "since": pl.Date, "parent_id": pl.String}
)
"""Master data as it is today; amounts of a customer are those in its currency. Customers that are
not listed have the currency of their newest invoice."""

LIMITS: Final = pl.Schema(
    {
        "customer_id": pl.String,
        "kind": pl.String,
        "known_on": pl.Date,
        "ended_on": pl.Date,
        "valid_from": pl.Date,
        "valid_to": pl.Date,
        "limit_minor": pl.Int64,
        "order": pl.Int64,
    }
)
"""Approved limits (`base`, `temporary`) and covers (`cover`), in the customer's currency: known
from the day they were approved, gone from the day somebody ended them; `valid_to` is inclusive. A
null limit grants nothing or is unlimited: either way there is no utilization. `order` rises with
approval."""

FINANCIALS: Final = pl.Schema(
    {
        "customer_id": pl.String,
        "period_end": pl.Date,
        "known_on": pl.Date,
        "currency": pl.String,
        **dict.fromkeys(ITEMS, pl.Float64),
        **{f"ratio_{name}": pl.Float64 for name in RATIO_NAMES},
    }
)
"""Statements in the order they were told: of those of one period known by a day the one known last
holds, of those known since the same day the last one.

A ratio that is given wins over one from the lines. Statements of different currencies (a null one
is of its own) are not compared."""

SIGNALS: Final = pl.Schema(
    {
        "customer_id": pl.String,
        "known_on": pl.Date,
        "kind": pl.String,
        "role": pl.String,
        "ended_on": pl.Date,
    }
)
"""What registries answered: an event (a `SignalKind`, a `SignalRole`), or with a null kind that
they were asked and had nothing. Without any row a customer's signals are missing, not 0."""

BACKGROUND: Final = pl.Schema(
    {
        "day": pl.Date,
        "known": pl.Int64,
        "late": pl.Int64,
        "known_30": pl.Int64,
        "late_30": pl.Int64,
    }
)
"""Of all customers, by the end of a day: invoices paid in full or past due and how many of them
late; paid in full or more than 30 days past due and how many of them later than that. The newest
day not after an observation is used."""

OBSERVATIONS: Final = pl.Schema(
    {
        "customer_id": pl.String,
        "as_of": pl.Date,
        "order_amount_minor": pl.Int64,
        "order_terms_days": pl.Int32,
        "used_minor": pl.Int64,
        "limit_minor": pl.Int64,
        "currency": pl.String,
    }
)
"""Questions: what was known of a customer at the END of the day `as_of` (that day included)?

An order or invoice of a day is asked about as of the day before, else it would know itself.
Only `customer_id` and `as_of` are needed. `currency` is the one amounts are taken in, that of the
order too; null: the customer's. Where `used_minor` is given, it and `limit_minor` (null: none) are
the utilization, as the account's counters have it; otherwise it is what was open and the limit in
force on the day."""


def _empty(schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(schema=schema)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything that was ever known of some customers; what is not given is not known.

    `background` null: the rates of all customers are those of this ledger's invoices.
    """

    invoices: pl.DataFrame
    payments: pl.DataFrame
    customers: pl.DataFrame = field(default_factory=lambda: _empty(CUSTOMERS))
    limits: pl.DataFrame = field(default_factory=lambda: _empty(LIMITS))
    financials: pl.DataFrame = field(default_factory=lambda: _empty(FINANCIALS))
    signals: pl.DataFrame = field(default_factory=lambda: _empty(SIGNALS))
    background: pl.DataFrame | None = None

    @classmethod
    def of(cls, frames: Mapping[str, pl.DataFrame]) -> Self:
        """Make a ledger of frames by field name, each brought to its schema; left out is empty.

        Raises:
            FrameError: A needed column is missing, or is of a type that cannot be converted.

        """
        made = {name: conform(name, frames[name]) for name in frames}
        made.setdefault("invoices", _empty(INVOICES))
        made.setdefault("payments", _empty(PAYMENTS))
        return cls(**made)


class FrameError(ValueError):
    """A frame does not have what its schema asks for; the message names frame and column."""


SCHEMAS: Final[Mapping[str, tuple[pl.Schema, frozenset[str]]]] = {
    "invoices": (INVOICES, frozenset({"disputed_on", "segment_id", "known_on", "gone_on"})),
    "payments": (PAYMENTS, frozenset()),
    "customers": (CUSTOMERS, frozenset({"currency", "since", "parent_id"})),
    "limits": (LIMITS, frozenset({"valid_to", "ended_on"})),
    "financials": (FINANCIALS, frozenset(FINANCIALS) - {"customer_id", "period_end", "known_on"}),
    "signals": (SIGNALS, frozenset({"role", "ended_on"})),
    "background": (BACKGROUND, frozenset()),
    "observations": (OBSERVATIONS, frozenset(OBSERVATIONS) - {"customer_id", "as_of"}),
}
"""By name: the columns, and which of them may be left out (they are null then)."""


def conform(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Bring a frame to the schema of `name`, in its order; columns beyond it are left out.

    Raises:
        FrameError: A needed column is missing, or is of a type that cannot be converted.

    """
    schema, optional = SCHEMAS[name]
    if frame.schema == schema:
        return frame
    missing = [column for column in schema if column not in frame.columns]
    if needed := [column for column in missing if column not in optional]:
        raise FrameError(f"{name}: column {needed[0]} is missing")
    columns = [
        pl.lit(None, kind).alias(column) if column in missing else pl.col(column).cast(kind)
        for column, kind in schema.items()
    ]
    try:
        return frame.select(columns)
    except pl.exceptions.PolarsError as error:
        raise FrameError(f"{name}: {str(error).splitlines()[0]}") from error
