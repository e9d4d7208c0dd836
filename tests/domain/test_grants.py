"""What an approval leaves behind: reservations, journal kinds, ceilings, ends; and a lost test."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.domain.accounts import Account, Use
from app.domain.cases import Case
from app.domain.decisions import Judgement, Mode
from app.domain.grants import grant_of
from app.domain.money import Money
from app.domain.orders import Order
from tests.domain.situations import (
    NOW,
    USD,
    Desk,
    account,
    holding,
    live,
    question,
    rate,
    unlimited,
    with_tolerance,
)

HOUR = timedelta(hours=1)


def kinds(judgement: Judgement) -> dict[int, str]:
    """Tell the kind of each account's journal entry."""
    return {changed.account_id: kind for changed, kind in judgement.after}


@pytest.mark.parametrize(
    ("desk", "minor", "kind", "ceiling"),
    [
        pytest.param(Desk.of(account(1)), 100_00, "AUTHORIZE", 100_00, id="within-the-limit"),
        pytest.param(
            Desk.of(account(1), rules=with_tolerance("5")),
            100_01,
            "TOLERANCE",
            105_00,
            id="within-the-tolerance",
        ),
        pytest.param(Desk.of(account(1), mode="SHADOW"), 100_01, "FACT", None, id="shadow"),
        pytest.param(Desk.of(unlimited(1)), 10**15, "AUTHORIZE", None, id="unlimited"),
        pytest.param(
            holding(Desk.of(account(1)), live(60_00)), 59_99, "FREE", None, id="smaller-amount"
        ),
        pytest.param(
            holding(Desk.of(account(1)), live(60_00)), 60_01, "AUTHORIZE", 100_00, id="larger"
        ),
        pytest.param(
            holding(Desk.of(account(1, 10_00)), live(60_00)), 20_00, "FREE", None, id="still-over"
        ),
    ],
)
def test_what_the_journal_says(desk: Desk, minor: int, kind: str, ceiling: int | None) -> None:
    before = desk.accounts[1]
    told = desk.ask(question(minor))
    assert kinds(told) == {1: kind}
    assert told.ceilings == ({} if ceiling is None else {1: ceiling})
    after = desk.accounts[1]
    assert (after.seq, after.forced) == (before.seq + 1, after.excess)


def test_a_group_without_a_limit_pools_what_its_members_use_as_forced() -> None:
    desk = Desk.of(account(1, groups=(9,)), account(9, None))
    told = desk.ask(question(60_00))
    assert kinds(told) == {1: "AUTHORIZE", 9: "FACT"}
    assert (desk.accounts[9].use.authorized, desk.accounts[9].forced) == (60_00, 60_00)
    assert desk.ask(question(40_00, "SO-2")).outcome == "APPROVE"


def test_nothing_is_journalled_where_nothing_changes() -> None:
    desk = holding(Desk.of(account(1)), live(60_00))
    assert desk.ask(question(60_00)).after == ()


def test_a_hold_changes_nothing_but_the_version() -> None:
    order = live(60_00, version=1, hold_id="H", hold_kind="AUTOMATIC")
    desk = holding(Desk.of(account(1)), order)
    told = desk.ask(question(100_01, version=2))
    assert (told.outcome, told.after) == ("HOLD", ())
    assert told.order == replace(order, version=2)


def test_another_payer_takes_over_and_the_pool_sees_the_difference() -> None:
    """The old payer's accounts are freed, the common group has one entry."""
    desk = Desk.of(account(1, groups=(9,)), account(2, groups=(9,)), account(9, 60_00))
    desk.ask(question(50_00))
    told = desk.ask(question(60_00, payer=2))
    assert kinds(told) == {2: "AUTHORIZE", 9: "AUTHORIZE", 1: "FREE"}
    used = [desk.accounts[key].use.authorized for key in (1, 2, 9)]
    assert used == [0, 60_00, 60_00]
    assert [desk.accounts[key].seq for key in (1, 2, 9)] == [2, 1, 2]
    assert desk.orders["SO-1"].account_id == 2


def test_another_payer_that_is_held_takes_nothing_over() -> None:
    desk = Desk.of(account(1, groups=(9,)), account(2, 0, groups=(9,)), account(9, 60_00))
    desk.ask(question(50_00))
    told = desk.ask(question(60_00, payer=2))
    assert (told.outcome, told.after, told.ship_up_to) == ("HOLD", (), 0)
    assert desk.orders["SO-1"].account_id == 1


def test_an_order_may_move_from_a_member_to_its_group_and_back() -> None:
    desk = Desk.of(account(1, groups=(9,)), account(9, 60_00))
    for payer, used in ((1, [60_00, 60_00]), (9, [0, 60_00]), (1, [60_00, 60_00])):
        assert desk.ask(question(60_00, payer=payer)).outcome == "APPROVE"
        assert [desk.accounts[key].use.authorized for key in (1, 9)] == used


