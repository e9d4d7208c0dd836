"""A model's prediction as a score: class and light by its manifest, reasons people understand."""

from collections.abc import Mapping, Sequence
from typing import Final

from app.domain.feature_catalogue import CATALOGUE, Feature
from app.domain.features import Unit
from app.domain.manifests import Manifest, points_of, score_of
from app.domain.models import Prediction
from app.domain.scorecard import MAX_REASONS, TOO_LITTLE_HISTORY, write_value
from app.domain.scores import ModelVersion, RiskClass, Score, ScoreReason, ScoreSource, TrafficLight
from app.domain.whatif import Row

MISSING: Final[Mapping[str, str]] = {"UTILIZATION_HIGH": "NO_CREDIT_LIMIT"}
"""The code told where the feature of another code is missing; other codes are not told then."""

_FEATURES: Final[Mapping[str, tuple[Feature, ...]]] = {
    code: tuple(one for one in CATALOGUE if one.reason == code)
    for code in {one.reason for one in CATALOGUE if one.reason is not None}
}
"""The features of each reason code, in the order of the catalogue."""

_LEAST_POINTS: Final = 0.5
"""A reason that costs less is none."""

_MOST_FACTOR: Final = 10.0


def model_score(
    found: Prediction, manifest: Manifest, row: Row, told: tuple[str, Mapping[str, frozenset[str]]]
) -> Score:
    """Make a score of a prediction; `told` is the currency of amounts, and the texts there are.

    `row` has all features of the catalogue. A customer of whom too little is known is of class N.
    """
    known = int(row.get("invoices_known") or 0)
    if known < manifest.minimum_history:
        return _newcomer(known, manifest, found.model)
    return Score(
        score=found.grade.score,
        probability_of_default=found.grade.probability,
        horizon_days=manifest.horizon_days,
        risk_class=found.grade.risk_class,
        traffic_light=found.grade.traffic_light,
        reasons=model_reasons(found, manifest, row, told),
        source=ScoreSource.MODEL,
        model=found.model,
    )


def _newcomer(known: int, manifest: Manifest, model: ModelVersion) -> Score:
    values = {"known": str(known), "needed": str(manifest.minimum_history)}
    return Score(
        score=None,
        probability_of_default=None,
        horizon_days=manifest.horizon_days,
        risk_class=RiskClass.N,
        traffic_light=TrafficLight.YELLOW,
        reasons=(ScoreReason(TOO_LITTLE_HISTORY, 0, values),),
        source=ScoreSource.MODEL,
        model=model,
    )


def model_reasons(
    found: Prediction, manifest: Manifest, row: Row, told: tuple[str, Mapping[str, frozenset[str]]]
) -> tuple[ScoreReason, ...]:
    """Group contributions by reason code, in score points, the most adverse first, at most four.

    A code is left out where it has no text, or where what its text would say is not adverse to
    look at (nothing overdue, always on time): nobody could understand it.
    """
    currency, texts = told
    raw = [points_of(part, manifest.scaling) for part in found.contributions]
    factor = _factor(found, manifest, raw)
    points: dict[str, float] = {}
    for feature, part in zip(manifest.features, raw, strict=False):
        code = feature.reason
        if code is not None:
            points[code] = points.get(code, 0.0) + part * factor
    adverse = sorted((lost, code) for code, lost in points.items() if lost <= -_LEAST_POINTS)
    reasons: list[ScoreReason] = []
    for lost, code in adverse:
        reason = _told(code, round(lost, 1), row, currency)
        if reason is not None and _has_text(reason, texts):
            reasons.append(reason)
            if len(reasons) == MAX_REASONS:
                break
    return tuple(reasons)


def _has_text(reason: ScoreReason, texts: Mapping[str, frozenset[str]]) -> bool:
    return reason.code in texts and texts[reason.code] <= reason.values.keys()


def _factor(found: Prediction, manifest: Manifest, raw: Sequence[float]) -> float:
    """Say what calibration makes of a point, so that contributions add up to the score's way."""
    base = score_of(manifest.calibration.apply(found.base), manifest.scaling)
    total = sum(raw)
    if abs(total) < 1:
        return 1.0
    factor = (found.grade.score - base) / total
    return factor if 1 / _MOST_FACTOR <= factor <= _MOST_FACTOR else 1.0


def _told(code: str, lost: float, row: Row, currency: str) -> ScoreReason | None:
    """Tell a code with the figure of its first feature that is known and speaks against."""
    is_known = False
    for feature in _FEATURES.get(code, ()):
        value = row.get(feature.name)
        if value is not None:
            is_known = True
            if not _is_best(feature, value):
                return ScoreReason(
                    code, lost, {"value": write_value(value, feature.unit, currency)}
                )
    missing = None if is_known else MISSING.get(code)
    return None if missing is None else ScoreReason(missing, lost)


def _is_best(feature: Feature, value: float) -> bool:
    if feature.monotone < 0:
        return feature.unit is Unit.SHARE and feature.upper is not None and value >= feature.upper
    return feature.monotone > 0 and value <= 0
