"""An order whose day has come takes its credit before anybody else is given it, swept or not."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.domain.facts_balances import MAX_TOTAL
from app.store import orders_due
from app.store.database import Database
from app.usecases.catch_up import count_on
from app.usecases.horizons import CountOrders
from tests.erp import Erp, money, refused
from tests.server import Clock
from tests.usecases.test_horizons import FAR, FROM, THEN, exact, horizon


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    """Give a segment with a horizon of thirty days, and a customer with a limit of 100 CNY."""
    erp = Erp(client)
    horizon(erp, 30)
    erp.customer("C-1")
    return erp


def far(erp: Erp, order_id: str, amount: str, **fields: object) -> dict[str, Any]:
    told = erp.ask(order_id, amount, ship_date=FAR, **({"expires_in": None} | fields))
    assert (told["outcome"], told["counts_from"]) == ("APPROVE", FROM.isoformat()), told
    return told


def question(order_id: str, amount: str, customer_id: str = "C-1") -> dict[str, Any]:
    order = {"order": {"id": order_id}, "check_point": "ORDER"}
    return {"customer_id": customer_id, "amount": money(amount), **order}


def waiting(database: Database) -> list[str]:
    query = text("SELECT order_id FROM credit_order WHERE counts_from IS NOT NULL ORDER BY 1")
    with database.read() as tx:
        return [row.order_id for row in tx.execute(query)]


@pytest.mark.parametrize("path", ["/v1/authorizations", "/v1/limit-checks"])
def test_it_takes_its_credit_first(erp: Erp, database: Database, clock: Clock, path: str) -> None:
    far(erp, "SO-1", "80.00")
    clock.at = THEN - timedelta(microseconds=1)
    assert erp.ask("SO-2", "1.00")["outcome"] == "APPROVE"
    assert waiting(database) == ["SO-1"]
    clock.at = THEN
    told = erp.post(path, question("SO-3", "90.00")).json()
    assert (told["outcome"], told["ship_up_to"]) == ("HOLD", money("19.00")), told
    assert waiting(database) == []
    with database.read() as tx:
        query = "SELECT kind, ref, authorized_minor FROM journal ORDER BY account_id, seq"
        assert tx.execute(text(query)).all()[-1] == ("FACT", "order:SO-1", 8100)
    exact(database)


def test_a_sisters_order_takes_the_groups(erp: Erp, database: Database, clock: Clock) -> None:
    erp.customer("G", "100.00")
    for customer_id in ("C-2", "C-3"):
        erp.customer(customer_id, "500.00", parent_id="G")
    far(erp, "SO-1", "80.00", customer_id="C-2")
    far(erp, "SO-2", "80.00")
    clock.at = THEN
    told = erp.ask("SO-3", "90.00", customer_id="C-3")
    assert (told["outcome"], told["binding_customer_id"]) == ("HOLD", "G"), told
    assert waiting(database) == ["SO-2"]  # nobody asked about that account
    exact(database)


def test_a_hold_gets_no_credit_that_is_taken_that_day(
    erp: Erp, database: Database, clock: Clock
) -> None:
    """A limit that was raised for the one that begins to count is not the other one's."""
    far(erp, "SO-1", "80.00")
    hold_id = erp.held("SO-2", "101.00")
    body = {"kind": "temporary", "limit": money("180.00"), "valid_from": FROM.isoformat()}
    limit = erp.post("/v1/customers/C-1/limits", {**body, "valid_to": "2026-12-31"})
    assert limit.status_code == 201, limit.text
    clock.at = THEN
    told = erp.post("/v1/order-holds/re-evaluate", {"order_hold_ids": [hold_id]}).json()
    assert [one["result"] for one in told["results"]] == ["HELD"], told
    assert erp.account()["authorized"] == money("80.00")
    exact(database)


def test_who_cannot_be_counted_lets_nothing_pass(
    erp: Erp, database: Database, clock: Clock
) -> None:
    erp.customer("C-2")
    far(erp, "SO-1", "80.00")
    clock.at = THEN
    with database.begin() as tx:
        tx.execute(text("SELECT FROM credit_order WHERE order_id = 'SO-1' FOR UPDATE"))
        refused(erp.post("/v1/authorizations", question("SO-2", "90.00")), 503, "busy")
        other = erp.post("/v1/authorizations", question("SO-3", "90.00", "C-2"))
        assert other.json()["outcome"] == "APPROVE", other.text
    assert erp.ask("SO-2", "90.00")["outcome"] == "HOLD"
    exact(database)


@pytest.mark.parametrize(
    ("rated", "counts"),
    [
        pytest.param(None, False, id="no-rate-it-waits"),
        pytest.param("2026-08-16", False, id="a-rate-too-old"),
        pytest.param("2026-08-17", True, id="a-rate-of-that-week"),
        pytest.param("2026-08-25", False, id="a-rate-of-tomorrow"),
    ],
)
def test_what_no_rate_values_keeps_nobody(
    erp: Erp, database: Database, clock: Clock, rated: str | None, counts: bool
) -> None:
    far(erp, "SO-1", "20.00", currency="USD")
    far(erp, "SO-2", "2.00", currency="USD")
    if rated:
        insert = (
            "INSERT INTO fx_rate (base, quote, rate, rate_date, source)"
            " VALUES ('CNY', 'USD', 0.25, :rated, 'test')"
        )
        with database.begin() as tx:
            tx.execute(text(insert), {"rated": rated})
    clock.at = THEN
    assert erp.ask("SO-3", "90.00")["outcome"] == ("HOLD" if counts else "APPROVE")
    assert waiting(database) == ([] if counts else ["SO-1", "SO-2"])
    exact(database)


