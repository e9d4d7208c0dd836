"""A version that passed every check and can be predicted with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.domain.errors import BusyError
from app.domain.errors_models import ModelRefusedError
from app.domain.manifests import Manifest, grade
from app.domain.models import Prediction
from app.domain.points_model import predict_points
from app.domain.scorecard import Scorecard
from app.domain.scores import ModelVersion
from app.scoring.process_frames import Message

GOLDEN_TOLERANCE: Final = 1e-6
"""How far the PD of a golden row may be from the manifest's, on whichever machine."""

_SUM_TOLERANCE: Final = 1e-6

Row = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Loadable:
    """A manifest with a LightGBM text (checked, cut after its trees) or with a scorecard."""

    manifest: Manifest
    text: str = ""
    card: Scorecard | None = None

    @property
    def model(self) -> ModelVersion:
        """Name and version."""
        return ModelVersion(self.manifest.name, self.manifest.version)

    @property
    def key(self) -> str:
        """The name under which a child holds it."""
        return f"{self.manifest.name}/{self.manifest.version}"

    def load_message(self) -> Message:
        """Say what a child needs to load it."""
        golden = [one.values for one in self.manifest.golden]
        return {"do": "load", "key": self.key, "text": self.text, "golden": golden}

    def check_loaded(self, answer: Message) -> None:
        """Hold what a child says of the golden rows against the manifest.

        Raises:
            ModelRefusedError: LightGBM refused the text, or a prediction is another one.

        """
        if "error" in answer:
            raise ModelRefusedError(
                f"LightGBM refuses the text: {answer['error']}", "model.process"
            )
        if answer["features"] != list(self.manifest.feature_names):
            raise ModelRefusedError("LightGBM reads other feature names", "model.golden")
        for found, total in zip(answer["log_odds"], answer["sums"], strict=True):
            if not _close(found, total, _SUM_TOLERANCE * max(1.0, abs(found or 0.0))):
                raise ModelRefusedError(
                    "contributions do not add up to a prediction", "model.golden"
                )
        self.check_golden([self._told(found) for found in answer["log_odds"]])

    def _told(self, log_odds: float | None) -> float | None:
        return None if log_odds is None else self.manifest.calibration.apply(log_odds)

    def check_golden(self, found: Sequence[float | None]) -> None:
        """Compare PDs of the golden rows, in their order, with those of the manifest.

        Raises:
            ModelRefusedError: One differs; says which.

        """
        for number, (row, told) in enumerate(zip(self.manifest.golden, found, strict=True)):
            if not _close(told, row.probability, GOLDEN_TOLERANCE):
                line = f"golden row {number} gives {told}, the manifest says {row.probability}"
                raise ModelRefusedError(line, "model.golden")

    def read(self, answer: Mapping[str, list[object]], *, reasons: bool) -> list[Prediction]:
        """Turn a child's answer for some rows into predictions.

        Raises:
            BusyError: A number is not finite: never told as a score.

        """
        log_odds = answer["log_odds"]
        parts = answer["contributions"] if reasons else [()] * len(log_odds)
        return [self._predict(one, part) for one, part in zip(log_odds, parts, strict=True)]

    def _predict(self, log_odds: object, part: object) -> Prediction:
        values = part if isinstance(part, list | tuple) else ()
        numbers = [one for one in (log_odds, *values) if isinstance(one, float)]
        if len(numbers) < 1 + len(values) or not all(map(math.isfinite, numbers)):
            raise BusyError("the scoring process gave no finite number")
        total, *contributions = numbers
        base = contributions.pop() if contributions else total
        probability = self.manifest.calibration.apply(total)
        graded = grade(probability, self.manifest)
        return Prediction(self.model, graded, total, base, tuple(contributions))

    def points(self, rows: Sequence[Row]) -> list[Prediction]:
        """Predict by the scorecard; no child is needed for sums.

        Raises:
            LookupError: It is none: a bug.

        """
        if self.card is None:
            raise LookupError(self.key)
        return [predict_points(self.card, self.manifest, row) for row in rows]


def _close(one: float | None, other: float | None, tolerance: float) -> bool:
    """Tell whether two numbers are finite and near; NaN came as None through JSON."""
    if one is None or other is None:
        return False
    return math.isfinite(one) and abs(one - other) <= tolerance
