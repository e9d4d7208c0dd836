"""Pages of accounts have room for many versions, so that they are not tidied for each order."""

import psycopg
import pytest
from psycopg.rows import scalar_row

from app.store.database import Database
from tests.usecases.counter import Counter

EVERYBODY = [f"C-{number:02}" for number in range(40)]
"""More than a page holds."""

BLANKS = "SELECT customer_id FROM account WHERE blanks IS NOT NULL"
PLACE = "SELECT ctid::text FROM account WHERE customer_id = 'C-07'"


@pytest.fixture
def desk(database: Database) -> Counter:
    """Add everybody, on pages as full as they are allowed to be."""
    desk = Counter.open(database)
    for name in EVERYBODY:
        desk.add(name, 100_00)
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("VACUUM FULL account")
    return desk


def order(desk: Counter, *customers: str) -> None:
    """Let customers order once each, one after another."""
    for customer in customers:
        desk.answers([desk.order(desk.question(desk.new_id(), "1.00", customer_id=customer))])


def read(desk: Counter, query: str) -> list[str]:
    with psycopg.connect(desk.database.url, row_factory=scalar_row) as connection:
        return connection.execute(query.encode()).fetchall()


def test_an_order_takes_the_blanks_of_its_account(desk: Counter) -> None:
    assert sorted(read(desk, BLANKS)) == EVERYBODY
    order(desk, "C-07")
    assert sorted(read(desk, BLANKS)) == [name for name in EVERYBODY if name != "C-07"]


def stays(desk: Counter, orders: int) -> bool:
    """Tell whether versions of an account came one after another, on one page.

    Had it been tidied in between, one would have taken the place of one before.
    """
    places = []
    for _ in range(orders):
        order(desk, "C-07")
        places += read(desk, PLACE)
    one_page = len({place.split(",")[0] for place in places}) == 1
    return one_page and len(set(places)) == len(places)


def test_a_page_is_not_tidied_for_each_order(desk: Counter) -> None:
    """Tidied it is now and then, and not while ANALYZE keeps what is dead: hence several tries."""
    order(desk, *EVERYBODY)
    assert any(stays(desk, 6) for _ in range(8))
