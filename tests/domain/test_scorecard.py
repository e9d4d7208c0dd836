"""A scorecard gives what its table says, and a table that says nonsense is refused."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import FieldError
from app.domain.features import (
    FEATURES,
    AccountUse,
    Features,
    InvoiceHistory,
    Payment,
    Unit,
    payment_features,
)
from app.domain.scorecard import (
    Bin,
    Characteristic,
    ClassBand,
    LightBand,
    Scaling,
    Scorecard,
    default_probability,
    rate,
    write_value,
)
from app.domain.scorecard_check import validate_scorecard
from app.domain.scorecard_json import scorecard_from_json, scorecard_to_json
from app.domain.scores import RiskClass, ScoreReason, TrafficLight, worse_light
from app.scoring.scorecard_file import standard_scorecard
from app.texts import PLACEHOLDERS, text
from tests.domain.cards import TEXTS, scorecards

TODAY = date(2026, 6, 30)
STANDARD = standard_scorecard()
SPOTLESS = replace(
    payment_features((), AccountUse("CNY"), TODAY),
    on_time_rate=1,
    mean_days_late=0,
    max_days_late=0,
    tenure_days=1000,
    invoices_closed=10,
    invoices_known=10,
)
ON_TIME = Characteristic(
    "on_time_rate",
    "REASON_on_time_rate",
    (Bin(None, 0.5, -300), Bin(0.5, 0.9, -100), Bin(0.9, None, 0)),
    missing_points=-50,
    missing_reason="MISSING_on_time_rate",
)
DAYS = Characteristic(
    "mean_days_late", "REASON_mean_days_late", (Bin(None, 10, 0), Bin(10, None, -200)), 0
)
CARD = replace(STANDARD, characteristics=(ON_TIME, DAYS))


def score_of(card: Scorecard = CARD, **observed: float | None) -> int | None:
    return rate(replace(SPOTLESS, **observed), card).score  # type: ignore[arg-type] # by name


@pytest.mark.parametrize(
    ("observed", "points"),
    [
        pytest.param({}, 1000, id="best-everywhere"),
        pytest.param({"on_time_rate": 0.9}, 1000, id="lower-bound-is-in"),
        pytest.param({"on_time_rate": 0.8999}, 900, id="upper-bound-is-out"),
        pytest.param({"on_time_rate": 0.0}, 700, id="first-bin-has-no-floor"),
        pytest.param({"on_time_rate": None}, 950, id="missing-has-its-own-bin"),
        pytest.param({"on_time_rate": 0.0, "mean_days_late": 10}, 500, id="points-add-up"),
    ],
)
def test_points(observed: dict[str, float | None], points: int) -> None:
    assert score_of(CARD, **observed) == points


@pytest.mark.parametrize(
    ("start", "score"),
    [(1300, 1000), (1001, 1000), (299, 0), (300, 0), (301, 1)],
)
def test_score_stays_within_0_and_1000(start: int, score: int) -> None:
    late = 0.0 if start < 1000 else 1.0
    assert score_of(replace(CARD, start_points=start), on_time_rate=late) == score


@pytest.mark.parametrize(
    ("start", "risk_class", "light"),
    [
        (1000, "A", "GREEN"),
        (850, "A", "GREEN"),
        (849, "B", "GREEN"),
        (700, "B", "GREEN"),
        (699, "C", "YELLOW"),
        (549, "D", "YELLOW"),
        (400, "D", "YELLOW"),
        (399, "E", "RED"),
        (0, "E", "RED"),
    ],
)
def test_class_and_light(start: int, risk_class: str, light: str) -> None:
    found = rate(SPOTLESS, replace(CARD, start_points=start))
    assert (found.risk_class, found.traffic_light) == (risk_class, light)


def test_probability_halves_its_odds_by_the_scaling() -> None:
    scaling = Scaling(anchor_score=500, anchor_odds=9, points_to_double_odds=100)
    assert default_probability(500, scaling) == 0.1
    assert default_probability(600, scaling) == round(1 / 19, 6)
    assert default_probability(400, scaling) == round(1 / 5.5, 6)


def test_probability_falls_as_the_score_rises() -> None:
    found = [default_probability(score, STANDARD.scaling) for score in range(1001)]
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < found[0] < 1


def test_one_invoice_short_of_a_history_is_class_n() -> None:
    newcomer = replace(SPOTLESS, invoices_known=2)
    found = rate(newcomer, STANDARD)
    assert (found.score, found.probability_of_default) == (None, None)
    assert (found.risk_class, found.traffic_light) == (RiskClass.N, TrafficLight.YELLOW)
    assert found.reasons == (ScoreReason("TOO_LITTLE_HISTORY", 0, {"known": "2", "needed": "3"}),)
    assert "2" in text(found.reasons[0].code, found.reasons[0].values).zh
    assert rate(replace(SPOTLESS, invoices_known=3), STANDARD).score == 1000


def test_reasons_are_the_four_that_cost_most() -> None:
    poor = replace(
        SPOTLESS,
        on_time_rate=0.5,
        mean_days_late=4.0,
        max_days_late=20,
        overdue_days=40,
        utilization=0.9,
        order_habit=6.04,
    )
    found = rate(poor, STANDARD).reasons
    assert [(one.code, one.contribution, dict(one.values)) for one in found] == [
        ("ON_TIME_RATE_LOW", -185, {"value": "50%"}),
        ("MEAN_DAYS_LATE_HIGH", -80, {"value": "4"}),
        ("OVERDUE_OLD", -70, {"value": "40"}),
        ("ORDER_ABOVE_HABIT", -30, {"value": "6"}),
    ]


def test_missing_value_tells_its_own_reason() -> None:
    found = rate(replace(SPOTLESS, on_time_rate=None), CARD).reasons
    assert found == (ScoreReason("MISSING_on_time_rate", -50, {}),)


def test_nothing_lost_tells_no_reason() -> None:
    assert rate(SPOTLESS, STANDARD).reasons == ()


@given(scorecards(), st.data())
def test_reasons_account_for_every_point_lost(card: Scorecard, data: st.DataObject) -> None:
    features = replace(data.draw(observations), invoices_known=9)
    reasons = rate(features, card).reasons
    lost = [one.contribution for one in reasons]
    assert lost == sorted(lost)
    assert all(points < 0 for points in lost)
    best = card.start_points + sum(one.best_points for one in card.characteristics)
    sums = {
        one.feature: one.points_of(getattr(features, one.feature)) - one.best_points
        for one in card.characteristics
    }
    assert sum(lost) == sum(points for points in sums.values() if points < 0)
    assert rate(features, card).score == max(0, min(1000, best + sum(sums.values())))


number = st.floats(-5, 2000) | st.integers(-5, 2000)
observations = st.builds(
    Features,
    currency=st.just("CNY"),
    **{
        name: number.map(int) if kind.unit in {Unit.COUNT, Unit.MONEY} else number
        for name, kind in FEATURES.items()
    },
)


@pytest.mark.parametrize("one", STANDARD.characteristics, ids=lambda one: one.feature)
@given(features=observations, values=st.tuples(number, number))
def test_worse_never_scores_higher(
    one: Characteristic, features: Features, values: tuple[float, float]
) -> None:
    better, worse = sorted(values, reverse=not FEATURES[one.feature].worse_when_higher)
    features = replace(features, invoices_known=9)
    high, low = (
        rate(replace(features, **{one.feature: value}), STANDARD).score  # type: ignore[arg-type]
        for value in (better, worse)
    )
    assert high is not None
    assert low is not None
    assert low <= high


days = st.integers(0, 60)


@given(st.lists(st.tuples(st.integers(1, 300), days, days), min_size=3, max_size=12))
def test_paying_what_was_due_later_never_scores_higher(rows: list[tuple[int, int, int]]) -> None:
    """Leaves the trend out: it compares a customer with itself, whichever part got worse."""

    def score(*, delayed: bool) -> int | None:
        invoices = []
        for name, (ago, paid_after, delay) in enumerate(rows):
            due = TODAY - timedelta(days=ago)
            issue = due - timedelta(days=30)
            paid = issue + timedelta(days=paid_after + (delay if delayed else 0))
            invoices.append(
                InvoiceHistory(str(name), issue, due, 100, "CNY", (Payment(paid, 100),))
            )
        seen = payment_features(invoices, AccountUse("CNY"), TODAY)
        return rate(replace(seen, recent_trend=None), STANDARD).score

    before, after = score(delayed=False), score(delayed=True)
    assert before is not None
    assert after is not None
    assert after <= before


def test_standard_scorecard_keeps_every_rule() -> None:
    assert validate_scorecard(STANDARD, PLACEHOLDERS) == ()


def test_standard_scorecard_uses_the_whole_range() -> None:
    worst = sum(min(row.points for row in one.bins) for one in STANDARD.characteristics)
    best = sum(one.best_points for one in STANDARD.characteristics)
    assert (STANDARD.start_points + worst, STANDARD.start_points + best) == (0, 1000)


def with_bins(*bins: Bin, **fields: object) -> Scorecard:
    one = replace(ON_TIME, bins=bins or ON_TIME.bins, **fields)  # type: ignore[arg-type] # by name
    return replace(CARD, characteristics=(one,))


def with_classes(*lower: int) -> Scorecard:
    return replace(CARD, classes=tuple(map(ClassBand, RiskClass, lower)))


def with_scaling(**fields: float) -> Scorecard:
    return replace(CARD, scaling=replace(CARD.scaling, **fields))  # type: ignore[arg-type]


NAN = float("nan")
BROKEN: dict[str, tuple[Scorecard, str]] = {
    "gap": (with_bins(Bin(None, 0.5, 0), Bin(0.6, None, 0)), "on_time_rate, row 2: gap: no bin"),
    "overlap": (with_bins(Bin(None, 0.5, 0), Bin(0.4, None, 0)), "row 2: overlap: two bins"),
    "floor": (with_bins(Bin(0, None, 0)), "row 1: the first bin must have no lower bound"),
    "ceiling": (with_bins(Bin(None, 1, 0)), "row 1: the last bin must have no upper bound"),
    "open-in-the-middle": (with_bins(Bin(None, None, 0), Bin(1, None, 0)), "row 1: only the last"),
    "open-below-in-the-middle": (with_bins(Bin(None, 1, 0), Bin(None, None, 0)), "row 2: only"),
    "empty-bin": (
        with_bins(Bin(None, 1, 0), Bin(1, 1, 0), Bin(1, None, 0)),
        "row 2: is empty: 1 is not below 1",
    ),
    "nan": (with_bins(Bin(None, NAN, 0), Bin(NAN, None, 0)), "row 1: nan is not a finite number"),
    "sixteen-digits": (
        with_bins(Bin(None, 1 / 3, 0), Bin(1 / 3, None, 0)),
        "is not a finite number of at most 15 digits",
    ),
    "no-bins": (replace(CARD, characteristics=(replace(ON_TIME, bins=()),)), "has no bin"),
    "worse-is-better": (
        with_bins(Bin(None, 0.5, 1), Bin(0.5, None, 0)),
        "row 2: 1 points for worse, 0 for better",
    ),
    "points-beyond": (with_bins(missing_points=10_001), "row 4: 10001 points are beyond ±10000"),
    "unknown-feature": (with_bins(feature="zodiac"), "zodiac: unknown feature; known are on_time"),
    "unknown-reason": (with_bins(reason="X"), "on_time_rate: the reason 'X' has no text"),
    "reason-wants-more": (with_bins(reason="MORE"), "the text of MORE needs more than a value"),
    "missing-unexplained": (with_bins(missing_reason=None), "row 4: points are lost, so it needs"),
    "missing-reason-unknown": (with_bins(missing_reason="X"), "row 4: the reason 'X' has no text"),
    "missing-reason-wants-a-value": (
        with_bins(missing_reason="REASON_tenure_days"),
        "row 4: the text of REASON_tenure_days needs a value",
    ),
    "feature-twice": (
        replace(CARD, characteristics=(ON_TIME, replace(ON_TIME, reason="REASON_tenure_days"))),
        "on_time_rate: the feature is used more than once",
    ),
    "reason-twice": (
        replace(CARD, characteristics=(ON_TIME, replace(DAYS, reason=ON_TIME.reason))),
        "mean_days_late: the reason REASON_on_time_rate is used more than once",
    ),
    "no-characteristics": (replace(CARD, characteristics=()), "characteristics: there is none"),
    "classes-do-not-reach-0": (with_classes(800, 600, 400, 200, 1), "classes, row 5: starts at 1"),
    "classes-equal": (with_classes(800, 600, 600, 200, 0), "classes, row 3: starts at 600, not"),
    "class-above-1000": (with_classes(1001, 600, 400, 200, 0), "classes, row 1: starts at 1001"),
    "class-missing": (with_classes(800, 600, 400, 0), "classes: must be A, B, C, D, E, each once"),
    "lights-out-of-order": (
        replace(CARD, lights=CARD.lights[::-1]),
        "lights: must be GREEN, YELLOW, RED, each once, in this order",
    ),
    "lights-do-not-reach-0": (
        replace(CARD, lights=(*CARD.lights[:2], LightBand(TrafficLight.RED, 1))),
        "lights, row 3: starts at 1, must start at 0",
    ),
    "no-name": (replace(CARD, name=""), "name: is 1 to 64 printable characters"),
    "version-0": (replace(CARD, version=0), "version: 0 is not from 1"),
    "no-horizon": (replace(CARD, horizon_days=0), "horizon_days: 0 is not from 1"),
    "no-history": (replace(CARD, minimum_history=0), "minimum_history: 0 is not from 1"),
    "no-odds": (with_scaling(anchor_odds=0), "anchor_odds: 0 is not from 0.001"),
    "odds-nan": (with_scaling(anchor_odds=NAN), "anchor_odds: nan is not from 0.001"),
    "odds-too-long": (with_scaling(anchor_odds=20 / 3), "has more than 15 digits"),
    "steep": (with_scaling(points_to_double_odds=9), "points_to_double_odds: 9 is not from 10"),
    "anchor-beyond": (with_scaling(anchor_score=1001), "anchor_score: 1001 is not from 0 to 1000"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_scorecard_is_named(name: str) -> None:
    card, rule = BROKEN[name]
    found = [str(error) for error in validate_scorecard(card, TEXTS | {"MORE": frozenset("ab")})]
    assert any(rule in error for error in found), found


def test_scorecard_of_these_tests_keeps_every_rule() -> None:
    assert validate_scorecard(CARD, TEXTS) == ()


@given(scorecards())
def test_json_and_back_is_exact(card: Scorecard) -> None:
    assert validate_scorecard(card, TEXTS) == ()
    plain = scorecard_to_json(card)
    assert scorecard_from_json(json.loads(json.dumps(plain))) == card
    assert scorecard_to_json(scorecard_from_json(plain)) == plain


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (["version"], "1", "version"),
        (["version"], True, "version"),
        (["version"], 1.5, "version"),
        (["version"], 10**400, "version"),
        (["name"], None, "name"),
        (["owner"], "me", "owner"),
        (["scaling"], [], "scaling"),
        (["scaling", "anchor_odds"], NAN, "scaling.anchor_odds"),
        (["classes"], {}, "classes"),
        (["classes", 1, "risk_class"], "Z", "classes.1.risk_class"),
        (["characteristics", 0, "bins", 1, "lower"], "0", "characteristics.0.bins.1.lower"),
        (["characteristics", 0, "bins", 1, "note"], "", "characteristics.0.bins.1.note"),
    ],
)
def test_json_of_another_shape_is_refused(path: list[Any], value: object, field: str) -> None:
    plain: Any = scorecard_to_json(CARD)
    place = plain
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(FieldError) as refused:
        scorecard_from_json(plain)
    assert refused.value.field == field


def test_json_with_a_field_missing_is_refused() -> None:
    plain = scorecard_to_json(CARD)
    del plain["lights"]
    with pytest.raises(FieldError, match="lights is missing"):
        scorecard_from_json(plain)


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (0.725, Unit.SHARE, "72.5%"),
        (1.0, Unit.SHARE, "100%"),
        (12.34, Unit.DAYS, "12.3"),
        (12, Unit.DAYS, "12"),
        (8.0, Unit.CHANGE_DAYS, "+8"),
        (-8.0, Unit.CHANGE_DAYS, "-8"),
        (1250000, Unit.MONEY, "12500.00 CNY"),
    ],
)
def test_values_are_written_as_people_read_them(value: float, unit: Unit, written: str) -> None:
    assert write_value(value, unit, "CNY") == written


def test_worse_light_is_nearer_to_red() -> None:
    order = list(TrafficLight)
    assert [worse_light(a, b) for a in order for b in order] == [
        order[max(i, j)] for i in range(3) for j in range(3)
    ]
