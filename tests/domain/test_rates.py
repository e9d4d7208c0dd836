"""Which rate a conversion takes, against a search that tries every rate."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.money import Rate
from app.domain.rates import MAX_AGE_DAYS, find_rate

DAY = date(2026, 6, 15)


def rate(age: int, worth: str = "7", base: str = "USD", quote: str = "CNY") -> Rate:
    return Rate(base, quote, Decimal(worth), (DAY - timedelta(days=age)).isoformat(), "tests")


INVERSE = rate(0, "0.14", "CNY", "USD")


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        pytest.param([], None, id="none"),
        pytest.param([rate(0)], 0, id="of-today"),
        pytest.param([rate(MAX_AGE_DAYS)], 0, id="seven-days-old"),
        pytest.param([rate(MAX_AGE_DAYS + 1)], None, id="eight-days-old"),
        pytest.param([rate(-1)], None, id="of-tomorrow"),
        pytest.param([rate(-1), rate(3)], 1, id="tomorrow-hides-nothing"),
        pytest.param([rate(1, "9"), rate(2, "8")], 0, id="newest-date"),
        pytest.param([rate(1, "9"), rate(1, "8")], 1, id="stored-last-of-a-day"),
        pytest.param([INVERSE], 0, id="inverse"),
        pytest.param([rate(0), INVERSE], 0, id="direct-before-inverse"),
        pytest.param([rate(1), INVERSE], 1, id="newer-inverse-before-direct"),
        pytest.param([rate(0, base="EUR")], None, id="another-pair"),
    ],
)
def test_find_rate(rates: Sequence[Rate], expected: int | None) -> None:
    found = find_rate(rates, "USD", "CNY", DAY)
    assert found == (None if expected is None else rates[expected])


@st.composite
def stored(draw: st.DrawFn) -> list[Rate]:
    pairs = st.sampled_from([("USD", "CNY"), ("CNY", "USD"), ("EUR", "CNY")])
    rows = draw(st.lists(st.tuples(pairs, st.integers(-2, 9), st.integers(1, 9)), max_size=8))
    return [rate(age, str(worth), *pair) for pair, age, worth in rows]


@given(rates=stored())
def test_no_other_rate_is_better(rates: list[Rate]) -> None:
    found = find_rate(rates, "USD", "CNY", DAY)
    fit = {
        (one.rate_date, one.base == "USD", place): one
        for place, one in enumerate(rates)
        if {one.base, one.quote} == {"USD", "CNY"}
        and DAY - timedelta(days=MAX_AGE_DAYS) <= date.fromisoformat(one.rate_date) <= DAY
    }
    assert found == (fit[max(fit)] if fit else None)
    assert find_rate(rates, "CNY", "USD", DAY) is None or found is not None
