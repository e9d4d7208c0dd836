"""Train a model from a ledger: rows, a cut in time, folds before it, one look at what came after.

Nothing about the model is chosen by the test window: not its shape, its number of trees, its
calibration nor its features. It is looked at once, to say how good the model is.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from typing import Final

import numpy as np

from app.domain.feature_catalogue import FEATURE
from app.domain.manifests import Calibration, ModelKind
from app.domain.scorecard import Scorecard
from app.domain.scorecard_json import scorecard_to_json
from app.scoring.boosters import log_odds
from app.scoring.calibration import calibrate, probabilities
from app.scoring.frames import Ledger
from app.scoring.metrics import Numbers
from app.scoring.training_folds import Check, default_cut, pooled, rolling, split_at
from app.scoring.training_matrix import (
    Matrix,
    TrainingError,
    only_numbers,
    order_places,
    without_constants,
)
from app.scoring.training_rivals import scorecard_log_odds
from app.scoring.training_rows import Observed, Target, observe
from app.scoring.training_trees import Fits, Grower, Growth, fit_here, text_of
from app.scoring.woe import CARD_FEATURES, learn_card

Told = Callable[[float, str], None]
"""Hears how far a run is, 0 to 1, and what it is at."""


_LIBRARIES: Final = ("lightgbm", "numpy", "optbinning", "polars", "scikit-learn")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be trained; `test_from` None: the newest quarter of the rows is the test.

    `card` is the scorecard in use: a rival, and the form (classes, lights, scaling, least history)
    of what is made. `today` is the last day that counts.
    """

    kind: ModelKind
    target: Target
    test_from: date | None
    today: date
    seed: int
    card: Scorecard


@dataclass(frozen=True, slots=True)
class Model:
    """What was learned: the file's text, how log odds are read, and who says what of a row.

    `log_odds` are NaN for rows that get no score. `gains` are the features by what they add.
    """

    text: str
    calibration: Calibration
    log_odds: Callable[[Matrix], Numbers]
    checks: tuple[Check, ...]
    gains: Mapping[str, float]
    shape: str
    trees: int

    def predict(self, matrix: Matrix) -> Numbers:
        """Give the probability of being late of each row, NaN for rows that get no score."""
        odds = self.log_odds(matrix)
        found = np.full(len(odds), np.nan)
        there = ~np.isnan(odds)
        found[there] = probabilities(self.calibration, odds[there])
        return found


@dataclass(frozen=True, slots=True)
class Trained:
    """A model and the rows it was made and tested on; `learn` and `test` have all columns."""

    wish: Wish
    test_from: date
    observed: Observed
    learn: Matrix
    test: Matrix
    names: tuple[str, ...]
    dropped: Mapping[str, str]
    model: Model

    @property
    def libraries(self) -> Mapping[str, str]:
        """Give the versions of what it was made with."""
        return {name: version(name) for name in _LIBRARIES}

    @property
    def mean(self) -> float:
        """Give the rate of late rows among those learned from."""
        return float(np.mean(self.learn.labels))


def train(ledger: Ledger, wish: Wish, told: Told, fits: Fits = fit_here) -> Trained:
    """Train on a ledger as it stands; `fits` grow trees, and are not asked about scorecards.

    Raises:
        TrainingError: There is too little to learn from, or to test on.

    """
    told(0.0, "features")
    observed = observe(ledger, wish.target, wish.today)
    matrix = only_numbers(observed.matrix)
    test_from = wish.test_from or default_cut(matrix)
    fold = split_at(matrix, test_from)
    learn, test = matrix.take(fold.learn), matrix.take(fold.check)
    told(0.2, f"{len(learn)} rows to learn from")
    names, dropped = _usable(learn, wish.kind)
    kept = learn.keep(names)

    def heard(part: float, note: str) -> None:
        told(0.2 + 0.5 * part, note)

    if wish.kind is ModelKind.LIGHTGBM:
        model = _fit_trees(kept, wish, heard, fits)
    else:
        model = _fit_card(kept, wish, heard)
    return Trained(wish, test_from, observed, learn, test, names, dropped, model)


def _usable(learn: Matrix, kind: ModelKind) -> tuple[tuple[str, ...], Mapping[str, str]]:
    names, dropped = without_constants(learn)
    if kind is ModelKind.SCORECARD:
        names = tuple(name for name in names if name in CARD_FEATURES)
    if not names:
        raise TrainingError("no feature differs among the rows to learn from")
    return names, dropped


def _fit_trees(learn: Matrix, wish: Wish, told: Told, fits: Fits) -> Model:
    names = learn.names
    grower = Grower(
        monotone=tuple(FEATURE[name].monotone for name in names),
        order=tuple(order_places(names)),
        seed=wish.seed,
        fits=fits,
    )
    growth: Growth = grower.best(
        learn, rolling(learn), lambda done, of: told(done / of, f"fit {done} of {of}")
    )
    booster = grower.grow(learn, growth.shape, growth.rounds)
    gains = booster.feature_importance("gain")
    return Model(
        text=text_of(booster),
        calibration=calibrate(*pooled(learn, growth.checks)),
        log_odds=lambda rows: log_odds(booster, rows.keep(names).values),
        checks=growth.checks,
        gains=dict(zip(names, map(float, gains), strict=True)),
        shape=growth.shape.name,
        trees=growth.rounds,
    )


def _fit_card(learn: Matrix, wish: Wish, told: Told) -> Model:
    card, checks = learn_card(
        learn, rolling(learn), wish.card, lambda done, of: told(done / of, f"fit {done} of {of}")
    )
    worst = {one.feature: min(row.points for row in one.bins) for one in card.characteristics}
    return Model(
        text=json.dumps(scorecard_to_json(card), indent=2, ensure_ascii=False) + "\n",
        calibration=Calibration(),
        log_odds=lambda rows: scorecard_log_odds(card, rows),
        checks=checks,
        gains={name: float(-points) for name, points in worst.items()},
        shape="points",
        trees=0,
    )
