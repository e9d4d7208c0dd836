"""Guards of overrides and of the list that only show when somebody walks around them."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from typing import NoReturn

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from app.domain.callers import Caller
from app.domain.errors import BusyError, CustomerUnknownError, NotFoundError
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.domain.scores import RiskClass
from app.domain.scores_override import Override
from app.domain.scores_refresh import Urgency
from app.scoring.observing import ObservingError
from app.scoring.scorecard_file import standard_scorecard
from app.store import score_due, scores
from app.store.database import Database
from app.store.facts_inbox import use_indexes
from app.store.ids import IdSource
from app.usecases.facts import ApplyFacts
from app.usecases.facts_events import parse_events
from app.usecases.overrides import OverrideAsk
from app.usecases.score_raters import RateByCard
from app.usecases.score_terms import ScoreTerms
from app.usecases.scores import Scores
from app.usecases.scoring import RescoreAccounts, ScoreCustomers
from app.usecases.seeds import SeedDatabase
from tests.conftest import Server
from tests.domain.facts_cases import invoice
from tests.server import Clock
from tests.usecases.town import ADMIN, Town, at_once

SECOND = Caller("second", frozenset({"score:write"}))
NORTH = Caller("north", frozenset({"admin"}), frozenset({"north"}))
REST = timedelta(seconds=60)
_number = count(1)


@pytest.fixture(scope="module")
def town(server: Server) -> Iterator[Town]:
    """Make one town for all; each test has customers of its own."""
    url, clock = server.create("aval_test_guards", server.template), Clock()
    with closing(Database(url)) as database:
        SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
        yield Town.found(database, clock)
    server.drop("aval_test_guards")


@pytest.fixture
def who(town: Town) -> str:
    name = f"C-{next(_number)}"
    town.put(name, since=date(2015, 1, 1))
    town.invoice(name, 1_000, due="2026-05-01")
    return name


def desk(town: Town, *, four_eyes: bool = False) -> Scores:
    return Scores.over(town.database, town.clock, ScoreTerms(four_eyes=four_eyes))


def ask(town: Town, risk_class: str = "C", days: int = 30) -> OverrideAsk:
    return OverrideAsk(RiskClass(risk_class), "seen", town.clock() + timedelta(days=days))


def statuses(town: Town, who: str) -> list[str]:
    return sorted(one.status for one in desk(town).list_overrides(ADMIN, who))


def test_of_two_approved_at_once_one_is_in_force(town: Town, who: str) -> None:
    """Without the customer's lock both find none in force, and the second breaks on the index."""
    strict = desk(town, four_eyes=True)
    made = [strict.propose_override(ADMIN, who, ask(town, one))[0] for one in ("B", "D")]

    def approve(one: Override) -> Override:
        return strict.decide_override(SECOND, (who, one.override_id), "approve")

    done = at_once(*(lambda one=one: approve(one) for one in made))
    assert [type(one) for one in done] == [Override, Override]
    assert statuses(town, who) == ["IN_FORCE", "REPLACED"]


def test_who_decides_waits_for_who_scores(town: Town, who: str) -> None:
    """Else the score of before the decision could be written over that of after it."""
    made, _ = desk(town).propose_override(ADMIN, who, ask(town))
    with town.database.begin() as tx:
        scores.lock(tx, [who])
        began = time.monotonic()
        (told,) = at_once(lambda: desk(town).decide_override(ADMIN, (who, made.override_id), "end"))
        assert time.monotonic() - began > 1.5  # the lock's time-out, 2 s
    assert "out of reach" in str(told)
    assert statuses(town, who) == ["IN_FORCE"]


def test_one_that_is_over_needs_not_be_named_to_be_followed(town: Town, who: str) -> None:
    desk(town).propose_override(ADMIN, who, ask(town, "B", days=1))
    town.clock.advance(days=1)
    desk(town).propose_override(ADMIN, who, ask(town, "D"))
    assert statuses(town, who) == ["IN_FORCE", "LAPSED"]


def test_one_that_is_over_does_not_speak_in_a_new_score(town: Town, who: str) -> None:
    desk(town).propose_override(ADMIN, who, ask(town, days=1))
    town.clock.advance(days=1)
    desk(town).score_customer(ADMIN, who)
    query = "SELECT data ->> 'source' FROM score WHERE customer_id = :id ORDER BY score_id"
    with town.database.read() as tx:  # as stored: whoever reads it looks at the end once more
        told = list(tx.execute(text(query), {"id": who}).scalars())
    assert told == ["override", "scorecard"]


