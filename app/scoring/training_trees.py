"""Shallow boosted trees under monotone constraints, grown as far as later rows say is good.

One thread, fixed seeds and LightGBM's deterministic mode: the same rows give the same bytes.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import lightgbm as lgb
import numpy as np

from app.scoring.boosters import log_odds
from app.scoring.metrics import Numbers, log_loss
from app.scoring.training_folds import Check, Fold, pooled
from app.scoring.training_matrix import Matrix

MOST_ROUNDS: Final = 600
"""The most trees that are grown."""

_PATIENCE: Final = 40
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


def bearable(rows: int) -> tuple[Shape, ...]:
    """Give the shapes whose leaves so many rows could fill twice; the simplest in any case."""
    found = [shape for shape in SHAPES if 2 * shape.leaves * shape.leaf_rows <= rows]
    return tuple(found) or SHAPES[:1]


@dataclass(frozen=True, slots=True)
class Growth:
    """The shape that was best on later rows, how many trees of it, and what they said there."""

    shape: Shape
    rounds: int
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Grower:
    """Grows trees on a matrix; `monotone` has a direction a column, `order` the order's columns.

    Each row is learned from twice at half weight, once without what is known of the order: the same
    model is asked about an order and about a customer as such.
    """

    monotone: tuple[int, ...]
    order: tuple[int, ...]
    seed: int

    def grow(self, learn: Matrix, shape: Shape, rounds: int) -> lgb.Booster:
        """Grow so many trees."""
        return lgb.train(self._settings(shape), self._data(learn), num_boost_round=rounds)

    def best(
        self, learn: Matrix, folds: Sequence[Fold], told: Callable[[int, int], None]
    ) -> Growth:
        """Find the best shape by the log loss over all folds; `told` hears how many are done."""
        found: list[tuple[float, Growth]] = []
        shapes = bearable(min(len(fold.learn) for fold in folds))
        for place, shape in enumerate(shapes):
            parts: list[tuple[Numbers, int]] = []
            for step, fold in enumerate(folds):
                parts.append(self._check(learn, fold, shape))
                told(place * len(folds) + step + 1, len(shapes) * len(folds))
            found.append(_judge(learn, folds, shape, parts))
        return min(found, key=lambda one: one[0])[1]

    def _check(self, learn: Matrix, fold: Fold, shape: Shape) -> tuple[Numbers, int]:
        """Grow on a fold until its later rows are no better served; returns their log odds."""
        part, asked = learn.take(fold.learn), learn.take(fold.check)
        data = self._data(part)
        booster = lgb.train(
            self._settings(shape),
            data,
            num_boost_round=MOST_ROUNDS,
            valid_sets=[lgb.Dataset(asked.values, asked.labels, reference=data)],
            callbacks=[lgb.early_stopping(_PATIENCE, verbose=False)],
        )
        return log_odds(booster, asked.values), booster.best_iteration

    def _data(self, learn: Matrix) -> lgb.Dataset:
        values, labels, weights = learn.values, learn.labels, None
        if self.order:
            blank = values.copy()
            blank[:, list(self.order)] = np.nan
            values, labels = np.vstack([values, blank]), np.concatenate([labels, labels])
            weights = np.full(len(labels), 0.5)
        return lgb.Dataset(values, labels, weight=weights, feature_name=list(learn.names))

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
