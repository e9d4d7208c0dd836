"""Another scorecard in use scores everybody, not only whom something happens to."""

from dataclasses import replace
from datetime import date

import pytest

from app.domain.rules_standard import STANDARD
from app.domain.scorecard import Scorecard
from app.domain.scorecard_json import scorecard_to_json
from app.scoring.scorecard_file import standard_scorecard
from app.store.database import Database
from app.usecases.score_refresh import ListNight, RefreshScores
from app.usecases.seeds import SeedDatabase
from tests.server import Clock
from tests.usecases.test_score_overrides import computed, desk, read
from tests.usecases.town import Town


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
    town = Town.found(database, clock)
    town.put("C-1", since=date(2015, 1, 1))
    for _ in range(4):
        town.invoice("C-1", 1_000, due="2026-05-01")
    computed(town)
    work(town)
    return town


def work(town: Town) -> int:
    """Let the night list whom it has to, and all be scored who are due; returns how many."""
    while ListNight(town.database, 2, 100, lambda _: town.clock())().after is not None:
        pass
    done = 0
    while items := RefreshScores(town.database, clock=lambda _: town.clock())().items:
        done += items
    return done


def stricter() -> Scorecard:
    card = standard_scorecard()
    return replace(card, start_points=card.start_points - 100)


def test_another_scorecard_makes_everybody_due_once(town: Town) -> None:
    before = read(town).score.score
    assert before is not None
    town.clock.advance(minutes=30)
    assert work(town) == 0
    after, is_new = desk(town).activate_scorecard(stricter())
    assert is_new
    assert work(town) == 1
    assert read(town).score.score == max(0, before - 100)
    assert read(town).score.model.version == after.version
    assert work(town) == 0


def test_the_one_in_use_makes_nobody_due(town: Town) -> None:
    desk(town).activate_scorecard(stricter())
    town.clock.advance(minutes=30)  # the score before rests a while
    assert work(town) == 1
    town.clock.advance(minutes=30)
    assert desk(town).activate_scorecard(stricter())[1] is False
    assert work(town) == 0
