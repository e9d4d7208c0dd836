"""Authorizations on a real database: what is reserved, what is held, and never one too many."""

from datetime import date
from decimal import Decimal

import pytest

from app.domain.errors import (
    CustomerUnknownError,
    KeyReusedError,
    OrderVersionStaleError,
)
from app.domain.money import Rate
from app.store import rates
from app.store.database import Database
from app.usecases.asks import Answer
from tests.parties import add_customer
from tests.usecases.counter import Counter, outcomes


@pytest.fixture
def desk(database: Database) -> Counter:
    return Counter.open(database)


def test_fifty_at_once_against_a_headroom_of_a_hundred(desk: Counter) -> None:
    add_customer(desk.database, "C-1", 100_00)
    asks = [desk.order(desk.question(f"SO-{number}")) for number in range(50)]
    told = outcomes(desk.ask(*asks, lanes=4))
    assert told.count("APPROVE") == 10
    assert told.count("HOLD") == 40
    assert desk.account().use.authorized == 100_00


def test_two_customers_of_one_group_share_its_limit(desk: Counter) -> None:
    add_customer(desk.database, "G", 100_00)
    for child in ("C-1", "C-2"):
        add_customer(desk.database, child, unlimited=True, parent="G")
    asks = [
        desk.order(desk.question(f"SO-{number}", customer_id=f"C-{number % 2 + 1}"))
        for number in range(50)
    ]
    answers = desk.ask(*asks, lanes=4)
    assert outcomes(answers).count("APPROVE") == 10
    assert desk.account("G").use.authorized == 100_00
    both = desk.account("C-1").use.authorized + desk.account("C-2").use.authorized
    assert both == 100_00
    held = next(one for one in answers if isinstance(one, dict) and one["outcome"] == "HOLD")
    assert held["binding_customer_id"] == "G"


def test_one_key_twenty_times_at_once_is_one_decision(desk: Counter) -> None:
    add_customer(desk.database, "C-1", 100_00)
    question = desk.question("SO-1")
    answers = desk.answers([desk.order(question, "K") for _ in range(20)], lanes=4)
    bodies = {one.body for one in answers if isinstance(one, Answer)}
    assert len(bodies) == 1
    assert sum(1 for one in answers if isinstance(one, Answer) and not one.replayed) == 1
    assert desk.account().use.authorized == 10_00


def test_a_key_is_not_used_for_another_question(desk: Counter) -> None:
    add_customer(desk.database, "C-1", 100_00)
    first, other = desk.question("SO-1"), desk.question("SO-1", "11.00")
    together = desk.ask(desk.order(first, "K"), desk.order(other, "K"))
    later = desk.ask(desk.order(other, "K"))
    assert isinstance(together[1], KeyReusedError)
    assert isinstance(later[0], KeyReusedError)


def test_a_refusal_leaves_the_key_free(desk: Counter) -> None:
    question = desk.question("SO-1")
    assert isinstance(desk.ask(desk.order(question, "K"))[0], CustomerUnknownError)
    add_customer(desk.database, "C-1", 100_00)
    assert outcomes(desk.ask(desk.order(question, "K"))) == ["APPROVE"]


def test_a_check_changes_nothing(desk: Counter) -> None:
    add_customer(desk.database, "C-1", 100_00)
    before = desk.account()
    told = desk.ask(desk.check(desk.question("SO-1")), desk.check(desk.question("SO-2", "100.01")))
    assert outcomes(told) == ["APPROVE", "HOLD"]
    assert desk.account() == before


@pytest.mark.parametrize(
    ("limit", "amount", "outcome", "reason"),
    [
        pytest.param(100_00, "100.00", "APPROVE", None, id="limit-exactly-used"),
        pytest.param(100_00, "100.01", "HOLD", "OVER_LIMIT", id="one-cent-over"),
        pytest.param(0, "0.01", "HOLD", "OVER_LIMIT", id="a-limit-of-zero"),
        pytest.param(None, "0.01", "HOLD", "NO_LIMIT", id="no-limit"),
    ],
)
def test_where_a_limit_ends(
    desk: Counter, limit: int | None, amount: str, outcome: str, reason: str | None
) -> None:
    add_customer(desk.database, "C-1", limit)
    (told,) = desk.ask(desk.order(desk.question("SO-1", amount)))
    assert isinstance(told, dict)
    assert told["outcome"] == outcome
    assert [row["code"] for row in told["reasons"]] == ([reason] if reason else [])


