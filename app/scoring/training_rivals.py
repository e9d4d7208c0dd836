"""What a model has to beat: a logistic regression, and the scorecard in use."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from app.domain.scorecard import MAX_SCORE, Characteristic, Scorecard
from app.scoring.metrics import Numbers
from app.scoring.training_matrix import Matrix

_RIDGE: Final = 0.1
_STEPS: Final = 2000


def logistic_regression(learn: Matrix, asked: Matrix) -> Numbers:
    """Fit a ridge logistic regression and give its probabilities for the rows asked about.

    Missing values are the median and a flag; outliers count as the 1st or 99th percentile.
    """
    low, middle, high = np.nanquantile(learn.values, [0.01, 0.5, 0.99], axis=0)
    flagged = np.isnan(learn.values).any(axis=0)

    def design(matrix: Matrix) -> NDArray[np.float64]:
        missing = np.isnan(matrix.values)
        filled = np.clip(np.where(missing, middle, matrix.values), low, high)
        return np.column_stack([filled, missing[:, flagged]]).astype(np.float64)

    rows = design(learn)
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    spread[spread == 0] = 1
    model = LogisticRegression(C=_RIDGE, max_iter=_STEPS)
    model.fit((rows - mean) / spread, learn.labels)
    found: Numbers = model.predict_proba((design(asked) - mean) / spread)[:, 1]
    return found


def scorecard_log_odds(card: Scorecard, matrix: Matrix) -> Numbers:
    """Give the log odds of being late by a scorecard, as `rate` would score each row.

    NaN where the card gives no score for want of history.
    """
    points = np.full(len(matrix), float(card.start_points))
    for one in card.characteristics:
        points += _points(one, matrix.column(one.feature))
    score = np.clip(points, 0, MAX_SCORE)
    doublings = (score - card.scaling.anchor_score) / card.scaling.points_to_double_odds
    odds = -np.log(card.scaling.anchor_odds) - doublings * np.log(2)
    known = np.nan_to_num(matrix.column("invoices_known"))
    return np.where(known < card.minimum_history, np.nan, odds)


def _points(one: Characteristic, values: Numbers) -> Numbers:
    borders = [row.upper for row in one.bins if row.upper is not None]
    worth = np.array([*(float(row.points) for row in one.bins), float(one.missing_points)])
    place = np.where(np.isnan(values), len(worth) - 1, np.digitize(values, borders))
    found: Numbers = worth[place]
    return found
