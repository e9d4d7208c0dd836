"""Texts as LightGBM writes them, by settings.

A process of its own: who imports LightGBM does not fork afterwards, and a test run does.
"""

import sys
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from tests.scoring.packages import sample

ROWS, ROUNDS = 400, 4

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "dart": {"boosting": "dart"},
    "goss": {"data_sample_strategy": "goss"},
    "extra-trees": {"extra_trees": True},
    "unbalanced": {"is_unbalance": True},
    "path-smooth": {"path_smooth": 5.0},
    "monotone-advanced": {"monotone_constraints_method": "advanced"},
    "quantized": {"use_quantized_grad": True},
    "zero-is-missing": {"zero_as_missing": True},
    "nothing-is-missing": {"use_missing": False},
    "no-average": {"boost_from_average": False},
    "one-leaf": {"min_data_in_leaf": ROWS},
    "random-forest": {"boosting": "rf", "bagging_fraction": 0.6, "bagging_freq": 1},
    "linear-leaves": {"linear_tree": True, "monotone_constraints": None},
    "another-sigmoid": {"sigmoid": 2.0},
    "cross-entropy": {"objective": "cross_entropy"},
    "categories": {"categorical_feature": [2], "monotone_constraints": None},
}


def settings(more: dict[str, Any]) -> dict[str, Any]:
    """Make the settings of a training; one that is None is left out."""
    monotone = [one.monotone for one in sample().manifest.features]
    plain = {"objective": "binary", "num_leaves": 7, "num_threads": 1, "verbosity": -1}
    whole = {**plain, "monotone_constraints": monotone, **more}
    return {name: value for name, value in whole.items() if value is not None}


def draw() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Make up rows of the sample's features, the third of them like a category, and outcomes."""
    count = len(sample().manifest.features)
    random = np.random.default_rng(1)
    rows = np.abs(random.normal(size=(ROWS, count)))
    late = (rows @ random.normal(size=count) > 0).astype(np.int64)
    rows[:, 2] = random.integers(0, 5, ROWS)
    rows[random.random(rows.shape) < 0.1] = np.nan
    return rows, late


def run() -> None:
    """Write a text for each setting into the folder that is the program's argument."""
    features = list(sample().manifest.feature_names)
    rows, late = draw()
    for name, more in SETTINGS.items():
        data = lightgbm.Dataset(rows, late, feature_name=features)
        text = lightgbm.train(settings(more), data, ROUNDS).model_to_string()
        (Path(sys.argv[1]) / f"{name}.txt").write_text(text)