def test_a_larger_amount_is_a_grant_of_the_difference(desk: Counter) -> None:
    add_customer(desk.database, "C-1", 100_00)
    desk.ask(desk.order(desk.question("SO-1", "60.00", version=1)))
    more = desk.ask(desk.order(desk.question("SO-1", "100.00", version=2)))
    assert outcomes(more) == ["APPROVE"]
    over = desk.ask(desk.order(desk.question("SO-1", "100.01", version=3)))
    assert outcomes(over) == ["HOLD"]
    assert desk.account().use.authorized == 100_00
    assert outcomes(desk.ask(desk.order(desk.question("SO-1", "40.00", version=4)))) == ["APPROVE"]
    assert desk.account().use.authorized == 40_00
    stale = desk.ask(desk.order(desk.question("SO-1", "50.00", version=3)))
    assert isinstance(stale[0], OrderVersionStaleError)


def test_a_hold_says_what_would_unblock_it(desk: Counter) -> None:
    add_customer(desk.database, "C-1", 100_00)
    (held,) = desk.ask(desk.order(desk.question("SO-1", "150.00")))
    assert isinstance(held, dict)
    assert held["ship_up_to"] == {"amount": "100.00", "currency": "CNY"}
    actions = {row["action"]: row["amount"]["amount"] for row in held["unblock"]}
    assert actions == {
        "PAY": "50.00",
        "SHIP_UP_TO": "100.00",
        "RAISE_LIMIT": "150.00",
        "ADD_COVER": "50.00",
    }
    (again,) = desk.ask(desk.order(desk.question("SO-1", "150.00")))
    assert isinstance(again, dict)
    assert again["order_hold_id"] == held["order_hold_id"]
    (fits,) = desk.ask(desk.order(desk.question("SO-1", "100.00")))
    assert isinstance(fits, dict)
    assert (fits["outcome"], fits["order_hold_id"]) == ("APPROVE", None)


@pytest.mark.parametrize(
    ("currency", "rate", "amount", "used_minor"),
    [
        pytest.param("KRW", "0.0052", "19230", 100_00, id="krw-rounded-up"),
        pytest.param("JPY", "0.05", "2000", 100_00, id="jpy-exactly"),
        pytest.param("BHD", "19.20", "5.208", 100_00, id="bhd-three-digits"),
    ],
)
def test_another_currency_uses_the_stored_rate(
    desk: Counter, currency: str, rate: str, amount: str, used_minor: int
) -> None:
    add_customer(desk.database, "C-1", 100_00)
    question = desk.question("SO-1", amount, currency=currency)
    (held,) = desk.ask(desk.order(question))
    assert isinstance(held, dict)
    assert (held["outcome"], held["fx"]) == ("HOLD", None)
    assert [row["code"] for row in held["reasons"]] == ["FX_RATE_MISSING"]
    with desk.database.begin() as tx:
        rates.add(tx, Rate(currency, "CNY", Decimal(rate), date(2026, 11, 23).isoformat(), "test"))
    (told,) = desk.ask(desk.order(question))
    assert isinstance(told, dict)
    assert told["outcome"] == "APPROVE"
    assert told["fx"]["rate"] == format(Decimal(rate).normalize(), "f")
    assert desk.account().use.authorized == used_minor
    (more,) = desk.ask(desk.order(desk.question("SO-2", "0.01")))
    assert outcomes([more]) == ["HOLD"]


def test_another_payer_is_a_new_grant_and_frees_the_old_one(desk: Counter) -> None:
    add_customer(desk.database, "C-1", 100_00)
    add_customer(desk.database, "C-2", 50_00)
    desk.ask(desk.order(desk.question("SO-1", "50.00")))
    moved = desk.ask(desk.order(desk.question("SO-1", "50.00", customer_id="C-2")))
    assert outcomes(moved) == ["APPROVE"]
    assert desk.account("C-1").use.authorized == 0
    assert desk.account("C-2").use.authorized == 50_00
