"""`aval features`: the feature table as a model would have seen it at the end of a day.

Nothing that `serve` imports may import this module: it brings polars with it.
"""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from app.cli.database import open_database, read_settings
from app.cli.failures import WrongUseError
from app.cli.progress import Shown
from app.domain.feature_catalogue import NAMES
from app.usecases.portfolio import TabulateFeatures

_AHEAD: Final = timedelta(days=1)
"""East of here it may be tomorrow."""


def register(cli: typer.Typer) -> None:
    """Add the commands of this column."""
    cli.command("features")(_features)


def _features(
    as_of: Annotated[str, typer.Option(help="YYYY-MM-DD; what was known at the end of this day")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The CSV file to write or replace")],
) -> None:
    """Write the feature table of all customers as of a day; an empty field is a missing value."""
    day = _day(as_of)
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with open_database(read_settings()) as database:
            count = _write(TabulateFeatures(database), day, beside)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    typer.echo(f"{count} customers as of {day}: {out}")


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise WrongUseError(f"--as-of: {text!r} is no date; say YYYY-MM-DD") from None
    if day > datetime.now(UTC).date() + _AHEAD:
        raise WrongUseError(f"--as-of: {day} is in the future: nothing is known of it yet")
    return day


def _write(tabulate: TabulateFeatures, day: date, path: Path) -> int:
    """Write the table and return how many rows it has."""
    total, done = tabulate.count(), 0
    with path.open("wb") as file, Shown("features") as shown:
        file.write((",".join(("customer_id", "as_of", *NAMES)) + "\n").encode())
        for frame in tabulate(day):
            frame.write_csv(file, include_header=False)
            done += len(frame)
            shown.show(done / max(done, total), f"{done} customers")
    return done
