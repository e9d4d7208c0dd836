"""Statuses, holds and keys of orders that are asked about more than once, also in one batch."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.errors import (
    BusyError,
    FieldError,
    KeyReusedError,
    OrderVersionStaleError,
    SegmentUnknownError,
)
from app.store.database import Database
from app.usecases.asks import Answer, Ask
from tests.usecases.counter import TESTER, Counter, Told, outcomes, reasons


@pytest.fixture
def desk(database: Database) -> Counter:
    desk = Counter.open(database)
    desk.add("C-1", 100_00)
    return desk


def statuses(desk: Counter, *asks: Ask) -> list[int]:
    return [one.status for one in desk.answers(asks) if isinstance(one, Answer)]


def holds(desk: Counter) -> list[tuple[str, str]]:
    rows = desk.rows("SELECT kind, status FROM order_hold ORDER BY opened_at, hold_id")
    return [(row["kind"], row["status"]) for row in rows]


def mode(desk: Counter, mode: str) -> None:
    desk.rows("UPDATE segment SET mode = :mode", mode=mode)


def field_of(told: Told, name: str) -> Any:  # noqa: ANN401 - JSON
    assert isinstance(told, dict), told
    return told[name]


def test_which_status_an_answer_has(desk: Counter) -> None:
    """201 until the order has an authorization, 200 from then on, whatever the outcome."""
    desk.add("C-2", 10_00)
    asked = [
        ("150.00", {}, 201),
        ("50.00", {}, 201),
        ("60.00", {}, 200),
        ("150.00", {}, 200),
        ("50.00", {"customer_id": "C-2"}, 200),
        ("5.00", {"customer_id": "C-2"}, 200),
        ("5.00", {"order_type": "return"}, 200),
    ]
    for together in (False, True):
        orders = [desk.order(desk.question(f"SO-{together}", a, **m)) for a, m, _ in asked]
        if together:
            found = statuses(desk, *orders)
        else:
            found = [status for one in orders for status in statuses(desk, one)]
        assert found == [status for _, _, status in asked]
    assert statuses(desk, desk.check(desk.question("SO-9"))) == [200]
    assert statuses(desk, desk.order(desk.question("SO-9", order_type="internal"))) == [201]
    desk.exact()


@pytest.mark.parametrize("why", ["no-sale", "no-rate"])
def test_what_needs_no_reservation_any_more_ends_its_hold(desk: Counter, why: str) -> None:
    """Its hold would be judged again, and what was asked before would be reserved."""
    asked = desk.question("SO-1", "150.00", version=1)
    hold_id = field_of(desk.told(desk.order(asked)), "order_hold_id")
    if why == "no-rate":
        mode(desk, "SHADOW")
        again = desk.question("SO-1", "150.00", version=2, currency="USD")
    else:
        again = desk.question("SO-1", "150.00", version=2, order_type="internal")
    told = desk.told(desk.order(again))
    assert (told["outcome"], told["order_hold_id"]) == ("APPROVE", None)
    (hold,) = desk.rows("SELECT hold_id::text, status, authorization_id FROM order_hold")
    assert hold == {"hold_id": hold_id, "status": "RELEASED", "authorization_id": None}
    (order,) = desk.rows("SELECT version, hold_id, authorization_id FROM credit_order")
    assert order == {"version": 2, "hold_id": None, "authorization_id": None}
    desk.exact()


@pytest.mark.parametrize("order_type", ["return", "internal"])
def test_what_needs_no_credit_leaves_what_is_reserved_and_what_a_person_placed(
    desk: Counter, order_type: str
) -> None:
    desk.told(desk.order(desk.question("SO-1", "60.00")))
    held = desk.told(desk.order(desk.question("SO-1", "150.00")))
    assert held["outcome"] == "HOLD"
    told = desk.told(desk.order(desk.question("SO-1", "150.00", order_type=order_type)))
    assert (told["authorization_id"], told["expires_at"]) == (None, None)
    (hold,) = desk.rows("SELECT status, authorization_id FROM order_hold")
    assert hold == {"status": "RELEASED", "authorization_id": None}
    (order,) = desk.rows("SELECT hold_id, reserved_minor FROM credit_order")
    assert order == {"hold_id": None, "reserved_minor": 60_00}
    desk.told(desk.order(desk.question("SO-1", "150.00")))
    desk.rows("UPDATE credit_order SET hold_kind = 'FORCED'")
    desk.rows("UPDATE order_hold SET kind = 'FORCED' WHERE status = 'OPEN'")
    desk.told(desk.order(desk.question("SO-1", "150.00", order_type=order_type)))
    again = desk.question("SO-1", "150.00", order_type=order_type, version=2)
    told = desk.told(desk.order(again))
    assert (told["outcome"], told["authorization_id"], told["expires_at"]) == (
        "APPROVE",
        None,
        None,
    )
    (order,) = desk.rows("SELECT hold_kind, reserved_minor, version FROM credit_order")
    # who releases it releases what was asked before, which the version tells
    assert order == {"hold_kind": "FORCED", "reserved_minor": 60_00, "version": 2}


def test_a_hold_opens_is_updated_closes_and_opens_anew(desk: Counter) -> None:
    asks = [desk.order(desk.question("SO-1", amount)) for amount in ("101.00", "102.00")]
    first, second = desk.ask(*asks)
    hold_id = field_of(first, "order_hold_id")
    assert field_of(second, "order_hold_id") == hold_id
    asks = [desk.order(desk.question("SO-1", amount)) for amount in ("50.00", "103.00")]
    fits, over = desk.ask(*asks)  # the open hold is closed and another opened in one statement
    assert (field_of(fits, "outcome"), field_of(fits, "order_hold_id")) == ("APPROVE", None)
    assert field_of(over, "order_hold_id") not in {None, hold_id}
    assert holds(desk) == [("AUTOMATIC", "RELEASED"), ("AUTOMATIC", "OPEN")]
    events = desk.rows("SELECT action FROM order_hold_event ORDER BY event_id")
    assert [row["action"] for row in events] == ["open", "update", "release", "open"]
    desk.exact()


def test_a_hold_that_opens_and_closes_within_one_batch(desk: Counter) -> None:
    asks = [desk.order(desk.question("SO-1", amount)) for amount in ("101.00", "50.00", "102.00")]
    assert outcomes(desk.ask(*asks)) == ["HOLD", "APPROVE", "HOLD"]
    assert sorted(holds(desk)) == [("AUTOMATIC", "OPEN"), ("AUTOMATIC", "RELEASED")]
    desk.exact()


def test_a_check_names_the_open_hold_and_opens_none(desk: Counter) -> None:
    assert desk.told(desk.check(desk.question("SO-1", "101.00")))["order_hold_id"] is None
    held = desk.told(desk.order(desk.question("SO-1", "101.00")))
    for amount in ("101.00", "1.00"):
        told = desk.told(desk.check(desk.question("SO-1", amount)))
        assert told["order_hold_id"] == held["order_hold_id"]
        assert told["authorization_id"] is None
    assert holds(desk) == [("AUTOMATIC", "OPEN")]


def force(desk: Counter) -> str:
    """Let a person hold SO-1."""
    held = desk.told(desk.order(desk.question("SO-1", "101.00")))
    hold_id = str(held["order_hold_id"])
    desk.rows("UPDATE order_hold SET kind = 'FORCED'")
    desk.rows("UPDATE credit_order SET hold_kind = 'FORCED'")
    return hold_id


@pytest.mark.parametrize("point", ["ORDER", "DELIVERY", "GOODS_ISSUE", "INVOICE"])
def test_a_forced_hold_answers_at_every_check_point(desk: Counter, point: str) -> None:
    hold_id = force(desk)
    told = desk.told(desk.order(desk.question("SO-1", "1.00", check_point=point)))
    assert (reasons(told), told["order_hold_id"]) == (["FORCED_HOLD"], hold_id)
    assert holds(desk) == [("FORCED", "OPEN")]


def test_a_forced_hold_outlives_an_approval_in_a_mode_that_stops_nothing(desk: Counter) -> None:
    force(desk)
    mode(desk, "SHADOW")
    told = desk.told(desk.order(desk.question("SO-1", "150.00")))
    assert (told["outcome"], told["judged"]) == ("APPROVE", "HOLD")
    assert holds(desk) == [("FORCED", "OPEN")]
    assert (desk.account().use.authorized, desk.account().forced) == (150_00, 50_00)
    mode(desk, "ENFORCE")
    told = desk.told(desk.order(desk.question("SO-1", "150.00")))
    assert reasons(told) == ["FORCED_HOLD", "OVER_LIMIT"]  # what SHADOW let pass was not tested


@pytest.mark.parametrize("name", ["OFF", "SHADOW", "WARN"])
def test_a_mode_that_stops_nothing_opens_no_hold(desk: Counter, name: str) -> None:
    mode(desk, name)
    over = desk.order(desk.question("SO-1", "150.00"))
    unvalued = desk.order(desk.question("SO-2", "1.00", currency="USD"))
    assert outcomes(desk.ask(over, unvalued)) == ["APPROVE", "APPROVE"]
    assert holds(desk) == []
    assert desk.account().forced == 50_00
    mode(desk, "ENFORCE")
    assert outcomes(desk.ask(desk.order(desk.question("SO-3", "0.01")))) == ["HOLD"]
    desk.exact()


def test_a_reservation_outlives_a_hold_for_another_payer(desk: Counter) -> None:
    desk.add("C-2", 10_00)
    desk.ask(desk.order(desk.question("SO-1", "50.00")))
    moved = desk.question("SO-1", "50.00", customer_id="C-2")
    assert outcomes(desk.ask(desk.order(moved))) == ["HOLD"]
    assert desk.account("C-1").use.authorized == 50_00
    again = desk.told(desk.order(desk.question("SO-1", "50.00")))
    assert (again["outcome"], again["order_hold_id"]) == ("APPROVE", None)
    assert holds(desk) == [("AUTOMATIC", "RELEASED")]
    desk.exact()


def test_asks_of_one_order_in_one_batch_meet_each_other(desk: Counter) -> None:
    versions = [("60.00", 1), ("90.00", 3), ("95.00", 2), ("100.01", 3), ("40.00", 4)]
    asks = [desk.order(desk.question("SO-1", amount, version=v)) for amount, v in versions]
    told = desk.ask(*asks)
    expected = ["APPROVE", "APPROVE", OrderVersionStaleError.code, "HOLD", "APPROVE"]
    assert outcomes(told) == expected
    assert desk.account().use.authorized == 40_00
    assert desk.journal() == ["AUTHORIZE", "AUTHORIZE", "FREE"]
    desk.exact()


def test_a_key_is_left_free_by_every_refusal_of_a_batch(desk: Counter) -> None:
    desk.ask(desk.order(desk.question("SO-1", version=5)))
    refused = [
        desk.question("SO-1", version=4),
        desk.question("SO-2", customer_id="nobody"),
        desk.question("SO-3", segment_id="nowhere"),
    ]
    asks = [desk.order(one, f"K-{place}") for place, one in enumerate(refused)]
    good = desk.order(desk.question("SO-4"), "K-4")
    told = desk.ask(*asks, good)
    assert outcomes(told) == [
        "order_version_stale",
        "customer_unknown",
        "segment_unknown",
        "APPROVE",
    ]
    other = [desk.order(desk.question(f"SO-1{place}"), f"K-{place}") for place in range(3)]
    assert outcomes(desk.ask(*other)) == ["APPROVE"] * 3


def test_a_segment_out_of_sight_is_unknown(desk: Counter) -> None:
    elsewhere = replace(TESTER, segments=frozenset({"other"}))
    ask = replace(desk.order(desk.question("SO-1"), "K"), caller=elsewhere)
    (told,) = desk.ask(ask)
    assert isinstance(told, SegmentUnknownError)


def test_equal_keys_in_one_batch(desk: Counter) -> None:
    first, other = desk.question("SO-1"), desk.question("SO-2")
    asks = [desk.order(one, "K") for one in (first, other, first)]
    found = desk.answers(asks)
    assert isinstance(found[1], KeyReusedError)
    assert isinstance(found[0], Answer)
    assert isinstance(found[2], Answer)
    assert (found[0].body, found[0].replayed, found[2].replayed) == (found[2].body, False, True)
    # the one that comes first has another body than the stored one: the other is answered still
    found = desk.answers([desk.order(one, "K") for one in (other, first)])
    assert isinstance(found[0], KeyReusedError)
    assert isinstance(found[1], Answer)
    assert found[1].replayed


def test_a_key_that_a_refusal_frees_is_busy_within_its_batch(desk: Counter) -> None:
    wrong, right = desk.question("SO-1", customer_id="nobody"), desk.question("SO-1")
    told = desk.ask(*(desk.order(one, "K") for one in (wrong, right)))
    assert outcomes(told) == ["customer_unknown", BusyError.code]
    assert outcomes(desk.ask(desk.order(right, "K"))) == ["APPROVE"]


def test_keys_belong_to_their_client(desk: Counter) -> None:
    mine = desk.order(desk.question("SO-1"), "K")
    theirs = replace(desk.order(desk.question("SO-2"), "K"), caller=replace(TESTER, client="other"))
    assert outcomes(desk.ask(mine, theirs)) == ["APPROVE", "APPROVE"]


def test_more_than_an_account_can_hold_is_a_field_error_and_harms_nobody(desk: Counter) -> None:
    desk.add("C-2", unlimited=True)
    most = 10**18 - 10**15
    desk.rows(
        "UPDATE account SET open_item_minor = 0, authorized_minor = :m WHERE unlimited", m=most
    )
    huge = desk.question("SO-1", "10000000000000.00", customer_id="C-2")
    asks = [huge, replace(huge, order_id="SO-2"), desk.question("SO-3")]
    told = desk.ask(*(desk.order(one) for one in asks))
    assert [type(one) for one in told] == [dict, FieldError, dict]
    assert desk.account("C-2").use.authorized == 10**18


def test_a_closed_order_stays_closed_until_a_newer_version(desk: Counter) -> None:
    desk.ask(desk.order(desk.question("SO-1", "50.00", version=1)))
    desk.rows(
        "UPDATE credit_order SET closed_version = 2, version = 2, state = 'RELEASED',"
        " reserved_minor = 0"
    )
    asked = [desk.question("SO-1", version=version) for version in (1, 2, None, 3, None)]
    told = desk.ask(*(desk.order(one) for one in asked))
    assert outcomes(told) == ["order_closed"] * 3 + ["APPROVE"] * 2