def test_another_currency_is_a_new_grant_of_the_whole() -> None:
    desk = Desk.of(account(1), rates={("USD", "CNY"): USD})
    desk.ask(question(90_00))
    first = desk.orders["SO-1"].authorization_id
    assert desk.ask(question(14_29, currency="USD")).outcome == "HOLD"  # 100.03 CNY
    told = desk.check(question(14_28, currency="USD"))
    assert told.outcome == "APPROVE"
    desk.keep(told)
    assert desk.accounts[1].position("CNY") == Use()
    assert desk.accounts[1].position("USD") == Use(authorized=14_28)
    assert desk.orders["SO-1"].authorization_id != first


def test_a_position_is_rounded_as_a_whole() -> None:
    """Three times 0.3 are one, not three times one."""
    desk = Desk.of(account(1, 1), rates={("JPY", "CNY"): rate("JPY", "CNY", "0.003")})
    for number in range(3):
        told = desk.check(question(5, "SO-9", currency="JPY"))
        assert (told.outcome, told.ship_up_to) == ("HOLD", 3 - number)
        assert desk.ask(question(1, f"SO-{number}", currency="JPY")).outcome == "APPROVE"
    assert desk.ask(question(1, "SO-9", currency="JPY")).outcome == "HOLD"
    assert desk.accounts[1].use.authorized == 1


@pytest.mark.parametrize(
    ("before", "expires_in", "expires_at"),
    [
        pytest.param(None, 3600, NOW + HOUR, id="new"),
        pytest.param(None, None, None, id="new-until-released"),
        pytest.param(live(1, expires_at=NOW + HOUR), 60, NOW + HOUR, id="never-shortened"),
        pytest.param(live(1, expires_at=NOW + HOUR), 7200, NOW + 2 * HOUR, id="lengthened"),
        pytest.param(live(1, expires_at=NOW + HOUR), None, None, id="for-ever-now"),
        pytest.param(live(1, expires_at=None), 60, None, id="for-ever-before"),
        pytest.param(
            live(0, state="EXPIRED", expires_at=NOW + HOUR), 60, NOW + HOUR / 60, id="ended-before"
        ),
    ],
)
def test_when_an_authorization_ends(
    before: Order | None, expires_in: int | None, expires_at: datetime | None
) -> None:
    desk = Desk.of(account(1))
    if before is not None:
        holding(desk, before)
    desk.ask(question(expires_in=expires_in))
    assert desk.orders["SO-1"].expires_at == expires_at


def test_an_end_belongs_to_its_payer() -> None:
    desk = Desk.of(account(1), account(2))
    desk.ask(question(expires_in=7200))
    desk.ask(question(payer=2, expires_in=60))
    assert desk.orders["SO-1"].expires_at == NOW + HOUR / 60


@pytest.mark.parametrize(
    ("hold_kind", "mode", "stays"),
    [
        pytest.param("AUTOMATIC", "ENFORCE", None, id="automatic-is-closed"),
        pytest.param("FORCED", "SHADOW", "FORCED", id="forced-stays"),
    ],
)
def test_which_hold_an_approval_closes(hold_kind: str, mode: Mode, stays: str | None) -> None:
    desk = holding(Desk.of(account(1), mode=mode), live(1, hold_id="H", hold_kind=hold_kind))
    assert desk.ask(question()).outcome == "APPROVE"
    assert desk.orders["SO-1"].hold_kind == stays
    assert desk.orders["SO-1"].hold_id == ("H" if stays else None)


def approve_untested(desk: Desk, minor: int) -> Judgement:
    """Grant as if the test of the limit had been lost."""
    asked = question(minor)
    case = Case(asked, desk.situation(asked), desk.rules)
    grant = grant_of(case, "A-1")
    told = replace(desk.check(asked), outcome="APPROVE", order=grant.order, after=grant.after)
    return replace(told, ceilings=grant.ceilings)


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(account(1), id="within-before"),
        pytest.param(account(1, use=Use(open_item=150_00), forced=50_00), id="forced-before"),
        pytest.param(account(1, None, use=Use(prepayment=100_00)), id="paid-ahead"),
        pytest.param(account(1, 0, use=Use(prepayment=100_00)), id="limit-of-zero"),
    ],
)
def test_a_grant_that_was_never_tested_breaks_the_engines_check(held: Account) -> None:
    """`forced` stays, so that authorized + exposure <= limit + forced is false."""
    told = approve_untested(Desk.of(held), 100_01)
    ((after, kind),) = told.after
    assert kind == "AUTHORIZE"
    assert after.forced == held.forced
    assert after.use.total > (after.limit_minor or 0) + after.forced
    assert told.ceilings[1] < after.use.total


def test_the_money_of_the_whole_order_is_authorized() -> None:
    desk = Desk.of(account(1))
    desk.ask(question(60_00))
    order = desk.orders["SO-1"]
    assert (Money(order.authorized, order.currency), order.status) == (Money(60_00, "CNY"), "OPEN")
    assert order.authorized_at == NOW
