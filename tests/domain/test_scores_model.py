"""Reasons of a model: they add up to the score's way, and say only what people understand."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.feature_catalogue import NAMES
from app.domain.manifests import (
    Calibration,
    CalibrationMethod,
    Manifest,
    ModelFeature,
    grade,
    score_of,
)
from app.domain.models import Prediction
from app.domain.scores import ModelVersion, RiskClass, ScoreReason, ScoreSource
from app.domain.scores_model import model_reasons, model_score
from app.domain.whatif import Row
from app.texts import PLACEHOLDERS, text
from tests.scoring.packages import sample

BASE = -3.0
ROW: dict[str, float | None] = dict.fromkeys(NAMES) | {
    "invoices_known": 40,
    "on_time_rate": 0.6,
    "mean_days_late": 12.0,
    "mean_days_late_recent": 20.0,
    "overdue_share": 0.5,
    "overdue_days": 12,
    "overdue_amount_minor": 125_050,
    "tenure_days": 4000,
}


def manifest(*features: tuple[str, str | None], slope: float = 1.0) -> Manifest:
    """Make a manifest of features with their reason codes, calibrated by Platt."""
    inputs = tuple(ModelFeature(name, reason=reason) for name, reason in features)
    calibration = Calibration(CalibrationMethod.PLATT, slope=slope)
    return replace(sample().manifest, features=inputs, calibration=calibration, minimum_history=3)


def predicted(made: Manifest, *parts: float) -> Prediction:
    """Predict the contributions, in log odds, as a model would that is calibrated so."""
    total = BASE + sum(parts)
    graded = grade(made.calibration.apply(total), made)
    return Prediction(ModelVersion(made.name, 1), graded, total, BASE, parts)


def reasons(made: Manifest, *parts: float, row: Row | None = None) -> tuple[ScoreReason, ...]:
    known = ROW if row is None else {**ROW, **row}
    return model_reasons(predicted(made, *parts), made, known, ("CNY", PLACEHOLDERS))


def codes(made: Manifest, *parts: float, row: Row | None = None) -> list[str]:
    return [one.code for one in reasons(made, *parts, row=row)]


LATE = (
    ("mean_days_late", "MEAN_DAYS_LATE_HIGH"),
    ("mean_days_late_recent", "MEAN_DAYS_LATE_HIGH"),
    ("overdue_days", "OVERDUE_OLD"),
    ("tenure_days", "TENURE_SHORT"),
    ("global_late_rate", None),
)


def test_contributions_of_one_code_are_one_reason_the_most_adverse_first() -> None:
    found = reasons(manifest(*LATE), 0.2, 0.5, 0.6, -0.4, 0.9)
    assert [one.code for one in found] == ["MEAN_DAYS_LATE_HIGH", "OVERDUE_OLD"]
    assert found[0].values == {"value": "12"}
    assert found[0].contribution < found[1].contribution < 0
    assert found[0].contribution / found[1].contribution == pytest.approx(0.7 / 0.6, abs=0.02)


def test_a_feature_without_a_code_and_a_good_one_are_never_told() -> None:
    assert codes(manifest(*LATE), 0.0, 0.0, 0.0, -1.0, 2.0) == []


CASES: dict[str, tuple[str, str, Mapping[str, float | None], list[str]]] = {
    "nothing-overdue": ("overdue_days", "OVERDUE_OLD", {"overdue_days": 0}, []),
    "always-on-time": ("on_time_rate", "ON_TIME_RATE_LOW", {"on_time_rate": 1.0}, []),
    "seldom-on-time": ("on_time_rate", "ON_TIME_RATE_LOW", {}, ["ON_TIME_RATE_LOW"]),
    "missing": ("overdue_days", "OVERDUE_OLD", {"overdue_days": None}, []),
    "no-limit": ("utilization", "UTILIZATION_HIGH", {"utilization": None}, ["NO_CREDIT_LIMIT"]),
    "money": ("overdue_amount_minor", "OVERDUE_AMOUNT_HIGH", {}, ["OVERDUE_AMOUNT_HIGH"]),
    "no-such-text": ("overdue_days", "NOBODY_KNOWS", {}, []),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_understood_is_left_out(case: str) -> None:
    name, code, row, expected = CASES[case]
    assert codes(manifest((name, code)), 1.0, row=row) == expected


def test_amounts_are_written_in_the_currency() -> None:
    (found,) = reasons(manifest(("overdue_amount_minor", "OVERDUE_AMOUNT_HIGH")), 1.0)
    assert found.values == {"value": "1250.50 CNY"}


def test_too_little_history_has_its_own_class() -> None:
    made = manifest(*LATE)
    found = predicted(made, 0.1, 0.1, 0.1, 0.1, 0.1)
    told = model_score(found, made, {**ROW, "invoices_known": 2}, ("CNY", PLACEHOLDERS))
    assert (told.risk_class, told.score, told.source) == (RiskClass.N, None, ScoreSource.MODEL)
    assert told.reasons[0].values == {"known": "2", "needed": "3"}


parts = st.floats(-1.5, 1.5)


@given(st.tuples(parts, parts, parts, parts, parts), st.floats(0.3, 2.5))
def test_reasons_are_few_adverse_told_and_add_up(
    drawn: tuple[float, float, float, float, float], slope: float
) -> None:
    made = manifest(*LATE, slope=slope)
    told = reasons(made, *drawn)
    assert len(told) <= 4
    losses = [one.contribution for one in told]
    assert losses == sorted(losses)
    assert all(lost < 0 for lost in losses)
    for one in told:
        said = text(one.code, one.values)
        assert "{" not in said.zh + said.en


@given(st.tuples(*[st.floats(0.1, 0.6)] * 4), st.floats(0.3, 2.5))
def test_reasons_that_are_all_told_add_up_to_the_way_of_the_score(
    drawn: tuple[float, ...], slope: float
) -> None:
    made = manifest(*LATE, slope=slope)
    found = predicted(made, *drawn, 0.0)
    way = found.grade.score - score_of(made.calibration.apply(BASE), made.scaling)
    assert sum(one.contribution for one in reasons(made, *drawn, 0.0)) == pytest.approx(way, abs=1)