def test_nobody_overrides_out_of_sight(town: Town, who: str) -> None:
    made, _ = desk(town).propose_override(ADMIN, who, ask(town))
    with pytest.raises(CustomerUnknownError):
        desk(town).propose_override(NORTH, who, ask(town, "A"))
    with pytest.raises(CustomerUnknownError):
        desk(town).decide_override(NORTH, (who, made.override_id), "end")
    assert statuses(town, who) == ["IN_FORCE"]


def test_an_override_is_named_with_its_own_customer(town: Town, who: str) -> None:
    made, _ = desk(town).propose_override(ADMIN, who, ask(town))
    town.put(f"{who}-other")
    with pytest.raises(NotFoundError):
        desk(town).decide_override(ADMIN, (f"{who}-other", made.override_id), "end")
    assert statuses(town, who) == ["IN_FORCE"]


def test_a_taker_and_a_scorer_pass_by_what_others_hold(town: Town, who: str) -> None:
    """Neither waits: with a lock that is waited for, both would fail after 100 ms here."""
    other, at = f"{who}-other", town.clock()
    with town.database.begin() as tx:
        score_due.remove(tx, score_due.take(tx, at, REST, 1_000))
    with town.database.begin() as tx:
        score_due.add(tx, [who], Urgency.ADVERSE, at)
        score_due.add(tx, [other], Urgency.EVENT, at)
    with town.database.begin() as holder:
        assert score_due.take(holder, at, REST, 1) == [who]
        with town.database.begin(lock_timeout_ms=100) as tx:
            assert score_due.take(tx, at, REST, 10) == [other]
            assert score_due.remove(tx, [who]) == []
            assert len(score_due.remove(tx, [who, other])) == 1


@dataclass(frozen=True)
class Breaking(RateByCard):
    """Something happens, and then nobody can be rated."""

    act: Callable[[], object]
    trouble: type[Exception]

    def __call__(self, *_: object) -> NoReturn:
        self.act()
        raise self.trouble("crashed")


@pytest.mark.usefixtures("every_line")
@pytest.mark.parametrize("trouble", [BusyError, ObservingError])
def test_facts_are_in_whoever_cannot_be_scored(
    town: Town, who: str, trouble: type[Exception]
) -> None:
    """The other customer comes to be in between, so that its fact is looked for again."""
    late = f"L-{next(_number)}"
    score = ScoreCustomers(town.database, town.clock, Breaking(lambda: town.put(late), trouble))
    after = RescoreAccounts(score, timedelta(0)).afterwards
    facts = ApplyFacts(town.database, town.clock, IdSource(), after)
    both = [invoice(one, "9", customer_id=one) for one in (who, late)]
    with capture_logs() as lines:
        results = facts(ADMIN, parse_events(both))
    assert [one.result for one in results] == ["applied", "quarantined"]
    assert town.position(late).open_item == 900
    told = [one["reason"] for one in lines if one["event"] == "not_rescored"]
    assert told == ["crashed", "crashed"]  # of the other's fact, too
    with town.database.read() as tx:
        assert score_due.ripe(tx, [town.account(who).account_id], town.clock(), REST, 9) == [who]


@pytest.mark.parametrize("rests", [False, True])
def test_a_list_that_nobody_works_off_slows_no_report(town: Town, who: str, *, rests: bool) -> None:
    """It grows by a row a report and customer for as long as `aval work` is away."""
    read = """
        SELECT coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0)
        FROM pg_stat_xact_user_tables WHERE relname = 'score_due'
    """
    rest = REST if rests else timedelta(0)
    ScoreCustomers(town.database, town.clock)([who])
    with town.database.begin() as tx:
        for _ in range(300):
            score_due.add(tx, [who], Urgency.EVENT, town.clock())

    def looked_at(found: list[str]) -> int:
        with town.database.read() as tx:
            use_indexes(tx)
            account_id = town.account(who).account_id
            before = tx.execute(text(read)).scalar_one_or_none() or 0  # of transactions before, too
            assert score_due.ripe(tx, [account_id], town.clock(), rest, 9) == found
            looked: int = tx.execute(text(read)).scalar_one() - before
            return looked

    assert looked_at([] if rests else [who]) == 1
    with town.database.begin() as tx:
        score_due.add(tx, [who], Urgency.ADVERSE, town.clock())
    assert looked_at([who]) == 1
