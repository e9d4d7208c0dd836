"""What another scorecard would change: which of its parts, and whose scores."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from app.domain.features import Features
from app.domain.scorecard import Scorecard, rate
from app.domain.scores import RiskClass


@dataclass(frozen=True, slots=True)
class CharacteristicChange:
    """A characteristic that is new, gone or changed; `parts` are its fields that differ."""

    kind: Literal["ADDED", "REMOVED", "CHANGED"]
    feature: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScorecardDiff:
    """The characteristics that differ, and which settings and bands do."""

    characteristics: tuple[CharacteristicChange, ...]
    parts: tuple[str, ...]


def diff_scorecards(old: Scorecard, new: Scorecard) -> ScorecardDiff:
    """Compare two scorecards; the number of a version is no part of them."""
    before = {one.feature: one for one in old.characteristics}
    after = {one.feature: one for one in new.characteristics}
    found = [CharacteristicChange("REMOVED", name) for name in before if name not in after]
    for name, one in after.items():
        was = before.get(name)
        if was is None:
            found.append(CharacteristicChange("ADDED", name))
        elif was != one:
            found.append(CharacteristicChange("CHANGED", name, _differing(was, one)))
    parts = _differing(old, new, without=frozenset({"version", "characteristics"}))
    return ScorecardDiff(tuple(found), parts)


def _differing(old: object, new: object, without: frozenset[str] = frozenset()) -> tuple[str, ...]:
    names = [one.name for one in fields(old) if one.name not in without]  # type: ignore[arg-type]
    return tuple(name for name in names if getattr(old, name) != getattr(new, name))


@dataclass(slots=True)
class ScorecardTrial:
    """Counts customers whose score, class or light another scorecard would change.

    `moves` counts by class before and after; a class that stays is not in it.
    """

    card: Scorecard
    customers: int = 0
    other_score: int = 0
    other_light: int = 0
    moves: Counter[tuple[RiskClass, RiskClass]] = field(default_factory=Counter)

    @property
    def other_class(self) -> int:
        """How many customers would be of another class."""
        return self.moves.total()

    def add(self, stored: Mapping[str, object], features: Features) -> None:
        """Rate a customer by what its stored score was computed from, and compare."""
        would = rate(features, self.card)
        before = RiskClass(str(stored["risk_class"]))
        self.customers += 1
        self.other_score += would.score != stored["score"]
        self.other_light += would.traffic_light.value != stored["traffic_light"]
        if would.risk_class is not before:
            self.moves[before, would.risk_class] += 1
