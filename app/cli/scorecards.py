"""`aval export scorecard` and `aval import scorecard`: as a workbook, or as a folder of CSV."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from app.cli.database import open_seeded, read_settings
from app.cli.failures import RefusedError, WrongUseError
from app.domain.errors import FileRefusedError
from app.domain.scorecard import Scorecard
from app.sheets.scorecard import (
    read_scorecard,
    read_scorecard_csv,
    write_scorecard,
    write_scorecard_csv,
)
from app.texts import PLACEHOLDERS
from app.usecases.scorecards import (
    ActivateScorecard,
    ReadScorecard,
    ScorecardPreview,
    TryScorecard,
)


def export_scorecard(
    path: Annotated[Path, typer.Argument(help="An .xlsx file, or a folder for CSV files")],
) -> None:
    """Write the scorecard in use; what exists is not touched."""
    if path.exists():
        raise WrongUseError(f"{path}: there is such a file already")
    with open_seeded(read_settings()) as database:
        card = ReadScorecard(database)()
    if path.suffix == ".xlsx":
        path.write_bytes(write_scorecard(card))
    else:
        path.mkdir(parents=True)
        for name, file in write_scorecard_csv(card).items():
            (path / f"{name}.csv").write_bytes(file)
    typer.echo(f"{path}: scorecard {card.name}, version {card.version}")


def import_scorecard(
    path: Annotated[Path, typer.Argument(exists=True, help="What `aval export scorecard` writes")],
    *,
    check: Annotated[bool, typer.Option("--check", help="Only look for faults")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change")] = False,
) -> None:
    """Put a scorecard in use as the next version; `aval work` or `aval score --all` applies it."""
    card = _read(path)
    if check:
        typer.echo(f"{path.name}: no fault; {len(card.characteristics)} characteristics")
        return
    with open_seeded(read_settings()) as database:
        if dry_run:
            told = _told(TryScorecard(database)(card))
            typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
            return
        after, new = ActivateScorecard(database, lambda: datetime.now(UTC))(card)
    said = "is in use now" if new else "was in use already, and is the same"
    typer.echo(f"scorecard {after.name}, version {after.version}, {said}")


def _read(path: Path) -> Scorecard:
    try:
        if path.is_dir():
            files = {one.stem: one.read_bytes() for one in path.glob("*.csv")}
            return read_scorecard_csv(files, PLACEHOLDERS)
        return read_scorecard(path.read_bytes(), PLACEHOLDERS)
    except FileRefusedError as refused:
        raise RefusedError(refused.detail) from refused


def _told(found: ScorecardPreview) -> dict[str, Any]:
    trial = found.trial
    return {
        "base_version": found.base_version,
        "characteristics": [
            {"kind": one.kind, "feature": one.feature, "parts": list(one.parts)}
            for one in found.diff.characteristics
        ],
        "parts": list(found.diff.parts),
        "customers": {
            "rated": trial.customers,
            "other_score": trial.other_score,
            "other_class": trial.other_class,
            "other_light": trial.other_light,
            "moves": [
                {"from": before.value, "to": after.value, "customers": count}
                for (before, after), count in sorted(trial.moves.items())
            ],
        },
    }
