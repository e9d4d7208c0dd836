"""Which row of the matrix counts, how amounts compare, who stands in, and what escalates."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.authority import Delegation, Grant, Matrix, Policy, Role, Standing, Step, weigh
from app.domain.money import Money, Rate

DAY = date(2026, 6, 15)
NOON = datetime.fromisoformat("2026-06-15T04:00:00+00:00")


def cny(minor: int) -> Money:
    return Money(minor, "CNY")


def role(name: str, *grants: Grant) -> Role:
    return Role(name, name, name, grants)


WIDE = role(
    "wide",
    Grant("*", cny(100)),
    Grant("A", cny(300)),
    Grant("*", cny(50), "east"),
    Grant("A", None, "east"),
)


def no_rate(_: str, __: str) -> Rate | None:
    return None


@pytest.mark.parametrize(
    ("place", "minor", "allowed"),
    [
        pytest.param(("main", "B"), 100, True, id="any-class"),
        pytest.param(("main", "B"), 101, False, id="one-cent-above"),
        pytest.param(("main", "A"), 300, True, id="class-before-any"),
        pytest.param(("main", "A"), 301, False, id="above-the-class"),
        pytest.param(("east", "B"), 51, False, id="segment-before-class"),
        pytest.param(("east", "A"), 10**15, True, id="without-a-bound"),
    ],
)
def test_which_row_counts(place: tuple[str, str], minor: int, *, allowed: bool) -> None:
    assert weigh(cny(minor), [WIDE], place, no_rate).allowed is allowed


def test_the_widest_of_several_roles_counts_and_none_is_nothing() -> None:
    small = role("small", Grant("*", cny(10)))
    assert weigh(cny(100), [small, WIDE], ("main", "B"), no_rate).allowed
    told = weigh(cny(101), [small, WIDE], ("main", "B"), no_rate)
    assert told == Standing(allowed=False, best=("wide", cny(100)))
    assert weigh(cny(1), [], ("main", "B"), no_rate) == Standing(allowed=False)
    only_a = role("a", Grant("A", cny(10)))
    assert weigh(cny(1), [only_a], ("main", "B"), no_rate) == Standing(allowed=False)


@pytest.mark.parametrize(("minor", "allowed"), [(33, True), (34, False)])
def test_amounts_are_converted_upwards(minor: int, *, allowed: bool) -> None:
    rate = Rate("USD", "CNY", Decimal("3.005"), "2026-06-15", "t")  # 33: 99.165, 34: 102.17
    told = weigh(Money(minor, "USD"), [WIDE], ("main", "B"), lambda _, __: rate)
    assert told.allowed is allowed
    missing = weigh(Money(minor, "USD"), [WIDE], ("main", "B"), no_rate)
    assert (missing.allowed, missing.rate_missing) == (False, True)


@pytest.mark.parametrize(
    ("today", "names"),
    [
        pytest.param(date(2026, 6, 13), ["small"], id="the-day-before"),
        pytest.param(date(2026, 6, 14), ["small", "wide"], id="first-day"),
        pytest.param(date(2026, 6, 16), ["small", "wide"], id="last-day"),
        pytest.param(date(2026, 6, 17), ["small"], id="the-day-after"),
    ],
)
def test_lent_on_its_days_and_never_lent_on(today: date, names: list[str]) -> None:
    days = date(2026, 6, 14), date(2026, 6, 16)
    matrix = Matrix(
        {"small": role("small"), "wide": WIDE},
        {"ann": "small", "eve": "wide"},
        [Delegation("1", "eve", "ann", *days), Delegation("2", "ann", "bob", *days)],
    )
    assert [one.role for one in matrix.roles_of("ann", today)] == names
    lent = {one.role for one in matrix.roles_of("bob", today)}
    assert lent == ({"small"} if len(names) == 2 else set())
    assert matrix.roles_of("nobody", today) == ()


@pytest.mark.parametrize(
    ("age_s", "level", "due"),
    [
        pytest.param(59, 0, None, id="a-second-before"),
        pytest.param(60, 0, 1, id="due"),
        pytest.param(60, 1, None, id="taken"),
        pytest.param(120, 0, 2, id="two-at-once"),
        pytest.param(120, 1, 2, id="the-next"),
        pytest.param(10**6, 2, None, id="no-more"),
        pytest.param(10**6, 5, None, id="steps-were-taken-away"),
    ],
)
def test_which_step_is_due(age_s: int, level: int, due: int | None) -> None:
    policy = Policy("main", escalation=(Step("head", 60), Step("cfo", 120)))
    assert policy.step_due(NOON - timedelta(seconds=age_s), level, NOON) == due
