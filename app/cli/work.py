"""`aval work`: what is periodic, until a signal to stop."""

import typer

from app.cli.database import read_settings
from app.cli.working import work_until_stopped


def register(cli: typer.Typer) -> None:
    """Add the commands of this column."""
    cli.command("work")(_work)


def _work() -> None:
    """Expire authorizations, count orders, revalue: until a signal to stop.

    Beside `aval serve` on the embedded database this is not needed: it runs there by itself.
    """
    work_until_stopped(read_settings())
