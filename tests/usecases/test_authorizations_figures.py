"""What changes by itself before an order is judged, limits and rates by date; and its figures."""

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from prometheus_client import REGISTRY

from app.domain.scores import ModelVersion, RiskClass, Score, ScoreSource, TrafficLight
from app.domain.scores_json import score_to_json
from app.store.database import Database
from app.store.lane import Lane
from app.store.lane_rows import Want
from tests.server import Clock
from tests.usecases.counter import TODAY, Counter, outcomes, reasons
from tests.usecases.town import Town

DAY = timedelta(days=1)
CARD = (ScoreSource.SCORECARD, ModelVersion("card", 1))


@pytest.fixture
def desk(database: Database) -> Counter:
    return Counter.open(database)


def temporary(desk: Counter, minor: int, first: date, last: date) -> None:
    """Give C-1 a temporary limit, as if it had been approved and settled before."""
    desk.rows(
        "INSERT INTO credit_limit (limit_id, account_id, kind, limit_minor, currency, unlimited,"
        " valid_from, valid_to, status, proposed_by, decided_at) SELECT :id, account_id,"
        " 'temporary', :minor, 'CNY', false, :first, :last, 'APPROVED', 'tests', now()"
        " FROM account WHERE customer_id = 'C-1'",
        id=str(uuid4()),
        minor=minor,
        first=first,
        last=last,
    )
    desk.rows(
        "UPDATE account SET limit_changes_on = :day WHERE customer_id = 'C-1'",
        day=first if first > TODAY else last + DAY,
    )


def figures(told: Mapping[str, Any]) -> dict[str, str | None]:
    names = ("effective_limit", "exposure", "authorized", "headroom")
    return {name: told[name] and told[name]["amount"] for name in names}


def test_a_temporary_limit_lapses_by_itself(desk: Counter) -> None:
    """The lapse is a fact with its own entry, written once, before the order is judged."""
    desk.add("C-1", 100_00)
    temporary(desk, 500_00, TODAY - DAY, TODAY)
    desk.rows("UPDATE account SET limit_minor = 50000")
    assert desk.told(desk.order(desk.question("SO-1", "400.00")))["outcome"] == "APPROVE"
    desk.at += DAY
    checked = desk.told(desk.check(desk.question("SO-2", "0.01")))
    assert (reasons(checked), checked["account_seq"]) == (["OVER_LIMIT"], 2)
    assert desk.journal() == ["AUTHORIZE"]  # a check writes nothing
    held = desk.told(desk.order(desk.question("SO-2", "0.01")))
    assert figures(held) == {
        "effective_limit": "100.00",
        "exposure": "0.00",
        "authorized": "400.00",
        "headroom": "-300.00",
    }
    assert held["account_seq"] == 3
    assert desk.account().forced == 300_00
    again = desk.told(desk.order(desk.question("SO-1", "400.00")))
    assert again["outcome"] == "APPROVE"
    assert desk.journal() == ["AUTHORIZE", "LIMIT_EFFECTIVE"]


def test_a_temporary_limit_begins_on_its_day_and_is_told_before(desk: Counter) -> None:
    desk.add("C-1", 100_00)
    temporary(desk, 200_00, TODAY + DAY, TODAY + 9 * DAY)
    held = desk.told(desk.order(desk.question("SO-1", "200.00")))
    until = [one["until"] for one in held["unblock"] if one["action"] == "WAIT_UNTIL"]
    assert until == [(TODAY + DAY).isoformat()]
    desk.at += DAY
    assert desk.told(desk.order(desk.question("SO-1", "200.00")))["outcome"] == "APPROVE"
    assert desk.journal() == ["LIMIT_EFFECTIVE", "AUTHORIZE"]


def test_positions_are_revalued_once_a_day_and_never_grant(desk: Counter) -> None:
    desk.add("C-1", 700_00)
    desk.rate("USD", "CNY", "7", TODAY - DAY)
    asked = desk.question("SO-1", "100.00", currency="USD")
    assert desk.told(desk.order(asked))["outcome"] == "APPROVE"
    desk.rate("USD", "CNY", "7.5", TODAY)
    orders = [desk.order(desk.question(f"SO-{place}", "0.01")) for place in (2, 3)]
    assert outcomes(desk.ask(*orders)) == ["HOLD", "HOLD"]
    assert desk.journal() == ["AUTHORIZE", "FX_REVALUATION"]
    assert desk.rows("SELECT ref FROM journal WHERE kind = 'FX_REVALUATION'") == [
        {"ref": f"fx_revaluation:USD/CNY 7.5 of {TODAY}"}
    ]
    assert desk.account().forced == 50_00
    told = desk.told(desk.order(asked))
    assert (told["outcome"], told["fx"]["rate"]) == ("APPROVE", "7.5")
    assert desk.journal() == ["AUTHORIZE", "FX_REVALUATION"]
    desk.exact()


