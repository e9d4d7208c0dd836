"""A scorecard learned from the ledger: weights of evidence, in the form of the expert's card.

optbinning finds the borders between values that pay alike, a logistic regression the weight of each
characteristic; both together are points. The result is an ordinary `Scorecard`: read, changed,
explained and scored by like the one an expert wrote.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from optbinning import OptimalBinning
from sklearn.linear_model import LogisticRegression

from app.domain.feature_catalogue import FEATURE
from app.domain.features import FEATURES
from app.domain.manifests import Calibration
from app.domain.scorecard import Bin, Characteristic, Scorecard
from app.scoring.calibration import calibrate
from app.scoring.metrics import Numbers
from app.scoring.training_folds import Check, Fold, pooled
from app.scoring.training_matrix import Matrix, Rows, TrainingError

MISSING_REASONS: Final[Mapping[str, str]] = {
    "on_time_rate": "NOTHING_DUE_YET",
    "recent_trend": "NO_TREND_YET",
    "order_habit": "NO_HABIT_YET",
    "utilization": "NO_CREDIT_LIMIT",
}
"""What is told where a missing value costs points; elsewhere missing costs nothing."""

CARD_FEATURES: Final = tuple(name for name in FEATURES if name != "disputed_share")
"""What a card may be made of; whose fault a dispute is, the ledger does not say."""

_MOST_BINS: Final = 8
_LEAST_SHARE: Final = 0.05
_PRIOR_ROWS: Final = 5.0
_LEAST_WEIGHT: Final = 0.03
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class _Cut:
    """A characteristic: borders, and the log odds of each bin over the mean, missing last."""

    feature: str
    borders: tuple[float, ...]
    evidence: Numbers

    def read(self, matrix: Matrix) -> Numbers:
        values = matrix.column(self.feature)
        place = np.digitize(values, self.borders)
        found: Numbers = self.evidence[np.where(np.isnan(values), len(self.borders) + 1, place)]
        return found


@dataclass(frozen=True, slots=True)
class _Fit:
    cuts: tuple[_Cut, ...]
    weights: tuple[float, ...]
    intercept: float

    def log_odds(self, matrix: Matrix) -> Numbers:
        pairs = zip(self.cuts, self.weights, strict=True)
        parts = [cut.read(matrix) * weight for cut, weight in pairs]
        total: Numbers = self.intercept + np.sum(parts, axis=0)
        return total


def learn_card(
    learn: Matrix, folds: Sequence[Fold], form: Scorecard, told: Callable[[int, int], None]
) -> tuple[Scorecard, tuple[Check, ...]]:
    """Learn a card in the form of another: its name, horizon, history, scaling, classes, lights.

    Also gives what cards that had not seen the rows of each fold said of them; the points are
    calibrated by that. `told` hears how many steps are done.

    Raises:
        TrainingError: No characteristic tells late from punctual.

    """
    checks: list[Check] = []
    for step, fold in enumerate(folds):
        rows = fold.check[_known_enough(learn.take(fold.check), form)]
        part = _with_history(learn.take(fold.learn), form)
        if len(rows) and 0 < float(np.sum(part.labels)) < len(part):
            checks.append(Check(rows, _fit(part).log_odds(learn.take(rows))))
        told(step + 1, len(folds) + 1)
    line = calibrate(*pooled(learn, checks)) if checks else Calibration()
    card = _card(_fit(_with_history(learn, form)), line, form)
    calibrated = [Check(one.rows, line.slope * one.log_odds + line.intercept) for one in checks]
    return card, tuple(calibrated)


def _known_enough(matrix: Matrix, form: Scorecard) -> Rows:
    known = np.nan_to_num(matrix.column("invoices_known"))
    return np.flatnonzero(known >= form.minimum_history)


def _with_history(matrix: Matrix, form: Scorecard) -> Matrix:
    return matrix.take(_known_enough(matrix, form))


def _fit(learn: Matrix) -> _Fit:
    """Cut every feature that cards may use, then weigh; what would count against sense is left out.

    Raises:
        TrainingError: Nothing is left.

    """
    late = float(np.sum(learn.labels))
    if not 0 < late < len(learn):
        raise TrainingError("with enough history there are late rows only, or punctual ones only")
    names = [name for name in learn.names if name in CARD_FEATURES]
    cuts = [cut for name in names if (cut := _cut(learn, name)) is not None]
    while cuts:
        evidence = np.column_stack([cut.read(learn) for cut in cuts])
        model = LogisticRegression(C=1.0, max_iter=1000).fit(evidence, learn.labels)
        weights = [float(weight) for weight in model.coef_[0]]
        if min(weights) > _LEAST_WEIGHT:
            return _Fit(tuple(cuts), tuple(weights), float(model.intercept_[0]))
        cuts = [cut for cut, weight in zip(cuts, weights, strict=True) if weight > _LEAST_WEIGHT]
    raise TrainingError("no characteristic tells late from punctual customers")


def _cut(learn: Matrix, name: str) -> _Cut | None:
    """Find borders along which the rate of late never turns; None where one bin is all there is."""
    values = learn.column(name)
    trend = "ascending" if FEATURES[name].worse_when_higher else "descending"
    if np.sum(~np.isnan(values)) < 2 / _LEAST_SHARE:
        return None
    binning = OptimalBinning(
        name,
        monotonic_trend=trend,
        max_n_bins=_MOST_BINS,
        min_bin_size=_LEAST_SHARE,
        min_prebin_size=_LEAST_SHARE,
    )
    binning.fit(values, learn.labels.astype(np.int64))
    borders = tuple(sorted({float(f"{border:.{_DIGITS}g}") for border in binning.splits}))
    if not borders:
        return None
    place = np.where(np.isnan(values), len(borders) + 1, np.digitize(values, borders))
    count = np.bincount(place, minlength=len(borders) + 2).astype(np.float64)
    late = np.bincount(place, weights=learn.labels, minlength=len(borders) + 2)
    evidence = _evidence(np.asarray(late, np.float64), count, float(np.mean(learn.labels)))
    return _Cut(name, borders, _in_order(evidence, rising=trend == "ascending"))


def _evidence(late: Numbers, count: Numbers, mean: float) -> Numbers:
    """Give each bin's log odds over the mean's; few rows are drawn towards the mean."""
    odds = (late + _PRIOR_ROWS * mean) / (count - late + _PRIOR_ROWS * (1 - mean))
    found: Numbers = np.log(odds) - math.log(mean / (1 - mean))
    return found


def _in_order(evidence: Numbers, *, rising: bool) -> Numbers:
    """Take away what smoothing may have turned round: worse never counts as better."""
    bins = evidence[:-1] if rising else -evidence[:-1]
    level = np.maximum.accumulate(bins)
    return np.append(level if rising else -level, evidence[-1])


def _card(fit: _Fit, line: Calibration, form: Scorecard) -> Scorecard:
    """Turn log odds into points: the best bin of a characteristic has 0, all others less."""
    per_log_odds = -form.scaling.points_to_double_odds / math.log(2) * line.slope
    rows: list[Characteristic] = []
    best = 0.0
    for cut, weight in zip(fit.cuts, fit.weights, strict=True):
        points = cut.evidence * weight * per_log_odds
        top = float(np.max(points[:-1]))
        best += top
        rows.append(_characteristic(cut, points - top))
    middle = line.slope * fit.intercept + line.intercept
    start = form.scaling.anchor_score + form.scaling.points_to_double_odds * (
        -middle / math.log(2) - math.log2(form.scaling.anchor_odds)
    )
    return replace(form, start_points=round(start + best), characteristics=tuple(rows))


def _characteristic(cut: _Cut, points: Numbers) -> Characteristic:
    whole = [round(float(each)) for each in points]
    borders = [None, *cut.borders, None]
    bins = tuple(
        Bin(borders[place], borders[place + 1], worth) for place, worth in enumerate(whole[:-1])
    )
    missing = MISSING_REASONS.get(cut.feature)
    reason = FEATURE[cut.feature].reason
    if reason is None:
        raise ValueError(f"{cut.feature} has no reason that can be told")
    lost = min(0, whole[-1]) if missing else 0
    return Characteristic(cut.feature, reason, bins, lost, missing if lost else None)
