"""Covers: what they contribute, and to which limits they add."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.covers import CoverTerms, parse_percentage
from app.domain.errors import FieldError
from app.domain.limits import CreditLimit, effective_limit
from tests.domain.test_limits import DAY, day, limit, limits_of_an_account


@pytest.mark.parametrize(
    ("percentage", "cap", "expected"),
    [
        pytest.param("100", 500, 500, id="whole"),
        pytest.param("90", 999, 899, id="rounded-down"),
        pytest.param("0.01", 9_999, 0, id="less-than-a-minor-unit"),
        pytest.param("0.01", 10_000, 1, id="just-a-minor-unit"),
        pytest.param("33.33", 10**15, 333_300_000_000_000, id="largest-cap"),
    ],
)
def test_contribution(percentage: str, cap: int, expected: int) -> None:
    terms = CoverTerms("GUARANTEE", parse_percentage(percentage), cap)
    assert terms.contribution == expected


@pytest.mark.parametrize("text", ["0.01", "0.5", "1", "45.50", "99.99", "100", "100.00"])
def test_percentages(text: str) -> None:
    assert parse_percentage(text) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "0.00",
        "100.01",
        "101",
        "999",
        "1000",
        "-1",
        "+1",
        "NaN",
        "Infinity",
        "1e1",
        "50.001",
        "",
        " 5",
        "5%",
        ".5",
        "5.",
        "05",
        "٥",
    ],
)
def test_no_percentages(text: str) -> None:
    with pytest.raises(FieldError, match="above 0 and at most 100") as refused:
        parse_percentage(text)
    assert refused.value.field == "percentage"


def cover(minor: int, first: int = 0, last: int | None = None, order: int = 90) -> CreditLimit:
    return replace(limit(minor, first, last, order), kind="cover")


BESIDE = [cover(7), cover(100, 1)]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param([limit(5, 0)], (12, False, 7), id="base"),
        pytest.param([limit(0, 0)], (0, False, 0), id="zero-grants-no-credit"),
        pytest.param([limit(1, 0)], (8, False, 7), id="the-least-that-is-granted"),
        pytest.param([limit(5, 0), limit(9, 0, 3, 1, "temporary")], (16, False, 7), id="temporary"),
        pytest.param([limit(None, 0)], (None, False, 0), id="null"),
        pytest.param([], (None, False, 0), id="no-limit"),
        pytest.param([limit(5, -9, -1)], (None, False, 0), id="expired"),
        pytest.param([limit(5, 1)], (None, False, 0), id="not-begun"),
        pytest.param([limit(-1, 0)], (None, True, 0), id="unlimited"),
    ],
)
def test_covers_add_to_what_is_granted(
    limits: list[CreditLimit], expected: tuple[int | None, bool, int]
) -> None:
    found = effective_limit([*BESIDE, *limits], DAY)
    assert (found.limit_minor, found.unlimited, found.covers_minor) == expected
    assert found.changes_on == day(1)


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        pytest.param(-1, 5, id="the-day-before"),
        pytest.param(0, 12, id="first-day"),
        pytest.param(3, 12, id="last-day"),
        pytest.param(4, 5, id="the-day-after"),
    ],
)
def test_a_cover_lapses_by_itself(on: int, expected: int) -> None:
    found = effective_limit([limit(5, -9), cover(7, 0, 3)], day(on))
    assert found.limit_minor == expected


def test_an_expired_limit_says_so_beside_a_cover() -> None:
    found = effective_limit([limit(5, -9, -1), cover(7)], DAY)
    assert (found.limit_minor, found.expired) == (None, True)


_COVERS = st.lists(
    st.builds(
        cover,
        st.integers(0, 50),
        st.integers(0, 9),
        st.none() | st.integers(9, 15),
        st.integers(0, 9),
    ),
    max_size=4,
)


@given(limits=limits_of_an_account(), covers=_COVERS, on=st.integers(0, 20))
def test_covers_are_added_and_change_nothing_else(
    limits: list[CreditLimit], covers: list[CreditLimit], on: int
) -> None:
    bare, found = effective_limit(limits, day(on)), effective_limit([*covers, *limits], day(on))
    valid = [
        one
        for one in covers
        if one.valid_from <= day(on) and (one.valid_to is None or day(on) <= one.valid_to)
    ]
    added = sum(one.limit_minor or 0 for one in valid)
    if not bare.limit_minor:
        added = 0
    assert found.covers_minor == added
    assert found.limit_minor == (None if bare.limit_minor is None else bare.limit_minor + added)
    assert (found.unlimited, found.expired) == (bare.unlimited, bare.expired)
    assert (
        found.changes_on is None or bare.changes_on is None or (found.changes_on <= bare.changes_on)
    )
