"""A score as JSON and back: how it is kept, and what decisions read of it."""

from collections.abc import Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final

from app.domain.scores import (
    ModelVersion,
    Overridden,
    RiskClass,
    Score,
    ScoreReason,
    ScoreSource,
    TrafficLight,
)

PROBABILITY_DIGITS: Final = 4
"""More digits than a probability of default can honestly have."""

_MOMENTS: Final = ("features_as_of", "scored_at")
_BESIDE: Final = ("features", "behaviour")
"""What goes along with a score: alone it is no reason to store one anew before a day is over."""


def score_to_json(score: Score, features_as_of: date, scored_at: datetime) -> dict[str, Any]:
    """Write a score with its moments; the probability is rounded to four digits."""
    told = _score_to_json(score)
    if score.overridden is not None:
        told["override"] = {
            "id": score.overridden.override_id,
            "expires_at": score.overridden.expires_at.isoformat(),
            "computed": _score_to_json(score.overridden.computed),
        }
    moments = {"features_as_of": features_as_of.isoformat(), "scored_at": scored_at.isoformat()}
    return told | moments


def _score_to_json(score: Score) -> dict[str, Any]:
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
    }


def scored_at(score: Mapping[str, Any]) -> datetime:
    """Read since when a score is one, as it is stored."""
    return _moment(score["scored_at"])


@lru_cache(maxsize=1024)  # those who were scored together share it
def _moment(told: str) -> datetime:
    return datetime.fromisoformat(told)


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
        overridden=_overridden(data.get("override")),
    )


def _overridden(data: Mapping[str, Any] | None) -> Overridden | None:
    if data is None:
        return None
    expires_at = datetime.fromisoformat(data["expires_at"])
    return Overridden(data["id"], expires_at, score_from_json(data["computed"]))


def score_in_force(data: Mapping[str, Any] | None, at: datetime) -> Mapping[str, Any] | None:
    """Give what counts of a stored score at a moment: what was computed, once an override lapsed.

    A decision must not rest on a person's word that is over, however late it is taken back.
    """
    override = None if data is None else data.get("override")
    if data is None or override is None or at < datetime.fromisoformat(override["expires_at"]):
        return data
    computed: dict[str, Any] = override["computed"]
    kept = (*_MOMENTS, "behaviour")
    return computed | {name: data[name] for name in kept if name in data}


def says_the_same(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Tell whether two scores as JSON differ in nothing but when they were computed."""
    if one is None or other is None:
        return one is other
    return _timeless(one) == _timeless(other)


def _timeless(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in {*_MOMENTS, *_BESIDE}}
