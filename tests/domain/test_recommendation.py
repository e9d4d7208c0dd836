"""Recommended limits: each step by hand, bounds of adjustment, and what may never happen."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.limits_policy import CLASSES, LateBand, default_policy, read_policy
from app.domain.money import Money
from app.domain.recommendation import Adjustment, Subject, adjust, recommend, to_json
from app.texts import PLACEHOLDERS, text

POLICY = read_policy(3, default_policy("CNY"))
BASE = Subject("CNY", 3_650_000_00, 60, "B", 3, None)


def results(subject: Subject) -> list[tuple[str, int]]:
    return [(step.code, step.result.minor) for step in recommend(subject, POLICY).steps]


def test_the_arithmetic_step_by_step() -> None:
    subject = replace(BASE, class_cap_minor=5_000_000_00, size="SMALL", size_cap_minor=700_000_00)
    assert results(subject) == [
        ("LIMIT_TURNOVER", 3_650_000_00),
        ("LIMIT_NEED", 750_000_00),  # 60 + 15 of 365 days
        ("LIMIT_CLASS", 900_000_00),  # 120 %
        ("LIMIT_PAYING", 900_000_00),
        ("LIMIT_CAP_CLASS", 900_000_00),
        ("LIMIT_CAP_SIZE", 700_000_00),
        ("LIMIT_ROUNDED", 700_000_00),
    ]
    assert recommend(subject, POLICY).limit == Money(700_000_00, "CNY")


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        pytest.param({"risk_class": "E"}, 0, id="no-credit-for-the-worst"),
        pytest.param({"risk_class": "N"}, 375_000_00, id="too-little-history"),
        pytest.param({"terms_days": None}, 900_000_00, id="default-terms"),
        pytest.param({"terms_days": 0}, 180_000_00, id="cash"),
        pytest.param({"days_late": 5}, 900_000_00, id="last-day-of-a-band"),
        pytest.param({"days_late": 6}, 810_000_00, id="first-day-of-the-next"),
        pytest.param({"days_late": 31}, 360_000_00, id="beyond-all-bands"),
        pytest.param({"days_late": None}, 900_000_00, id="nothing-known-of-paying"),
        pytest.param({"turnover_minor": 0}, 0, id="bought-nothing"),
        pytest.param({"turnover_minor": 4_055_58}, 0, id="just-below-a-thousand"),
        pytest.param({"turnover_minor": 4_055_59}, 1_000_00, id="just-a-thousand"),
        pytest.param({"currency": "JPY", "turnover_minor": 3_650_000}, 900_000, id="no-digits"),
        pytest.param({"class_cap_minor": 0}, 0, id="a-cap-of-nothing"),
    ],
)
def test_what_changes_the_limit(changes: dict[str, object], limit: int) -> None:
    subject = replace(BASE, **changes)  # type: ignore[arg-type] # a table of plain fields
    assert recommend(subject, POLICY).limit.minor == limit


def test_without_a_band_that_fits_nothing_is_recommended() -> None:
    policy = replace(POLICY, late_bands=[LateBand(5, 100)])
    assert recommend(replace(BASE, days_late=6), policy).limit.minor == 0


def test_every_step_speaks_both_languages() -> None:
    subject = replace(BASE, class_cap_minor=1, size="MICRO", size_cap_minor=1)
    for one in (subject, replace(subject, days_late=None)):
        for step in recommend(one, POLICY).steps:
            said = text(step.code, {**step.values, "result": str(step.result)})
            assert str(step.result) in said.zh
            assert PLACEHOLDERS[step.code] <= {*step.values, "result"}


subjects = st.builds(
    Subject,
    st.sampled_from(["CNY", "JPY", "BHD"]),
    st.integers(0, 10**15),
    st.none() | st.integers(0, 3650),
    st.sampled_from(CLASSES),
    st.none() | st.integers(0, 400),
    st.none(),
    st.none() | st.integers(0, 10**12),
    st.none() | st.integers(0, 10**12),
)


@given(subjects)
def test_a_recommendation_keeps_every_cap(subject: Subject) -> None:
    found = recommend(subject, POLICY)
    assert 0 <= found.limit.minor <= 10**15
    for cap in (subject.class_cap_minor, subject.size_cap_minor):
        assert cap is None or found.limit.minor <= cap
    assert found.steps[-1].result == found.limit
    assert to_json(found)["policy_version"] == 3


TODAY = date(2026, 6, 15)
AUTO = replace(POLICY.adjust, mode="AUTO")


@pytest.mark.parametrize(
    ("current", "recommended", "days", "expected"),
    [
        pytest.param(1000, 100, 90, Adjustment(750, decrease=True), id="one-step-down"),
        pytest.param(1000, 850, 90, Adjustment(850, decrease=True), id="all-the-way-down"),
        pytest.param(1000, 900, 90, Adjustment(900, decrease=True), id="just-enough-to-change"),
        pytest.param(1000, 901, 90, None, id="too-little-to-change"),
        pytest.param(1000, 5000, 90, Adjustment(1200, decrease=False), id="one-step-up"),
        pytest.param(1000, 1100, 90, Adjustment(1100, decrease=False), id="all-the-way-up"),
        pytest.param(1000, 1000, 900, None, id="nothing-to-do"),
        pytest.param(1000, 100, 89, None, id="cooling-down"),
        pytest.param(0, 5000, 900, None, id="no-credit-is-a-persons-decision"),
        pytest.param(3, 0, 900, None, id="a-step-of-nothing"),
    ],
)
def test_how_a_limit_follows(
    current: int, recommended: int, days: int, expected: Adjustment | None
) -> None:
    decided = TODAY - timedelta(days=days)
    assert adjust(current, recommended, decided, TODAY, AUTO) == expected
    assert adjust(current, recommended, decided, TODAY, POLICY.adjust) is None  # OFF
