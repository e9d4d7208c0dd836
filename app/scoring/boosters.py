"""LightGBM boosters: load a checked text, predict, explain. For spawned processes only.

Never fork after this was imported: the copy may wait for threads it does not have. A text comes
here after `validator` found it sound, never before: LightGBM's own parser trusts what it reads.
"""

from collections.abc import Sequence
from typing import Final

import lightgbm
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_THREADS: Final = 1
"""A row takes microseconds: waking threads costs more, and makes forks and sums unsafe."""


def load_booster(text: str) -> lightgbm.Booster:
    """Make a booster of a checked text.

    Raises:
        lightgbm.basic.LightGBMError: LightGBM itself refuses it.

    """
    return lightgbm.Booster(model_str=text)


def as_matrix(rows: Sequence[Sequence[float | None]]) -> Floats:
    """Put rows into the matrix that LightGBM takes; None becomes NaN, which is missing."""
    return np.array(rows, dtype=np.float64)


def log_odds(booster: lightgbm.Booster, matrix: Floats) -> Floats:
    """Give the log odds of default, one a row, before any calibration."""
    return np.asarray(
        booster.predict(matrix, raw_score=True, num_threads=_THREADS), dtype=np.float64
    )


def contributions(booster: lightgbm.Booster, matrix: Floats) -> Floats:
    """Give exact TreeSHAP values, a column a feature and then the base; rows sum to `log_odds`."""
    found = booster.predict(matrix, pred_contrib=True, num_threads=_THREADS)
    return np.asarray(found, dtype=np.float64)
