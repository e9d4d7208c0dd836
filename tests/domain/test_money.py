"""Money: minor units, decimal strings, exact conversion that never errs in the debtor's favour."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import FieldError
from app.domain.money import DIGITS, MAX_MINOR, Money, Rate, convert, parse_money


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        pytest.param("12500.00", "CNY", 1_250_000, id="cny"),
        pytest.param("12500", "CNY", 1_250_000, id="no-fraction"),
        pytest.param("0.1", "CNY", 10, id="one-digit"),
        pytest.param("500", "JPY", 500, id="jpy"),
        pytest.param("1.234", "BHD", 1234, id="bhd"),
        pytest.param("-0.01", "CNY", -1, id="negative"),
        pytest.param("10000000000000.00", "CNY", MAX_MINOR, id="most"),
        pytest.param("1000000000000000", "JPY", MAX_MINOR, id="most-yen"),
    ],
)
def test_parse_money(text: str, currency: str, minor: int) -> None:
    assert parse_money(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency", "field"),
    [
        pytest.param("1.001", "CNY", "limit.amount", id="too-many-digits"),
        pytest.param("1.0", "JPY", "limit.amount", id="yen-have-none"),
        pytest.param("10000000000000.01", "CNY", "limit.amount", id="one-cent-too-much"),
        pytest.param("1e3", "CNY", "limit.amount", id="exponent"),
        pytest.param("+1", "CNY", "limit.amount", id="plus"),
        pytest.param(" 1", "CNY", "limit.amount", id="blank"),
        pytest.param("01", "CNY", "limit.amount", id="leading-zero"),
        pytest.param("1,000", "CNY", "limit.amount", id="thousands"),
        pytest.param("١", "CNY", "limit.amount", id="arabic-digit"),
        pytest.param("NaN", "CNY", "limit.amount", id="nan"),
        pytest.param("", "CNY", "limit.amount", id="empty"),
        pytest.param("1", "cny", "limit.currency", id="lower-case"),
        pytest.param("1", "XAU", "limit.currency", id="gold"),
    ],
)
def test_parse_money_refuses(text: str, currency: str, field: str) -> None:
    with pytest.raises(FieldError) as refused:
        parse_money(text, currency, field="limit")
    assert refused.value.field == field


AMOUNTS = st.integers(-MAX_MINOR, MAX_MINOR)


@given(minor=AMOUNTS, currency=st.sampled_from(sorted(DIGITS)))
def test_text_reads_back(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert parse_money(money.text, currency) == money
    assert Decimal(money.text).scaleb(DIGITS[currency]) == minor


@given(
    minor=AMOUNTS,
    rate=st.decimals("1e-8", "1e8", places=8).filter(bool),
    source=st.sampled_from(["CNY", "JPY", "BHD"]),
    target=st.sampled_from(["USD", "KRW", "KWD"]),
)
def test_conversion_is_exact_but_for_one_unit(
    minor: int, rate: Decimal, source: str, target: str
) -> None:
    stored = Rate(source, target, rate, "2026-06-15", "tests")
    factor = stored.factor(source, target)
    exact = minor * factor
    up, down = convert(minor, factor, up=True), convert(minor, factor, up=False)
    assert down <= exact <= up
    assert up - down == (0 if exact.denominator == 1 else 1)
    assert stored.factor(target, source) == 1 / factor
    assert exact == Fraction(minor, 10 ** DIGITS[source]) * Fraction(rate) * 10 ** DIGITS[target]