def test_what_has_expired_by_its_day_takes_nothing(
    erp: Erp, database: Database, clock: Clock
) -> None:
    far(erp, "SO-1", "80.00", expires_in=86_400)
    clock.at = THEN
    assert erp.ask("SO-2", "90.00")["outcome"] == "APPROVE"
    exact(database)


def accounts(database: Database) -> list[int]:
    with database.read() as tx:
        query = text("SELECT account_id FROM account ORDER BY customer_id")
        return [row.account_id for row in tx.execute(query)]


def test_all_of_a_payer_are_counted_however_many(erp: Erp, database: Database) -> None:
    erp.customer("C-2")
    for number in range(5):
        far(erp, f"SO-{number}", "1.00")
    far(erp, "SO-5", "1.00", customer_id="C-2")
    ids = accounts(database)
    assert not count_on(database, 2, patience_s=0)(THEN, ids)
    assert len(waiting(database)) == 6  # its time was over before it began
    count = count_on(database, 2, patience_s=60)
    assert count(THEN, ids[:1])
    assert waiting(database) == ["SO-5"]
    with database.begin() as tx:
        tx.execute(text("SELECT FROM credit_order WHERE order_id = 'SO-5' FOR UPDATE"))
        assert not count(THEN, ids)
    assert CountOrders(database, 9, lambda _: THEN)().items == 1
    assert count(THEN, ids)  # others may have done it
    exact(database)


def test_a_payer_out_of_reach_keeps_no_other(erp: Erp, database: Database) -> None:
    erp.customer("C-2")
    far(erp, "SO-1", "80.00")
    far(erp, "SO-2", "80.00", customer_id="C-2")
    with database.begin() as tx:
        tx.execute(text("SELECT FROM account WHERE customer_id = 'C-1' FOR NO KEY UPDATE"))
        assert not count_on(database, 9, patience_s=60)(THEN, accounts(database))
    assert waiting(database) == ["SO-1"]
    exact(database)


@pytest.mark.parametrize(("room", "counts"), [(0, True), (-1, False)])
def test_what_there_is_no_room_for_keeps_nobody(
    erp: Erp, database: Database, room: int, counts: bool
) -> None:
    """A total is bounded; where one more order would pass it, no other passes either."""
    far(erp, "SO-1", "1.00")
    full = text(
        "UPDATE account SET authorized_minor = :most, forced_minor = :most - limit_minor"
        " WHERE customer_id = 'C-1'"
    )
    with database.begin() as tx:
        tx.execute(full, {"most": MAX_TOTAL - 100 - room})
    assert count_on(database, 9, patience_s=60)(THEN, accounts(database))
    assert waiting(database) == ([] if counts else ["SO-1"])


MANY = """
INSERT INTO credit_order (segment_id, order_id, account_id, currency, state, counts_from)
SELECT 'main', 'M-' || n, account_id, 'CNY', 'LIVE', date '2031-01-01'
FROM account, generate_series(1, 3000) AS n;
ANALYZE credit_order
"""
LOOK = f"""
SELECT ({orders_due.FIRST}) FROM segment s
CROSS JOIN LATERAL (SELECT date '2026-08-24' AS today) AS d
"""  # noqa: S608 - a constant
NAME = orders_due.ON % {"at": "now()", "ids": "'{1,2}'::bigint[]"}


@pytest.mark.parametrize("first", ["", MANY], ids=["empty", "many-that-wait"])
@pytest.mark.parametrize("statement", [LOOK, NAME], ids=["look", "name"])
def test_what_is_due_is_found_by_its_day(
    erp: Erp, database: Database, first: str, statement: str
) -> None:
    """Also by a plan that was made while there were no orders, and is kept."""
    assert erp.account()["customer_id"] == "C-1"
    with database.begin() as tx:
        for one in filter(None, first.split(";")):
            tx.exec_driver_sql(one)
        tx.execute(text("SET LOCAL enable_seqscan = off"))
        seen = [str(row[0]) for row in tx.exec_driver_sql("EXPLAIN " + statement)]
    used = {line.partition(" using ")[2].split()[0] for line in seen if " on credit_order" in line}
    assert used == {"credit_order_counts_from_idx"}, seen


def test_an_account_stands_at_an_entry_that_is_there(
    erp: Erp, database: Database, clock: Clock
) -> None:
    """A limit that has changed by the day is in force, and nobody has journalled it yet."""
    body = {"kind": "temporary", "limit": money("180.00"), "valid_from": "2026-06-16"}
    erp.post("/v1/customers/C-1/limits", {**body, "valid_to": "2026-12-31"})
    clock.advance(days=1)
    told, checked = erp.account(), erp.post("/v1/limit-checks", question("SO-1", "150.00")).json()
    assert (told["headroom"], checked["outcome"]) == (money("180.00"), "APPROVE")
    with database.read() as tx:
        newest = tx.execute(text("SELECT max(seq) FROM journal")).scalar_one()
    assert (told["seq"], checked["account_seq"]) == (newest, newest)
