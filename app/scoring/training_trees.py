"""Shallow boosted trees under monotone constraints, grown as far as later rows say is good.

One thread, fixed seeds and LightGBM's deterministic mode: the same rows give the same bytes.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final, Protocol

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from app.scoring.boosters import log_odds
from app.scoring.metrics import Numbers, log_loss
from app.scoring.training_folds import Check, Fold, pooled
from app.scoring.training_matrix import Matrix

MOST_ROUNDS: Final = 600
"""The most trees that are grown."""

PATIENCE: Final = 40
"""Trees that may bring nothing before growth is stopped."""

_LEAST_ROUNDS: Final = 10
_FIXED: Final[Mapping[str, object]] = {
    "objective": "binary",
    "metric": "binary_logloss",
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "monotone_constraints_method": "intermediate",
    "verbosity": -1,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How trees are grown; what is not said here is fixed."""

    name: str
    depth: int
    leaves: int
    rate: float
    leaf_rows: int
    ridge: float
    columns: float
    rows: float = 1.0


SHAPES: Final = (
    Shape("low", depth=2, leaves=3, rate=0.05, leaf_rows=30, ridge=5, columns=0.3, rows=0.7),
    Shape("shallow", depth=3, leaves=6, rate=0.03, leaf_rows=60, ridge=10, columns=0.3, rows=0.6),
    Shape("middle", depth=4, leaves=15, rate=0.05, leaf_rows=10, ridge=0, columns=1, rows=0.8),
    Shape("deep", depth=6, leaves=31, rate=0.1, leaf_rows=20, ridge=0, columns=1),
)
"""What is tried, from the simplest on; a later one must be better, not equal."""


def bearable(rows: int, shapes: Sequence[Shape] = SHAPES) -> tuple[Shape, ...]:
    """Give the shapes whose leaves so many rows could fill twice; the simplest in any case."""
    found = [shape for shape in shapes if 2 * shape.leaves * shape.leaf_rows <= rows]
    return tuple(found or shapes[:1])


@dataclass(frozen=True, slots=True)
class Growth:
    """The shape that was best on later rows, how many trees of it, and what they said there."""

    shape: Shape
    rounds: int
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """Trees to be grown: at most `rounds`, fewer where rows to `check` are served no better.

    `settings` are LightGBM's, by its own names; `weights` None: all rows weigh the same.
    """

    settings: Mapping[str, object]
    names: tuple[str, ...]
    values: NDArray[np.float64]
    labels: Numbers
    weights: Numbers | None
    rounds: int
    check: tuple[NDArray[np.float64], Numbers] | None = None


class Fits(Protocol):
    """Whoever grows trees, one fit after the other or several at a time."""

    def __call__(self, fits: Iterable[Fit], /) -> Iterator[lgb.Booster]:
        """Yield a booster a fit, in order; fits are asked for only when they are due.

        The same fit gives the same trees, to the bit, whoever grows them.
        """
        ...


def fit_here(fits: Iterable[Fit], /) -> Iterator[lgb.Booster]:
    """Grow in this process, one after the other."""
    for fit in fits:
        data = lgb.Dataset(fit.values, fit.labels, weight=fit.weights, feature_name=list(fit.names))
        stop = [lgb.early_stopping(PATIENCE, verbose=False)] if fit.check else []
        valid = [lgb.Dataset(*fit.check, reference=data)] if fit.check else None
        yield lgb.train(
            dict(fit.settings),
            data,
            num_boost_round=fit.rounds,
            valid_sets=valid,
            callbacks=list(stop),
        )


@dataclass(frozen=True, slots=True)
class Grower:
    """Grows trees on a matrix; `monotone` has a direction a column, `order` the order's columns.

    Each row is learned from twice at half weight, once without what is known of the order: the same
    model is asked about an order and about a customer as such. `shapes` are what is tried.
    """

    monotone: tuple[int, ...]
    order: tuple[int, ...]
    seed: int
    fits: Fits = fit_here
    shapes: tuple[Shape, ...] = SHAPES

    def grow(self, learn: Matrix, shape: Shape, rounds: int) -> lgb.Booster:
        """Grow so many trees."""
        (booster,) = self.fits([self._fit(learn, shape, rounds)])
        return booster

    def best(
        self, learn: Matrix, folds: Sequence[Fold], told: Callable[[int, int], None]
    ) -> Growth:
        """Find the best shape by the log loss over all folds; `told` hears how many are done."""
        shapes = bearable(min(len(fold.learn) for fold in folds), self.shapes)
        grown = self.fits(self._check(learn, fold, shape) for shape in shapes for fold in folds)
        found: list[tuple[float, Growth]] = []
        for place, shape in enumerate(shapes):
            parts: list[tuple[Numbers, int]] = []
            for step, fold in enumerate(folds):
                booster = next(grown)
                asked = learn.values[fold.check]
                parts.append((log_odds(booster, asked), booster.best_iteration))
                told(place * len(folds) + step + 1, len(shapes) * len(folds))
            found.append(_judge(learn, folds, shape, parts))
        return min(found, key=lambda one: one[0])[1]

    def _check(self, learn: Matrix, fold: Fold, shape: Shape) -> Fit:
        """Ask for growth on a fold until its later rows are no better served."""
        asked = (learn.values[fold.check], learn.labels[fold.check])
        return replace(self._fit(learn.take(fold.learn), shape, MOST_ROUNDS), check=asked)

    def _fit(self, learn: Matrix, shape: Shape, rounds: int) -> Fit:
        values, labels, weights = learn.values, learn.labels, None
        if self.order:
            blank = values.copy()
            blank[:, list(self.order)] = np.nan
            values, labels = np.vstack([values, blank]), np.concatenate([labels, labels])
            weights = np.full(len(labels), 0.5)
        return Fit(self._settings(shape), learn.names, values, labels, weights, rounds)

    def _settings(self, shape: Shape) -> dict[str, object]:
        return {
            **_FIXED,
            "seed": self.seed,
            "monotone_constraints": list(self.monotone),
            "max_depth": shape.depth,
            "num_leaves": shape.leaves,
            "learning_rate": shape.rate,
            "min_data_in_leaf": shape.leaf_rows,
            "lambda_l2": shape.ridge,
            "feature_fraction": shape.columns,
            "bagging_fraction": shape.rows,
            "bagging_freq": 1 if shape.rows < 1 else 0,
        }


def text_of(booster: lgb.Booster) -> str:
    """Write a booster's trees; what was set besides (threads, machines) is no part of a model."""
    return booster.model_to_string().partition("\nparameters:")[0] + "\n"


def _judge(
    learn: Matrix, folds: Sequence[Fold], shape: Shape, parts: Sequence[tuple[Numbers, int]]
) -> tuple[float, Growth]:
    checks = [Check(fold.check, odds) for fold, (odds, _) in zip(folds, parts, strict=True)]
    labels, odds = pooled(learn, checks)
    # All rows are more than a fold's, and more rows bear more trees.
    grown = [
        rounds * math.sqrt(len(learn) / len(fold.learn))
        for fold, (_, rounds) in zip(folds, parts, strict=True)
    ]
    rounds = max(_LEAST_ROUNDS, round(median(grown)))
    return log_loss(labels, 1 / (1 + np.exp(-odds))), Growth(shape, rounds, tuple(checks))
