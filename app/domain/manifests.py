"""What is said of a model beside its file: enough to refuse a wrong file and to repeat a score.

A package is a folder: the model's file, `manifest.json` and attachments (a model card, plots). Who
trains writes version 0; registering gives the version and signs the manifest's bytes, so a manifest
binds name, version and the sha256 of every file. See docs/models.md.

A probability of default (PD) is that of more than `late_days` days late with the next invoice,
which is that of the order in question where there is one, within `horizon_days`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final

from app.domain.errors import FieldError
from app.domain.scorecard import MAX_SCORE, ClassBand, LightBand, Scaling
from app.domain.scores import RiskClass, TrafficLight

MANIFEST: Final = "manifest.json"
"""The manifest's name within a package."""

FORMAT: Final = 1
"""The one layout of manifests there is; another one is refused, never guessed."""

_LOG_2: Final = math.log(2)

UNREGISTERED: Final = 0
"""The version that training writes; the first registered one is 1."""


class ModelKind(StrEnum):
    """What is in the model's file."""

    LIGHTGBM = "lightgbm"
    SCORECARD = "scorecard"


MODEL_FILES: Final = {ModelKind.LIGHTGBM: "model.txt", ModelKind.SCORECARD: "scorecard.json"}
"""The model's file within a package, by kind."""


class FeatureType(StrEnum):
    """What values a feature has; missing is allowed in each, infinite in none."""

    NUMBER = "number"
    WHOLE = "whole"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class ModelFeature:
    """One input, in the order in which the model takes them.

    Values outside `lower` to `upper` (both inclusive, None unbounded) are moved to the bound before
    the model sees them. `monotone` 1: the PD never falls when the value rises; -1: never rises; 0:
    nothing is promised. `reason` is the reason code this feature's contribution is told under;
    None: it is never told.
    """

    name: str
    type: FeatureType = FeatureType.NUMBER
    lower: float | None = None
    upper: float | None = None
    monotone: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class PackageFile:
    """A file of the package: its plain name, size in bytes and sha256 in lower-case hex."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What the model learned from: observations from `window_from` to `window_until`, inclusive.

    `data_sha256` is that of the training frame in a fixed order, so that the same data is
    recognised. `rows` and `positives` count training observations; `seed` is what was drawn with.
    """

    window_from: date
    window_until: date
    data_sha256: str
    rows: int
    positives: int
    seed: int


class CalibrationMethod(StrEnum):
    """How the model's own probability becomes the PD that is told."""

    NONE = "none"
    PLATT = "platt"
    POINTS = "points"


@dataclass(frozen=True, slots=True)
class Calibration:
    """`platt`: log odds of PD = `slope` × the model's log odds + `intercept`, with `slope` > 0.

    `points`: (model's probability, PD) pairs, both not falling, straight between two of them and
    flat beyond the ends. `none` takes the model's probability as it is.
    """

    method: CalibrationMethod = CalibrationMethod.NONE
    slope: float = 1.0
    intercept: float = 0.0
    points: tuple[tuple[float, float], ...] = ()

    def apply(self, log_odds: float) -> float:
        """Turn the model's log odds of default into the PD, 0 to 1."""
        match self.method:
            case CalibrationMethod.PLATT:
                return logistic(self.slope * log_odds + self.intercept)
            case CalibrationMethod.POINTS:
                return _between(self.points, logistic(log_odds))
            case CalibrationMethod.NONE:
                return logistic(log_odds)


