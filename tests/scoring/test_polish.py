"""The learning core on company financials: bankruptcy of Polish firms from 64 ratios.

Nightly; needs `polish_1year.csv.gz` from `TEST_DATA` or from `../shared/data` beside the tree.
"""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import StratifiedKFold

from app.domain.financials import RATIOS
from app.scoring.boosters import log_odds
from app.scoring.calibration import calibrate, probabilities
from app.scoring.metrics import auc, calibration_error
from app.scoring.training_folds import by_customer, pooled
from app.scoring.training_matrix import Matrix
from app.scoring.training_trees import SHAPES, Grower
from tests.real_data import real


def firms() -> Matrix:
    """Read the firms, each once; there is no time, so that all are of one day."""
    rows = pl.read_csv(real("polish_1year.csv.gz"), infer_schema_length=None)
    rows = rows.unique(maintain_order=True)
    size, day = len(rows), np.datetime64("2007-12-31", "D")
    return Matrix(
        names=tuple(f"ratio_{ratio.name}" for ratio in RATIOS),
        values=rows.select(f"Attr{ratio.attribute}" for ratio in RATIOS).to_numpy(),
        labels=rows["class"].cast(pl.Float64).to_numpy(),
        customers=np.array([f"F-{row:05}" for row in range(size)]),
        days=np.full(size, day),
        closes=np.full(size, day),
        known=np.zeros(size),
        late=np.zeros(size),
        amounts=np.zeros(size),
        segments=np.full(size, "PLN"),
    )


def quiet(_done: int, _of: int) -> None:
    """Hear nothing."""


LEAF_ROWS = (40, 20, 10, 5)
"""Nothing about the shapes is taken from these data: the size of leaves is chosen within folds."""


@pytest.mark.nightly
def test_the_reach_on_financial_ratios() -> None:
    whole = firms()
    assert len(whole) == 6945
    low, shallow, middle, deep = SHAPES
    leaves = [replace(middle, name=f"leaf-{rows}", leaf_rows=rows) for rows in LEAF_ROWS]
    ways = (0,) * len(whole.names)
    grower = Grower(ways, order=(), seed=1, shapes=(low, shallow, *leaves, deep))
    parts = StratifiedKFold(5, shuffle=True, random_state=0).split(whole.values, whole.labels)
    areas, said = [], np.zeros(len(whole))
    for learned, asked in parts:
        learn, test = whole.take(learned), whole.take(asked)
        growth = grower.best(learn, by_customer(learn), quiet)
        booster = grower.grow(learn, growth.shape, growth.rounds)
        line = calibrate(*pooled(learn, growth.checks))
        said[asked] = probabilities(line, log_odds(booster, test.values))
        areas.append(auc(test.labels, said[asked]))
    assert np.mean(areas) >= 0.950, areas
    assert calibration_error(whole.labels, said) < 0.01
