"""Models in the registry: their states, who stands where, and what a prediction says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.domain.manifests import Grade, Manifest
from app.domain.scores import ModelVersion


class ModelState(StrEnum):
    """Where a version stands; CHAMPION and SHADOW have one version a name at most.

    CANDIDATE → SHADOW → CHAMPION → RETIRED. Nothing leads back from RETIRED but a rollback.
    """

    CANDIDATE = "CANDIDATE"
    SHADOW = "SHADOW"
    CHAMPION = "CHAMPION"
    RETIRED = "RETIRED"


class Alias(StrEnum):
    """A name for whichever version stands there: the one that decides, or that only watches."""

    CHAMPION = "champion"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Package:
    """A version with its model's file, as read and verified."""

    manifest: Manifest
    model: bytes


@dataclass(frozen=True, slots=True)
class Prediction:
    """What exactly one version says of one row.

    `log_odds` are the model's own, of default, before calibration: the sum of `base` and all
    `contributions`, which are exact TreeSHAP values in the order of the manifest's features
    (positive: more risk), empty where they were not asked for. `points_of` turns one into score
    points. Of a scorecard, contributions are the log odds that the points stand for, against the
    best bin.
    """

    model: ModelVersion
    grade: Grade
    log_odds: float
    base: float
    contributions: tuple[float, ...]


class Scorer(Protocol):
    """Whoever predicts: the scoring process behind its pipe (`app/scoring/process.py`)."""

    def standing(self, name: str, alias: Alias = Alias.CHAMPION) -> Manifest | None:
        """Give the version loaded under an alias now, or None; its manifest names the features."""
        ...

    def predict(
        self,
        model: ModelVersion,
        rows: Sequence[Mapping[str, float | None]],
        *,
        reasons: bool = True,
    ) -> list[Prediction]:
        """Predict rows of named features by exactly this version, a prediction a row, in order.

        For threads. The version is one that `standing` gave a moment ago.

        Raises:
            FieldError: A name is unknown to the manifest or left out, or a value is infinite.
            BusyError: The process is away, full or too slow, or the version was replaced meanwhile:
                ask again. Never a wrong or a guessed answer.

        """
        ...

    async def predict_soon(
        self,
        model: ModelVersion,
        rows: Sequence[Mapping[str, float | None]],
        *,
        reasons: bool = True,
    ) -> list[Prediction]:
        """Do what `predict` does without blocking the event loop."""
        ...
