"""The credit horizon over the wire, and the pass that lets orders count when their day has come."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import text

from app.cli.replay import replay
from app.domain.errors import BusyError
from app.settings import Settings
from app.store import orders
from app.store.checker import check_ledger, check_within
from app.store.database import Database, Tx, moment
from app.usecases.expiry import ExpireAuthorizations
from app.usecases.horizons import CountOrders
from app.usecases.portions import Portion
from tests.erp import Erp, money
from tests.faults.damages import plain
from tests.faults.damages import told as damaged
from tests.server import Clock
from tests.usecases.town import at_once

LIST = "/v1/authorizations"
TODAY = date(2026, 6, 15)
DAY = timedelta(days=1)
FAR = (TODAY + 100 * DAY).isoformat()
FROM = TODAY + 70 * DAY
THEN = datetime(2026, 8, 23, 16, tzinfo=UTC)
"""Midnight in Shanghai, when FROM begins."""


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    horizon(erp, 30)
    erp.customer("C-1")
    return erp


def horizon(erp: Erp, days: int | None, segment: str = "main", **fields: str) -> None:
    body = {"name": segment, "credit_horizon_days": days, **fields}
    answer = erp.client.put(f"/v1/segments/{segment}", json=body)
    assert answer.status_code in {200, 201}, answer.text
    assert answer.json()["credit_horizon_days"] == days
    assert erp.client.get(f"/v1/segments/{segment}").json() == answer.json()


def count(database: Database, when: datetime = THEN, most: int = 100) -> int:
    """Run a whole pass as of a moment; returns how many orders began to count."""
    counting = CountOrders(database, most, lambda _: when)
    portion = counting()
    done = portion.items
    while portion.after is not None:
        portion = counting(portion.after)
        done += portion.items
    return done


def shown(erp: Erp, told: dict[str, Any]) -> tuple[str, str, str | None]:
    found = erp.client.get(f"{LIST}/{told['authorization_id']}").json()
    listed = erp.client.get(LIST, params={"order_id": told["order_id"]}).json()["items"]
    assert listed[0] == found
    return found["status"], found["remaining"]["amount"], found["counts_from"]


def tell(erp: Erp, kind: str, order_id: str, amount: str, **fields: Any) -> str:  # noqa: ANN401
    event = {
        "source": "erp",
        "event_id": f"{kind}-{order_id}-{amount}",
        "type": kind,
        "customer_id": "C-1",
        "segment": "main",
        "occurred_at": "2026-06-15T04:00:00Z",
        "order_id": order_id,
        "version": 1,
        "amount": money(amount),
        **fields,
    }
    answer = erp.client.post("/v1/ledger-events", json={"events": [event]})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["results"][0]["result"])


def deliver(erp: Erp, order_id: str, amount: str) -> str:
    return tell(erp, "delivery", order_id, amount, delivery_id=f"D-{order_id}")


def figures(erp: Erp, customer_id: str = "C-1") -> tuple[str, str, str]:
    told = erp.account(customer_id)
    return tuple(told[name]["amount"] for name in ("authorized", "exposure", "forced"))


def exact(database: Database) -> None:
    found = check_ledger(database.url)
    assert found.clean, str(found)
    replay(Settings(database_url=database.url), datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("days", [-1, 3651, "30", 1.5])
def test_a_horizon_has_bounds(erp: Erp, days: object) -> None:
    answer = erp.client.put("/v1/segments/main", json={"name": "m", "credit_horizon_days": days})
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == ["credit_horizon_days"]
    assert erp.client.get("/v1/segments/main").json()["credit_horizon_days"] == 30


def test_an_order_beyond_the_horizon_does_not_count_until_its_day(
    erp: Erp, database: Database
) -> None:
    told = erp.ask("SO-1", "150.00", ship_date=FAR, expires_in=None)
    assert (told["outcome"], told["counts_from"]) == ("APPROVE", FROM.isoformat())
    assert figures(erp) == ("0.00", "0.00", "0.00")
    assert shown(erp, told) == ("OPEN", "150.00", FROM.isoformat())
    near = erp.ask("SO-2", "60.00", ship_date="2026-07-15")
    assert (near["outcome"], near["counts_from"]) == ("APPROVE", None)
    assert count(database, THEN - timedelta(microseconds=1)) == 0
    assert count(database) == 1
    assert figures(erp) == ("210.00", "0.00", "110.00")
    assert shown(erp, told) == ("OPEN", "150.00", None)
    with database.read() as tx:
        query = "SELECT kind, ref, authorized_minor FROM journal ORDER BY account_id, seq"
        assert tx.execute(text(query)).all()[-1] == ("FACT", "order:SO-1", 21000)
    assert count(database, THEN + DAY) == 0
    exact(database)


def test_what_began_to_count_by_itself_is_tested_before_it_ships(
    erp: Erp, database: Database
) -> None:
    """Otherwise whatever ships late enough would never be held to any limit."""
    erp.ask("SO-1", "150.00", ship_date=FAR, expires_in=None)
    assert count(database) == 1
    held = erp.ask("SO-1", "150.00", check_point="GOODS_ISSUE")
    assert (held["outcome"], held["reasons"][0]["code"]) == ("HOLD", "OVER_LIMIT")
    assert figures(erp)[0] == "150.00"
    exact(database)
    body = {"kind": "base", "limit": money("150.00")}
    assert erp.post("/v1/customers/C-1/limits", body).status_code == 201
    assert erp.ask("SO-1", "150.00", check_point="GOODS_ISSUE")["outcome"] == "APPROVE"
    body = {"kind": "base", "limit": money("1.00")}
    assert erp.post("/v1/customers/C-1/limits", body).status_code == 201
    # tested once, its reservation stands like any other's
    assert erp.ask("SO-1", "150.00", check_point="GOODS_ISSUE")["outcome"] == "APPROVE"
    assert figures(erp)[0] == "150.00"
    exact(database)


def test_a_check_says_it_too_and_changes_nothing(erp: Erp, database: Database) -> None:
    body = {
        "customer_id": "C-1",
        "check_point": "QUOTE",
        "order": {"id": "Q-1"},
        "amount": money("150.00"),
        "ship_date": FAR,
    }
    told = erp.client.post("/v1/limit-checks", json=body).json()
    assert (told["outcome"], told["counts_from"]) == ("APPROVE", FROM.isoformat())
    near = erp.client.post("/v1/limit-checks", json={**body, "ship_date": "2026-06-20"}).json()
    assert (near["outcome"], near["counts_from"]) == ("HOLD", None)
    assert count(database) == 0
    exact(database)


@pytest.mark.parametrize("mode", ["OFF", "SHADOW", "WARN"])
def test_a_mode_that_stops_nothing_has_the_horizon_too(
    erp: Erp, database: Database, mode: str
) -> None:
    horizon(erp, 30, mode=mode)
    told = erp.ask("SO-1", "150.00", ship_date=FAR, expires_in=None)
    assert (told["judged"], told["counts_from"]) == ("APPROVE", FROM.isoformat())
    assert count(database) == 1
    assert figures(erp) == ("150.00", "0.00", "50.00")
    exact(database)


def test_a_new_ask_judges_by_its_own_date(erp: Erp, database: Database) -> None:
    first = erp.ask("SO-1", "150.00", ship_date=FAR)
    assert erp.ask("SO-1", "150.00", ship_date="2026-07-01")["outcome"] == "HOLD"
    assert shown(erp, first) == ("OPEN", "150.00", FROM.isoformat())
    near = erp.ask("SO-1", "90.00", ship_date="2026-07-01")
    assert (near["outcome"], near["counts_from"]) == ("APPROVE", None)
    assert near["authorization_id"] == first["authorization_id"]
    assert shown(erp, near) == ("OPEN", "90.00", None)
    assert erp.ask("SO-1", "90.00", ship_date=FAR)["counts_from"] == FROM.isoformat()
    assert figures(erp) == ("0.00", "0.00", "0.00")
    goods = erp.ask("SO-1", "90.00", ship_date=FAR, check_point="GOODS_ISSUE")
    assert (goods["counts_from"], erp.authorized()) == (None, "90.00")
    exact(database)


def test_facts_count_as_ever(erp: Erp, database: Database) -> None:
    told = erp.ask("SO-1", "150.00", ship_date=FAR, expires_in=None)
    assert deliver(erp, "SO-1", "30.00") == "applied"
    assert figures(erp) == ("0.00", "30.00", "0.00")
    assert shown(erp, told) == ("OPEN", "120.00", FROM.isoformat())
    assert tell(erp, "order", "SO-1", "140.00", status="OPEN", version=2) == "applied"
    assert shown(erp, told) == ("OPEN", "110.00", FROM.isoformat())
    assert count(database) == 1
    assert figures(erp) == ("110.00", "30.00", "40.00")
    exact(database)


def test_an_order_that_facts_carry_is_consumed(erp: Erp, database: Database, clock: Clock) -> None:
    counted = erp.ask("SO-1", "50.00", ship_date=FAR, expires_in=None)
    ended = erp.ask("SO-2", "20.00", ship_date=FAR, expires_in=1)
    for order_id, amount in (("SO-1", "50.00"), ("SO-2", "20.00")):
        deliver(erp, order_id, amount)
    assert shown(erp, counted)[0] == "CONSUMED"
    assert ExpireAuthorizations(database, 9, lambda _: clock() + DAY)() == Portion(1)
    assert count(database) == 1
    assert shown(erp, counted) == shown(erp, ended) == ("CONSUMED", "0.00", None)
    assert figures(erp) == ("0.00", "70.00", "0.00")
    exact(database)


def test_release_expiry_and_closing_end_it(erp: Erp, database: Database, clock: Clock) -> None:
    ids = ("SO-1", "SO-2", "SO-3")
    told = [erp.ask(one, "150.00", ship_date=FAR, expires_in=86_400) for one in ids]
    erp.post(f"{LIST}/{told[0]['authorization_id']}/release")
    assert tell(erp, "order", "SO-2", "150.00", status="CLOSED") == "applied"
    assert ExpireAuthorizations(database, 9, lambda _: clock() + DAY)() == Portion(1)
    statuses = [shown(erp, one) for one in told]
    assert [one[0] for one in statuses] == ["RELEASED", "RELEASED", "EXPIRED"]
    assert {one[1:] for one in statuses} == {("0.00", None)}
    assert count(database) == 0
    exact(database)


def test_an_order_told_as_a_fact_counts_at_once(erp: Erp, database: Database) -> None:
    assert tell(erp, "order", "SO-1", "150.00", status="OPEN") == "applied"
    assert figures(erp) == ("150.00", "0.00", "50.00")
    exact(database)


def test_a_held_order_that_a_person_releases_keeps_to_the_horizon(
    erp: Erp, database: Database
) -> None:
    erp.place(order_id="SO-1")
    hold_id = erp.held("SO-1", "150.00", ship_date=FAR)
    assert erp.decide(hold_id, "release").json()["status"] == "RELEASED"
    assert figures(erp) == ("0.00", "0.00", "0.00")
    assert erp.ask("SO-1", "150.00", ship_date=FAR)["counts_from"] == FROM.isoformat()
    exact(database)


def test_groups_count_it_and_each_segment_has_its_own_day(erp: Erp, database: Database) -> None:
    erp.customer("G", "100.00")
    erp.customer("C-2", parent_id="G")
    horizon(erp, 30, "west", time_zone="America/New_York")
    for segment in ("main", "west"):
        erp.ask(
            f"SO-{segment}",
            "150.00",
            customer_id="C-2",
            segment=segment,
            ship_date=FAR,
            expires_in=None,
        )
    assert count(database) == 1
    assert figures(erp, "C-2") == figures(erp, "G") == ("150.00", "0.00", "50.00")
    assert count(database, THEN + timedelta(hours=11, minutes=59)) == 0  # still the day before
    assert count(database, THEN + timedelta(hours=12)) == 1
    assert erp.account("G", "west")["forced"]["amount"] == "150.00"
    exact(database)


def test_what_no_rate_values_waits_and_holds_nothing_up(erp: Erp, database: Database) -> None:
    for number in range(4):
        currency = "USD" if number < 3 else "CNY"  # the first three lack a rate
        erp.ask(f"SO-{number}", "10.00", currency=currency, ship_date=FAR, expires_in=None)
    counting = CountOrders(database, 2, lambda _: THEN)
    first = counting()
    assert (first.items, first.left) == (0, 2)
    assert counting(first.after) == Portion(1, ((FROM, "main", "SO-3"), ()), 1)
    assert counting(((FROM, "main", "SO-3"), ())) == Portion(0)
    assert figures(erp) == ("10.00", "0.00", "0.00")
    rate = {"base": "USD", "quote": "CNY", "rate": "7", "rate_date": "2026-08-20", "source": "t"}
    insert = (
        "INSERT INTO fx_rate (base, quote, rate, rate_date, source)"
        " VALUES (:base, :quote, :rate, :rate_date, :source)"
    )
    with database.begin() as tx:
        tx.execute(text(insert), rate)
    assert count(database) == 3
    assert figures(erp) == ("220.00", "0.00", "120.00")
    exact(database)


def test_a_locked_account_keeps_nobody_else_waiting(erp: Erp, database: Database) -> None:
    erp.customer("C-2")
    for order_id, customer_id in (("SO-1", "C-1"), ("SO-2", "C-1"), ("SO-3", "C-2")):
        erp.ask(order_id, "1.00", customer_id=customer_id, ship_date=FAR, expires_in=None)
    counting = CountOrders(database, 2, lambda _: THEN)
    with database.begin() as tx:
        held = tx.execute(
            text("SELECT account_id FROM account WHERE customer_id = 'C-1' FOR NO KEY UPDATE")
        ).scalar_one()
        first = counting()
        assert first == Portion(0, (None, (held,)), left=1)
        assert counting(first.after) == Portion(1)
    assert (erp.authorized(), erp.authorized("C-2")) == ("0.00", "1.00")
    assert count(database) == 2
    exact(database)


def test_who_was_done_alone_is_not_tried_again_in_a_pass(erp: Erp, database: Database) -> None:
    """Else those whose orders no rate values would come first, again and again."""
    erp.customer("C-2")
    erp.ask("SO-1", "1.00", currency="USD", ship_date=FAR, expires_in=None)
    erp.ask("SO-2", "1.00", customer_id="C-2", ship_date=FAR, expires_in=None)
    counting = CountOrders(database, 2, lambda _: THEN)
    with database.begin() as tx:
        query = "SELECT account_id FROM account WHERE customer_id LIKE 'C-_' ORDER BY account_id"
        both = tuple(tx.execute(text(query)).scalars())
        tx.execute(text("SELECT FROM account WHERE customer_id = 'C-2' FOR NO KEY UPDATE"))
        first = counting()
        assert first == Portion(0, (None, both), left=2)
        assert counting(first.after) == Portion(0)


def test_a_limit_of_that_day_is_put_in_force_first(
    erp: Erp, database: Database, clock: Clock
) -> None:
    body = {"kind": "temporary", "limit": money("400.00"), "valid_from": "2026-08-20"}
    erp.post("/v1/customers/C-1/limits", {**body, "valid_to": "2026-12-31"})
    erp.ask("SO-1", "300.00", ship_date=FAR, expires_in=None)
    assert count(database) == 1
    with database.read() as tx:
        query = "SELECT kind, forced_minor FROM journal ORDER BY account_id, seq"
        assert tx.execute(text(query)).all()[-2:] == [("LIMIT_EFFECTIVE", 0), ("FACT", 0)]
    clock.at = THEN
    assert figures(erp) == ("300.00", "0.00", "0.00")
    exact(database)


def test_the_day_is_that_of_the_database(erp: Erp, database: Database, clock: Clock) -> None:
    horizon(erp, 30, time_zone="UTC")
    with database.read() as tx:
        clock.at = moment(tx) - 2 * DAY
    ships = {name: (clock().date() + days * DAY).isoformat() for name, days in DISTANCES.items()}
    for name, day in ships.items():
        erp.ask(name, "1.00", ship_date=day, expires_in=None)
    assert CountOrders(database, 10)() == Portion(1)
    assert figures(erp)[0] == "1.00"


DISTANCES = {"soon": 31, "late": 40}
"""By order: how many days after the day before yesterday it ships; today is the day of `soon`."""


def test_passes_and_deliveries_at_once_count_once(
    erp: Erp, database: Database, clock: Clock
) -> None:
    numbers = range(12)
    for number in numbers:
        erp.ask(f"SO-{number}", "10.00", ship_date=FAR, expires_in=None)
    clock.at = THEN

    def ship(some: range) -> Callable[[], int]:
        return lambda: len([deliver(erp, f"SO-{number}", "4.00") for number in some])

    def turn() -> int:
        for _ in range(50):
            try:
                return count(database, most=3)
            except BusyError:
                continue
        raise AssertionError("busy for too long")

    answers = at_once(turn, turn, turn, ship(numbers[::2]), ship(numbers[1::2]))
    assert all(isinstance(one, int) for one in answers), answers
    assert sum(answers[:3]) + count(database) == len(numbers)  # type: ignore[arg-type] # all int
    assert figures(erp) == ("72.00", "48.00", "20.00")
    exact(database)


def test_what_is_worked_on_is_left_for_the_next_pass(erp: Erp, database: Database) -> None:
    for number in range(3):
        erp.ask(f"SO-{number}", "1.00", ship_date=FAR, expires_in=None)
    with database.begin() as tx:
        orders.lock(tx, [("main", "SO-1")])
        assert count(database) == 2
    assert count(database) == 1


def test_the_index_finds_what_is_due(erp: Erp, database: Database) -> None:
    erp.ask("SO-1", "1.00", ship_date=FAR)
    seen: list[str] = []

    def explain(tx: Tx) -> list[str]:
        query = (
            "EXPLAIN SELECT * FROM credit_order WHERE counts_from IS NOT NULL"
            " AND counts_from <= :day ORDER BY counts_from, segment_id, order_id LIMIT 10"
        )
        return [str(row[0]) for row in tx.execute(text(query), {"day": FROM})]

    with database.begin() as tx:
        tx.execute(text("SET LOCAL enable_seqscan = off"))
        seen = explain(tx)
    assert any("Index Scan using credit_order_counts_from_idx" in line for line in seen), seen
    assert not any("Sort" in line for line in seen), seen


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        pytest.param(
            "UPDATE credit_order SET counts_from = NULL",
            "documents: .*order SO-1: reserved: expected 150.00 CNY from its documents, found 0.00",
            id="day-forgotten",
        ),
        pytest.param(
            "UPDATE credit_order SET counts_from = NULL, reserved_minor = 15000",
            "positions: .*authorized: expected 150.00 CNY from documents, found 0.00",
            id="counted-without-booking",
        ),
        pytest.param(
            damaged("answer", "counts_from", '"2026-08-25"', "SO-1"),
            "decisions: .*counts_from: expected 2026-08-24, found 2026-08-25",
            id="another-day-answered",
        ),
        pytest.param(
            "UPDATE credit_order SET counts_from = '2099-01-01'",
            "expiries: .*order SO-1: counts_from: expected what an approval of .* 2099-01-01",
            id="another-day-kept",
        ),
        pytest.param(
            damaged("inputs", "situation,horizon_days", "null", "SO-1"),
            "decisions: .*expected its journal entry 2, found none",
            id="horizon-forgotten",
        ),
    ],
)
def test_the_checker_names_what_is_damaged(
    erp: Erp, database: Database, statement: str, said: str
) -> None:
    erp.ask("SO-1", "150.00", ship_date=FAR)
    plain(database.url)
    with psycopg.connect(database.url, row_factory=dict_row) as connection:
        assert check_within(connection).clean
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(statement)
        found = check_within(connection)
        connection.rollback()
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(str(found))


def test_the_database_refuses_a_reservation_that_does_not_count(
    erp: Erp, database: Database
) -> None:
    erp.ask("SO-1", "150.00", ship_date=FAR)
    with (
        psycopg.connect(database.url) as connection,
        pytest.raises(psycopg.errors.CheckViolation, match="credit_order_counts_from_check"),
    ):
        connection.execute("UPDATE credit_order SET reserved_minor = 1")
