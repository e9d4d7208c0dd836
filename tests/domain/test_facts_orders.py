"""What order facts do to the order's root: its authorization, its closing, its holds."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.domain.orders import Order
from tests.domain.facts_cases import Fact, delivery, order
from tests.domain.facts_world import ANNA, AT, CHIE, World


def root(*facts: Fact, before: Order | None = None) -> Order:
    world = World()
    if before is not None:
        world.clerk.book.orders["O"] = before
    world.apply(*facts)
    return world.clerk.book.orders["O"]


def test_an_order_taken_elsewhere_is_reserved_until_it_is_closed() -> None:
    found = root(order())
    assert (found.state, found.reserved, found.expires_at) == ("LIVE", 10000, None)
    assert found.authorization_id == "authorization-1"
    assert found.authorized_at == AT


@pytest.mark.parametrize(
    ("later", "amount", "number", "expires"),
    [
        pytest.param(timedelta(0), "100", "asked", True, id="a-repeat-keeps-its-expiry"),
        pytest.param(timedelta(0), "90", "asked", False, id="a-new-amount-is-kept-until-closed"),
        pytest.param(
            timedelta(microseconds=-1), "100", "authorization-1", False, id="expired-not-yet-swept"
        ),
    ],
)
def test_what_an_open_order_keeps(
    later: timedelta, amount: str, number: str, expires: bool
) -> None:
    before = Order("main", "O", ANNA, "CNY", 1, None, "asked", "LIVE", 10000, 10000, AT + later)
    world = World()
    world.clerk.book.orders["O"] = before
    world.apply(order(2, amount))
    found = world.clerk.book.orders["O"]
    assert (found.state, found.authorized) == ("LIVE", int(amount) * 100)
    assert found.reserved == found.authorized
    assert (found.authorization_id, found.expires_at is not None) == (number, expires)
    assert found.untested is (number != "asked")
    past = [(one.authorization_id, one.state, one.reserved) for one in world.clerk.changes.past]
    assert past == ([] if number == "asked" else [("asked", "EXPIRED", 0)])


@pytest.mark.parametrize(
    ("until", "expires", "amount", "ends"),
    [
        pytest.param(None, AT, "90", True, id="as-long-as-the-authorization"),
        pytest.param(None, AT, "100", False, id="a-repeat-changes-nothing"),
        pytest.param(AT + timedelta(1), AT, "90", False, id="until-its-own-end"),
        pytest.param(None, None, "90", False, id="an-authorization-without-an-end"),
    ],
)
def test_a_fact_lets_nothing_pass_for_ever(
    until: datetime | None, expires: datetime | None, amount: str, ends: bool
) -> None:
    """A person allowed it as long as the authorization lasts, which this makes endless."""
    before = Order("main", "O", ANNA, "CNY", 1, None, "asked", "LIVE", 10000, 10000, expires)
    before = replace(before, released_max=10000, released_until=until)
    found = root(order(2, amount), before=before)
    assert (found.released_max, found.released_until) == (None if ends else 10000, until)
    assert found.untested is ends


def test_closing_frees_what_is_left_and_keeps_the_number() -> None:
    found = root(order(), delivery(), order(5, status="CLOSED"))
    assert (found.state, found.status, found.reserved) == ("RELEASED", "RELEASED", 0)
    assert (found.closed_version, found.authorization_id) == (5, "authorization-1")


def test_closing_an_order_nobody_asked_for_is_remembered() -> None:
    found = root(order(5, status="CLOSED"))
    assert (found.state, found.status, found.closed_version) == ("NONE", None, 5)


def test_closing_ends_the_hold() -> None:
    held = Order("main", "O", ANNA, "CNY", version=1, hold_id="H", hold_kind="AUTOMATIC")
    world = World()
    world.clerk.book.orders["O"] = held
    world.apply(order(2, status="CLOSED"))
    assert world.clerk.changes.cancelled_holds == ["H"]
    assert world.clerk.book.orders["O"].hold_id is None


def test_closing_leaves_what_a_person_placed() -> None:
    held = Order("main", "O", ANNA, "CNY", version=1, hold_id="H", hold_kind="FORCED")
    world = World()
    world.clerk.book.orders["O"] = held
    world.apply(order(2, status="CLOSED"))
    assert world.clerk.changes.cancelled_holds == []
    found = world.clerk.book.orders["O"]
    assert (found.hold_id, found.hold_kind, found.closed_version) == ("H", "FORCED", 2)


def test_opening_leaves_the_hold() -> None:
    held = Order("main", "O", ANNA, "CNY", version=1, hold_id="H", hold_kind="AUTOMATIC")
    assert root(order(2), before=held).hold_id == "H"


def test_another_payer_is_another_authorization() -> None:
    world = World()
    world.apply(order(), order(2, customer_id="chie"))
    found = world.clerk.book.orders["O"]
    assert (found.account_id, found.authorization_id) == (CHIE, "authorization-2")
    assert [one.authorization_id for one in world.clerk.changes.past] == ["authorization-1"]
    assert world.use(ANNA) == {}
    assert world.use(CHIE) == {"authorized": 2054}


@pytest.mark.parametrize(
    ("version", "words"),
    [
        pytest.param(2, ["stale"], id="older-than-the-ask"),
        pytest.param(3, ["applied"], id="equal-to-the-ask"),
        pytest.param(4, ["applied"], id="newer-than-the-ask"),
    ],
)
def test_versions_of_asks_count(version: int, words: list[str]) -> None:
    world = World()
    world.clerk.book.orders["O"] = Order("main", "O", ANNA, "CNY", version=3)
    assert world.apply(order(version)) == words


def test_an_ask_recorded_again_changes_nothing() -> None:
    asked = Order("main", "O", ANNA, "CNY", 3, None, "A", "LIVE", 10000, 10000, AT, AT)
    world = World()
    world.apply(order(1))
    world.clerk.book.orders["O"] = asked
    assert world.apply(order(3)) == ["applied"]
    assert world.clerk.book.orders["O"] == asked
