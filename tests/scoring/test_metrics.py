"""Figures of predictions against their definitions, and intervals that draw customers again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.manifests import CalibrationMethod
from app.scoring.calibration import calibrate, probabilities
from app.scoring.metrics import (
    Interval,
    Numbers,
    auc,
    brier,
    calibration_error,
    compare,
    drawn_customers,
    ks,
    lift,
    reliability,
    roc,
)

ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])),
    min_size=2,
    max_size=40,
).filter(lambda rows: len({late for late, _ in rows}) == 2)


def split(rows: list[tuple[bool, float]]) -> tuple[Numbers, Numbers]:
    return np.array([float(late) for late, _ in rows]), np.array([said for _, said in rows])


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_auc_counts_pairs_in_the_right_order(rows: list[tuple[bool, float]]) -> None:
    late = [said for is_late, said in rows if is_late]
    good = [said for is_late, said in rows if not is_late]
    pairs = [(x > y) + (x == y) / 2 for x in late for y in good]
    assert auc(*split(rows)) == pytest.approx(sum(pairs) / len(pairs))


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_ks_is_the_widest_gap_over_all_cuts(rows: list[tuple[bool, float]]) -> None:
    late = [said for is_late, said in rows if is_late]
    good = [said for is_late, said in rows if not is_late]
    gaps = [
        sum(x >= cut for x in late) / len(late) - sum(x >= cut for x in good) / len(good)
        for cut in {said for _, said in rows}
    ]
    assert ks(*split(rows)) == pytest.approx(max(0, *gaps))


def test_a_curve_runs_from_nothing_to_everything() -> None:
    curve = roc(np.array([1.0, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1]))
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)


def test_bins_have_equal_size_and_errors_weigh_by_it() -> None:
    said = np.repeat([0.2, 0.8], 50)
    came = np.concatenate([np.ones(15), np.zeros(35), np.ones(35), np.zeros(15)])
    assert [row.rows for row in reliability(came, said)] == [10] * 10
    halves = reliability(came, said, bins=2)
    assert [round(row.observed, 2) for row in halves] == [0.3, 0.7]
    shuffled = np.random.default_rng(1).permutation(100)
    assert calibration_error(came[shuffled], said[shuffled]) > 0.09
    assert lift(np.array([1.0, 0.0] * 5), np.linspace(1, 0, 10))[0] == 2.0


def test_an_interval_of_related_rows_is_wider() -> None:
    """Ten rows of a customer that say the same are one opinion, not ten."""
    chance = np.random.default_rng(3)
    came = np.repeat((chance.random(60) < 0.4).astype(np.float64), 10)
    said = np.repeat(chance.random(60), 10) * 0.7 + 0.3 * came
    customers = np.repeat(np.arange(60).astype(np.str_), 10)
    alone = np.arange(600).astype(np.str_)
    related = compare(came, said, said * 0.5, drawn_customers(customers, 1)).auc
    independent = compare(came, said, said * 0.5, drawn_customers(alone, 1)).auc
    assert related.value == independent.value
    assert related.upper - related.lower > 2 * (independent.upper - independent.lower)


def test_the_same_prediction_gains_nothing() -> None:
    chance = np.random.default_rng(5)
    came = (chance.random(200) < 0.5).astype(np.float64)
    said = chance.random(200)
    found = compare(came, said, said, drawn_customers(np.arange(200).astype(np.str_), 2))
    assert (found.auc_gain, found.brier_gain) == (Interval(0, 0, 0), Interval(0, 0, 0))
    assert found.auc_gain.holds_zero
    assert found.brier.value == brier(came, said)


def test_calibration_finds_the_line_that_was_bent() -> None:
    chance = np.random.default_rng(11)
    true = chance.normal(0, 1.5, 20_000)
    came = (chance.random(20_000) < 1 / (1 + np.exp(-true))).astype(np.float64)
    line = calibrate(came, (true - 0.7) / 2)
    assert line.method is CalibrationMethod.PLATT
    assert line.slope == pytest.approx(2, abs=0.1)
    assert line.intercept == pytest.approx(0.7, abs=0.1)
    said = probabilities(line, (true - 0.7) / 2)
    assert calibration_error(came, said) < 0.01


@pytest.mark.parametrize(
    ("late", "good", "turned"),
    [(50, 49, False), (9, 200, False), (100, 100, True)],
    ids=["99-rows", "nine-late", "higher-is-better"],
)
def test_nothing_is_calibrated_by(late: int, good: int, turned: bool) -> None:
    came = np.concatenate([np.ones(late), np.zeros(good)])
    odds = came * 2 - 1 + np.random.default_rng(1).normal(0, 1, len(came))
    line = calibrate(came, -odds if turned else odds)
    assert line.method is CalibrationMethod.NONE


def test_perfect_separation_stays_finite() -> None:
    came = np.repeat([0.0, 1.0], 100)
    line = calibrate(came, came * 80 - 40)
    assert 0 < line.slope < 10
