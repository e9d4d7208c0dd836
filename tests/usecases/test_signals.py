"""What a registry tells of a customer reaches its orders at once, and its score soon."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.domain.errors import CustomerUnknownError
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.domain.scores_refresh import Urgency
from app.domain.signals import Signal, SignalKind, SignalRole
from app.scoring.scorecard_file import standard_scorecard
from app.store import inputs
from app.store.database import Database
from app.usecases.groups import ensure_accounts
from app.usecases.score_refresh import RefreshScores
from app.usecases.seeds import SeedDatabase
from app.usecases.segments import SegmentChange
from app.usecases.signals import NoteSignals
from tests.server import Clock
from tests.usecases.town import ADMIN, Town, wait_for_a_waiter

DAY = date(2026, 11, 2)
SUED = Signal(SignalKind.LITIGATION, SignalRole.DEFENDANT, DAY)
SUES = Signal(SignalKind.LITIGATION, SignalRole.PLAINTIFF, DAY)


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
    town = Town.found(database, clock)
    town.put("C-1")
    town.put("C-2")
    return town


def counts(town: Town, customer_id: str = "C-1", segment_id: str = "main") -> dict[str, Any]:
    """Read what an order of the customer would be judged on."""
    own = town.account(customer_id, segment_id)
    with town.database.read() as tx:
        told = inputs.get(tx, own.account_id, own.input_version).get("signals")
    found: dict[str, Any] = told or {}
    return found


def due(town: Town) -> list[tuple[str, int]]:
    with town.database.read() as tx:
        rows = tx.execute(text("SELECT customer_id, rank FROM score_due ORDER BY due_id"))
        return [(row.customer_id, row.rank) for row in rows]


def clear(town: Town) -> None:
    with town.database.begin() as tx:
        tx.execute(text("DELETE FROM score_due"))


def test_rules_meet_it_at_once_and_keep_what_else_they_know(town: Town) -> None:
    note = NoteSignals(town.database)
    note("C-1", "qcc", [SUED, SUES], DAY)
    told = counts(town)
    assert told["checked_on"] == DAY.isoformat()
    assert (told["counts"]["adverse"], told["counts"]["as_plaintiff"]) == (1, 1)
    note("C-1", "tyc", [], DAY + timedelta(days=400))
    told = counts(town)
    assert told["checked_on"] == (DAY + timedelta(days=400)).isoformat()
    assert (told["counts"]["adverse"], told["counts"]["adverse_90d"]) == (1, 0)
    assert counts(town, "C-2") == {}


@pytest.mark.parametrize(
    ("events", "urgency"),
    [
        pytest.param([SUED], Urgency.ADVERSE, id="adverse"),
        pytest.param([SUES], Urgency.EVENT, id="plaintiff"),
        pytest.param([], Urgency.EVENT, id="nothing"),
    ],
)
def test_the_score_is_due(events: list[Signal], urgency: Urgency, town: Town) -> None:
    clear(town)
    NoteSignals(town.database)("C-1", "qcc", events, DAY)
    assert due(town) == [("C-1", urgency)]


def test_the_score_is_computed_anew(town: Town) -> None:
    clear(town)
    NoteSignals(town.database)("C-1", "qcc", [SUED], DAY)
    assert RefreshScores(town.database)().items == 1
    assert due(town) == []


def test_a_late_answer_takes_nothing_away(town: Town) -> None:
    """The one who was asked a day before knows less, and does not say that it is over."""
    note = NoteSignals(town.database)
    note("C-1", "qcc", [SUED], DAY)
    note("C-1", "tyc", [], DAY - timedelta(days=1))
    told = counts(town)
    assert (told["checked_on"], told["counts"]["adverse"]) == (DAY.isoformat(), 1)


def test_an_account_made_later_knows_what_is_known(town: Town) -> None:
    NoteSignals(town.database)("C-1", "qcc", [SUED], DAY)
    town.parties.put_segment(ADMIN, "eu", SegmentChange("eu"))
    with town.database.begin() as tx:
        ensure_accounts(tx, "C-1", "eu")
        ensure_accounts(tx, "C-2", "eu")
    assert counts(town, segment_id="eu") == counts(town)
    assert counts(town, "C-2", "eu") == {}


def test_an_account_that_is_being_made_is_told_too(town: Town) -> None:
    town.parties.put_segment(ADMIN, "eu", SegmentChange("eu"))
    with ThreadPoolExecutor(1) as pool:
        with town.database.begin() as tx:
            ensure_accounts(tx, "C-1", "eu")
            telling = pool.submit(NoteSignals(town.database), "C-1", "qcc", [SUED], DAY)
            wait_for_a_waiter(town.database)
        telling.result(10)
    assert counts(town, segment_id="eu")["counts"]["adverse"] == 1


def test_an_alias_names_who_took_it_over(town: Town) -> None:
    town.parties.merge_customers(ADMIN, "C-1", "C-2")
    NoteSignals(town.database)("C-1", "qcc", [SUED], DAY)
    assert counts(town, "C-2")["counts"]["adverse"] == 1


def test_nobody_is_told_of_a_stranger(town: Town) -> None:
    with pytest.raises(CustomerUnknownError):
        NoteSignals(town.database)("C-9", "qcc", [SUED], DAY)


def stuck(town: Town) -> int:
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with town.database.read() as tx:
        return int(tx.execute(text(query)).scalar_one())


def test_two_registries_at_once_are_counted_both(town: Town) -> None:
    """Both stand at the account's lock before either has counted."""

    def tell(registry: str) -> None:
        NoteSignals(town.database)("C-1", registry, [SUED], DAY)

    with ThreadPoolExecutor(2) as pool:
        with town.database.begin() as tx:
            tx.execute(text("SELECT FROM account WHERE customer_id = 'C-1' FOR NO KEY UPDATE"))
            telling = [pool.submit(tell, registry) for registry in ("qcc", "tyc")]
            until = time.monotonic() + 10
            while stuck(town) < 2:
                assert time.monotonic() < until
                time.sleep(0.01)
        for one in telling:
            one.result(10)
    assert counts(town)["counts"]["adverse"] == 2
