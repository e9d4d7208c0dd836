"""Models in the registry: their states, who stands where, and what a prediction says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.domain.errors_models import ModelStateError
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


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a version that should serve cannot be loaded, and since when."""

    check: str
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version in the registry; all but `state` and `fault` never changes.

    `client` is who registered it, authenticated; `actor` the person they named. `signed_by` is the
    id of the key, `manifest_sha256` that of the signed bytes.
    """

    manifest: Manifest
    state: ModelState
    manifest_sha256: bytes
    signed_by: str
    client: str
    actor: str | None
    registered_at: datetime
    fault: Fault | None = None

    @property
    def model(self) -> ModelVersion:
        """Name and version."""
        return ModelVersion(self.manifest.name, self.manifest.version)


class Move(StrEnum):
    """What is done with a version; ROLLBACK names the one that comes back."""

    SHADOW = "SHADOW"
    PROMOTE = "PROMOTE"
    ROLLBACK = "ROLLBACK"
    RETIRE = "RETIRE"


class PromotionStatus(StrEnum):
    """PROPOSED waits for a second person."""

    PROPOSED = "PROPOSED"
    APPLIED = "APPLIED"
    REJECTED = "REJECTED"


@dataclass(frozen=True, slots=True)
class Promotion:
    """A move, with its reason and who is behind it; kept for good.

    `replaced` is the version that stood in the place before, None where none did.
    """

    promotion_id: str
    model: ModelVersion
    move: Move
    status: PromotionStatus
    reason: str
    replaced: int | None
    proposed_by: str
    proposed_actor: str | None
    proposed_at: datetime
    decided_by: str | None = None
    decided_actor: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the versions of one model stand; `peak` is the highest that ever was champion."""

    name: str
    newest: int
    champion: int | None
    shadow: int | None
    peak: int | None


def check_move(move: Move, version: int, state: ModelState, standing: Standing) -> None:
    """Insist that a version may be moved; asks for what is so already are answered elsewhere.

    Raises:
        ModelStateError: It is retired, older than a champion there was, or not where it must be.

    """
    told = f"version {version} of {standing.name}"
    if state is ModelState.RETIRED:
        raise ModelStateError(f"{told} is retired; roll back, or register it anew")
    if move is Move.PROMOTE and standing.peak is not None and version < standing.peak:
        line = f"{told} is older than version {standing.peak}, which was champion; roll back"
        raise ModelStateError(line)
    if state is ModelState.CHAMPION:
        raise ModelStateError(f"{told} is the champion; promote another, or roll back")


def state_after(move: Move) -> ModelState:
    """Say where a version stands after a move."""
    match move:
        case Move.SHADOW:
            return ModelState.SHADOW
        case Move.PROMOTE | Move.ROLLBACK:
            return ModelState.CHAMPION
        case Move.RETIRE:
            return ModelState.RETIRED
