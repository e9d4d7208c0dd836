"""A score as JSON and back: how it is kept, and what decisions read of it."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from app.domain.scores import (
    ModelVersion,
    RiskClass,
    Score,
    ScoreReason,
    ScoreSource,
    TrafficLight,
)

PROBABILITY_DIGITS: Final = 4
"""More digits than a probability of default can honestly have."""

_MOMENTS: Final = ("features_as_of", "scored_at")


def score_to_json(score: Score, features_as_of: date, scored_at: datetime) -> dict[str, Any]:
    """Write a score with its moments; the probability is rounded to four digits."""
    known = score.probability_of_default
    return {
        "score": score.score,
        "probability_of_default": None if known is None else round(known, PROBABILITY_DIGITS),
        "horizon_days": score.horizon_days,
        "risk_class": score.risk_class.value,
        "traffic_light": score.traffic_light.value,
        "reasons": [
            {
                "code": reason.code,
                "contribution": reason.contribution,
                "values": dict(reason.values),
            }
            for reason in score.reasons
        ],
        "source": score.source.value,
        "model": {"name": score.model.name, "version": score.model.version},
        "features_as_of": features_as_of.isoformat(),
        "scored_at": scored_at.isoformat(),
    }


def score_from_json(data: Mapping[str, Any]) -> Score:
    """Read what `score_to_json` wrote, without the moments."""
    return Score(
        score=data["score"],
        probability_of_default=data["probability_of_default"],
        horizon_days=data["horizon_days"],
        risk_class=RiskClass(data["risk_class"]),
        traffic_light=TrafficLight(data["traffic_light"]),
        reasons=tuple(ScoreReason(**reason) for reason in data["reasons"]),
        source=ScoreSource(data["source"]),
        model=ModelVersion(**data["model"]),
    )


def says_the_same(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Tell whether two scores as JSON differ in nothing but when they were computed."""
    if one is None or other is None:
        return one is other
    return _timeless(one) == _timeless(other)


def _timeless(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in {*_MOMENTS, "features"}}
