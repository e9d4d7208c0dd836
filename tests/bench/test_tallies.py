"""Percentiles by nearest rank, and rounds that add up."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.tallies import Tally, percentile


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        pytest.param([], 50, 0.0, id="nothing-was-measured"),
        pytest.param([7.0], 99.9, 7.0, id="one-value-is-all-of-them"),
        pytest.param([1.0, 2.0], 50, 1.0, id="half-of-two-is-the-first"),
        pytest.param([1.0, 2.0, 3.0], 50, 2.0, id="the-middle-of-three"),
        pytest.param([float(n) for n in range(1, 101)], 99, 99.0, id="99-of-100"),
        pytest.param([float(n) for n in range(1, 101)], 99.9, 100.0, id="99.9-of-100-is-the-last"),
        pytest.param([1.0, 2.0], 0, 1.0, id="zero-is-the-least"),
        pytest.param([1.0, 2.0], 100, 2.0, id="a-hundred-is-the-most"),
    ],
)
def test_percentile(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


@given(
    st.lists(st.floats(0, 1e3), min_size=1),
    st.floats(0.1, 100),
)
def test_so_many_values_are_not_above_a_percentile(values: list[float], percent: float) -> None:
    found = percentile(sorted(values), percent)
    share = sum(value <= found for value in values) / len(values)
    below = sum(value < found for value in values) / len(values)
    assert found in values
    assert share * 100 >= percent - 1e-9
    assert below * 100 < percent


def test_rounds_add_up() -> None:
    total = Tally()
    total.add(Tally(array("d", [0.001, 0.002]), seconds=1.0, items=100, done=120, service_s=0.012))
    total.add(Tally(array("d", [0.003]), seconds=1.0, items=50, done=60, service_s=0.006, odd=1))
    assert total.rate == 75.0
    assert total.spread == 2.0
    assert total.odd == 1
    assert total.percentiles_ms(50, 100) == [2.0, 3.0]
    assert total.each_us(total.service_s) == pytest.approx(100)


def test_nothing_measured_has_no_rate() -> None:
    empty = Tally()
    assert (empty.rate, empty.spread, empty.each_us(1.0)) == (0.0, 1.0, 0.0)


def test_rounds_are_compared_one_by_one_or_not_at_all() -> None:
    total = Tally()
    for items in (100, 300, 200):
        total.add(Tally(seconds=1.0, items=items, besides=[100.0]))
    assert total.share == 2.0
    assert total.over([100.0, 100.0, 400.0]) == 1.0
    assert total.over([100.0, 100.0]) is None, "of one round the other is missing"
    assert total.over([100.0, 0.0, 100.0]) is None
    assert Tally().share is None
