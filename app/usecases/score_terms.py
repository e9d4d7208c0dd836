"""On which terms scores are computed and overridden, as the settings say."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, Protocol

from app.domain.models import Scorer
from app.scoring.observing import FeatureProcess
from app.usecases.score_models import RateByModel
from app.usecases.score_raters import RateByCard, Rater
from app.usecases.score_reads import COOLDOWN


@dataclass(frozen=True, slots=True)
class ScoreTerms:
    """Who rates, how long a score rests, and whether an override needs a second person."""

    rater: Rater = field(default_factory=RateByCard)
    cooldown: timedelta = COOLDOWN
    four_eyes: bool = False


class ScoreSettings(Protocol):
    """The settings of scores; see `app/settings.py`."""

    @property
    def score_model(self) -> str | None:
        """The model that scores; None: the first name that stands."""
        ...

    @property
    def score_trouble(self) -> Literal["keep", "scorecard"]:
        """What holds while it cannot."""
        ...

    @property
    def score_cooldown_s(self) -> float:
        """How long a score rests."""
        ...

    @property
    def score_four_eyes(self) -> Literal["on", "off"]:
        """Whether an override takes two."""
        ...


def rate_by_model(settings: ScoreSettings, scorer: Scorer) -> RateByModel:
    """Make who rates; the process that computes features is started when it is needed."""
    return RateByModel(scorer, FeatureProcess(), settings.score_model, settings.score_trouble)


def score_terms(settings: ScoreSettings, rater: Rater) -> ScoreTerms:
    """Read the terms."""
    return ScoreTerms(
        rater=rater,
        cooldown=timedelta(seconds=settings.score_cooldown_s),
        four_eyes=settings.score_four_eyes == "on",
    )


@dataclass(frozen=True, slots=True)
class RaterLane:
    """A rater's processes among what an application starts and stops; they start when needed."""

    rater: Rater

    async def start(self) -> None:
        """Do nothing yet."""

    async def stop(self) -> None:
        """End them."""
        await asyncio.to_thread(self.rater.stop)

    def alive(self) -> bool:
        """Say yes: one that crashed is started by the next question."""
        return True
