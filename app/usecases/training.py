"""Train a model on the ledger: copy it out, have it learned from in a process of its own."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from app.domain.callers import Caller
from app.domain.errors import FieldError
from app.domain.manifests import MANIFEST, ModelKind
from app.domain.manifests_check import check_name
from app.domain.manifests_json import manifest_from_bytes
from app.domain.models import RegisteredModel
from app.domain.scorecard_check import SETTING_BOUNDS
from app.domain.scorecard_json import scorecard_to_json
from app.scoring.training import REQUEST, RESULT, Halt, run_training
from app.store import scores, training
from app.store.database import Database, Tx
from app.usecases.models import Candidate, RegisterModel

DEFAULT_NAME: Final = "late-payment"
"""What a model is called that nobody named."""

TRAINER: Final = Caller("aval-train", frozenset({"model:admin"}))
"""Who registers what was trained here."""

_MOST_SEED: Final = 2**31 - 1

_ENDED: Final = timedelta(hours=36)
"""A day ends twelve hours after it has in UTC at the latest: in the zone that is last."""


def last_whole_day(at: datetime) -> date:
    """Give the last day that is over wherever a segment may be: today's payments may still come."""
    return (at.astimezone(UTC) - _ENDED).date()


@dataclass(frozen=True, slots=True)
class TrainingAsk:
    """What is to be trained; `test_from` None: the newest quarter of the rows is the test.

    `today` is the last day that counts (see `last_whole_day`): nothing after it is learned from.
    `author` is who asks. `horizon_days` None: that of the scorecard in use. `cluster` is where
    trees are grown, as `--dask` says it; None: in the process that trains.
    """

    kind: ModelKind
    late_days: int
    today: date
    author: str
    test_from: date | None = None
    name: str = DEFAULT_NAME
    horizon_days: int | None = None
    seed: int = 1
    cluster: str | None = None

    def check(self) -> None:
        """Insist that it can be asked for.

        Raises:
            FieldError: Names the field and the rule.

        """
        check_name(self.name)
        for name, value in (("late_days", self.late_days), ("horizon_days", self.horizon_days)):
            least, most = SETTING_BOUNDS[name]
            if value is not None and not least <= value <= most:
                raise FieldError(f"must be from {least:.0f} to {most:.0f}, not {value}", name)
        if not 0 <= self.seed <= _MOST_SEED:
            raise FieldError(f"must be from 0 to {_MOST_SEED}, not {self.seed}", "seed")
        if self.test_from is not None and self.test_from > self.today:
            raise FieldError(
                f"{self.test_from} is after {self.today}, the last whole day: nothing to test on",
                "test_from",
            )


@dataclass(frozen=True, slots=True)
class TrainModel:
    """Train on the whole ledger as it stands in one snapshot; `halt` ends it from outside."""

    database: Database
    halt: Halt = field(default_factory=Halt)

    def __call__(self, ask: TrainingAsk, folder: Path, told: Callable[[float, str], None]) -> Path:
        """Train within `folder`, which is empty, and return where in it the package lies.

        Raises:
            FieldError: What is asked for does not exist.
            TrainingRefusedError: There is too little to learn from, or to test on.
            BusyError: The database was out of reach.

        """
        ask.check()
        told(0.0, "reading the ledger")
        with self.database.read() as tx:
            _write_request(tx, ask, folder)
            _write_ledger(tx, folder)
        run_training(folder, lambda done, note: told(0.1 + 0.9 * done, note), self.halt)
        return folder / RESULT


@dataclass(frozen=True, slots=True)
class TrainCandidate:
    """Train and register what came out as a candidate: what a job or a command calls.

    A candidate decides nothing: it is promoted by people, or never. The same ledger and seed give
    the same content, which is registered once.
    """

    train: TrainModel
    register: RegisterModel

    def __call__(
        self, ask: TrainingAsk, folder: Path, told: Callable[[float, str], None]
    ) -> tuple[RegisteredModel, bool]:
        """Train within `folder`, and return the version and whether it is new.

        Raises:
            FieldError: What is asked for does not exist.
            TrainingRefusedError: There is too little to learn from, or to test on.
            ModelRefusedError: The registry refuses what was trained.
            BusyError: The database or the model store was out of reach.

        """
        package = self.train(ask, folder, told)
        return self.register(TRAINER, read_candidate(package))


def read_candidate(package: Path) -> Candidate:
    """Read a package from its folder; what is neither manifest nor model is attached."""
    manifest = manifest_from_bytes((package / MANIFEST).read_bytes())
    attached = {one.name: (package / one.name).read_bytes() for one in manifest.attachments}
    return Candidate(manifest, (package / manifest.model.name).read_bytes(), attached)


def _write_request(tx: Tx, ask: TrainingAsk, folder: Path) -> None:
    in_use = scores.active_scorecard(tx)
    form = replace(
        in_use,
        name=ask.name,
        version=1,
        late_days=ask.late_days,
        horizon_days=ask.horizon_days or in_use.horizon_days,
    )
    request = {
        **asdict(ask),
        "horizon_days": form.horizon_days,
        "today": ask.today.isoformat(),
        "test_from": None if ask.test_from is None else ask.test_from.isoformat(),
        "card": scorecard_to_json(form),
    }
    (folder / REQUEST).write_text(json.dumps(request))


def _write_ledger(tx: Tx, folder: Path) -> None:
    with ExitStack() as files:
        outs = {
            name: files.enter_context((folder / f"{name}.csv").open("wb"))
            for name in training.PARTS
        }
        for name, data in training.copy_ledger(tx):
            outs[name].write(data)
