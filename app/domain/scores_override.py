"""A person's word against the computed score: the class, why, and until when it holds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from app.domain.errors import FieldError
from app.domain.scorecard import (
    MAX_REASONS,
    MAX_SCORE,
    ClassBand,
    LightBand,
    Scaling,
    default_probability,
)
from app.domain.scores import Overridden, RiskClass, Score, ScoreReason, ScoreSource

OVERRIDDEN: Final = "SCORE_OVERRIDDEN"
"""The reason code that tells of an override."""

LONGEST: Final = timedelta(days=366)
"""How long an override may hold, inclusive: somebody is to look at the customer once a year."""


class OverrideStatus(StrEnum):
    """PROPOSED waits for a second person; of a customer at most one is IN_FORCE."""

    PROPOSED = "PROPOSED"
    IN_FORCE = "IN_FORCE"
    REJECTED = "REJECTED"
    REPLACED = "REPLACED"
    ENDED = "ENDED"
    LAPSED = "LAPSED"


@dataclass(frozen=True, slots=True)
class Override:
    """An override as kept; it holds until `expires_at` (exclusive), whoever notices."""

    override_id: str
    customer_id: str
    risk_class: RiskClass
    reason: str
    expires_at: datetime
    status: OverrideStatus
    client: str
    actor: str | None
    created_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None

    def says_the_same(self, other: "Override") -> bool:
        """Tell whether two overrides of a customer say the same, by the same client."""
        return (self.risk_class, self.reason, self.expires_at, self.client) == (
            other.risk_class,
            other.reason,
            other.expires_at,
            other.client,
        )


class Scale(Protocol):
    """How scores become odds, classes and lights: a scorecard has it, and a model's manifest."""

    @property
    def scaling(self) -> Scaling:
        """What a score says of the odds of paying."""
        ...

    @property
    def classes(self) -> Sequence[ClassBand]:
        """The classes, from the best to the worst."""
        ...

    @property
    def lights(self) -> Sequence[LightBand]:
        """The lights, from the best to the worst."""
        ...


def check_expiry(expires_at: datetime, now: datetime) -> None:
    """Insist that an override ends, and not too late.

    Raises:
        FieldError: It is over already, or would hold for longer than a year.

    """
    if expires_at <= now:
        raise FieldError("must be in the future", "expires_at")
    if expires_at - now > LONGEST:
        raise FieldError(f"must be within {LONGEST.days} days", "expires_at")


def override_score(computed: Score, override: Override, scale: Scale) -> Score:
    """Put the class of an override in place of what was computed, which the answer keeps.

    The score is the one within the class that is nearest to the computed one (without one: the
    least of the class), so that the points are no more than the class says.
    """
    score = _nearest(computed.score, override.risk_class, scale)
    lifted = float(score - computed.score) if computed.score is not None else 0.0
    return replace(
        computed,
        score=score,
        probability_of_default=default_probability(score, scale.scaling),
        risk_class=override.risk_class,
        traffic_light=next(row.traffic_light for row in scale.lights if score >= row.lower),
        reasons=_reasons(computed.reasons, lifted),
        source=ScoreSource.OVERRIDE,
        overridden=Overridden(override.override_id, override.expires_at, computed),
    )


def _nearest(score: int | None, risk_class: RiskClass, scale: Scale) -> int:
    upper = MAX_SCORE + 1
    for row in scale.classes:
        if row.risk_class is risk_class:
            return row.lower if score is None else min(max(score, row.lower), upper - 1)
        upper = row.lower
    message = f"the scale has no class {risk_class}"
    raise AssertionError(message)


def _reasons(computed: Sequence[ScoreReason], lifted: float) -> tuple[ScoreReason, ...]:
    """Tell of the override in any case: first where it is adverse, else last."""
    told = ScoreReason(OVERRIDDEN, lifted)
    rest = tuple(computed[: MAX_REASONS - 1])
    return (told, *rest) if lifted < 0 else (*rest, told)


def in_force(score: Score, at: datetime) -> Score:
    """Give what counts at a moment: the computed score once an override has lapsed."""
    told = score.overridden
    return score if told is None or at < told.expires_at else told.computed
