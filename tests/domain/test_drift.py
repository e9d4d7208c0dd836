"""Drift: what moved is told, what did not is not, and too little says nothing."""

import math
from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.drift import FEWEST, Month, Verdict, stability, worst

DRAW = Random(7)
USUAL: list[float | None] = [DRAW.gauss(10, 3) for _ in range(2000)]
AGAIN: list[float | None] = [DRAW.gauss(10, 3) for _ in range(1500)]
SHIFTED: list[float | None] = [DRAW.gauss(14, 3) for _ in range(1500)]
CASES: dict[str, tuple[list[float | None], list[float | None], Verdict]] = {
    "the-same": (USUAL, AGAIN, Verdict.OK),
    "shifted": (USUAL, SHIFTED, Verdict.ACT),
    "half-missing": (USUAL, [*AGAIN[:750], *[None] * 750], Verdict.ACT),
    "all-missing-before-and-now": ([None] * 99, [None] * 99, Verdict.OK),
    "constant": ([1.0] * 99, [1.0] * 99, Verdict.OK),
    "constant-becomes-larger": ([1.0] * 99, [2.0] * 99, Verdict.ACT),
    "constant-becomes-smaller": ([1.0] * 99, [0.0] * 99, Verdict.ACT),
    "two-values-swap": ([0.0, 1.0, 1.0] * 40, [0.0, 0.0, 1.0] * 40, Verdict.ACT),
    "one-too-few": (USUAL, AGAIN[: FEWEST - 1], Verdict.TOO_LITTLE),
    "none": ([], [], Verdict.TOO_LITTLE),
}


@pytest.mark.parametrize("case", CASES)
def test_stability(case: str) -> None:
    before, now, verdict = CASES[case]
    assert stability("x", before, now).verdict is verdict


values = st.lists(st.none() | st.floats(-1e9, 1e9), min_size=FEWEST, max_size=120)


@given(values, values)
def test_the_index_is_never_negative_and_0_for_the_same(
    before: list[float | None], now: list[float | None]
) -> None:
    found = stability("x", before, now).psi
    assert found is not None
    assert math.isfinite(found)
    assert found >= 0
    assert stability("x", before, before).psi == pytest.approx(0)


MONTHS: dict[str, tuple[Month, Verdict]] = {
    "as-told": (Month(date(2026, 1, 1), 1000, 0.05, 52, matured=True), Verdict.OK),
    "twice-as-many": (Month(date(2026, 1, 1), 1000, 0.05, 100, matured=True), Verdict.ACT),
    "some-more": (Month(date(2026, 1, 1), 1000, 0.05, 66, matured=True), Verdict.WATCH),
    "none-though-told": (Month(date(2026, 1, 1), 1000, 0.05, 0, matured=True), Verdict.ACT),
    "still-open": (Month(date(2026, 1, 1), 1000, 0.05, 0, matured=False), Verdict.TOO_LITTLE),
    "few": (Month(date(2026, 1, 1), FEWEST - 1, 0.5, 0, matured=True), Verdict.TOO_LITTLE),
    "nothing-told-and-nothing-came": (
        Month(date(2026, 1, 1), 100, 0.0, 0, matured=True),
        Verdict.OK,
    ),
}


@pytest.mark.parametrize("case", MONTHS)
def test_months(case: str) -> None:
    month, verdict = MONTHS[case]
    assert month.verdict is verdict


def test_the_worst_speaks() -> None:
    assert worst([]) is Verdict.TOO_LITTLE
    assert worst([Verdict.OK, Verdict.TOO_LITTLE]) is Verdict.OK
    assert worst([Verdict.OK, Verdict.ACT, Verdict.WATCH]) is Verdict.ACT
