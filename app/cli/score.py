"""`aval score --all`: score every customer by the model that stands, else by the scorecard."""

from typing import Annotated

import typer

from app.cli.database import open_desk, read_settings
from app.cli.failures import WrongUseError
from app.cli.progress import Shown
from app.cli.rating import models_loaded


def register(cli: typer.Typer) -> None:
    """Add the commands of this column."""
    cli.command("score")(_score)


def _score(
    *, every: Annotated[bool, typer.Option("--all", help="Every customer; needed")] = False
) -> None:
    """Score every customer; a score that says the same is stored anew once a day at most."""
    if not every:
        raise WrongUseError("score: say --all; one customer is scored over HTTP")
    with open_desk(read_settings()) as desk, models_loaded(desk), Shown("scoring") as shown:

        def tell(done: int, total: int) -> None:
            shown.show(done / total, f"{done} customers")

        count = desk.scores.score_customers.every(tell)
    typer.echo(f"{count} customers scored")
