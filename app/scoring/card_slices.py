"""A model's test window cut into slices, and what a feature does to its answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.scoring.metrics import Numbers
from app.scoring.training_matrix import Matrix
from app.scoring.training_report import Evaluation, Period, period
from app.scoring.training_run import Trained

EFFECTS: Final = 6
"""So many features are drawn, those first that add most."""

_SIZES: Final = ("Q1", "Q2", "Q3", "Q4")
_SEGMENTS: Final = 12
_STEPS: Final = 24
_SAMPLE: Final = 400


@dataclass(frozen=True, slots=True)
class Effect:
    """The mean PD of a sample of rows, were this feature the same in all of them."""

    name: str
    values: Numbers
    mean: Numbers
    missing: float


def by_month(found: Evaluation) -> list[Period]:
    """Cut by the month of issue."""
    return _slices(found, found.test.days.astype("datetime64[M]").astype(np.str_))


def by_segment(found: Evaluation) -> list[Period]:
    """Cut by segment: the largest dozen."""
    rows = _slices(found, found.test.segments)
    return sorted(rows, key=lambda row: (-row.rows, row.name))[:_SEGMENTS]


def by_size(found: Evaluation) -> list[Period]:
    """Cut into quarters by the invoice's amount, the smallest first."""
    borders = np.quantile(found.test.amounts, [0.25, 0.5, 0.75])
    place = np.searchsorted(borders, found.test.amounts, side="left")
    return _slices(found, np.array(_SIZES, dtype=np.str_)[place])


def _slices(found: Evaluation, names: NDArray[np.str_]) -> list[Period]:
    return [
        period(str(name), found.test.labels[names == name], found.predicted[names == name])
        for name in np.unique(names)
    ]


def effects(trained: Trained, found: Evaluation) -> Sequence[Effect]:
    """Draw the features that add most; others keep what they are in each row."""
    gains = trained.model.gains
    chosen = sorted((name for name in gains if gains[name] > 0), key=lambda name: -gains[name])
    rows = np.linspace(0, len(found.test) - 1, min(_SAMPLE, len(found.test))).astype(np.intp)
    sample = found.test.take(rows)
    return [_effect(trained, sample, name) for name in chosen[:EFFECTS]]


def _effect(trained: Trained, sample: Matrix, name: str) -> Effect:
    there = trained.learn.column(name)
    there = there[~np.isnan(there)]
    values = np.unique(np.quantile(there, np.linspace(0.02, 0.98, _STEPS)))
    means = [_mean(trained, sample, name, float(value)) for value in values]
    return Effect(name, values, np.array(means), _mean(trained, sample, name, np.nan))


def _mean(trained: Trained, sample: Matrix, name: str, value: float) -> float:
    values = sample.values.copy()
    values[:, sample.names.index(name)] = value
    said = trained.model.predict(replace(sample, values=values))
    return float(np.nanmean(said)) if not np.isnan(said).all() else float("nan")
