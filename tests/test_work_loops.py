"""Loops of `aval work` by what they do: each name is bound to the pass that it stands for."""

from datetime import timedelta

import pytest

from app.domain.segments import MAIN
from app.settings import Settings
from app.store.database import Database, moment
from app.usecases.portions import Portion
from app.usecases.segments import SegmentChange
from app.work import loops
from tests.server import Clock
from tests.usecases.counter import Counter
from tests.usecases.town import ADMIN, Town

DAY = timedelta(days=1)


@pytest.fixture
def desk(database: Database) -> Counter:
    """Open a counter ten days ago by the database's clock, with C-1."""
    with database.read() as tx:
        desk = Counter.open(database, moment(tx) - 10 * DAY)
    desk.add("C-1", 1000_00)
    return desk


def run(desk: Counter, name: str) -> Portion:
    """Run one loop once, as `aval work` would."""
    return {one.name: one for one in loops(Settings(), desk.database)}[name].portion(None)


def test_positions_are_valued_anew_by_the_loop_of_that_name(desk: Counter) -> None:
    desk.rate("USD", "CNY", "7", desk.at.date() - DAY)
    desk.told(desk.order(desk.question("SO-1", "100.00", currency="USD")))
    assert desk.account().use.authorized == 700_00
    desk.rate("USD", "CNY", "7.1", desk.at.date() + 9 * DAY)
    assert run(desk, "count") == Portion(0)
    assert run(desk, "revalue") == Portion(1)
    assert desk.account().use.authorized == 710_00
    assert desk.journal() == ["AUTHORIZE", "FX_REVALUATION"]
    desk.exact()


def test_orders_begin_to_count_by_the_loop_of_that_name(desk: Counter) -> None:
    """Of two that ship beyond the horizon, the day of one has come."""
    town = Town.found(desk.database, Clock(desk.at))
    town.parties.put_segment(ADMIN, MAIN, SegmentChange(MAIN, credit_horizon_days=5))
    for name, days in (("SO-1", 8), ("SO-2", 30)):
        ships = desk.at.date() + days * DAY
        told = desk.told(desk.order(desk.question(name, "100.00", ship_date=ships)))
        assert told["counts_from"] is not None
    assert run(desk, "revalue") == Portion(0)
    assert desk.account().use.authorized == 0
    assert run(desk, "count") == Portion(1)
    assert desk.account().use.authorized == 100_00
    assert desk.journal() == ["FACT"]
    desk.exact()
