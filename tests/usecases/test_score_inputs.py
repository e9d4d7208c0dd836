"""When accounts get inputs anew: rules read of a score more than its number."""

import pytest

from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.scoring.scorecard_file import standard_scorecard
from app.store.database import Database
from app.usecases.scores import Scores
from app.usecases.seeds import SeedDatabase
from tests.server import Clock
from tests.usecases.test_scores import pay, sell, stored, told
from tests.usecases.town import ADMIN, Town

DUE = "2026-01-31"


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
    return Town.found(database, clock)


@pytest.fixture
def desk(town: Town) -> Scores:
    return Scores.over(town.database, town.clock)


def test_how_a_customer_paid_is_told_to_rules_though_the_score_is_the_same(
    town: Town, desk: Scores
) -> None:
    """A newcomer has no number to change, and rules read how late it was by itself."""
    town.put("C-1")
    sell(town, "C-1", 0, late_days=3)
    desk.score_customer(ADMIN, "C-1")
    before = stored(town.database)
    town.clock.advance(minutes=1)
    desk.score_customer(ADMIN, "C-1")
    assert stored(town.database) == before
    pay(town, "C-1", "C-1-0", "2026-05-06", version=2)
    desk.score_customer(ADMIN, "C-1")
    score = told(town, "C-1")
    assert score is not None
    assert score["behaviour"]["max_days_late"] == 95
    assert stored(town.database) == (before[0], before[1] + 1)


@pytest.mark.parametrize(
    ("known", "anew"),
    [pytest.param(98, 1, id="few"), pytest.param(100, 0, id="many")],
)
def test_one_more_of_many_invoices_is_no_news(
    town: Town, desk: Scores, known: int, anew: int
) -> None:
    town.put("C-1")
    for number in range(known):
        _paid(town, number)
    desk.score_customer(ADMIN, "C-1")
    _, before = stored(town.database)
    town.clock.advance(minutes=1)
    _paid(town, known)
    desk.score_customer(ADMIN, "C-1")
    assert stored(town.database)[1] - before == anew


def _paid(town: Town, number: int) -> None:
    """Tell of an invoice that was paid on its day."""
    dates = {"issue_date": "2026-01-01", "due_date": DUE}
    town.fact("invoice", "C-1", invoice_id=f"I-{number}", amount=10_000, **dates)
    pay(town, "C-1", f"I-{number}", DUE)
