"""Make a model's probability mean what it says, by predictions on rows it did not learn from."""

from typing import Final

import numpy as np

from app.domain.manifests import Calibration, CalibrationMethod
from app.scoring.metrics import Numbers

LEAST_ROWS: Final = 100
"""With fewer validation rows there is nothing to calibrate by."""

LEAST_OF_EACH: Final = 10
"""So many late and good rows at least."""

_STEPS: Final = 50
_ENOUGH: Final = 1e-10
_LEAST_SLOPE: Final = 0.05
_SURE: Final = 30.0


def calibrate(labels: Numbers, log_odds: Numbers) -> Calibration:
    """Fit Platt's line through log odds; none where there are too few rows or it turns round.

    Targets are Platt's own smoothed ones, so that a perfect separation has a finite line.
    """
    late = float(np.sum(labels))
    good = len(labels) - late
    if len(labels) < LEAST_ROWS or min(late, good) < LEAST_OF_EACH:
        return Calibration()
    targets = np.where(labels > 0, (late + 1) / (late + 2), 1 / (good + 2))
    slope, intercept = _line(np.clip(log_odds, -_SURE, _SURE), targets)
    if slope < _LEAST_SLOPE:
        return Calibration()
    return Calibration(CalibrationMethod.PLATT, slope=slope, intercept=intercept)


def _line(x: Numbers, targets: Numbers) -> tuple[float, float]:
    """Fit by Newton's method: the likelihood is concave, so that a few steps find its one top."""
    design = np.column_stack([x, np.ones(len(x))])
    line = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-(design @ line)))
        # A little ridge keeps the matrix solvable where all log odds are equal.
        curve = design.T @ (design * (chance * (1 - chance))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(curve, design.T @ (targets - chance))
        line = line + np.clip(step, -2, 2)
        if float(np.max(np.abs(step))) < _ENOUGH:
            break
    return float(line[0]), float(line[1])


def probabilities(calibration: Calibration, log_odds: Numbers) -> Numbers:
    """Apply a calibration row by row, exactly as whoever predicts does."""
    return np.array([calibration.apply(float(value)) for value in log_odds], dtype=np.float64)
