"""An expert scorecard: points by what was observed, as data a credit manager can read and change.

A customer starts with `start_points` and every characteristic adds the points of the bin its value
falls into; the sum, kept within 0 to 1000, is the score. Odds of paying are logistic in the score,
in the usual scaling by points to double the odds (PDO):
`odds = anchor_odds × 2 ^ ((score − anchor_score) ÷ points_to_double_odds)`,
`probability_of_default = 1 ÷ (1 + odds)`. Default means more than `late_days` days late with any
invoice within `horizon_days`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.domain.features import FEATURES, Features, Unit
from app.domain.money import minor_to_text
from app.domain.scores import (
    ModelVersion,
    RiskClass,
    Score,
    ScoreReason,
    ScoreSource,
    TrafficLight,
)

MAX_SCORE: Final = 1000
"""The best score, inclusive; the worst is 0."""

MAX_REASONS: Final = 4
"""So many reasons are given at most, the most adverse first."""

TOO_LITTLE_HISTORY: Final = "TOO_LITTLE_HISTORY"
"""The reason code of class N; its text is filled with `known` and `needed` invoices."""

_PD_DIGITS: Final = 6
"""A probability is rounded so that platforms with other last bits give the same one."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Points for values from `lower` (inclusive) to `upper` (exclusive); None is unbounded.

    Bounds are in the feature's own unit: shares as 0.95, amounts in minor units.
    """

    lower: float | None
    upper: float | None
    points: int


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One feature and what it is worth.

    `reason` is the code told when the bin has fewer points than the best one; its text may use
    `{value}`. `missing_points` are for a feature that is None; `missing_reason` is the code told
    when these are fewer than the best, and may be None where they are not.
    """

    feature: str
    reason: str
    bins: tuple[Bin, ...]
    missing_points: int
    missing_reason: str | None = None

    @property
    def best_points(self) -> int:
        """The most points that a value can get here."""
        return max(row.points for row in self.bins)

    def points_of(self, value: float | None) -> int:
        """Give the points of the bin in which `value` falls."""
        if value is None:
            return self.missing_points
        return next(row.points for row in self.bins if row.upper is None or value < row.upper)


@dataclass(frozen=True, slots=True)
class Scaling:
    """At `anchor_score` the odds of paying are `anchor_odds` to 1; they double each PDO points."""

    anchor_score: int
    anchor_odds: float
    points_to_double_odds: float


@dataclass(frozen=True, slots=True)
class ClassBand:
    """Scores from `lower`, inclusive, up to the next better band are of this class."""

    risk_class: RiskClass
    lower: int


@dataclass(frozen=True, slots=True)
class LightBand:
    """Scores from `lower`, inclusive, up to the next better band show this light."""

    traffic_light: TrafficLight
    lower: int


@dataclass(frozen=True, slots=True)
class Scorecard:
    """A version of a scorecard, immutable; bands run from the best to the worst.

    `minimum_history` is how many invoices must be known (paid in full or past due) for a score.
    """

    name: str
    version: int
    horizon_days: int
    late_days: int
    minimum_history: int
    start_points: int
    scaling: Scaling
    classes: tuple[ClassBand, ...]
    lights: tuple[LightBand, ...]
    characteristics: tuple[Characteristic, ...]


def rate(features: Features, scorecard: Scorecard) -> Score:
    """Score a customer by a scorecard that `validate_scorecard` finds no error in."""
    if features.invoices_known < scorecard.minimum_history:
        return _newcomer(features.invoices_known, scorecard)
    points = [one.points_of(getattr(features, one.feature)) for one in scorecard.characteristics]
    score = min(MAX_SCORE, max(0, scorecard.start_points + sum(points)))
    return Score(
        score=score,
        probability_of_default=default_probability(score, scorecard.scaling),
        horizon_days=scorecard.horizon_days,
        risk_class=next(row.risk_class for row in scorecard.classes if score >= row.lower),
        traffic_light=next(row.traffic_light for row in scorecard.lights if score >= row.lower),
        reasons=_reasons(features, scorecard, points),
        source=ScoreSource.SCORECARD,
        model=ModelVersion(scorecard.name, scorecard.version),
    )


def default_probability(score: int, scaling: Scaling) -> float:
    """Turn a score into the probability of default, 0 to 1, rounded to six digits."""
    doublings = (score - scaling.anchor_score) / scaling.points_to_double_odds
    odds: float = scaling.anchor_odds * 2.0**doublings
    return round(1 / (1 + odds), _PD_DIGITS)


def _newcomer(known: int, scorecard: Scorecard) -> Score:
    """Give a customer of whom too little is known the class of its own, not a guess."""
    values = {"known": str(known), "needed": str(scorecard.minimum_history)}
    return Score(
        score=None,
        probability_of_default=None,
        horizon_days=scorecard.horizon_days,
        risk_class=RiskClass.N,
        traffic_light=TrafficLight.YELLOW,
        reasons=(ScoreReason(TOO_LITTLE_HISTORY, 0, values),),
        source=ScoreSource.SCORECARD,
        model=ModelVersion(scorecard.name, scorecard.version),
    )


def _reasons(
    features: Features, scorecard: Scorecard, points: Sequence[int]
) -> tuple[ScoreReason, ...]:
    """Name where points were lost against the best bin of each characteristic, most first."""
    found: list[tuple[int, str, str]] = []
    for one, given in zip(scorecard.characteristics, points, strict=True):
        lost = given - one.best_points
        if lost < 0:
            missing = getattr(features, one.feature) is None
            code = one.missing_reason if missing else one.reason
            if code is not None:
                found.append((lost, code, one.feature))
    found.sort(key=lambda row: row[0])
    return tuple(
        ScoreReason(code, lost, _values(feature, features))
        for lost, code, feature in found[:MAX_REASONS]
    )


def _values(feature: str, features: Features) -> Mapping[str, str]:
    value = getattr(features, feature)
    if value is None:
        return {}
    return {"value": write_value(value, FEATURES[feature].unit, features.currency)}


def write_value(value: float, unit: Unit, currency: str) -> str:
    """Write an observed value as people read it: `72.5%`, `12.3`, `+8`, `12500.00 CNY`."""
    match unit:
        case Unit.SHARE:
            return f"{_short(value * 100)}%"
        case Unit.MONEY:
            return f"{minor_to_text(int(value), currency)} {currency}"
        case Unit.CHANGE_DAYS:
            return f"+{_short(value)}" if value > 0 else _short(value)
        case Unit.DAYS | Unit.TIMES | Unit.COUNT:
            return _short(value)


def _short(value: float) -> str:
    """Write at most one digit after the point, and none where it would be 0."""
    return f"{value:.1f}".removesuffix(".0")
