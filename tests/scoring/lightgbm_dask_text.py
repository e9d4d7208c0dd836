"""The text that two workers write: `python -m tests.scoring.lightgbm_dask_text FOLDER`."""

import sys
from pathlib import Path
from typing import Any

import distributed
from dask import array
from lightgbm.dask import DaskLGBMClassifier

from tests.scoring.lightgbm_texts import ROUNDS, ROWS, draw, settings
from tests.scoring.packages import sample


def train(untyped: Any) -> str:  # noqa: ANN401 - dask and distributed have no types
    """Train on two workers of this machine."""
    rows, late = draw()
    half, count = ROWS // 2, rows.shape[1]
    started = untyped.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with started as cluster, untyped.Client(cluster) as client:
        model = DaskLGBMClassifier(
            client=client, n_estimators=ROUNDS, tree_learner="data", **settings({})
        )
        cut: Any = array
        model.fit(cut.from_array(rows, (half, count)), cut.from_array(late, half))
        text: str = model.booster_.model_to_string()
    columns = " ".join(f"Column_{number}" for number in range(count))
    return text.replace(columns, " ".join(sample().manifest.feature_names))


if __name__ == "__main__":
    (Path(sys.argv[1]) / "dask.txt").write_text(train(distributed))
