"""Train again when the newest version is old: a job, whose result is a candidate for people."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from app.domain.errors_models import ModelRefusedError, TrainingRefusedError
from app.domain.manifests import ModelKind
from app.store import models, scores
from app.usecases.portions import Cursor, Portion
from app.usecases.training import TRAINER, TrainCandidate, TrainingAsk, last_whole_day

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TrainAgain:
    """Train the model called `name` where its newest version is `every` old, or there is none.

    Late is what it is for the scorecard in use. Too little to learn from is no failure: it is
    logged, and looked at again in the next pass.
    """

    train: TrainCandidate
    name: str
    every: timedelta
    now: Callable[[], datetime]

    def __call__(self, _: Cursor | None = None) -> Portion:
        """Look, and train if it is time; the item counted is a new version.

        Raises:
            BusyError: The database or the model store was out of reach.

        """
        database, at = self.train.train.database, self.now()
        with database.read() as tx:
            newest = models.versions(tx, self.name, None, 1)
            late_days = scores.active_scorecard(tx).late_days
        if newest and at - newest[0].registered_at < self.every:
            return Portion(0)
        day = last_whole_day(at)
        ask = TrainingAsk(ModelKind.LIGHTGBM, late_days, day, TRAINER.client, name=self.name)
        with TemporaryDirectory(prefix="aval-train-") as folder:
            try:
                made, is_new = self.train(ask, Path(folder), _unheard)
            except (TrainingRefusedError, ModelRefusedError) as refused:
                _log.warning("model_not_trained", model=self.name, reason=refused.detail)
                return Portion(0)
        _log.info("model_trained", model=self.name, version=made.model.version, new=is_new)
        return Portion(int(is_new))

    def end(self) -> None:
        """End a training that is under way, and begin none any more."""
        self.train.train.halt.say()


def _unheard(_done: float, _note: str) -> None:
    """Tell nobody: the log says how it ended."""
