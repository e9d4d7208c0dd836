"""`aval export limits`: the limits in force as a file that `aval import limits` takes."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.cli.database import open_seeded, read_settings
from app.cli.failures import WrongUseError
from app.domain.limits import LimitRecord
from app.domain.money import Money
from app.domain.segments import MAIN
from app.sheets.limits import Line, write_limits_csv, write_limits_xlsx
from app.store import limits, segments
from app.usecases.dates import business_date


def export_limits(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="An .xlsx or .csv file to write")],
    segment: Annotated[str, typer.Option(help="Of which segment")] = MAIN,
) -> None:
    """Write the base and temporary limits that are valid today; a file that exists stays."""
    writers = {".xlsx": write_limits_xlsx, ".csv": write_limits_csv}
    write = writers.get(file.suffix)
    if write is None:
        raise WrongUseError(f"export limits: {file.name} is neither .xlsx nor .csv")
    if file.exists():
        raise WrongUseError(f"{file}: there is such a file already")
    with open_seeded(read_settings()) as database, database.read() as tx:
        today = business_date(segments.read(tx, segment), datetime.now(UTC))
        lines = [
            _line(customer_id, segment, one)
            for customer_id, one in limits.valid_limits(tx, segment, today)
        ]
    file.write_bytes(write(lines))
    typer.echo(f"{file}: {len(lines)} limits valid on {today.isoformat()}")


def _line(customer_id: str, segment: str, one: LimitRecord) -> Line:
    """Write a limit in the columns of a limits file; a null limit is one of 0: no credit."""
    amount = "" if one.unlimited else Money(one.limit_minor or 0, one.currency).text
    return (
        customer_id,
        segment,
        one.kind,
        amount,
        one.currency,
        "true" if one.unlimited else "",
        one.valid_from.isoformat(),
        one.valid_to.isoformat() if one.valid_to else "",
        one.reason or "",
    )
