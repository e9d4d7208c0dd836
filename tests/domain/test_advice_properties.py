"""Whoever follows the advice and asks again gets the order through; a cent less does not do."""

from dataclasses import replace

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from app.domain.advice import Advice
from app.domain.advice_trials import key_of
from app.domain.money import Money
from tests.domain.advice_worlds import World, worlds

LIMITS = {"RAISE_LIMIT", "ADD_COVER"}
EXACT = {"PAY", "PREPAY", *LIMITS}
LIMIT_ROWS = {"no-limit", "limit-expired", "over-limit"}


def held(world: World) -> list[Advice]:
    told = world.told()
    assume(told.outcome != "APPROVE")
    return world.advice()


@settings(deadline=None)  # the machine may be busy
@given(worlds(), st.data())
def test_who_does_one_thing_for_each_reason_gets_the_order_through(
    world: World, data: st.DataObject
) -> None:
    for _ in range(2):
        advice = held(world)
        chosen: list[Advice] = []
        for key in map(key_of, world.told().reasons):
            helps = [one for one in advice if key in one.removes]
            assert helps, (key, advice)
            chosen.append(data.draw(st.sampled_from(helps)))
            event(f"{key[1]}: {chosen[-1].action}")
        if {one.action for one in chosen} & {"SHIP_UP_TO", "WAIT_UNTIL"}:
            chosen = chosen[:1] if chosen[0].suffices else chosen
        for one in dict.fromkeys(chosen):
            world.follow(one)
        if world.goes():
            return
        # what has no rate is tested against limits once it has one
        assert "POST_RATE" in {one.action for one in chosen}
    raise AssertionError("following the advice twice did not help")


@settings(deadline=None)  # the machine may be busy
@given(worlds())
def test_what_suffices_is_enough_alone(world: World) -> None:
    for one in held(world):
        if one.suffices and one.action != "POST_RATE":
            event(one.action)
            again = world.copy()
            again.follow(one)
            assert again.goes(), one


@settings(deadline=None)  # the machine may be busy
@given(worlds())
def test_a_larger_order_than_may_ship_is_held(world: World) -> None:
    for one in held(world):
        if one.action == "SHIP_UP_TO" and one.amount is not None:
            event(one.action)
            assert one.amount.minor < world.asked.amount.minor
            more = Money(one.amount.minor + 1, one.amount.currency)
            world.follow(replace(one, amount=more))
            assert world.told().outcome != "APPROVE"


@settings(deadline=None)  # the machine may be busy
@given(worlds())
def test_a_cent_less_removes_less(world: World) -> None:
    for one in held(world):
        if one.action not in EXACT or one.amount is None or one.amount.minor == 1:
            continue
        if one.action == "PAY" and any(key[2] is None for key in one.removes):
            continue  # whole invoices, or one payment for several reasons
        if (
            one.action in LIMITS
            and not {row.rule_id for row in world.desk.rules.rows} >= LIMIT_ROWS
        ):
            continue  # the order is to fit, though a policy without these rows asks for less
        event(one.action)
        again = world.copy()
        less = Money(one.amount.minor - 1, one.amount.currency)
        again.follow(replace(one, amount=less))
        after = {(row.row.rule_id, row.account_id) for row in again.told().reasons}
        more = world.copy()
        more.follow(one)
        full = {(row.row.rule_id, row.account_id) for row in more.told().reasons}
        assert full < after, (one, full, after)
