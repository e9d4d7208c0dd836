"""An account that cannot be made at the moment keeps nobody else of a batch from an answer."""

import psycopg
import pytest

from app.domain.errors import BusyError
from app.store.database import Database
from app.usecases.asks import Answer, Ask
from app.usecases.lanes import LaneSizes
from tests.usecases.counter import Counter


@pytest.fixture
def desk(database: Database) -> Counter:
    desk = Counter.open(database)
    for name in ("C-1", "C-2", "C-3"):
        desk.add(name, 100_00)
    desk.rows("INSERT INTO segment (segment_id, name, mode) VALUES ('new', 'new', 'SHADOW')")
    return desk


def batch(desk: Counter) -> list[Ask]:
    """Ask for eight orders, two of them where their customers have no accounts yet."""
    return [
        desk.order(desk.question("SO-N2", "1.00", customer_id="C-2", segment_id="new"), "N2"),
        desk.order(desk.question("SO-N3", "1.00", customer_id="C-3", segment_id="new"), "N3"),
        *(desk.order(desk.question(f"SO-{place}", "1.00"), f"K-{place}") for place in range(6)),
    ]


def test_a_customer_that_is_locked_for_long_harms_nobody_else(desk: Counter) -> None:
    with psycopg.connect(desk.database.url) as other:
        other.execute("SELECT FROM customer WHERE customer_id = 'C-2' FOR UPDATE")
        told = desk.answers(batch(desk))
    assert [type(one) for one in told] == [BusyError, *[Answer] * 7]
    again = desk.answers(batch(desk))
    assert [one.replayed for one in again if isinstance(one, Answer)] == [False, *[True] * 7]
    assert desk.account().use.authorized == 6_00
    desk.exact()


def test_when_patience_has_ended_only_who_lacks_an_account_hears_busy(desk: Counter) -> None:
    """Making took all the time there is: who needs none is decided all the same."""
    desk.sizes = LaneSizes(patience_s=0.2)
    with psycopg.connect(desk.database.url) as other:
        other.execute("SELECT FROM customer FOR UPDATE")
        told = desk.answers(batch(desk))
    assert [type(one) for one in told] == [BusyError, BusyError, *[Answer] * 6]
    assert {one.detail for one in told if isinstance(one, BusyError)} == {
        "the account is still to be made; try again in a moment"
    }
    assert desk.account().use.authorized == 6_00
    desk.exact()