@pytest.mark.parametrize(
    ("days", "outcome"),
    [
        pytest.param(7, "APPROVE", id="seven-days-old"),
        pytest.param(8, "HOLD", id="eight-days-old"),
        pytest.param(-1, "HOLD", id="of-tomorrow"),
    ],
)
def test_how_old_a_rate_may_be(desk: Counter, days: int, outcome: str) -> None:
    """Also where another segment of the batch, further east, has the next day already."""
    desk.add("C-1", 700_00)
    desk.rows(
        "INSERT INTO segment (segment_id, name, time_zone) VALUES"
        " ('east', 'east', 'Pacific/Kiritimati')"
    )
    desk.rate("USD", "CNY", "7", TODAY - days * DAY)
    desk.at += timedelta(hours=2)  # 19:00 in Shanghai, 01:00 of the next day in Kiritimati
    asks = [
        desk.order(desk.question("SO-1", "1.00", currency="USD", segment_id=segment))
        for segment in ("main", "east")
    ]
    told = desk.ask(*asks)
    assert outcomes(told)[0] == outcome


def test_figures_leave_out_the_orders_own_reservation(desk: Counter) -> None:
    desk.add("C-1", 100_00)
    first = desk.told(desk.order(desk.question("SO-1", "60.00")))
    expected = {
        "effective_limit": "100.00",
        "exposure": "0.00",
        "authorized": "0.00",
        "headroom": "100.00",
    }
    assert (figures(first), first["account_seq"]) == (expected, 2)
    again = desk.told(desk.order(desk.question("SO-1", "70.00")))
    assert (figures(again), again["account_seq"]) == (expected, 3)
    for amount, outcome in (("30.01", "HOLD"), ("30.00", "APPROVE")):
        other = desk.told(desk.check(desk.question("SO-2", amount)))
        assert (other["outcome"], figures(other)["headroom"]) == (outcome, "30.00")
        assert other["account_seq"] == 3  # what a check would have booked is not there


def test_what_is_checked_first_is_what_is_decided_then(desk: Counter) -> None:
    desk.add("C-1", 100_00)
    desk.rate("USD", "CNY", "7.07", TODAY)
    desk.told(desk.order(desk.question("SO-0", "3.00", currency="USD")))
    drifting = {"decision_id", "authorization_id", "order_hold_id", "expires_at", "account_seq"}
    for place, amount in enumerate(("10.00", "80.00", "60.00", "9.90")):
        question = desk.question(f"SO-{place}", amount, currency="CNY")
        checked, decided = desk.told(desk.check(question)), desk.told(desk.order(question))
        for one in (checked, decided):
            for name in drifting:
                del one[name]
        assert checked == decided
    desk.exact()


@pytest.mark.parametrize("orders", [1, 3])
def test_the_age_of_a_score_is_counted_once_a_decision(desk: Counter, orders: int) -> None:
    """Of each order and check that used one; nothing is counted of a payer without a score."""
    desk.add("C-1", 100_00)
    desk.add("C-2", 100_00)
    computed = Score(700, 0.01, 90, RiskClass.B, TrafficLight.GREEN, (), *CARD)
    score = score_to_json(computed, TODAY, desk.at - 2 * DAY)
    desk.rows(
        "WITH a AS (UPDATE account SET input_version = 2 WHERE customer_id = 'C-1' RETURNING *)"
        " INSERT INTO account_input (account_id, version, data)"
        " SELECT i.account_id, 2, jsonb_set(i.data, '{score}', CAST(:score AS jsonb))"
        " FROM a JOIN account_input i ON i.account_id = a.account_id AND i.version = 1",
        score=orjson.dumps(score).decode(),
    )
    asks = [desk.order(desk.question(f"SO-{place}", "1.00")) for place in range(orders)]
    asks.append(desk.check(desk.question("SO-check", "1.00")))
    asks.append(desk.order(desk.question("SO-other", "1.00", customer_id="C-2")))
    before = _ages()
    assert outcomes(desk.ask(*asks)) == ["APPROVE"] * len(asks)
    gained = {name: count - before[name] for name, count in _ages().items()}
    number = orders + 1
    seconds = 2 * DAY.total_seconds()
    # the metric is the process's: what others added before costs its sum the last binary digits
    expected = {"sum": number * seconds, "up-to-a-day": 0, "up-to-two-days": number}
    assert gained == pytest.approx(expected)


