"""The process that trains: `python -m app.cli.train_child FOLDER`. Not for people.

Reads the wish and the ledger's copies from the folder and writes the package into it. Progress and
refusals are lines of JSON on stdout.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Final

from app.domain.manifests import ModelKind
from app.domain.manifests_json import manifest_to_bytes
from app.domain.scorecard_json import scorecard_from_json
from app.scoring.card import Say, card_html
from app.scoring.card_plots import plots
from app.scoring.frames import Ledger
from app.scoring.frames_csv import ledger_of
from app.scoring.training import REPORT, REQUEST, RESULT
from app.scoring.training_matrix import TrainingError
from app.scoring.training_package import package
from app.scoring.training_report import Evaluation, evaluate, report
from app.scoring.training_rows import Target
from app.scoring.training_run import Trained, Wish, train
from app.scoring.training_trees import Fits, fit_here
from app.texts import text

_ON_WORKERS: Final = "app.scoring.training_dask"
"""Imported when it is asked for: not everybody who trains has Dask."""

_PARTS: Final = ("invoices", "customers", "limits", "statements", "signals")


def _zh(code: str, values: Mapping[str, str]) -> str:
    return text(code, values).zh


def _en(code: str, values: Mapping[str, str]) -> str:
    return text(code, values).en


_LANGUAGES: Final[Mapping[str, Say]] = {"zh": _zh, "en": _en}


def run(folder: Path) -> None:
    """Train what the folder asks for.

    Raises:
        TrainingError: There is too little to learn from.

    """
    request = json.loads((folder / REQUEST).read_text())
    with _growing(request["cluster"]) as fits:
        trained = train(_ledger(folder), _wish(request), _tell, fits)
    _tell(0.75, "test window")
    found = evaluate(trained)
    _tell(0.85, "card")
    told = report(trained, found)
    attachments = attach(trained, found, told)
    manifest, data = package(trained, told, attachments, request["author"])
    result = folder / RESULT
    result.mkdir()
    for name, content in attachments.items():
        (result / name).write_bytes(content)
    (result / manifest.model.name).write_bytes(data)
    (result / "manifest.json").write_bytes(manifest_to_bytes(manifest))
    _tell(1.0, "done")


@contextmanager
def _growing(where: str | None) -> Iterator[Fits]:
    """Choose who grows trees: this process, or the workers of a cluster."""
    if where is None:
        yield fit_here
        return
    with ExitStack() as undo:
        try:
            fits = undo.enter_context(import_module(_ON_WORKERS).on_workers(where))
        except OSError as error:
            raise TrainingError(f"no Dask cluster can be reached at {where}: {error}") from error
        yield fits


def _wish(request: Mapping[str, object]) -> Wish:
    test_from = request["test_from"]
    return Wish(
        kind=ModelKind(str(request["kind"])),
        target=Target(int(str(request["late_days"])), int(str(request["horizon_days"]))),
        test_from=None if test_from is None else date.fromisoformat(str(test_from)),
        today=date.fromisoformat(str(request["today"])),
        seed=int(str(request["seed"])),
        card=scorecard_from_json(request["card"]),
    )


def _ledger(folder: Path) -> Ledger:
    return ledger_of({name: (folder / f"{name}.csv").read_bytes() for name in _PARTS}, [])


def attach(trained: Trained, found: Evaluation, told: Mapping[str, object]) -> dict[str, bytes]:
    """Write what goes with the model: plots, the card in both languages, the report."""
    drawn = plots(trained, found)
    cards = {
        f"card.{language}.html": card_html(trained, found, drawn, language, say)
        for language, say in _LANGUAGES.items()
    }
    written = json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return {**drawn, **cards, REPORT: written.encode()}


def _tell(done: float, note: str) -> None:
    _say({"done": done, "note": note})


def _say(line: Mapping[str, object]) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 - the parent is the reader


def _end_with_parent() -> None:
    """End when the parent closes our stdin or is gone: nobody would take what is learned."""
    # not by `sys.stdin`: the interpreter cannot end while somebody reads that
    while os.read(0, 1024):
        pass
    os._exit(1)  # from a thread beside libraries that do not look up for minutes


if __name__ == "__main__":
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        run(Path(sys.argv[1]))
    except TrainingError as refused:
        _say({"refused": str(refused)})
        sys.exit(1)
