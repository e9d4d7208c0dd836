"""The use cases of models together, and the process that predicts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.domain.feature_catalogue import NAMES
from app.scoring.process import ScoringProcess
from app.scoring.process_pipe import ProcessLimits
from app.scoring.shelf import Shelf
from app.store.database import Database
from app.texts import TEXTS
from app.usecases.models import ReadModels, RegisterModel
from app.usecases.models_exchange import ExchangeModel
from app.usecases.models_loading import RefreshModels
from app.usecases.models_moves import MoveModel
from app.usecases.models_watch import ModelWatch


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """What an installation says of its models.

    `four_eyes`: becoming champion takes a second client. `every_s`: pause between looks for what
    others promoted. `answer_s`: longest wait for the scoring process.
    `scores_by`: the name whose champion scores; None: the first that has one.
    """

    four_eyes: bool = False
    every_s: float = 2.0
    answer_s: float = 5.0
    scores_by: str | None = None


@dataclass(frozen=True, slots=True)
class Models:
    """The use cases of models, one field each; `scorer` predicts once `watch` runs."""

    register: RegisterModel
    read: ReadModels
    move: MoveModel
    exchange: ExchangeModel
    refresh: RefreshModels
    watch: ModelWatch
    scorer: ScoringProcess

    @classmethod
    def over(
        cls,
        database: Database,
        shelf: Shelf,
        policy: ModelPolicy,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> Self:
        """Make them on one database and one shelf."""
        scorer = ScoringProcess(ProcessLimits(answer_s=policy.answer_s))
        refresh = RefreshModels(database, shelf, scorer, now)
        watch = ModelWatch(refresh, scorer, policy.every_s)
        return cls(
            RegisterModel(database, shelf, now, frozenset(NAMES), TEXTS.keys()),
            ReadModels(database, shelf),
            MoveModel(database, shelf, now, new_id, policy.four_eyes, watch.wake, policy.scores_by),
            ExchangeModel(database, shelf),
            refresh,
            watch,
            scorer,
        )
