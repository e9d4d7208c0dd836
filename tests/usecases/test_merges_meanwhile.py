"""What comes in while a record becomes part of another one, and records with many orders."""

from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import text

from app.domain.errors import BusyError
from app.store import accounts
from app.store.database import Database
from app.usecases.groups import accounts_on
from app.usecases.segments import SegmentChange
from tests.server import Clock
from tests.usecases.test_groups import merge, move
from tests.usecases.town import ADMIN, Town, wait_for_a_waiter

MANY = 33_000
"""Orders; a statement takes 65,535 parameters, and each order is two."""


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    town = Town.found(database, clock)
    for name in ("S", "T", "G"):
        town.put(name)
    town.parties.put_segment(ADMIN, "eu", SegmentChange("eu"))
    return town


def test_a_fact_that_comes_in_makes_no_account_beside_the_heirs(town: Town) -> None:
    key = town.account("S").account_id
    with ThreadPoolExecutor(2) as pool:
        with town.database.begin() as tx:
            accounts.lock(tx, [key])
            merging = pool.submit(merge, town, "S", "T")
            wait_for_a_waiter(town.database)  # it holds both records
            fact = {"segment": "eu", "order_id": "O-1", "amount": 9, "status": "OPEN"}
            coming = pool.submit(town.fact, "order", "S", **fact)
            wait_for_a_waiter(town.database, 2)
        merging.result()
        assert coming.result() == "applied"
    assert town.account("T", "eu").use.authorized == 9
    move(town, "T", "G")
    assert town.account("G", "eu").use.authorized == 9
    town.exact()


def test_an_ask_that_comes_in_is_to_be_asked_again(town: Town) -> None:
    key = town.account("S").account_id
    with ThreadPoolExecutor(2) as pool:
        with town.database.begin() as tx:
            accounts.lock(tx, [key])
            merging = pool.submit(merge, town, "S", "T")
            wait_for_a_waiter(town.database)
            asking: Future[object] = pool.submit(accounts_on(town.database), "S", "eu")
            wait_for_a_waiter(town.database, 2)
        merging.result()
        with pytest.raises(BusyError, match="part of another customer"):
            asking.result()
    town.exact()


def test_a_record_with_many_orders_is_merged(town: Town) -> None:
    orders = text("""
        INSERT INTO credit_order (segment_id, order_id, account_id, currency)
        SELECT 'main', 'O-' || n, :key, 'CNY' FROM generate_series(1, :many) AS n
    """)
    with town.database.begin() as tx:
        tx.execute(orders, {"key": town.account("S").account_id, "many": MANY})
    merge(town, "S", "T")
    theirs = text("SELECT count(*) FROM credit_order WHERE account_id = :key")
    with town.database.read() as tx:
        found = tx.execute(theirs, {"key": town.account("T").account_id}).scalar_one()
    assert found == MANY