@dataclass(frozen=True, slots=True)
class GoldenRow:
    """Inputs in the order of the features (None: missing) and the PD they must give."""

    values: tuple[float | None, ...]
    probability: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """A version of a model, as it was made; immutable once registered.

    `metrics` are of the test window (`auc`, `ks`, `brier`, `ece`, `baseline_auc`, …); `prior` is
    the mean PD of the training data; `minimum_history` is how many invoices must be known for a
    score (fewer: class N). `libraries` are what made it (`lightgbm`: `4.7.0`). Bands run from the
    best to the worst, as in a scorecard.
    """

    name: str
    kind: ModelKind
    model: PackageFile
    features: tuple[ModelFeature, ...]
    target: str
    late_days: int
    horizon_days: int
    minimum_history: int
    training: TrainingData
    metrics: Mapping[str, float]
    prior: float
    calibration: Calibration
    scaling: Scaling
    classes: tuple[ClassBand, ...]
    lights: tuple[LightBand, ...]
    golden: tuple[GoldenRow, ...]
    libraries: Mapping[str, str]
    author: str
    made_at: datetime
    version: int = UNREGISTERED
    attachments: tuple[PackageFile, ...] = field(default=())

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The inputs' names, in the model's order."""
        return tuple(one.name for one in self.features)


def inputs(manifest: Manifest, row: Mapping[str, float | None]) -> tuple[float | None, ...]:
    """Put a row of named values in the model's order, within the bounds; NaN becomes missing.

    Missing is said by None, never by leaving a name out: a feature that nobody computes any more
    must not pass for one that is not known.

    Raises:
        FieldError: A name is unknown to the manifest or not there, or a value is infinite.

    """
    if len(row) != len(manifest.features):
        _refuse_names(manifest, row)
    try:
        return tuple([_bounded(one, row[one.name]) for one in manifest.features])
    except KeyError:
        _refuse_names(manifest, row)
        raise


def _refuse_names(manifest: Manifest, row: Mapping[str, float | None]) -> None:
    names = set(manifest.feature_names)
    for name in sorted(row.keys() - names):
        raise FieldError(f"the model knows no feature {name[:64]!r}", name[:64])
    for name in sorted(names - row.keys()):
        raise FieldError(f"the model needs the feature {name!r}", name)


def _bounded(feature: ModelFeature, value: float | None) -> float | None:
    if value is None or value != value:  # noqa: PLR0124 - NaN, the only one unlike itself
        return None
    if math.isinf(value):
        raise FieldError(f"{feature.name} must not be infinite", feature.name)
    if feature.lower is not None and value < feature.lower:
        return feature.lower
    if feature.upper is not None and value > feature.upper:
        return feature.upper
    return value


@dataclass(frozen=True, slots=True)
class Grade:
    """What a PD comes to on the scale of a manifest."""

    probability: float
    score: int
    risk_class: RiskClass
    traffic_light: TrafficLight


def grade(probability: float, manifest: Manifest) -> Grade:
    """Scale a PD to score, class and light by the manifest's own scaling and bands."""
    score = score_of(probability, manifest.scaling)
    return Grade(
        probability=probability,
        score=score,
        risk_class=next(row.risk_class for row in manifest.classes if score >= row.lower),
        traffic_light=next(row.traffic_light for row in manifest.lights if score >= row.lower),
    )


def score_of(probability: float, scaling: Scaling) -> int:
    """Turn a PD into a score, 0 to 1000; the inverse of `default_probability` but for rounding."""
    if probability <= 0:
        return MAX_SCORE
    if probability >= 1:
        return 0
    odds = (1 - probability) / probability
    doublings = math.log2(odds / scaling.anchor_odds)
    points = scaling.anchor_score + scaling.points_to_double_odds * doublings
    return round(min(float(MAX_SCORE), max(0.0, points)))


def points_of(log_odds: float, scaling: Scaling) -> float:
    """Turn a contribution to the log odds of default into score points: more risk is negative."""
    return -log_odds * scaling.points_to_double_odds / _LOG_2


def logistic(log_odds: float) -> float:
    """Turn log odds into a probability, without overflow at either end."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    power = math.exp(log_odds)
    return power / (1 + power)


def _between(points: Sequence[tuple[float, float]], at: float) -> float:
    """Read a broken line of at least two points at a place; flat beyond its ends."""
    if at <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in pairwise(points):
        if at <= right:
            return low if right == left else low + (high - low) * (at - left) / (right - left)
    return points[-1][1]