def _ages() -> dict[str, float]:
    name, day = "aval_score_age_seconds", DAY.total_seconds()
    found = {
        "sum": REGISTRY.get_sample_value(f"{name}_sum"),
        "up-to-a-day": REGISTRY.get_sample_value(f"{name}_bucket", {"le": str(day)}),
        "up-to-two-days": REGISTRY.get_sample_value(f"{name}_bucket", {"le": str(2 * day)}),
    }
    return {name: value or 0.0 for name, value in found.items()}


def test_who_pays_as_told_gets_the_order(database: Database, clock: Clock) -> None:
    """From the answer's own words to the approval, through facts."""
    town = Town.found(database, clock)
    desk = Counter(database, at=clock())
    town.put("C-1")
    town.limit("C-1", 100_00)
    late = (clock().date() - 40 * DAY).isoformat()
    town.fact(
        "invoice",
        "C-1",
        invoice_id="I-1",
        amount=30_00,
        issue_date="2026-01-01",
        due_date=late,
    )
    town.fact(
        "invoice",
        "C-1",
        invoice_id="I-2",
        amount=50_00,
        issue_date="2026-01-01",
        due_date=clock().date().isoformat(),
    )
    held = desk.told(desk.order(desk.question("SO-1", "60.00")))
    assert reasons(held) == ["OVER_LIMIT", "OVERDUE_DAYS"]
    pay = held["unblock"][0]
    assert (pay["action"], pay["amount"]["amount"]) == ("PAY", "40.00")
    assert pay["invoices"] == ["I-1", "I-2"]
    parts = [{"invoice_id": "I-1", "amount": 30_00}, {"invoice_id": "I-2", "amount": 10_00}]
    town.fact(
        "payment",
        "C-1",
        payment_id="P-1",
        amount=40_00,
        paid_date=clock().date().isoformat(),
        allocations=parts,
    )
    assert outcomes(desk.ask(desk.order(desk.question("SO-1", "60.00")))) == ["APPROVE"]
    assert desk.account().headroom == 0
    desk.exact()


@pytest.mark.parametrize("currencies", ["", "CNY", "USD", "USD CNY", "CNY USD CNY"])
def test_a_batch_knows_what_is_open_and_late_in_each_currency(
    database: Database, clock: Clock, currencies: str
) -> None:
    town = Town.found(database, clock)
    town.put("C-1")
    Counter(database, at=clock()).rate("USD", "CNY", "7", clock().date())
    expected: dict[str, tuple[int, int, date]] = {}
    for days, currency in enumerate(currencies.split()):
        due = clock().date() - days * DAY  # the first is due today: not late yet
        town.fact(
            "invoice",
            "C-1",
            invoice_id=f"I-{days}",
            currency=currency,
            amount=10_00 + days,
            issue_date="2026-01-01",
            due_date=due.isoformat(),
        )
        late, opened, _ = expected.get(currency, (0, 0, due))
        expected[currency] = (late + (days and 10_00 + days), opened + 10_00 + days, due)

    async def look() -> Mapping[str, Any]:
        lane = Lane(database.url)
        found = await lane.look(Want({("main", "C-1")}, (), clock()))
        await lane.rollback()
        await lane.close()
        return found.payers["main", "C-1"].open_items

    assert asyncio.run(look()) == expected


def test_goods_that_left_are_carried_by_facts(database: Database, clock: Clock) -> None:
    town = Town.found(database, clock)
    desk = Counter(database, at=clock())
    town.put("C-1")
    town.limit("C-1", 100_00)
    desk.ask(desk.order(desk.question("SO-1", "100.00")))
    town.fact("delivery", "C-1", delivery_id="DN-1", order_id="SO-1", amount=60_00)
    assert desk.account().use.authorized == 40_00
    more = desk.told(desk.order(desk.question("SO-1", "110.00", check_point="GOODS_ISSUE")))
    assert (more["outcome"], more["ship_up_to"]["amount"]) == ("HOLD", "100.00")
    assert figures(more)["exposure"] == "60.00"
    bill = desk.question("SO-1", "60.00", check_point="INVOICE")
    town.limit("C-1", 0)
    assert desk.told(desk.check(bill))["outcome"] == "APPROVE"
    desk.exact()
