"""Many customers at once: their ledgers and features, a portion of the portfolio at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import accumulate
from typing import Final

import polars as pl

from app.scoring.features import feature_frame
from app.scoring.frames import Ledger
from app.scoring.frames_csv import ledger_of, observe
from app.store import portfolio, scores
from app.store.database import Database, Tx
from app.store.portfolio import Counts

PORTION: Final = 2_000
"""Customers whose ledger is in memory at a time; more of them are hardly faster."""

INVOICES_AT_ONCE: Final = 200_000
"""Invoices of a portion of customers, unless it is one customer."""


def copy_ledger(tx: Tx, customer_ids: Sequence[str]) -> Mapping[str, bytes]:
    """Copy out all that features of customers need, their parents and siblings included."""
    wanted = portfolio.relatives(tx, customer_ids) | set(customer_ids)
    return {name: portfolio.copy_out(tx, name, wanted) for name in portfolio.COLUMNS}


def read_ledger(tx: Tx, customer_ids: Sequence[str], counts: Counts | None) -> Ledger:
    """Read what `copy_ledger` copies.

    `counts` None: the rates of all customers are those of these customers alone.
    """
    parts = copy_ledger(tx, customer_ids)
    return ledger_of(parts, [] if counts is None else [asdict(counts)])


def pages(
    database: Database, portion: int = PORTION, invoices: int = INVOICES_AT_ONCE
) -> Iterator[list[str]]:
    """List the ids of all customers in order, a portion at a time; merged ones are none.

    A portion is smaller where its customers have more than so many `invoices` together.

    Raises:
        BusyError: The database was out of reach.

    """
    after = ""
    while True:
        with database.read() as tx:
            sizes = portfolio.sizes(tx, after, portion)
        if not sizes:
            return
        sums = accumulate(size for _, size in sizes)
        fitting = sum(1 for total in sums if total <= invoices)
        ids = [name for name, _ in sizes[: max(1, fitting)]]
        yield ids
        after = ids[-1]


@dataclass(frozen=True, slots=True)
class TabulateFeatures:
    """Compute the feature table of all customers as of the end of a day, a portion at a time.

    What is kept of a customer's master data is what it is today; all else is as of the day.
    """

    database: Database
    portion: int = PORTION

    def count(self) -> int:
        """Count the customers there are.

        Raises:
            BusyError: The database was out of reach.

        """
        with self.database.read() as tx:
            return scores.count(tx)

    def __call__(self, as_of: date) -> Iterator[pl.DataFrame]:
        """Yield frames of `customer_id`, `as_of` and the features, ordered by customer.

        Raises:
            BusyError: The database was out of reach.

        """
        with self.database.read() as tx:
            counts = portfolio.count_outcomes(tx, as_of)
        for ids in pages(self.database, self.portion):
            with self.database.read() as tx:
                ledger = read_ledger(tx, ids, counts)
            asked = observe(ids, as_of)
            yield pl.concat([asked, feature_frame(ledger, asked)], how="horizontal")
