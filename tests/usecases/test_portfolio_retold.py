"""What was told otherwise later: features of the days before stay what they were."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.scoring.features_bills import background_of, settle
from app.scoring.scorecard_file import standard_scorecard
from app.store import portfolio, scores
from app.store.database import Database
from app.usecases.portfolio import read_ledger
from app.usecases.portfolio_scores import RateByCardInBulk
from app.usecases.score_raters import RateByCard
from app.usecases.seeds import SeedDatabase
from tests.conftest import Server
from tests.server import Clock
from tests.usecases.retold_ledger import PAYERS, found, later, table
from tests.usecases.town import Town


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_told_later_changes_no_table_of_a_day_before(
    database: Database, clock: Clock, seed: int
) -> None:
    ledger = found(database, clock, seed)
    town = ledger.town
    days = [town.today - timedelta(days=ago) for ago in (100, 0)]
    tables = {day: table(town, day) for day in days}
    for _ in range(2):
        last = town.today
        later(town, 21)
        ledger.retell(last)
        between = [last + timedelta(days=step) for step in (9, 21)]
        tables |= {day: table(town, day) for day in between}
        for day, before in tables.items():
            assert_frame_equal(before, table(town, day), check_exact=True)
        assert not tables[last].drop("as_of").equals(tables[town.today].drop("as_of"))
    town.exact()


@pytest.fixture(scope="module")
def retold(server: Server) -> Iterator[Town]:
    """Found a town in whose ledger much was told otherwise over two months; tests only read it."""
    name = "aval_test_retold"
    url, clock = server.create(name, server.template), Clock()
    try:
        with closing(Database(url)) as database:
            SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
            ledger = found(database, clock, 3)
            for _ in range(2):
                last = ledger.town.today
                later(ledger.town, 30)
                ledger.retell(last)
            yield ledger.town
    finally:
        server.drop(name)


@pytest.mark.parametrize("ago", [0, 10, 30, 45, 60, 200])
def test_the_rates_of_all_on_a_day_are_those_known_by_then(retold: Town, ago: int) -> None:
    day = retold.today - timedelta(days=ago)
    with retold.database.read() as tx:
        counted = portfolio.count_outcomes(tx, day)
        rates_by_day = background_of(settle(read_ledger(tx, PAYERS, None)))
    expected = rates_by_day.filter(pl.col("day") <= day).row(-1, named=True)
    assert asdict(counted) == {**expected, "day": day}


def test_today_is_what_the_newest_versions_say(retold: Town) -> None:
    with retold.database.begin() as tx:
        subjects = scores.lock(tx, PAYERS)
        newest = RateByCard()(tx, subjects, retold.clock())
        in_bulk = RateByCardInBulk()(tx, subjects, retold.clock())
    for name in PAYERS:
        one, other = dict(newest[name].features), dict(in_bulk[name].features)
        for features in (one, other):  # of the newest version, and of the first report
            features.pop("disputed_share")
        assert other == pytest.approx(one), name
