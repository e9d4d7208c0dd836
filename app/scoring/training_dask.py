"""Growing trees on the workers of a Dask cluster, by `lightgbm.dask`: several fits at a time.

Each fit is done whole by one worker. Split over workers, a fit would find its bins from parts of
the rows and draw its bags from them: another model than one process makes (docs/decisions/0073).
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
from typing import Any, Final

import dask
import dask.array
import lightgbm as lgb
import numpy as np
from lightgbm.dask import DaskLGBMClassifier
from numpy.typing import NDArray

from app.scoring.clusters import cluster
from app.scoring.training_trees import PATIENCE, Fit

_DASK: Final[Any] = dask
"""It has no types."""

_NAMES: Final = {
    "num_leaves": "num_leaves",
    "max_depth": "max_depth",
    "learning_rate": "learning_rate",
    "min_data_in_leaf": "min_child_samples",
    "lambda_l2": "reg_lambda",
    "feature_fraction": "colsample_bytree",
    "bagging_fraction": "subsample",
    "bagging_freq": "subsample_freq",
    "seed": "random_state",
}
"""Settings that the estimator calls otherwise."""

_LEFT_OUT: Final = ("num_threads",)
"""Settings that the worker decides; the trees are the same with any number of threads."""


@contextmanager
def on_workers(where: str) -> Iterator["FitOnWorkers"]:
    """Reach a cluster for the block.

    Raises:
        OSError: No scheduler answers there.

    """
    with cluster(where) as client:
        yield FitOnWorkers(client)


@dataclass(frozen=True, slots=True)
class FitOnWorkers:
    """Gives each worker of a cluster one fit at a time."""

    client: Any

    def __call__(self, fits: Iterable[Fit], /) -> Iterator[lgb.Booster]:
        """Yield a booster a fit, in order.

        Raises:
            RuntimeError: The cluster has no worker.

        """
        workers = sorted(self.client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise RuntimeError("the cluster has no worker")
        free: SimpleQueue[str] = SimpleQueue()
        for one in workers:
            free.put(one)

        def work(fit: Fit) -> lgb.Booster:
            worker = free.get()
            try:
                return self._grow(fit, worker)
            finally:
                free.put(worker)

        waiting = iter(fits)
        with ThreadPoolExecutor(len(workers)) as pool:
            running: deque[Future[lgb.Booster]] = deque(
                pool.submit(work, fit) for fit in islice(waiting, len(workers) + 1)
            )
            while running:
                yield running.popleft().result()
                running += (pool.submit(work, fit) for fit in islice(waiting, 1))

    def _grow(self, fit: Fit, worker: str) -> lgb.Booster:
        settings = {name: one for name, one in fit.settings.items() if name not in _LEFT_OUT}
        named: dict[str, Any] = {_NAMES.get(name, name): one for name, one in settings.items()}
        model = DaskLGBMClassifier(client=self.client, n_estimators=fit.rounds, **named)
        more: dict[str, Any] = {}
        if fit.check is not None:
            values, labels = (self._send(one, worker) for one in fit.check)
            more = {
                "eval_X": values,
                "eval_y": labels,
                "callbacks": [lgb.early_stopping(PATIENCE, verbose=False)],
            }
        model.fit(
            self._send(fit.values, worker),
            self._send(fit.labels, worker),
            sample_weight=None if fit.weights is None else self._send(fit.weights, worker),
            feature_name=list(fit.names),
            **more,
        )
        return model.booster_

    def _send(self, part: NDArray[np.float64], worker: str) -> Any:  # noqa: ANN401 - see `_DASK`
        """Bring an array to a worker as one chunk: it is the one that then works on it."""
        held = self.client.scatter(part, workers=[worker], hash=False)
        return _DASK.array.from_delayed(_DASK.delayed(held), part.shape, dtype=part.dtype)
