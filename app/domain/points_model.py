"""A scorecard as a model in the registry: points for a row of named features."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from app.domain.errors import FieldError
from app.domain.manifests import Grade, Manifest
from app.domain.models import Prediction
from app.domain.scorecard import MAX_SCORE, Characteristic, Scorecard, default_probability
from app.domain.scores import ModelVersion

_MOST_POINTS: Final = 10_000


def predict_points(card: Scorecard, manifest: Manifest, row: Sequence[float | None]) -> Prediction:
    """Score a row in the order of the manifest's features, as `rate` does for its own features.

    Contributions are the points lost against each characteristic's best bin, as log odds of
    default; a feature that the card does not use contributes 0. Points below 0 and above 1000 are
    cut for score and PD, not for `log_odds`.
    """
    values = dict(zip(manifest.feature_names, row, strict=True))
    per_point = math.log(2) / card.scaling.points_to_double_odds
    total, lost = card.start_points, dict.fromkeys(values, 0.0)
    for one in card.characteristics:
        points = one.points_of(values[one.feature])
        total += points
        lost[one.feature] += (one.best_points - points) * per_point
    score = min(MAX_SCORE, max(0, total))
    away = (total - card.scaling.anchor_score) * per_point
    log_odds = -(math.log(card.scaling.anchor_odds) + away)
    return Prediction(
        model=ModelVersion(manifest.name, manifest.version),
        grade=Grade(
            probability=default_probability(score, card.scaling),
            score=score,
            risk_class=next(x.risk_class for x in manifest.classes if score >= x.lower),
            traffic_light=next(x.traffic_light for x in manifest.lights if score >= x.lower),
        ),
        log_odds=log_odds,
        base=log_odds - sum(lost.values()),
        contributions=tuple(lost.values()),
    )


def check_points(card: Scorecard, manifest: Manifest) -> None:
    """Insist that a card can be predicted with under a manifest.

    Raises:
        FieldError: Says which rule is broken.

    """
    _need(card.name == manifest.name, "name", "is another's")
    _need(card.scaling == manifest.scaling, "scaling", "is not the manifest's")
    _need(card.classes == manifest.classes, "classes", "are not the manifest's")
    _need(card.lights == manifest.lights, "lights", "are not the manifest's")
    _need(abs(card.start_points) <= _MOST_POINTS, "start_points", "are too many")
    names = [one.feature for one in card.characteristics]
    _need(len(set(names)) == len(names), "characteristics", "use a feature twice")
    for one in card.characteristics:
        path = f"characteristics.{one.feature}"
        _need(one.feature in manifest.feature_names, path, "is unknown to the manifest")
        _check_bins(one, path)


def _check_bins(one: Characteristic, path: str) -> None:
    """Insist that every value falls into exactly one bin."""
    _need(bool(one.bins), path, "has no bin")
    _need(one.bins[0].lower is None and one.bins[-1].upper is None, path, "leaves values out")
    for before, after in pairwise(one.bins):
        meets = before.upper is not None and before.upper == after.lower
        _need(meets, path, "has bins that do not meet")
    uppers = [each.upper for each in one.bins[:-1] if each.upper is not None]
    _need(all(low < high for low, high in pairwise(uppers)), path, "has bins out of order")
    points = [one.missing_points, *(each.points for each in one.bins)]
    _need(all(abs(each) <= _MOST_POINTS for each in points), path, "gives too many points")


def _need(holds: bool, field: str, rule: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise FieldError(f"the scorecard's {field} {rule}", field)
