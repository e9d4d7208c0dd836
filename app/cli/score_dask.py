"""`aval score --all --dask …`: the workers of a Dask cluster score the portions.

A worker needs this program, the settings it would serve with (`AVAL_…`, in its environment) and a
way to the database. Portions are ids; the database's address goes with each, its password too, so
the way to the scheduler must be as private as that to the database. Each commits its own, as here.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, Final

import distributed

from app.cli.clusters import check_cluster
from app.cli.database import read_settings
from app.cli.rating import models_loaded, seldom_collecting
from app.cli.score import portfolio
from app.composition import compose
from app.scoring.clusters import cluster
from app.settings import Settings
from app.telemetry import set_up_log
from app.usecases.portfolio_scores import ScorePortfolio, Spread
from app.usecases.score_portions import Scored

_DASK: Final[Any] = distributed
"""It has no types."""

_AHEAD: Final = 2
"""Portions given out per thread of the cluster, so that none waits for the next one."""


@contextmanager
def workers(where: str, database_url: str, settings: Settings) -> Iterator[Spread]:
    """Reach a cluster, or start one of processes on this machine that ends with the block.

    Raises:
        WrongUseError: `where` is neither an address nor local:WORKERS.
        OSError: No scheduler answers there.

    """
    del settings  # every worker reads its own
    check_cluster(where)
    with cluster(where) as client, ExitStack() as undo:
        undo.callback(client.run, end)
        yield _Cluster(client, database_url)


@dataclass(frozen=True, slots=True)
class _Cluster:
    """A cluster as who works portions off."""

    client: Any
    database_url: str

    def __call__(
        self, score: Callable[[Sequence[str]], Scored], portions: Iterator[list[str]], /
    ) -> Iterator[Scored]:
        """Yield what became of each portion as a worker has done it."""
        del score  # it is this process's
        ahead = _AHEAD * max(1, sum(self.client.nthreads().values()))
        running = _DASK.as_completed(self._submit(ids) for ids in islice(portions, ahead))
        for done in running:
            yield done.result()
            for ids in islice(portions, 1):
                running.add(self._submit(ids))

    def _submit(self, ids: list[str]) -> Any:  # noqa: ANN401 - see `_DASK`
        return self.client.submit(score_portion, self.database_url, ids, pure=False)


def score_portion(database_url: str, customer_ids: Sequence[str]) -> Scored:
    """Score one portion in a worker and say what became of it.

    Raises:
        BusyError: Many in a row could not be scored; what was committed stays.

    """
    return _portfolio(database_url).score(customer_ids)


@cache
def _portfolio(database_url: str) -> ScorePortfolio:
    """Put together once a worker what it scores with."""
    set_up_log("warning", "console")
    parts = compose(read_settings(), database_url)
    _UNDO.enter_context(closing(parts.database))
    _UNDO.enter_context(models_loaded(parts.desk))
    _UNDO.enter_context(seldom_collecting())
    return portfolio(parts)


_UNDO: Final = ExitStack()
"""What a worker has opened: threads and processes of its own, which would keep it from ending."""


def end() -> None:
    """Close what this worker has opened; a later portion opens it again."""
    _UNDO.close()
    _portfolio.cache_clear()
