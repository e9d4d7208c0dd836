"""A base limit is replaced for good: it comes back neither by dates, nor by a sheet."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import httpx2
import pytest

from app.store import limits
from app.store.checker import check_ledger
from app.store.database import Database
from tests.erp import Erp, money
from tests.server import Clock


@pytest.fixture
def erp(client: httpx2.Client, database: Database) -> Iterator[Erp]:
    """Serve a customer that was never given a limit."""
    erp = Erp(client)
    erp.customer("C-1", None)
    yield erp
    report = check_ledger(database.url)
    assert report.clean, report.difference


def limit(erp: Erp, amount: str, status: int = 201, **dates: str) -> dict[str, str]:
    body = {"kind": "base", "limit": money(amount), **dates}
    answer = erp.post("/v1/customers/C-1/limits", body)
    assert answer.status_code == status, answer.text
    told: dict[str, str] = answer.json()
    return told


def four_eyes(erp: Erp, *, on: bool) -> None:
    answer = erp.client.put("/v1/segments/main", json={"name": "main", "four_eyes": on})
    assert answer.status_code == 200, answer.text


def expired(erp: Erp, order_id: str) -> None:
    told = erp.ask(order_id, "40000.00")
    codes = [one["code"] for one in told["reasons"]]
    assert (told["outcome"], codes) == ("HOLD", ["LIMIT_EXPIRED"])


def test_a_limit_stays_replaced_where_its_successor_is_dated_back(erp: Erp, clock: Clock) -> None:
    limit(erp, "50000.00", valid_from="2026-06-10")
    told = limit(erp, "100.00", valid_from="2026-01-01", valid_to="2026-06-30")
    assert told["valid_from"] == "2026-06-15", "it began before it was approved"
    assert erp.ask("SO-1", "101.00")["outcome"] == "HOLD"
    clock.at = datetime(2026, 7, 1, tzinfo=UTC)
    expired(erp, "SO-2")


def test_a_limit_stays_replaced_where_its_successor_waited_for_its_approval(
    erp: Erp, clock: Clock
) -> None:
    four_eyes(erp, on=True)
    yearly = limit(erp, "100.00", 202, valid_to="2026-06-30")["limit_id"]
    four_eyes(erp, on=False)
    clock.advance(days=2)
    limit(erp, "50000.00")  # an exception, without an end
    clock.advance(days=2)
    answer = erp.post(f"/v1/customers/C-1/limits/{yearly}/approve")
    assert answer.status_code == 200, answer.text
    assert erp.account()["effective_limit"] == money("100.00")
    clock.at = datetime(2026, 7, 1, tzinfo=UTC)
    expired(erp, "SO-1")


def test_what_was_over_before_it_was_told_keeps_its_dates_and_replaces_nothing(erp: Erp) -> None:
    limit(erp, "50000.00", valid_from="2026-06-10")
    told = limit(erp, "100.00", valid_from="2026-01-01", valid_to="2026-06-14")
    assert (told["valid_from"], told["valid_to"]) == ("2026-01-01", "2026-06-14")
    assert erp.account()["effective_limit"] == money("50000.00")


@pytest.mark.parametrize(
    ("zone", "replaces"),
    [
        pytest.param("Asia/Shanghai", False, id="over-yesterday-in-the-east"),
        pytest.param("America/New_York", True, id="its-last-day-in-the-west"),
    ],
)
def test_what_was_over_when_it_was_told_replaces_none_that_ran_then(
    erp: Erp, clock: Clock, database: Database, zone: str, *, replaces: bool
) -> None:
    limit(erp, "50000.00", valid_from="2026-06-15")
    clock.at = datetime(2026, 8, 10, 20, tzinfo=UTC)  # the 11th in Shanghai
    answer = erp.client.put("/v1/segments/main", json={"name": "main", "time_zone": zone})
    assert answer.status_code == 200, answer.text
    limit(erp, "100.00", valid_from="2026-07-01", valid_to="2026-08-10")
    clock.advance(days=2)
    if replaces:
        expired(erp, "SO-1")
    else:
        assert erp.ask("SO-1", "40000.00")["outcome"] == "APPROVE"
        assert erp.account()["effective_limit"] == money("50000.00")
    with database.read() as tx:
        told = limits.valid_limits(tx, "main", date(2026, 8, 12))
    assert [one.limit_minor for _, one in told] == ([] if replaces else [5_000_000])


def test_orders_and_reads_agree_that_what_was_over_when_told_replaced_none(
    erp: Erp, clock: Clock
) -> None:
    limit(erp, "50000.00", valid_from="2026-06-15")
    limit(erp, "50.00", valid_from="2026-08-20", valid_to="2026-08-31")
    clock.at = datetime(2026, 8, 10, 4, tzinfo=UTC)
    limit(erp, "100.00", valid_from="2026-07-01", valid_to="2026-07-31")
    temporary = {"kind": "temporary", "valid_from": "2026-08-10", "valid_to": "2026-08-11"}
    body = {"limit": money("60000.00"), **temporary}
    assert erp.post("/v1/customers/C-1/limits", body).status_code == 201
    clock.advance(days=2)  # time alone ends the temporary one
    assert erp.account()["effective_limit"] == money("50000.00")
    assert erp.ask("SO-1", "40000.00")["outcome"] == "APPROVE"


def test_a_limit_that_was_replaced_is_not_among_those_in_force(
    erp: Erp, clock: Clock, database: Database
) -> None:
    limit(erp, "50000.00", valid_from="2026-06-01")
    limit(erp, "100.00", valid_from="2026-06-15", valid_to="2026-06-20")
    in_force = {16: [10_000], 21: []}
    for day, expected in in_force.items():
        clock.at = datetime(2026, 6, day, 4, tzinfo=UTC)
        with database.read() as tx:
            told = limits.valid_limits(tx, "main", date(2026, 6, day))
        assert [one.limit_minor for _, one in told] == expected
    assert erp.account()["effective_limit"] is None
