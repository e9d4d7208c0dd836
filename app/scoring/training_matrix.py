"""What a model learns from: a matrix of named numbers, and what became of each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.domain.feature_catalogue import FEATURE, FeatureGroup
from app.scoring.metrics import Numbers

Days = NDArray[np.datetime64]
Rows = NDArray[np.intp]

SMOOTHING: Final = 5.0
"""Invoices that the rate of all customers weighs in the rule's rate of one customer."""


class TrainingError(Exception):
    """There is nothing to learn from here; the text is one line for the person who asked."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """One row an observation, in the order of `days`, customers and what came before.

    `values` has a column a name, NaN where missing. `labels` are 1 for late. `days` is the day
    asked about, `closes` the day at whose end the outcome was known for sure, late or not (both
    inclusive). Of the customer's invoices whose window had closed before: `known` and how many of
    these were `late`. `amounts` are minor units, for the card's view by size; `segments` likewise.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    labels: Numbers
    customers: NDArray[np.str_]
    days: Days
    closes: Days
    known: Numbers
    late: Numbers
    amounts: Numbers
    segments: NDArray[np.str_]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.labels)

    def take(self, rows: Rows) -> "Matrix":
        """Keep some rows, in the order given."""
        return replace(
            self,
            values=self.values[rows],
            labels=self.labels[rows],
            customers=self.customers[rows],
            days=self.days[rows],
            closes=self.closes[rows],
            known=self.known[rows],
            late=self.late[rows],
            amounts=self.amounts[rows],
            segments=self.segments[rows],
        )

    def keep(self, names: tuple[str, ...]) -> "Matrix":
        """Keep some columns, in the order given."""
        places = [self.names.index(name) for name in names]
        return replace(self, names=names, values=self.values[:, places])

    def column(self, name: str) -> Numbers:
        """Give one column."""
        return self.values[:, self.names.index(name)]

    def rule(self, mean: float) -> Numbers:
        """Give each row the smoothed prior late rate of its customer; `mean` is everybody's."""
        return (self.late + SMOOTHING * mean) / (self.known + SMOOTHING)

    def without_order(self) -> "Matrix":
        """Forget what is known of the order, as when a customer as such is scored."""
        values = self.values.copy()
        values[:, order_places(self.names)] = np.nan
        return replace(self, values=values)

    def digest(self) -> str:
        """Give the sha256 of names, values and labels, the same for the same data everywhere."""
        found = sha256("\n".join(self.names).encode())
        found.update(np.ascontiguousarray(np.nan_to_num(self.values, nan=-1e300), "<f8").tobytes())
        found.update(np.ascontiguousarray(self.labels, "<f8").tobytes())
        found.update("\n".join(map(str, self.customers)).encode())
        found.update(np.ascontiguousarray(self.days.astype("<i8")).tobytes())
        return found.hexdigest()


def order_places(names: Sequence[str]) -> list[int]:
    """Find the columns that speak of the order."""
    of_order = FeatureGroup.ORDER
    return [place for place, name in enumerate(names) if FEATURE[name].group is of_order]


def only_numbers(matrix: Matrix) -> Matrix:
    """Take what is infinite for missing, and move what is out of bounds to the bound.

    Whoever predicts moves values to the same bounds before the model sees them.
    """
    finite = np.where(np.isfinite(matrix.values), matrix.values, np.nan)
    bounds = [(FEATURE[name].lower, FEATURE[name].upper) for name in matrix.names]
    lower = np.array([-np.inf if low is None else low for low, _ in bounds])
    upper = np.array([np.inf if high is None else high for _, high in bounds])
    return replace(matrix, values=np.clip(finite, lower, upper))


def without_constants(learn: Matrix) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Give the names of the columns that differ among rows, and say why the others are dropped."""
    dropped: dict[str, str] = {}
    for place, name in enumerate(learn.names):
        there = learn.values[:, place]
        there = there[~np.isnan(there)]
        if not len(there):
            dropped[name] = "missing"
        elif len(there) == len(learn) and float(np.min(there)) == float(np.max(there)):
            dropped[name] = "constant"
    return tuple(name for name in learn.names if name not in dropped), dropped
