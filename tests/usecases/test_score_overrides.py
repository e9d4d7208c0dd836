"""Overrides: what a person's word changes, until when, and what two persons do to each other."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.domain.callers import Caller
from app.domain.errors import CustomerUnknownError, FieldError, FourEyesError, NotFoundError
from app.domain.errors_models import OverrideStateError
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.domain.scores import RiskClass, Score, StoredScore
from app.domain.scores_override import Override
from app.scoring.scorecard_file import standard_scorecard
from app.store import inputs
from app.store.database import Database
from app.usecases.batches import read_inputs
from app.usecases.overrides import OverrideAsk
from app.usecases.score_refresh import RefreshScores
from app.usecases.score_terms import ScoreTerms
from app.usecases.scores import Scores
from app.usecases.seeds import SeedDatabase
from tests.server import Clock
from tests.usecases.readers import Reader
from tests.usecases.test_score_refresh import Away
from tests.usecases.town import ADMIN, Town, at_once

SECOND = Caller("second", frozenset({"score:write"}))
ZERO = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
    town = Town.found(database, clock)
    town.put("C-1", since=date(2015, 1, 1))
    for _ in range(4):
        town.invoice("C-1", 1_000, due="2026-05-01")
    return town


def desk(town: Town, terms: ScoreTerms | None = None) -> Scores:
    return Scores.over(town.database, town.clock, terms)


def said(town: Town, risk_class: str = "C", days: int = 30, **fields: str) -> OverrideAsk:
    until = town.clock() + timedelta(days=days)
    return OverrideAsk(RiskClass(risk_class), fields.pop("reason", "seen"), until, **fields)


def override(town: Town, risk_class: str = "C", days: int = 30, **fields: str) -> Override:
    return desk(town).propose_override(ADMIN, "C-1", said(town, risk_class, days, **fields))[0]


def read(town: Town) -> StoredScore:
    return Reader(town.database, town.clock).score("C-1")


def decided_by(town: Town) -> tuple[str, str]:
    """Give class and source that a decision of this moment rests on."""
    account = town.account("C-1")
    with town.database.read() as tx:
        data = inputs.get(tx, account.account_id, account.input_version)
    score = read_inputs(account.input_version, data, town.clock()).score
    assert score is not None
    return score["risk_class"], score["source"]


def statuses(town: Town) -> list[str]:
    return [one.status for one in desk(town).list_overrides(ADMIN, "C-1")]


def computed(town: Town) -> Score:
    return desk(town).score_customer(ADMIN, "C-1").score


def test_an_override_speaks_at_once_and_says_what_was_computed(town: Town) -> None:
    before = computed(town)
    assert before.risk_class is RiskClass.E
    made = override(town, "C")
    now = read(town).score
    assert (now.risk_class, now.source, now.traffic_light) == ("C", "override", "YELLOW")
    assert now.score == 550  # the class's score that is nearest to the computed one
    assert now.probability_of_default == 0.0609
    assert now.overridden is not None
    assert now.overridden.override_id == made.override_id
    assert replace(now.overridden.computed, reasons=()) == replace(before, reasons=())
    assert now.reasons[-1].code == "SCORE_OVERRIDDEN"
    assert len(now.reasons) <= 4
    assert decided_by(town) == ("C", "override")
    assert (made.client, made.reason, made.status) == ("tests", "seen", "IN_FORCE")


def test_an_adverse_override_is_told_first(town: Town) -> None:
    for number in range(4):
        paid = {"payment_id": f"P-{number}", "amount": 1_000, "paid_date": "2026-05-01"}
        with town.database.read() as tx:
            query = "SELECT invoice_id FROM invoice ORDER BY invoice_id OFFSET :n LIMIT 1"
            name = tx.execute(text(query), {"n": number}).scalar_one()
        town.fact("payment", "C-1", allocations=[{"invoice_id": name, "amount": 1_000}], **paid)
    before = computed(town)
    assert before.risk_class is RiskClass.A
    override(town, "D")
    now = read(town).score
    assert now.score == 549
    assert now.reasons[0].code == "SCORE_OVERRIDDEN"
    assert now.reasons[0].contribution == 549 - (before.score or 0)


def test_a_newcomer_gets_the_least_score_of_the_class(town: Town) -> None:
    town.put("C-2")
    made, is_new = desk(town).propose_override(ADMIN, "C-2", said(town, "B"))
    assert (made.status, is_new) == ("IN_FORCE", True)
    now = Reader(town.database, town.clock).score("C-2").score
    assert (now.score, now.risk_class, now.reasons[0].code) == (700, "B", "TOO_LITTLE_HISTORY")


@pytest.mark.parametrize("refreshed", [False, True], ids=["nobody-worked", "work-has-run"])
def test_it_lapses_by_itself_at_its_moment(town: Town, *, refreshed: bool) -> None:
    computed(town)
    override(town, "B", days=1)
    town.clock.advance(hours=23, minutes=59, seconds=59)
    assert decided_by(town)[0] == read(town).score.risk_class == "B"
    town.invoice("C-1", 1_000, due="2026-12-01")
    assert read(town).rests
    town.clock.advance(seconds=1)
    assert read(town).due_at is None  # the end of an override waits for no cooldown
    if refreshed:
        while RefreshScores(town.database, clock=lambda _: town.clock())().items:
            pass
        assert statuses(town) == ["LAPSED"]
    found = read(town)
    assert decided_by(town) == (found.score.risk_class, found.score.source) == ("E", "scorecard")
    assert found.stale is not refreshed
    assert found.score.overridden is None


def test_facts_are_scored_below_an_override(town: Town) -> None:
    override(town, "C")
    town.invoice("C-1", 50_000, due="2026-01-01")
    now = computed(town)
    assert (now.risk_class, now.source) == ("C", "override")
    assert now.overridden is not None
    assert now.overridden.computed.score is not None


ASKS: dict[str, tuple[Callable[[Town], OverrideAsk], str]] = {
    "over-now": (lambda town: said(town, days=0), "expires_at"),
    "over-long-ago": (lambda town: said(town, days=-400), "expires_at"),
    "a-second-more-than-a-year": (
        lambda town: replace(said(town), expires_at=town.clock() + timedelta(days=366, seconds=1)),
        "expires_at",
    ),
}


@pytest.mark.parametrize("case", ASKS)
def test_an_end_out_of_reach_is_refused(town: Town, case: str) -> None:
    ask, field = ASKS[case]
    with pytest.raises(FieldError) as refused:
        desk(town).propose_override(ADMIN, "C-1", ask(town))
    assert refused.value.field == field
    assert statuses(town) == []


def test_of_two_at_once_one_is_in_force_and_the_other_is_told(town: Town) -> None:
    asks = [said(town, "B"), said(town, "D")]
    use = desk(town).propose_override
    done = at_once(*(lambda ask=ask: use(ADMIN, "C-1", ask) for ask in asks))
    assert [type(one) for one in done].count(OverrideStateError) == 1
    assert statuses(town) == ["IN_FORCE"]
    winner = next(one[0] for one in done if isinstance(one, tuple))
    assert read(town).score.risk_class == winner.risk_class


def test_the_same_said_again_is_the_one_that_stands(town: Town) -> None:
    ask = said(town)
    first, _ = desk(town).propose_override(ADMIN, "C-1", ask)
    assert desk(town).propose_override(ADMIN, "C-1", ask) == (first, False)
    with pytest.raises(OverrideStateError, match="is in force"):
        desk(town).propose_override(SECOND, "C-1", ask)


def test_one_is_replaced_by_name_only(town: Town) -> None:
    with pytest.raises(OverrideStateError, match="no override is in force"):
        override(town, "C", replaces=ZERO)
    first = override(town, "C")
    with pytest.raises(OverrideStateError, match=first.override_id):
        override(town, "D", replaces=ZERO)
    town.clock.advance(seconds=1)
    override(town, "D", replaces=first.override_id)
    assert statuses(town) == ["IN_FORCE", "REPLACED"]
    assert read(town).score.risk_class == "D"


def test_an_ended_one_is_over_and_ends_once(town: Town) -> None:
    made = override(town)
    named = ("C-1", made.override_id)
    after = desk(town).decide_override(SECOND, named, "end")
    assert (after.status, after.ended_by) == ("ENDED", "second")
    assert read(town).score.source == "scorecard"
    for action in ("end", "approve", "reject"):
        with pytest.raises(OverrideStateError):
            desk(town).decide_override(SECOND, named, action)


def test_four_eyes(town: Town) -> None:
    strict = desk(town, ScoreTerms(four_eyes=True))
    computed(town)
    first, _ = strict.propose_override(ADMIN, "C-1", said(town, "B"))
    assert (first.status, first.decided_by) == ("PROPOSED", None)
    assert read(town).score.source == "scorecard"
    named = ("C-1", first.override_id)
    with pytest.raises(FourEyesError):
        strict.decide_override(ADMIN, named, "approve")
    with pytest.raises(OverrideStateError):
        strict.decide_override(SECOND, named, "end")
    assert strict.decide_override(SECOND, named, "approve").decided_by == "second"
    assert decided_by(town) == ("B", "override")
    town.clock.advance(seconds=1)
    other, _ = strict.propose_override(ADMIN, "C-1", said(town, "D"))
    strict.decide_override(SECOND, ("C-1", other.override_id), "approve")
    assert statuses(town) == ["IN_FORCE", "REPLACED"]
    third, _ = strict.propose_override(ADMIN, "C-1", said(town, "E"))
    strict.decide_override(ADMIN, ("C-1", third.override_id), "reject")
    assert decided_by(town) == ("D", "override")


def test_a_proposal_that_is_over_cannot_be_approved(town: Town) -> None:
    strict = desk(town, ScoreTerms(four_eyes=True))
    made, _ = strict.propose_override(ADMIN, "C-1", said(town, days=1))
    town.clock.advance(days=1)
    with pytest.raises(OverrideStateError, match="over"):
        strict.decide_override(SECOND, ("C-1", made.override_id), "approve")


def test_a_model_that_is_away_does_not_hinder_a_person(town: Town) -> None:
    before = computed(town)
    away = desk(town, ScoreTerms(rater=Away()))
    made, _ = away.propose_override(ADMIN, "C-1", said(town, "D"))
    found = read(town)
    assert (found.score.risk_class, found.stale) == ("D", True)
    away.decide_override(ADMIN, ("C-1", made.override_id), "end")
    assert replace(read(town).score, reasons=()) == replace(before, reasons=())


@pytest.mark.parametrize("name", ["nonsense", ZERO])
def test_unknown_ones(town: Town, name: str) -> None:
    with pytest.raises(NotFoundError):
        desk(town).decide_override(ADMIN, ("C-1", name), "end")
    with pytest.raises(CustomerUnknownError):
        desk(town).propose_override(ADMIN, "C-9", said(town))
    confined = Caller("north", frozenset({"admin"}), frozenset({"north"}))
    with pytest.raises(CustomerUnknownError):
        desk(town).list_overrides(confined, "C-1")


def test_a_merged_customers_proposals_end_with_it(town: Town) -> None:
    strict = desk(town, ScoreTerms(four_eyes=True))
    made, _ = strict.propose_override(ADMIN, "C-1", said(town))
    town.put("C-2")
    town.parties.merge_customers(ADMIN, "C-1", "C-2")
    listed = desk(town).list_overrides(ADMIN, "C-1")  # C-1 is another id of C-2 now
    assert [(one.override_id, one.status) for one in listed] == [(made.override_id, "ENDED")]
    assert desk(town).list_overrides(ADMIN, "C-2") == listed


CHANGES = {
    "class": "UPDATE score_override SET risk_class = 'A'",
    "reason": "UPDATE score_override SET reason = 'other'",
    "end": "UPDATE score_override SET expires_at = expires_at + interval '1 day'",
    "author": "UPDATE score_override SET client = 'other'",
    "back-in-force": "UPDATE score_override SET status = 'IN_FORCE'",
    "delete": "DELETE FROM score_override",
    "truncate": "TRUNCATE score_override",
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_was_said_is_never_rewritten(town: Town, case: str) -> None:
    made = override(town)
    desk(town).decide_override(ADMIN, ("C-1", made.override_id), "end")
    with pytest.raises(IntegrityError) as refused, town.database.begin() as tx:
        tx.execute(text(CHANGES[case]))
    assert isinstance(refused.value.orig, psycopg.errors.RestrictViolation)


def test_moments_are_those_of_the_clock(town: Town) -> None:
    made = override(town)
    assert made.created_at == made.decided_at == town.clock()
    assert isinstance(made.expires_at, datetime)
