"""`aval train`: learn from the ledger how customers pay, and say whether that beats the rule.

The learning itself is a process of its own: nothing heavy is imported here.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer

from app.cli.clusters import check_cluster
from app.cli.database import open_composition, read_settings
from app.cli.failures import WrongUseError
from app.cli.progress import Shown
from app.domain.manifests import ModelKind
from app.scoring.training import REPORT
from app.telemetry import set_up_log
from app.usecases.training import (
    DEFAULT_NAME,
    TRAINER,
    TrainingAsk,
    TrainModel,
    last_whole_day,
    read_candidate,
)

TRAINED: Final = "trained"
"""The folder in the state directory where the newest result of each name is kept, by name."""

_CARDS: Final = ("card.en.html", "card.zh.html")

LateDays = Annotated[int, typer.Option(help="Late means more days than this")]
TestFrom = Annotated[str | None, typer.Option(help="YYYY-MM-DD; test on what is issued from then")]
Register = Annotated[str | None, typer.Option(help="Register it as a candidate by this name")]
Report = Annotated[Path | None, typer.Option(dir_okay=False, help="The JSON file to write")]
Kind = Annotated[ModelKind, typer.Option(help="Trees, or a scorecard learned from the ledger")]
Dask = Annotated[
    str | None,
    typer.Option(help="Grow trees on a Dask cluster, tcp://HOST:PORT, or local:WORKERS"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says."""

    late_days: LateDays = 30
    test_from: TestFrom = None
    register: Register = None
    report: Report = None
    kind: Kind = ModelKind.LIGHTGBM
    dask: Dask = None


def register(cli: typer.Typer) -> None:
    """Add the commands of this column."""

    def command(**given: Any) -> None:  # noqa: ANN401 - read by typer, typed by `Options`
        _train(Options(**given))

    # typer reads a function's signature; the options are a dataclass
    command.__signature__ = signature(Options)  # type: ignore[attr-defined]
    command.__annotations__ = dict(Options.__annotations__)
    cli.command("train", help=_train.__doc__)(command)


def _train(options: Options) -> None:
    """Train a model on the ledger, test it on what came later, and write its card."""
    ask = TrainingAsk(
        kind=options.kind,
        late_days=options.late_days,
        today=last_whole_day(datetime.now(UTC)),
        author=TRAINER.client,
        test_from=None if options.test_from is None else _day(options.test_from),
        name=options.register or DEFAULT_NAME,
        cluster=options.dask,
    )
    if options.dask is not None:
        check_cluster(options.dask)
    if options.report is not None:
        _need_writable(options.report)
    ask.check()
    settings = read_settings()
    set_up_log("warning", "console")  # the terminal is told in words
    with (
        open_composition(settings) as parts,
        TemporaryDirectory(prefix="aval-train-") as folder,
    ):
        with Shown("training") as shown:
            package = TrainModel(parts.database)(ask, Path(folder), shown.show)
        kept = _keep(package, settings.state_dir / TRAINED / ask.name)
        _say(json.loads((kept / REPORT).read_text()), kept)
        if options.register is not None:
            made, is_new = parts.desk.models.register(TRAINER, read_candidate(package))
            was = "registered" if is_new else "was registered already"
            typer.echo(f"{was}: {made.model.name} version {made.model.version}, {made.state}")
        if options.report is not None:  # last: a disk that is full by now costs no registration
            shutil.copyfile(kept / REPORT, options.report)


def _need_writable(report: Path) -> None:
    """See before hours of training that the report can be written.

    Raises:
        WrongUseError: It cannot; nothing was left there.

    """
    was_there = os.path.lexists(report)
    try:
        report.open("ab").close()
    except OSError as error:
        raise WrongUseError(f"--report: {report}: {error.strerror}") from error
    if not was_there:
        report.unlink()


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise WrongUseError(f"--test-from: {given!r} is no date; say YYYY-MM-DD") from None


def _keep(package: Path, place: Path) -> Path:
    """Put a package where people look for it, in place of the one before."""
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(package, beside)
    shutil.rmtree(place, ignore_errors=True)
    beside.rename(place)
    return place


def _say(found: Mapping[str, object], kept: Path) -> None:
    typer.echo(
        f"learned from {found['n_train']} invoices, tested on {found['n_test']} issued from"
        f" {found['test_from']} on, {found['positives_test']} of them late"
    )
    for title, ours, theirs in (
        ("AUC", "auc", "baseline_auc"),
        ("Brier", "brier", "baseline_brier"),
    ):
        typer.echo(f"{title} {found[ours]:.3f}, the rule has {found[theirs]:.3f}")
    typer.echo(f"verdict: {found['verdict']}")
    if same := found["constant"]:
        typer.echo(f"not used, all rows are equal: {same}")
    for card in _CARDS:
        typer.echo(f"card: {kept / card}")
