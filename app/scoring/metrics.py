"""How good predicted probabilities are, and how sure one can be of it.

Labels are 1 (late) and 0, predictions probabilities of 1, of one length, with both labels there.
Rows of one customer are not independent, so intervals draw whole customers again; formulas for
independent rows (DeLong's) would promise too much.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

BINS: Final = 10
"""Bins of equal size in the expected calibration error, the reliability plot and the lift."""

DRAWS: Final = 500
"""How often customers are drawn again for an interval."""

_TAIL: Final = 0.025
_LEAST: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure, and where 95 % of the draws lie, both ends inclusive."""

    value: float
    lower: float
    upper: float

    @property
    def holds_zero(self) -> bool:
        """Tell whether the figure may as well be nothing."""
        return self.lower <= 0 <= self.upper


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of points, both coordinates 0 to 1."""

    x: Numbers
    y: Numbers


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows with neighbouring predictions: how many, what was predicted, what came."""

    rows: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True)
class _Steps:
    """Rows from the largest prediction to the smallest; `ends` are the last of equal ones."""

    order: NDArray[np.intp]
    ends: NDArray[np.intp]

    @classmethod
    def of(cls, predicted: Numbers) -> "_Steps":
        order = np.argsort(-predicted, kind="stable")
        ranked = predicted[order]
        return cls(order, np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1))

    def shares(self, labels: Numbers, weights: Numbers) -> Curve:
        """Give the share of good (x) and of late (y) rows at or above each prediction."""
        drawn, late = weights[self.order], labels[self.order]
        hits = np.cumsum(drawn * late)[self.ends]
        alarms = np.cumsum(drawn * (1 - late))[self.ends]
        return Curve(
            np.concatenate([[0.0], alarms / max(alarms[-1], _LEAST)]),
            np.concatenate([[0.0], hits / max(hits[-1], _LEAST)]),
        )


def roc(labels: Numbers, predicted: Numbers) -> Curve:
    """Give the ROC curve: share of false alarms and of hits, from (0, 0) to (1, 1)."""
    return _Steps.of(predicted).shares(labels, np.ones(len(labels)))


def auc(labels: Numbers, predicted: Numbers) -> float:
    """Give the area under the ROC curve; equal predictions count a half."""
    return _area(roc(labels, predicted))


def _area(curve: Curve) -> float:
    return float(np.sum(np.diff(curve.x) * (curve.y[1:] + curve.y[:-1]) / 2))


def ks(labels: Numbers, predicted: Numbers) -> float:
    """Give the largest distance between the two labels' distributions of the prediction."""
    curve = roc(labels, predicted)
    return float(np.max(curve.y - curve.x))


def brier(labels: Numbers, predicted: Numbers) -> float:
    """Give the mean squared distance of the predictions from what came."""
    return float(np.mean((predicted - labels) ** 2))


def log_loss(labels: Numbers, predicted: Numbers) -> float:
    """Give the mean negative log likelihood; certainty that was wrong is bounded."""
    kept = np.clip(predicted, _LEAST, 1 - _LEAST)
    return float(-np.mean(labels * np.log(kept) + (1 - labels) * np.log(1 - kept)))


def reliability(labels: Numbers, predicted: Numbers, bins: int = BINS) -> list[Bin]:
    """Cut the rows into bins of equal size by prediction, the smallest first."""
    order = np.argsort(predicted, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [
        Bin(len(part), float(np.mean(predicted[part])), float(np.mean(labels[part])))
        for part in parts
    ]


def calibration_error(labels: Numbers, predicted: Numbers) -> float:
    """Give the expected calibration error: the mean gap of `BINS` bins, weighed by their rows.

    Chance alone makes gaps: a perfect prediction of 900 rows has some 0.03 in ten bins.
    """
    rows = reliability(labels, predicted)
    return sum(row.rows * abs(row.predicted - row.observed) for row in rows) / len(labels)


def lift(labels: Numbers, predicted: Numbers) -> list[float]:
    """Give, for each tenth of the rows from the riskiest on, its rate of late over all rows'."""
    mean = float(np.mean(labels))
    return [row.observed / mean for row in reversed(reliability(labels, predicted))]


def drawn_customers(customers: NDArray[np.str_], seed: int) -> Callable[[], Numbers]:
    """Make a source of weights: how often each row is there when whole customers are drawn."""
    names, place = np.unique(customers, return_inverse=True)
    chance = np.random.default_rng(seed)
    even = np.full(len(names), 1 / len(names))

    def draw() -> Numbers:
        times: Numbers = chance.multinomial(len(names), even).astype(np.float64)[place]
        return times

    return draw


@dataclass(frozen=True, slots=True)
class Rivals:
    """A model against a rule, on the same rows; differences are model minus rule."""

    auc: Interval
    rule_auc: Interval
    auc_gain: Interval
    brier: Interval
    brier_gain: Interval


def compare(labels: Numbers, model: Numbers, rule: Numbers, draw: Callable[[], Numbers]) -> Rivals:
    """Compare two predictions by drawing customers again; a draw without both labels is left out.

    A Brier gain below 0 speaks for the model, an AUC gain above 0.
    """
    sides = (_Steps.of(model), _Steps.of(rule))
    squares = ((model - labels) ** 2, (rule - labels) ** 2)
    found: list[tuple[float, ...]] = []
    for _ in range(DRAWS):
        weights = draw()
        late = float(np.sum(weights * labels))
        if 0 < late < float(np.sum(weights)):
            found.append(_figures(labels, weights, sides, squares))
    here = _figures(labels, np.ones(len(labels)), sides, squares)
    low, high = np.quantile(np.array(found or [here]), [_TAIL, 1 - _TAIL], axis=0)
    return Rivals(*(Interval(*map(float, row)) for row in zip(here, low, high, strict=True)))


def _figures(
    labels: Numbers,
    weights: Numbers,
    sides: tuple[_Steps, _Steps],
    squares: tuple[Numbers, Numbers],
) -> tuple[float, ...]:
    """Give the five figures of `Rivals`, in its order."""
    ours, theirs = (_area(side.shares(labels, weights)) for side in sides)
    total = float(np.sum(weights))
    our_brier, their_brier = (float(np.sum(weights * row)) / total for row in squares)
    return ours, theirs, ours - theirs, our_brier, our_brier - their_brier
