"""A booster for the bench, written as MLflow keeps one: `python -m bench.scoring_booster FOLDER`.

A process of its own, because LightGBM is imported. What it learns from is made up; what counts is
its size: 40 features, 200 trees of at most 15 leaves and 4 levels, about what `aval train` grows.
"""

import json
import sys
from pathlib import Path
from typing import Final

import lightgbm
import numpy as np
import yaml

from app.domain.feature_catalogue import CATALOGUE

FEATURES: Final = 40
TREES: Final = 200
ROWS: Final = 20_000
MISSING: Final = 0.1
_SETTINGS: Final = {
    "objective": "binary",
    "num_leaves": 15,
    "max_depth": 4,
    "learning_rate": 0.05,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "seed": 1,
    "verbosity": -1,
}


def grow() -> tuple[list[str], str]:
    """Grow the booster; returns the names of its features and its text."""
    names = [one.name for one in CATALOGUE[:FEATURES]]
    random = np.random.default_rng(1)
    rows = random.random((ROWS, FEATURES)) * random.choice([1.0, 30.0, 1000.0], FEATURES)
    rows[random.random(rows.shape) < MISSING] = np.nan
    weights = random.normal(size=FEATURES)
    ranks = np.nan_to_num(rows / np.nanmax(rows, axis=0), nan=0.5)
    late = ranks @ weights + random.normal(size=ROWS) > np.median(ranks @ weights) + 1
    data = lightgbm.Dataset(rows, late.astype(int), feature_name=names)
    booster = lightgbm.train(_SETTINGS, data, num_boost_round=TREES)
    return names, booster.model_to_string()


def write(folder: Path) -> None:
    """Write what MLflow needs to serve it, and where it comes from for `aval model import`."""
    names, text = grow()
    folder.mkdir()
    inputs = [{"type": "double", "name": name, "required": True} for name in names]
    flavor = {
        "data": "model.lgb",
        "lgb_version": lightgbm.__version__,
        "model_class": "lightgbm.basic.Booster",
    }
    described = {
        "flavors": {
            "lightgbm": flavor,
            "python_function": {"data": "model.lgb", "loader_module": "mlflow.lightgbm"},
        },
        "signature": {"inputs": json.dumps(inputs), "outputs": None, "params": None},
    }
    (folder / "MLmodel").write_text(yaml.safe_dump(described), encoding="utf-8")
    (folder / "model.lgb").write_text(text, encoding="ascii")
    origin = {
        "name": "bench",
        "author": "bench",
        "late_days": 30,
        "horizon_days": 180,
        "trained_from": "2025-01-01",
        "trained_until": "2025-12-31",
        "rows": ROWS,
        "positives": ROWS // 4,
    }
    (folder / "origin.json").write_text(json.dumps(origin), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
