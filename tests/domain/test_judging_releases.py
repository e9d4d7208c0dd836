"""How far and how long a person's release reaches, and what it never lifts."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.decisions import Overdue
from app.domain.orders import State
from tests.domain.situations import (
    NOW,
    USD,
    Desk,
    account,
    codes,
    holding,
    known,
    live,
    question,
    warned,
)


@pytest.mark.parametrize(
    ("until", "later", "minor", "outcome"),
    [
        pytest.param(
            None, timedelta(hours=1), 150_00, "APPROVE", id="as-long-as-the-authorization"
        ),
        pytest.param(
            None, timedelta(hours=1, seconds=1), 150_00, "HOLD", id="expired-not-yet-swept"
        ),
        pytest.param(NOW, timedelta(0), 180_00, "APPROVE", id="until-now-inclusive"),
        pytest.param(NOW, timedelta(microseconds=1), 180_00, "HOLD", id="a-moment-later"),
        pytest.param(NOW, timedelta(microseconds=1), 150_00, "HOLD", id="reserved-by-what-ended"),
        pytest.param(None, timedelta(0), 180_00, "APPROVE", id="up-to-the-most"),
        pytest.param(None, timedelta(0), 180_01, "HOLD", id="one-cent-over-the-most"),
    ],
)
def test_how_long_and_how_far_a_release_reaches(
    until: datetime | None,
    later: timedelta,
    minor: int,
    outcome: str,
) -> None:
    desk = Desk.of(account(1))
    assert desk.ask(question(150_00)).outcome == "HOLD"
    assert desk.release(question(150_00), 180_00, until).outcome == "APPROVE"
    assert desk.accounts[1].forced == 50_00
    desk.at += later
    told = desk.ask(question(minor, expires_in=1))
    assert told.outcome == outcome
    assert desk.accounts[1].forced == desk.orders["SO-1"].reserved - 100_00
    if minor == 180_01:
        assert told.ship_up_to == 180_00


@pytest.mark.parametrize("state", ["EXPIRED", "RELEASED"])
def test_a_release_without_an_end_ends_with_its_authorization(state: State) -> None:
    desk = Desk.of(account(1))
    desk.orders["SO-1"] = known(state=state, authorization_id="A", released_max=150_00)
    assert desk.ask(question(150_00)).outcome == "HOLD"


@pytest.mark.parametrize(
    "stays",
    [
        pytest.param({"order": {"hold_kind": "FORCED", "hold_id": "H"}}, id="forced-hold"),
        pytest.param({"order": {"rejected": True}}, id="rejected-since"),
        pytest.param({"account": {"status": "STOPPED"}}, id="stopped"),
    ],
)
def test_what_a_release_does_not_lift(stays: dict[str, Any]) -> None:
    desk = Desk.of(account(1, **stays.get("account", {})))
    order = live(50_00, released_max=150_00, **stays.get("order", {}))
    told = holding(desk, order).ask(question(50_00))
    assert told.outcome != "APPROVE"


def test_a_release_is_of_its_payer_and_currency() -> None:
    desk = Desk.of(account(1), account(2), rates={("USD", "CNY"): USD})
    desk.ask(question(150_00))
    desk.release(question(150_00))
    assert desk.check(question(150_00, currency="USD")).outcome == "HOLD"
    assert desk.check(question(150_00, payer=2)).outcome == "HOLD"
    assert desk.check(question(150_00)).outcome == "APPROVE"


def test_a_release_lifts_what_no_person_said() -> None:
    desk = holding(
        Desk.of(account(1), overdue=Overdue({"CNY": 1}, {"CNY": 1}, 99)),
        live(50_00, released_max=150_00),
    )
    told = desk.ask(question(50_00))
    assert (told.outcome, warned(told)) == ("APPROVE", ["OVERDUE_DAYS", "OVERDUE_SHARE"])


def test_a_released_order_passes_though_its_rate_has_aged() -> None:
    desk = Desk.of(account(1), rates={("USD", "CNY"): USD})
    desk.ask(question(20_00, currency="USD"))
    assert desk.release(question(20_00, currency="USD"), 30_00).outcome == "APPROVE"
    desk.rates = {}
    assert desk.ask(question(20_00, currency="USD")).outcome == "APPROVE"
    assert desk.accounts[1].use.authorized == 140_00
    more = desk.ask(question(21_00, currency="USD"))
    assert (codes(more), more.ship_up_to) == (["FX_RATE_MISSING"], 20_00)


def test_a_release_for_another_payer_than_has_the_reservation() -> None:
    """The hold of the new payer is released: the old one's reservation is freed with it."""
    desk = Desk.of(account(1), account(2, 10_00))
    desk.ask(question(50_00))
    moved = question(50_00, payer=2)
    assert desk.ask(moved).outcome == "HOLD"
    assert desk.accounts[1].use.authorized == 50_00
    assert desk.release(moved).outcome == "APPROVE"
    assert (desk.accounts[1].use.authorized, desk.accounts[2].use.authorized) == (0, 50_00)
    assert desk.accounts[2].forced == 40_00
    assert desk.ask(moved).outcome == "APPROVE"
    assert desk.ask(question(50_00)).outcome == "APPROVE"
    assert desk.orders["SO-1"].released_max is None  # what was let pass was the other payer's
