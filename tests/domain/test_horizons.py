"""Beyond the horizon an order is authorized and does not count; from its day on it does."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.accounts import Account, Use, force
from app.domain.authorizations import counted, ended
from app.domain.decisions import Overdue
from app.domain.facts import OrderBody
from app.domain.facts_balances import MAX_TOTAL
from app.domain.facts_orders import Stamp, record_order
from app.domain.horizons import counts_from
from app.domain.money import Rate
from app.domain.orders import OrderUse
from app.domain.snapshots import situation_from_json, situation_to_json
from tests.domain.situations import (
    NOW,
    TODAY,
    USD,
    Desk,
    account,
    codes,
    holding,
    live,
    policy,
    question,
    rate,
    unlimited,
)

DAY = timedelta(days=1)
FAR = TODAY + 100 * DAY
FROM = TODAY + 70 * DAY
STAMP = Stamp(NOW, lambda: "A-2")


def far_desk(*accounts: Account, **fields: Any) -> Desk:  # noqa: ANN401 - any field
    return Desk.of(*(accounts or (account(1),)), horizon_days=30, **fields)


@pytest.mark.parametrize(
    ("days", "ships", "fields", "expected"),
    [
        pytest.param(30, 30, {}, None, id="last-day-of-the-horizon"),
        pytest.param(30, 31, {}, 1, id="a-day-beyond"),
        pytest.param(30, -1, {}, None, id="yesterday"),
        pytest.param(0, 0, {}, None, id="none-ahead-today"),
        pytest.param(0, 1, {}, 1, id="none-ahead-tomorrow"),
        pytest.param(3650, 3651, {}, 1, id="ten-years"),
        pytest.param(None, 3651, {}, None, id="no-horizon"),
        pytest.param(30, None, {}, None, id="no-ship-date"),
        pytest.param(30, 31, {"check_point": "QUOTE"}, 1, id="quote"),
        pytest.param(30, 31, {"check_point": "DELIVERY"}, None, id="delivery"),
        pytest.param(30, 31, {"check_point": "GOODS_ISSUE"}, None, id="goods-issue"),
        pytest.param(30, 31, {"check_point": "INVOICE"}, None, id="invoice"),
        pytest.param(30, 31, {"order_type": "return"}, None, id="return"),
        pytest.param(30, 31, {"order_type": "internal"}, None, id="internal"),
    ],
)
def test_where_the_horizon_ends(
    days: int | None, ships: int | None, fields: dict[str, Any], expected: int | None
) -> None:
    asked = question(ship_date=None if ships is None else TODAY + ships * DAY, **fields)
    situation = replace(Desk.of(account(1)).situation(asked), horizon_days=days)
    found = counts_from(asked, situation)
    assert found == (None if expected is None else TODAY + expected * DAY)


def test_no_limit_is_tested_and_nothing_reserved() -> None:
    full = force(account(1, groups=(2,)), "CNY", Use(open_item=300_00), None)
    desk = far_desk(full, account(2, None))
    told = desk.ask(question(500_00, ship_date=FAR))
    assert (told.outcome, told.after, told.ceilings, told.ship_up_to) == ("APPROVE", (), {}, 500_00)
    assert told.order is not None
    order = told.order
    assert (order.state, order.authorized, order.reserved) == ("LIVE", 500_00, 0)
    assert (order.counts_from, order.authorization_id) == (FROM, "A-SO-1")
    assert order.left(OrderUse(delivered=1)) == 0


def test_no_rate_is_needed_before_it_counts() -> None:
    asked = question(500_00, ship_date=FAR, currency="USD")
    assert far_desk().check(asked).outcome == "APPROVE"
    assert codes(far_desk().check(replace(asked, ship_date=TODAY))) == ["FX_RATE_MISSING"]


@pytest.mark.parametrize(
    ("desk", "code"),
    [
        pytest.param(far_desk(account(1, status="STOPPED")), "ACCOUNT_STOPPED", id="stopped"),
        pytest.param(far_desk(account(1, quarantined=1)), "LEDGER_QUARANTINE", id="quarantine"),
        pytest.param(
            far_desk(overdue=Overdue({"CNY": 500_000_00}, {"CNY": 500_000_00}, 400)),
            "OVERDUE_DAYS",
            id="overdue",
        ),
    ],
)
def test_all_other_rules_are_asked(desk: Desk, code: str) -> None:
    told = desk.check(question(ship_date=FAR))
    assert code in codes(told)
    assert told.outcome != "APPROVE"
    assert told.order is not None
    assert told.order.counts_from is None


def test_a_policy_of_its_own_does_not_test_the_limit_either() -> None:
    row = {
        "id": "L-1",
        "scope": "path",
        "when": [["limit_needed_minor", ">=", 0]],
        "outcome": "HOLD",
        "reason": "OVER_LIMIT",
    }
    desk = far_desk(rules=policy(row))
    assert desk.check(question(ship_date=FAR)).outcome == "APPROVE"
    assert desk.check(question(ship_date=TODAY)).outcome == "HOLD"


def test_a_nearer_date_asks_for_what_is_not_reserved_yet() -> None:
    desk = far_desk()
    desk.ask(question(150_00, ship_date=FAR))
    held = desk.ask(question(150_00, ship_date=TODAY + 30 * DAY))
    assert codes(held) == ["OVER_LIMIT"]
    assert held.order is not None
    assert held.order.counts_from == FROM  # what is held leaves the grant as it is
    told = desk.ask(question(100_00, ship_date=TODAY + 30 * DAY))
    assert told.order is not None
    assert (told.order.counts_from, told.order.reserved) == (None, 100_00)
    assert [(one.use.authorized, kind) for one, kind in told.after] == [(100_00, "AUTHORIZE")]
    assert told.order.authorization_id == "A-SO-1"


def test_a_later_date_gives_back_what_was_reserved() -> None:
    desk = holding(far_desk(), live(60_00))
    told = desk.ask(question(60_00, ship_date=FAR))
    assert told.order is not None
    assert (told.order.counts_from, told.order.reserved) == (FROM, 0)
    assert [(one.use.authorized, kind) for one, kind in told.after] == [(0, "FREE")]


@pytest.mark.parametrize("check_point", ["DELIVERY", "GOODS_ISSUE", "INVOICE"])
def test_goods_that_go_count_at_once(check_point: str) -> None:
    desk = far_desk()
    desk.ask(question(80_00, ship_date=FAR))
    told = desk.ask(question(80_00, ship_date=FAR, check_point=check_point))
    assert told.order is not None
    assert (told.order.counts_from, told.order.reserved) == (None, 80_00)


def test_a_situation_with_a_horizon_comes_back() -> None:
    desk = holding(far_desk(), live(0, 60_00, counts_from=FROM))
    asked = question(ship_date=FAR)
    for days in (0, 30, None):
        situation = replace(desk.situation(asked), horizon_days=days)
        stored = json.loads(json.dumps(situation_to_json(situation)))
        assert situation_from_json(stored, situation.inputs) == situation


def test_an_order_fact_keeps_the_day_and_all_else_ends_it() -> None:
    before = live(0, 60_00, counts_from=FROM, version=1)
    newer = replace(before, version=2)
    same = record_order(before, newer, OrderBody(90_00, "CNY", "OPEN"), STAMP).order
    assert (same.counts_from, same.authorized) == (FROM, 90_00)
    moved = replace(newer, account_id=2)
    assert record_order(before, moved, OrderBody(90_00, "CNY", "OPEN"), STAMP).order.left(
        OrderUse()
    ) == (90_00)
    for payer in (newer, moved):
        closed = record_order(before, payer, OrderBody(90_00, "CNY", "CLOSED"), STAMP).order
        assert (closed.state, closed.counts_from) == (
            "RELEASED" if payer is newer else "NONE",
            None,
        )
    for state in ("RELEASED", "EXPIRED"):
        over = ended(before, state)
        assert (over.state, over.counts_from, over.reserved) == (state, None, 0)


def no_rate(_source: str, _target: str) -> Rate | None:
    return None


def test_counting_is_a_fact_on_the_whole_path() -> None:
    path = [account(1, 50_00, groups=(2,)), unlimited(2)]
    order = live(0, 90_00, counts_from=FROM)
    found = counted(order, OrderUse(delivered=20_00, invoiced=10_00), path, no_rate)
    assert found is not None
    counting, entries = found
    assert (counting.counts_from, counting.reserved) == (None, 70_00)
    told = [(one.account.use.authorized, one.account.forced, one.kind, one.ref) for one in entries]
    assert told == [(70_00, 20_00, "FACT", "order:SO-1"), (70_00, 0, "FACT", "order:SO-1")]


def test_what_facts_carry_already_changes_no_account() -> None:
    found = counted(live(0, 90_00, counts_from=FROM), OrderUse(90_00), [account(1)], no_rate)
    assert found is not None
    assert (found[0].counts_from, found[0].reserved, found[1]) == (None, 0, [])


@pytest.mark.parametrize(
    ("held", "rates", "booked"),
    [
        pytest.param(False, {}, None, id="no-rate"),
        pytest.param(False, {"USD": USD}, [("FACT", 70_00)], id="fresh-rate"),
        pytest.param(True, {}, [("FACT", 60_00)], id="rate-of-the-position"),
        pytest.param(
            True,
            {"USD": USD},
            [("FX_REVALUATION", 0), ("FACT", 70_00)],
            id="fresh-rate-before-the-positions",
        ),
    ],
)
def test_by_which_rate_an_order_begins_to_count(
    held: bool, rates: dict[str, Rate], booked: list[tuple[str, int]] | None
) -> None:
    """What is there is valued first: the order's own entry is worth the order, and no more."""
    own = account(1)
    if held:
        own = force(own, "USD", Use(open_item=1), rate("USD", "CNY", "6", date(2026, 11, 1)))
    order = live(0, 10_00, currency="USD", counts_from=FROM)
    found = counted(order, OrderUse(), [own], lambda source, _: rates.get(source))
    entries = found and [(one.kind, one.account.use.authorized) for one in found[1]]
    assert entries == booked


def test_a_total_beyond_its_bound_is_left() -> None:
    order = live(0, 1, counts_from=FROM)
    full = account(1, use=Use(authorized=MAX_TOTAL))
    assert counted(order, OrderUse(), [full], no_rate) is None


@given(
    ships=st.integers(-5, 200),
    days=st.none() | st.integers(0, 150),
    amount=st.integers(1, 200_00),
    delivered=st.integers(0, 200_00),
)
def test_a_grant_reserves_all_or_waits(
    ships: int, days: int | None, amount: int, delivered: int
) -> None:
    """What is approved is reserved in full, or waits and then counts in full."""
    use = OrderUse(delivered)
    desk = Desk.of(account(1), horizon_days=days, uses={("SO-1", 1, "CNY"): use})
    told = desk.ask(question(amount, ship_date=TODAY + ships * DAY))
    waits = days is not None and ships > days
    left = max(0, amount - delivered)
    assert told.outcome == ("APPROVE" if waits or left <= 100_00 else "HOLD")
    if told.outcome == "APPROVE":
        assert told.order is not None
        assert told.order.reserved == told.order.left(use) == (0 if waits else left)
        found = counted(told.order, use, [account(1)], no_rate)
        assert found is not None
        assert found[0].reserved == left
