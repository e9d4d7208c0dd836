"""Whether a scorecard can be used.

Every value needs its one bin, every score its band and every reason its text, and paying worse
must never give points.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from app.domain.features import FEATURES
from app.domain.scorecard import MAX_SCORE, Bin, Characteristic, Scorecard
from app.domain.scores import RiskClass, TrafficLight

SETTING_BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "version": (1, 10**6),
    "horizon_days": (1, 1095),
    "late_days": (0, 365),
    "minimum_history": (1, 100),
    "start_points": (-10_000, 10_000),
    "anchor_score": (0, MAX_SCORE),
    "anchor_odds": (0.001, 10**6),
    "points_to_double_odds": (10, MAX_SCORE),
}
"""Least and largest value of each setting, both inclusive."""

_POINTS: Final = 10_000
_NAME_LENGTH: Final = 64
_DIGITS: Final = 15
_GRADES: Final = tuple(row for row in RiskClass if row is not RiskClass.N)


@dataclass(frozen=True, slots=True)
class CardError:
    """A broken rule and its place.

    `part` is a characteristic's feature, `classes`, `lights` or a setting's name. `row` counts the
    bins or bands from 0 (the missing bin comes after the last); None speaks of the part as a whole.
    `field` is the one to look at, in the words of the values (`lower`, `points`, `reason` …).
    """

    part: str
    row: int | None
    field: str
    rule: str

    def __str__(self) -> str:
        """Read as `on_time_rate, row 2: …` with rows counted from 1."""
        place = self.part if self.row is None else f"{self.part}, row {self.row + 1}"
        return f"{place}: {self.rule}"


def validate_scorecard(
    scorecard: Scorecard, texts: Mapping[str, frozenset[str]]
) -> tuple[CardError, ...]:
    """Find every broken rule; none means that `rate` takes the scorecard.

    `texts` has the placeholders of each reason code that can be told.
    """
    return (
        *_settings(scorecard),
        *_bands("classes", [(row.risk_class, row.lower) for row in scorecard.classes], _GRADES),
        *_bands(
            "lights",
            [(row.traffic_light, row.lower) for row in scorecard.lights],
            tuple(TrafficLight),
        ),
        *_uniqueness(scorecard.characteristics),
        *(e for one in scorecard.characteristics for e in _characteristic(one, texts)),
    )


def _settings(card: Scorecard) -> Iterator[CardError]:
    if not (0 < len(card.name) <= _NAME_LENGTH and card.name.isprintable()):
        yield CardError("name", None, "value", f"is 1 to {_NAME_LENGTH} printable characters")
    for name, (least, most) in SETTING_BOUNDS.items():
        value = getattr(card if hasattr(card, name) else card.scaling, name)
        if not least <= value <= most:
            yield CardError(name, None, "value", f"{value} is not from {least} to {most}")
        elif not _short_enough(value):
            yield CardError(name, None, "value", f"{value} has more than {_DIGITS} digits")


def _short_enough(number: float) -> bool:
    """Tell whether a spreadsheet keeps the number; one with more digits would change on its way."""
    return float(f"{number:.{_DIGITS}g}") == number


def _bands(
    part: str, bands: Sequence[tuple[str, int]], names: Sequence[str]
) -> Iterator[CardError]:
    """Check that the bands run from the best name to the worst and leave no score without one."""
    if tuple(name for name, _ in bands) != tuple(names):
        yield CardError(part, None, "code", f"must be {', '.join(names)}, each once, in this order")
        return
    for row, ((_, better), (_, lower)) in enumerate(pairwise(bands), start=1):
        if lower >= better:
            yield CardError(
                part, row, "lower", f"starts at {lower}, not below the better band's {better}"
            )
    if bands[0][1] > MAX_SCORE:
        yield CardError(part, 0, "lower", f"starts at {bands[0][1]}, above the best {MAX_SCORE}")
    if bands[-1][1] != 0:
        rule = f"starts at {bands[-1][1]}, must start at 0"
        yield CardError(part, len(bands) - 1, "lower", rule)


def _uniqueness(rows: Sequence[Characteristic]) -> Iterator[CardError]:
    if not rows:
        yield CardError("characteristics", None, "feature", "there is none")
    features = Counter(one.feature for one in rows)
    # With a bin's missing reason in the count: no two of the few reasons told may be one sentence.
    reasons = Counter(code for one in rows for code in (one.reason, one.missing_reason) if code)
    for name in (name for name, times in features.items() if times > 1):
        yield CardError(name, None, "feature", "the feature is used more than once")
    for one in rows:
        for code in (one.reason, one.missing_reason):
            if code and reasons[code] > 1:
                rule = f"the reason {code} is used more than once"
                yield CardError(one.feature, None, "reason", rule)


def _characteristic(
    one: Characteristic, texts: Mapping[str, frozenset[str]]
) -> Iterator[CardError]:
    kind = FEATURES.get(one.feature)
    if kind is None:
        rule = f"unknown feature; known are {', '.join(FEATURES)}"
        yield CardError(one.feature, None, "feature", rule)
    if not one.bins:
        yield CardError(one.feature, None, "feature", "has no bin")
        return
    yield from _bins(one)
    for row, points in enumerate([*(each.points for each in one.bins), one.missing_points]):
        if abs(points) > _POINTS:
            yield CardError(one.feature, row, "points", f"{points} points are beyond ±{_POINTS}")
    if kind is not None:
        yield from _direction(one, worse_when_higher=kind.worse_when_higher)
    yield from _reasons(one, texts)


def _bins(one: Characteristic) -> Iterator[CardError]:
    """Check that the bins, as listed, take every number exactly once."""
    last = len(one.bins) - 1
    if one.bins[0].lower is not None:
        yield CardError(one.feature, 0, "lower", "the first bin must have no lower bound")
    if one.bins[last].upper is not None:
        yield CardError(one.feature, last, "upper", "the last bin must have no upper bound")
    for row, each in enumerate(one.bins):
        for field, bound in (("lower", each.lower), ("upper", each.upper)):
            if bound is not None and not (math.isfinite(bound) and _short_enough(bound)):
                rule = f"{bound} is not a finite number of at most {_DIGITS} digits"
                yield CardError(one.feature, row, field, rule)
        if each.lower is not None and each.upper is not None and each.lower >= each.upper:
            rule = f"is empty: {each.lower} is not below {each.upper}"
            yield CardError(one.feature, row, "upper", rule)
    for row, (before, after) in enumerate(pairwise(one.bins), start=1):
        yield from _border(one.feature, row, before, after)


def _border(feature: str, row: int, before: Bin, after: Bin) -> Iterator[CardError]:
    if before.upper is None:
        yield CardError(feature, row - 1, "upper", "only the last bin may have no upper bound")
    elif after.lower is None:
        yield CardError(feature, row, "lower", "only the first bin may have no lower bound")
    elif after.lower > before.upper:
        rule = f"gap: no bin from {before.upper} to {after.lower}"
        yield CardError(feature, row, "lower", rule)
    elif after.lower < before.upper:
        rule = f"overlap: two bins from {after.lower} to {before.upper}"
        yield CardError(feature, row, "lower", rule)


def _direction(one: Characteristic, *, worse_when_higher: bool) -> Iterator[CardError]:
    for row, (before, after) in enumerate(pairwise(one.bins), start=1):
        better, worse = (before, after) if worse_when_higher else (after, before)
        if worse.points > better.points:
            rule = f"{worse.points} points for worse, {better.points} for better"
            yield CardError(one.feature, row, "points", rule)


def _reasons(one: Characteristic, texts: Mapping[str, frozenset[str]]) -> Iterator[CardError]:
    if one.reason not in texts:
        yield CardError(one.feature, None, "reason", f"the reason {one.reason!r} has no text")
    elif not texts[one.reason] <= {"value"}:
        rule = f"the text of {one.reason} needs more than a value"
        yield CardError(one.feature, None, "reason", rule)
    missing, code = len(one.bins), one.missing_reason
    if code is None:
        if one.missing_points < one.best_points:
            yield CardError(one.feature, missing, "reason", "points are lost, so it needs a reason")
    elif code not in texts:
        yield CardError(one.feature, missing, "reason", f"the reason {code!r} has no text")
    elif texts[code]:
        yield CardError(one.feature, missing, "reason", f"the text of {code} needs a value")
