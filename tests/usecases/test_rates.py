"""Rates: stored once a key, announced to facts that waited for them."""

from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest

from app.domain.errors import FieldError
from app.domain.money import Rate
from app.store import lane_sql, rates
from app.store.database import Database
from app.usecases.causes import announce
from app.usecases.rates import RateAsk, parse_rate
from tests.server import Clock
from tests.usecases.town import Town, seeing


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    return Town.found(database, clock)


def ask(town: Town, **fields: str) -> RateAsk:
    told = {"base": "EUR", "quote": "CNY", "rate": "8", "source": "tests", **fields}
    return RateAsk(told["base"], told["quote"], told["rate"], town.today, told["source"])


def test_a_rate_is_announced_once_in_both_directions(town: Town) -> None:
    keyed = town.keyed()
    seen: list[tuple[int, Rate]] = []
    for replayed in (False, True, True):
        answer = town.parties.add_rate(keyed, ask(town), seeing(seen))
        assert answer.replayed is replayed
    assert town.causes == ["rate:CNY:EUR"]
    assert [rate.rate for _, rate in seen] == [8]
    assert town.parties.list_rates(("EUR", None), None, 9) == seen


def test_facts_that_waited_for_a_rate_go_in(town: Town) -> None:
    town.put("C-1", currency="CNY")
    paid = {"payment_id": "P", "amount": 5, "currency": "EUR", "paid_date": "2026-06-01"}
    assert town.fact("payment", "C-1", **paid) == "quarantined"
    assert town.account("C-1").quarantined == 1
    town.parties.add_rate(town.keyed(), ask(town), seeing([]))
    announce(town.facts.requeue, town.causes)
    assert (town.position("C-1", "EUR").prepayment, town.account("C-1").quarantined) == (5, 0)
    town.exact()


def test_a_rate_may_be_dated_a_week_ahead_and_no_more(town: Town) -> None:
    late = RateAsk("EUR", "CNY", "8", town.today + timedelta(days=7), "tests")
    town.parties.add_rate(town.keyed(), late, seeing([]))
    later = RateAsk("EUR", "CNY", "8", town.today + timedelta(days=8), "tests")
    with pytest.raises(FieldError) as refused:
        town.parties.add_rate(town.keyed(), later, seeing([]))
    assert refused.value.field == "rate_date"


def test_of_a_pair_and_a_date_what_was_stored_last_is_read_alone(town: Town) -> None:
    """An ERP may tell rates every few minutes, and all would be looked through for each order."""
    told = [("8", 0), ("8.5", 1), ("8.2", 0), ("0.125", 0), ("8.1", 0)]
    for rate, days in told:
        inverse = rate.startswith("0")
        pair = {"base": "CNY", "quote": "EUR"} if inverse else {"base": "EUR", "quote": "CNY"}
        day = town.today - timedelta(days=days)
        one = RateAsk(pair["base"], pair["quote"], rate, day, "tests")
        town.parties.add_rate(town.keyed(), one, seeing([]))
    newest = [Decimal("8.5"), Decimal("0.125"), Decimal("8.1")]
    with town.database.read() as tx:
        assert [one.rate for one in rates.recent(tx, {"EUR", "CNY"}, town.today)] == newest
    wanted = {"first": town.today - timedelta(days=7), "last": town.today}
    with psycopg.connect(town.database.url) as connection:
        rows = connection.execute(lane_sql.RATES.encode(), wanted | {"currencies": ["EUR", "CNY"]})
        assert [row[2] for row in rows] == newest


@pytest.mark.parametrize(
    ("written", "good"),
    [
        pytest.param("7.1234", True, id="plain"),
        pytest.param("0.00000001", True, id="least"),
        pytest.param("0.000000009999999999", False, id="below-least"),
        pytest.param("100000000", True, id="most"),
        pytest.param("100000000.000000000000000001", False, id="above-most"),
        pytest.param("0.123456789012345678", True, id="eighteen-digits"),
        pytest.param("0.1234567890123456789", False, id="nineteen-digits"),
        pytest.param("07.1", False, id="leading-zero"),
        pytest.param("7.", False, id="no-fraction"),
        pytest.param("+7", False, id="plus"),
        pytest.param("７", False, id="full-width"),
        pytest.param("", False, id="empty"),
    ],
)
def test_parse_rate(written: str, good: bool) -> None:
    if good:
        assert f"{parse_rate(written):f}" == written
    else:
        with pytest.raises(FieldError):
            parse_rate(written)
