"""The whole ledger as CSV, a portion of customers at a time, for training."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import text

from app.store import scores
from app.store.database import Tx
from app.store.portfolio import COLUMNS, copy_out

PARTS: Final = tuple(COLUMNS)
"""What is copied, by name."""

PORTION: Final = 2_000
"""Customers in one copy."""


def copy_ledger(tx: Tx) -> Iterator[tuple[str, bytes]]:
    """Copy all customers' rows, by name of the part; the portions of a part follow each other."""
    # A portion is short; all of them together may take longer than a request ever may.
    tx.execute(text("SET LOCAL statement_timeout = '10min'"))
    after = ""
    while ids := scores.page(tx, after, PORTION):
        for name in PARTS:
            yield name, copy_out(tx, name, ids)
        after = ids[-1]
