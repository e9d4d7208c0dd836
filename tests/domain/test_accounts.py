"""Balances: positions stay exact, totals follow, `forced` is what stands above the limit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.accounts import CATEGORIES, Account, Use, force, revalue
from app.domain.accounts_json import foreign_from_json, foreign_to_json
from app.domain.customers import Standing, account_light, joint_light
from app.domain.errors import FieldError, RateMissingError
from app.domain.groups import Transfer, Why, carry_out, check_place, positions, under
from app.domain.money import Rate
from app.domain.overdue import overdue_worth, utilization
from app.domain.scores import TrafficLight

WORTH = {"USD": "7.1234567", "JPY": "0.0478", "CNY": "1"}
WHY = Why("REGROUP", ">G")


def rate(source: str, target: str = "CNY", worth: str | None = None) -> Rate:
    return Rate(source, target, Decimal(worth or WORTH[source]), "2026-06-15", "tests")


def account(number: int = 1, currency: str = "CNY") -> Account:
    return Account(number, f"C-{number}", "main", (number,), currency)


def use(categories: Mapping[str, int]) -> Use:
    return Use(**categories)


USES = st.fixed_dictionaries({name: st.integers(0, 10**9) for name in CATEGORIES}).map(use)
BOOKINGS = st.lists(st.tuples(st.sampled_from(sorted(WORTH)), USES), max_size=8)


def booked(held: Account, bookings: Sequence[tuple[str, Use]]) -> Account:
    for currency, delta in bookings:
        needed = None if currency == held.currency else rate(currency)
        held = force(held, currency, delta, needed)
    return held


@given(bookings=BOOKINGS, minor=st.none() | st.integers(0, 10**10))
def test_positions_are_sums_and_totals_their_worth(
    bookings: Sequence[tuple[str, Use]], minor: int | None
) -> None:
    held = booked(replace(account(), limit_minor=minor), bookings)
    total = Use()
    for currency in WORTH:
        position = Use()
        for code, delta in bookings:
            position = position + delta if code == currency else position
        assert held.position(currency) == position
        factor = rate(currency).factor(currency, "CNY") if currency != "CNY" else None
        total = total + (position.valued(factor) if factor else position)
    assert held.use == total
    assert held.forced == held.excess == max(0, total.total - (minor or 0))
    assert held.seq == len(bookings)
    back = booked(held, [(code, -delta) for code, delta in bookings])
    assert (back.use, dict(back.foreign), back.forced) == (Use(), {}, 0)


@given(bookings=BOOKINGS, worth=st.decimals("0.01", "99", places=4))
def test_revaluing_moves_totals_and_no_position(
    bookings: Sequence[tuple[str, Use]], worth: Decimal
) -> None:
    held = booked(account(), bookings)
    after = revalue(held, {"USD": rate("USD", worth=str(worth))})
    for currency in WORTH:
        assert after.position(currency) == held.position(currency)
    fresh = rate("USD", worth=str(worth)).factor("USD", "CNY")
    others = held.position("JPY").valued(rate("JPY").factor("JPY", "CNY"))
    dollars = held.position("USD").valued(fresh)
    assert after.use == held.position("CNY") + others + dollars
    assert after.forced == after.excess
    stored: Any = foreign_to_json(after.foreign)
    assert foreign_from_json(stored) == dict(after.foreign)


@pytest.mark.parametrize(
    ("amount", "forced"),
    [
        pytest.param(20, 0, id="limit-exactly-used"),
        pytest.param(21, 1, id="one-cent-over"),
        pytest.param(-81, 0, id="back-under"),
    ],
)
def test_forced_is_what_stands_above_the_limit(amount: int, forced: int) -> None:
    held = replace(account(), limit_minor=100, use=Use(open_item=80))
    assert force(held, "CNY", Use(open_item=amount), None).forced == forced
    unlimited = replace(held, unlimited=True, limit_minor=None)
    assert force(unlimited, "CNY", Use(open_item=amount), None).forced == 0


def test_a_position_without_a_rate_is_a_bug() -> None:
    with pytest.raises(ValueError, match="USD"):
        force(account(), "USD", Use(open_item=1), None)


def test_prepayment_makes_exposure_negative() -> None:
    held = force(account(), "CNY", Use(prepayment=30), None)
    assert (held.use.exposure, held.headroom, held.excess) == (-30, 30, 0)


@given(one=BOOKINGS, other=BOOKINGS)
def test_what_moves_leaves_one_chain_and_joins_the_other(
    one: Sequence[tuple[str, Use]], other: Sequence[tuple[str, Use]]
) -> None:
    member = booked(account(1), one)
    pool = {1: member, 2: booked(account(2), [*one, *other]), 3: account(3), 4: account(4)}
    before = dict(pool)
    transfer = Transfer(positions(member), leaves=(2, 4), joins=(3, 4), why=WHY)
    entries = carry_out(pool, transfer, rate)
    assert {entry.account.account_id for entry in entries} <= {2, 3}
    for currency in WORTH:
        moved = member.position(currency)
        assert pool[2].position(currency) + moved == before[2].position(currency)
        assert pool[3].position(currency) == moved
    assert (pool[1], pool[4]) == (before[1], before[4])
    again = carry_out(pool, Transfer(positions(member), (3,), (2,), WHY), rate)
    assert pool[3].use == Use()
    assert pool[2].use == before[2].use
    assert len(again) == len(entries)


def test_a_currency_that_nothing_values_is_not_moved() -> None:
    pool = {1: booked(account(1), [("USD", Use(open_item=5))]), 2: account(2, "EUR")}
    moved = Transfer(positions(pool[1]), (), (2,), WHY)
    with pytest.raises(RateMissingError, match="USD and EUR"):
        carry_out(pool, moved, lambda _source, _target: None)
    known = booked(account(3), [("USD", Use(open_item=1))])
    pool = {1: pool[1], 2: known}  # it holds dollars already, at a rate of its own
    carry_out(pool, moved, lambda _source, _target: None)
    assert pool[2].position("USD") == Use(open_item=6)


def test_who_joins_values_nothing_anew_in_its_own_entry() -> None:
    """What is there by an older rate is valued first, and the entry that does it says by which."""
    old = rate("USD", worth="7")
    pool = {
        1: booked(account(1), [("USD", Use(open_item=100))]),
        2: force(account(2), "USD", Use(open_item=1000), old),
    }
    moved = Transfer(positions(pool[1]), (), (2,), WHY)
    entries = carry_out(pool, moved, lambda _source, _target: rate("USD", worth="8"))
    told = [(one.kind, one.ref, one.account.use.open_item) for one in entries]
    revalued = "fx_revaluation:USD/CNY 8 of 2026-06-15"
    assert told == [("FX_REVALUATION", revalued, 8000), ("REGROUP", ">G", 8800)]
    assert [one.account.seq for one in entries] == [pool[2].seq - 1, pool[2].seq]
    nothing = Transfer({}, (), (2,), WHY)
    assert carry_out(pool, nothing, lambda _source, _target: rate("USD", worth="9")) == []


@pytest.mark.parametrize(
    ("above", "below", "said"),
    [
        pytest.param(["G"], 0, "", id="under-a-group"),
        pytest.param(["G4", "G3", "G2", "G1"], 0, "", id="fifth-level"),
        pytest.param(["G5", "G4", "G3", "G2", "G1"], 0, "6 levels", id="sixth-level"),
        pytest.param(["G1"], 3, "", id="with-members-to-the-fifth"),
        pytest.param(["G1"], 4, "6 levels", id="with-members-to-the-sixth"),
        pytest.param(["G", "A"], 0, "cycle", id="under-its-own-member"),
    ],
)
def test_check_place(above: list[str], below: int, said: str) -> None:
    if not said:
        check_place("A", above, below)
        return
    with pytest.raises(FieldError, match=said) as refused:
        check_place("A", above, below)
    assert refused.value.field == "parent_id"


def test_under() -> None:
    assert under((5, 3, 2, 1), 3, (9, 8)) == (5, 3, 9, 8)
    assert under((3, 2), 3, ()) == (3,)


@pytest.mark.parametrize(
    ("used", "limit", "told"),
    [
        pytest.param(0, 100, "0.0000", id="nothing"),
        pytest.param(100, 100, "1.0000", id="all"),
        pytest.param(1, 3, "0.3333", id="a-third"),
        pytest.param(250, 100, "2.5000", id="over"),
        pytest.param(-5, 100, "-0.0500", id="prepaid"),
        pytest.param(5, 0, None, id="zero-limit"),
        pytest.param(5, None, None, id="no-limit"),
    ],
)
def test_utilization(used: int, limit: int | None, told: str | None) -> None:
    assert utilization(used, limit) == told


def test_overdue_takes_the_accounts_own_rate() -> None:
    held = booked(account(), [("USD", Use(open_item=10))])
    worth = overdue_worth(held, {"CNY": 5, "USD": 10}, lambda _source, _target: None)
    assert worth.minor == 5 + 72  # 71.23 fen, rounded up
    assert overdue_worth(held, {"EUR": 9}, lambda _source, _target: None).minor == 0


GOOD = Standing(active=True, stopped=False, over_limit=False, overdue_days=0)


@pytest.mark.parametrize(
    ("standing", "light"),
    [
        pytest.param(GOOD, TrafficLight.GREEN, id="good"),
        pytest.param(replace(GOOD, overdue_days=1), TrafficLight.YELLOW, id="one-day-late"),
        pytest.param(replace(GOOD, overdue_days=30), TrafficLight.YELLOW, id="thirty-days-late"),
        pytest.param(replace(GOOD, overdue_days=31), TrafficLight.RED, id="thirty-one-days-late"),
        pytest.param(replace(GOOD, over_limit=True), TrafficLight.RED, id="over-the-limit"),
        pytest.param(replace(GOOD, stopped=True), TrafficLight.RED, id="stopped"),
        pytest.param(replace(GOOD, active=False), TrafficLight.RED, id="inactive"),
    ],
)
def test_lights(standing: Standing, light: TrafficLight) -> None:
    assert account_light(standing) == light
    assert joint_light(standing, TrafficLight.RED) == TrafficLight.RED
    assert joint_light(standing, TrafficLight.GREEN) == light
    unscored = TrafficLight.RED if light == TrafficLight.RED else TrafficLight.YELLOW
    assert joint_light(standing, None) == unscored
