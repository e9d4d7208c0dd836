"""What a score says of a customer: its values, whoever computed it (scorecard, model, a person)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class RiskClass(StrEnum):
    """A (best) to E are bands of the score; N is too little history to say."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    N = "N"


class TrafficLight(StrEnum):
    """The score at a glance; derived, never stored alone."""

    GREEN = "GREEN"
    YELLOW = "YELLOW"
    RED = "RED"


class ScoreSource(StrEnum):
    """Who said so."""

    MODEL = "model"
    SCORECARD = "scorecard"
    OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A scorecard or a model, by name and immutable version."""

    name: str
    version: int


@dataclass(frozen=True, slots=True)
class ScoreReason:
    """Why a score is not better.

    `contribution` is in score points, negative is adverse. `values` fill the placeholders of the
    text of `code`; they are already written as people read them (`72.5%`).
    """

    code: str
    contribution: float
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """One answer: `score` and `probability_of_default` are None exactly when the class is N.

    `score` is 0 to 1000, higher is better. The probability speaks of the `horizon_days` after the
    features' date. `reasons` are at most four, the most adverse first.
    """

    score: int | None
    probability_of_default: float | None
    horizon_days: int
    risk_class: RiskClass
    traffic_light: TrafficLight
    reasons: tuple[ScoreReason, ...]
    source: ScoreSource
    model: ModelVersion
    overridden: "Overridden | None" = None


@dataclass(frozen=True, slots=True)
class Overridden:
    """What stands behind a score of source `override`: until when, and what was computed."""

    override_id: str
    expires_at: datetime
    computed: Score


@dataclass(frozen=True, slots=True)
class StoredScore:
    """A score as kept: of whom, from what was known on which date, and when it was computed.

    `stale` means that something it was computed from has changed since; it `rests` where its
    cooldown has to be over first, which is at `due_at` (None: nothing has to be waited for).
    """

    customer_id: str
    score: Score
    features_as_of: date
    scored_at: datetime
    stale: bool
    rests: bool = False
    due_at: datetime | None = None


_SEVERITY = {TrafficLight.GREEN: 0, TrafficLight.YELLOW: 1, TrafficLight.RED: 2}


def worse_light(one: TrafficLight, other: TrafficLight) -> TrafficLight:
    """Choose the light nearer to red, as where the lights of score and account meet."""
    return max(one, other, key=_SEVERITY.__getitem__)
