"""Scorecards made up by hypothesis: valid ones, of any size and any points."""

from hypothesis import strategies as st

from app.domain.features import FEATURES
from app.domain.scorecard import (
    Bin,
    Characteristic,
    ClassBand,
    LightBand,
    Scaling,
    Scorecard,
)
from app.domain.scores import RiskClass, TrafficLight

TEXTS = {f"REASON_{feature}": frozenset({"value"}) for feature in FEATURES} | {
    f"MISSING_{feature}": frozenset[str]() for feature in FEATURES
}
"""A reason for each feature and for its absence, as `validate_scorecard` wants them."""

_GRADES = [RiskClass.A, RiskClass.B, RiskClass.C, RiskClass.D]
_NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1)
_BOUNDS = st.integers(-(10**8), 10**8) | st.decimals(-1000, 1000, places=6).map(float)


@st.composite
def characteristics(draw: st.DrawFn, feature: str) -> Characteristic:
    """Draw bins without gaps whose points fall where `feature` gets worse."""
    bounds = sorted(draw(st.sets(_BOUNDS, max_size=5)))
    size = len(bounds) + 1
    points = draw(st.lists(st.integers(-400, 400), min_size=size, max_size=size))
    points.sort(reverse=FEATURES[feature].worse_when_higher)
    edges = [None, *bounds, None]
    return Characteristic(
        feature=feature,
        reason=f"REASON_{feature}",
        bins=tuple(map(Bin, edges[:-1], edges[1:], points)),
        missing_points=draw(st.integers(-400, 400)),
        missing_reason=f"MISSING_{feature}",
    )


@st.composite
def scorecards(draw: st.DrawFn) -> Scorecard:
    """Draw one that `validate_scorecard` finds no error in, given `TEXTS`."""
    names = draw(st.lists(st.sampled_from(list(FEATURES)), min_size=1, max_size=4, unique=True))
    classes = sorted(draw(st.sets(st.integers(1, 1000), min_size=4, max_size=4)), reverse=True)
    lights = sorted(draw(st.sets(st.integers(1, 1000), min_size=2, max_size=2)), reverse=True)
    return Scorecard(
        name=draw(_NAMES.filter(lambda name: len(name) <= 64)),
        version=draw(st.integers(1, 99)),
        horizon_days=draw(st.integers(1, 1095)),
        late_days=draw(st.integers(0, 365)),
        minimum_history=draw(st.integers(1, 9)),
        start_points=draw(st.integers(0, 1000)),
        scaling=Scaling(
            draw(st.integers(0, 1000)),
            float(draw(st.decimals("0.001", "1000", places=3))),
            draw(st.integers(10, 200)),
        ),
        classes=(*map(ClassBand, _GRADES, classes), ClassBand(RiskClass.E, 0)),
        lights=(
            LightBand(TrafficLight.GREEN, lights[0]),
            LightBand(TrafficLight.YELLOW, lights[1]),
            LightBand(TrafficLight.RED, 0),
        ),
        characteristics=tuple(draw(characteristics(name)) for name in names),
    )
