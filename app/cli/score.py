"""`aval score --all`: score every customer by the model that stands, else by the scorecard.

Nothing that `serve` imports may import this module: it brings polars with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Final

import typer

from app.cli.clusters import check_cluster
from app.cli.database import open_composition, read_settings
from app.cli.failures import RefusedError, WrongUseError
from app.cli.progress import Shown
from app.cli.rating import models_loaded, seldom_collecting
from app.composition import Composition
from app.settings import Settings
from app.store.clock import own_clock
from app.telemetry import set_up_log
from app.usecases.portfolio_scores import ScorePortfolio, Spread, in_bulk, in_threads
from app.usecases.score_outcomes import CountOutcomes
from app.usecases.score_portions import ScorePortion

_CLUSTER: Final = "app.cli.score_dask"
"""Imported when it is asked for: the service's image need not have Dask."""


def register(cli: typer.Typer) -> None:
    """Add the commands of this column."""
    cli.command("score")(_score)


def _score(
    *,
    every: Annotated[bool, typer.Option("--all", help="Every customer; needed")] = False,
    dask: Annotated[
        str | None,
        typer.Option(help="Spread over a Dask scheduler, tcp://HOST:PORT, or local:WORKERS"),
    ] = None,
) -> None:
    """Score every customer; a score that says the same is stored anew once a day at most.

    Exit 1 where some could not be scored: all others were, and a line names the first of them.
    """
    if not every:
        raise WrongUseError("score: say --all; one customer is scored over HTTP")
    settings = read_settings()
    set_up_log("warning", "console")  # the terminal is told in words
    with open_composition(settings) as parts, Shown("scoring") as shown, seldom_collecting():
        # what features of a model rest on; where none stands it costs a look
        CountOutcomes(parts.database, settings.score_model)()

        def tell(done: int, total: int) -> None:
            shown.show(done / total, f"{done} customers")

        with _spreading(parts, settings, dask) as spread:
            found = portfolio(parts)(tell, spread)
    typer.echo(f"{found.done} customers scored")
    if found.failed:
        raise RefusedError(found.rest())


def portfolio(parts: Composition) -> ScorePortfolio:
    """Take the rater that this composition scores by, for many customers at once."""
    rater = in_bulk(parts.desk.scores.score_customers.rater)
    return ScorePortfolio(ScorePortion(parts.database, own_clock, rater))


@contextmanager
def _spreading(parts: Composition, settings: Settings, dask: str | None) -> Iterator[Spread]:
    """Choose who works: threads of this process, or the workers of a cluster."""
    if dask is None:
        with models_loaded(parts.desk):
            yield in_threads
        return
    check_cluster(dask)
    with import_module(_CLUSTER).workers(dask, parts.database.url, settings) as spread:
        yield spread
