"""Overrides that nothing takes away unseen: no merge, no old proposal, no end of its time."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from threading import Event
from typing import TypeVar

import pytest
from sqlalchemy import text

from app.domain.errors import BusyError, FourEyesError, MergeConflictError, NotFoundError
from app.domain.errors_models import OverrideStateError
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.domain.scores import TrafficLight
from app.domain.scores_json import scored_at
from app.scoring.scorecard_file import standard_scorecard
from app.store import authority, customers, inputs, terms
from app.store.database import Database, Tx
from app.store.scores import Subject
from app.usecases.batches import read_inputs
from app.usecases.groups import ensure_accounts
from app.usecases.reviews import ListAsk
from app.usecases.score_raters import RateByCard, Rated
from app.usecases.score_refresh import RefreshScores
from app.usecases.score_terms import ScoreTerms
from app.usecases.scores import Scores
from app.usecases.seeds import SeedDatabase
from app.usecases.segments import SegmentChange
from tests.server import Clock
from tests.usecases.readers import Reader
from tests.usecases.test_score_overrides import (
    SECOND,
    computed,
    decided_by,
    desk,
    override,
    read,
    said,
    statuses,
)
from tests.usecases.test_score_refresh import Away
from tests.usecases.town import ADMIN, Town, wait_for_a_waiter

T = TypeVar("T")


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
    town = Town.found(database, clock)
    town.put("C-1", since=date(2015, 1, 1))
    town.put("C-2")
    return town


def pay_four(town: Town) -> None:
    """Let C-1 pay four invoices in time; its score does not know yet."""
    for number in range(4):
        name = f"I-{number}"
        days = {"issue_date": "2026-01-01", "due_date": "2026-05-01"}
        town.fact("invoice", "C-1", invoice_id=name, amount=1_000, **days)
        paid = {"payment_id": f"P-{number}", "amount": 1_000, "paid_date": "2026-05-01"}
        town.fact("payment", "C-1", allocations=[{"invoice_id": name, "amount": 1_000}], **paid)


def pays_well(town: Town) -> None:
    """Let C-1 be a customer of class A."""
    pay_four(town)
    assert computed(town).risk_class == "A"


@dataclass(frozen=True)
class Slow(RateByCard):
    """A rater that says when it reads, and goes on when it is told to."""

    reads: Event = field(default_factory=Event)
    go: Event = field(default_factory=Event)

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> Mapping[str, Rated]:
        self.reads.set()
        assert self.go.wait(10)
        return RateByCard.__call__(self, tx, subjects, at)


ACTS: dict[str, Callable[[Scores, Town, str], object]] = {
    "say": lambda scores, town, _: scores.propose_override(ADMIN, "C-1", said(town, "E")),
    "approve": lambda scores, _, name: scores.decide_override(SECOND, ("C-1", name), "approve"),
}


@pytest.mark.parametrize("case", ACTS)
def test_nothing_is_said_of_a_record_that_is_being_merged(town: Town, case: str) -> None:
    strict = desk(town, ScoreTerms(four_eyes=True))
    waits, _ = strict.propose_override(ADMIN, "C-1", said(town, "D"))
    with ThreadPoolExecutor(1) as pool:
        with town.database.begin() as tx:  # what a merge does, up to its commit
            customers.lock_with_groups(tx, ["C-1", "C-2"])
            acting = pool.submit(ACTS[case], desk(town), town, waits.override_id)
            wait_for_a_waiter(town.database)
            customers.hand_over_refs(tx, "C-1", "C-2")
        with pytest.raises(BusyError, match="merged"):
            acting.result(10)
    with town.database.read() as tx:
        query = text("SELECT status FROM score_override")
        assert list(tx.execute(query).scalars()) == ["PROPOSED"]


def test_with_four_eyes_the_same_said_again_is_the_one_that_waits(town: Town) -> None:
    strict = desk(town, ScoreTerms(four_eyes=True))
    ask = said(town, "B", days=2)
    first, _ = strict.propose_override(ADMIN, "C-1", ask)
    assert strict.propose_override(ADMIN, "C-1", ask) == (first, False)
    other, is_new = strict.propose_override(SECOND, "C-1", ask)
    assert (is_new, statuses(town)) == (True, ["PROPOSED", "PROPOSED"])
    strict.decide_override(ADMIN, ("C-1", first.override_id), "reject")
    assert strict.propose_override(SECOND, "C-1", ask) == (other, False)
    assert strict.propose_override(ADMIN, "C-1", ask)[1]


def test_an_old_proposal_ends_nothing_that_came_later(town: Town) -> None:
    pays_well(town)
    strict = desk(town, ScoreTerms(four_eyes=True))
    old, _ = strict.propose_override(ADMIN, "C-1", said(town, "A", days=300))
    town.clock.advance(days=60)
    later, _ = strict.propose_override(ADMIN, "C-1", said(town, "E", reason="insolvent"))
    strict.decide_override(SECOND, ("C-1", later.override_id), "approve")
    with pytest.raises(OverrideStateError, match=later.override_id):
        strict.decide_override(SECOND, ("C-1", old.override_id), "approve")
    assert decided_by(town) == ("E", "override")
    assert statuses(town) == ["IN_FORCE", "PROPOSED"]
    desk(town).decide_override(SECOND, ("C-1", later.override_id), "end")
    strict.decide_override(SECOND, ("C-1", old.override_id), "approve")
    assert decided_by(town) == ("A", "override")


def test_with_four_eyes_what_is_computed_by_then_counts(town: Town) -> None:
    """A score may be due: what the customer paid since is not in the one that is stored."""
    strict = desk(town, ScoreTerms(four_eyes=True))
    worse, _ = strict.propose_override(ADMIN, "C-1", said(town, "E", reason="insolvent"))
    strict.decide_override(SECOND, ("C-1", worse.override_id), "approve")
    named = ("C-1", worse.override_id)
    with pytest.raises(FourEyesError, match="E would end for N"):
        strict.decide_override(SECOND, named, "end")
    pay_four(town)
    with pytest.raises(FourEyesError, match="E would end for A"):
        strict.decide_override(SECOND, named, "end")
    assert decided_by(town) == ("E", "override")


def test_with_four_eyes_nobody_alone_ends_what_is_worse(town: Town) -> None:
    """Who ends a better one alone makes nobody's order pass."""
    pays_well(town)
    strict = desk(town, ScoreTerms(four_eyes=True))
    worse, _ = strict.propose_override(ADMIN, "C-1", said(town, "D", reason="insolvent"))
    strict.decide_override(SECOND, ("C-1", worse.override_id), "approve")
    for caller in (ADMIN, SECOND):
        with pytest.raises(FourEyesError, match="D would end for A"):
            strict.decide_override(caller, ("C-1", worse.override_id), "end")
    assert decided_by(town) == ("D", "override")
    town.clock.advance(seconds=1)
    same, _ = strict.propose_override(ADMIN, "C-1", said(town, "A", days=1))
    strict.decide_override(SECOND, ("C-1", same.override_id), "approve")
    strict.decide_override(ADMIN, ("C-1", same.override_id), "end")
    assert decided_by(town) == ("A", "scorecard")
    assert statuses(town) == ["ENDED", "REPLACED"]


@pytest.mark.parametrize("form", ["urn:uuid:{}", "{{{}}}", "hex", "upper"])
def test_ids_are_never_interpreted(town: Town, form: str) -> None:
    made = override(town)
    forms = {"hex": made.override_id.replace("-", ""), "upper": made.override_id.upper()}
    name = forms.get(form, form.format(made.override_id))
    with pytest.raises(NotFoundError):
        desk(town).decide_override(ADMIN, ("C-1", name), "end")
    assert statuses(town) == ["IN_FORCE"]


def refresh(town: Town) -> None:
    while RefreshScores(town.database, clock=lambda _: town.clock())().items:
        pass


def seen(town: Town, segment: str) -> tuple[str, str]:
    """Give class and source that decisions on an account of C-1 see."""
    held = town.account("C-1", segment)
    with town.database.read() as tx:
        data = inputs.get(tx, held.account_id, held.input_version)
    score = read_inputs(held.input_version, data, town.clock()).score
    assert score is not None
    return score["risk_class"], score["source"]


def test_an_account_made_beside_a_scorer_hears_what_it_found(town: Town) -> None:
    pays_well(town)
    town.parties.put_segment(ADMIN, "south", SegmentChange("south"))
    for number in range(8):
        town.invoice("C-1", 1_000 * (number + 1), due="2026-05-01")
    slow = Slow()
    with ThreadPoolExecutor(1) as pool:
        scoring = pool.submit(desk(town, ScoreTerms(rater=slow)).score_customers, ["C-1"])
        assert slow.reads.wait(10)
        with town.database.begin() as tx:  # the first order in another segment
            ensure_accounts(tx, "C-1", "south")
        slow.go.set()
        assert scoring.result(10) == 1
    assert seen(town, "main")[0] != "A"
    assert seen(town, "south")[0] == "A"
    refresh(town)
    assert seen(town, "south") == seen(town, "main")


def test_no_account_is_made_beside_a_person_who_speaks(town: Town) -> None:
    pays_well(town)
    town.parties.put_segment(ADMIN, "south", SegmentChange("south"))
    slow = Slow()
    with ThreadPoolExecutor(2) as pool:
        say = desk(town, ScoreTerms(rater=slow)).propose_override
        saying = pool.submit(say, ADMIN, "C-1", said(town, "E"))
        assert slow.reads.wait(10)
        making = pool.submit(make_account, town, "south")
        wait_for_a_waiter(town.database)
        slow.go.set()
        assert saying.result(10)[1]
        making.result(10)
    assert seen(town, "south") == seen(town, "main") == ("E", "override")


def make_account(town: Town, segment: str) -> None:
    with town.database.begin() as tx:
        ensure_accounts(tx, "C-1", segment)


def test_a_first_account_makes_nothing_due(town: Town) -> None:
    refresh(town)
    town.put("C-3")
    query = text("SELECT count(*) FROM score_due WHERE rank = 0")
    with town.database.read() as tx:
        assert tx.execute(query).scalar_one() == 0


def test_a_merge_takes_no_word_back(town: Town) -> None:
    made = override(town, "E", days=2)
    with pytest.raises(MergeConflictError, match=made.override_id):
        town.parties.merge_customers(ADMIN, "C-1", "C-2")
    assert (statuses(town), decided_by(town)) == (["IN_FORCE"], ("E", "override"))
    town.parties.merge_customers(ADMIN, "C-2", "C-1")  # the other way nothing is lost
    assert decided_by(town) == ("E", "override")


@pytest.mark.parametrize("over", ["ended", "by-itself"])
def test_a_word_that_is_over_holds_no_merge_up(town: Town, over: str) -> None:
    made = override(town, "E", days=2)
    if over == "ended":
        desk(town).decide_override(ADMIN, ("C-1", made.override_id), "end")
    else:
        town.clock.advance(days=2)
    town.parties.merge_customers(ADMIN, "C-1", "C-2")
    listed = desk(town).list_overrides(ADMIN, "C-2")
    assert [(one.override_id, one.customer_id) for one in listed] == [(made.override_id, "C-1")]


def test_a_merge_that_comes_while_somebody_speaks_hears_it(town: Town) -> None:
    slow = Slow()
    with ThreadPoolExecutor(2) as pool:
        say = desk(town, ScoreTerms(rater=slow)).propose_override
        saying = pool.submit(say, ADMIN, "C-1", said(town, "E"))
        assert slow.reads.wait(10)
        merging = pool.submit(town.parties.merge_customers, ADMIN, "C-1", "C-2")
        wait_for_a_waiter(town.database)
        slow.go.set()
        assert saying.result(10)[1]
        with pytest.raises(MergeConflictError):
            merging.result(10)
    assert decided_by(town) == ("E", "override")


def light(town: Town) -> TrafficLight:
    return next(one for one in TrafficLight if "C-1" in town.with_light(one))


def reviewed(town: Town) -> str:
    ask = ListAsk(None, None, date(2100, 1, 1), None, 9)
    (found,) = town.parties.limits.list_reviews(ADMIN, ask)
    return found.risk_class


def reading(town: Town, ask: Callable[[Tx, int], T]) -> T:
    account_id = town.account("C-1").account_id
    with town.database.read() as tx:
        return ask(tx, account_id)


READS: dict[str, Callable[[Town], object]] = {
    "authority": lambda town: reading(
        town, lambda tx, key: authority.class_of(tx, key, town.clock())
    ),
    "terms": lambda town: reading(
        town, lambda tx, key: terms.classes(tx, [key], town.clock())[key]
    ),
    "reviews": reviewed,
    "list": light,
    "account": lambda town: Reader(town.database, town.clock).account("C-1").traffic_light,
    "card": lambda town: Reader(town.database, town.clock).card("C-1").traffic_light,
    "recommendation": lambda town: town.parties.limits.recommend(ADMIN, "C-1", "main").found,
}


@pytest.mark.parametrize("case", READS)
def test_whoever_reads_a_class_hears_no_word_that_is_over(town: Town, case: str) -> None:
    for number in range(4):
        days = {"issue_date": "2026-01-01", "due_date": f"2026-02-0{number + 1}"}
        name = f"I-{number}"
        town.fact("invoice", "C-1", invoice_id=name, amount=1_000_000, **days)
        paid = {"payment_id": f"P-{number}", "amount": 1_000_000, "paid_date": "2026-06-10"}
        town.fact("payment", "C-1", allocations=[{"invoice_id": name, "amount": 1_000_000}], **paid)
    town.limit("C-1", 100_000_000)
    assert computed(town).risk_class == "E"
    before = READS[case](town)
    override(town, "A", days=1)
    town.clock.advance(hours=23, minutes=59, seconds=59)
    assert READS[case](town) != before
    town.clock.advance(seconds=1)
    assert READS[case](town) == before


def age(town: Town) -> int:
    """Tell how many days old a decision of this moment finds the score."""
    held = town.account("C-1")
    with town.database.read() as tx:
        data = inputs.get(tx, held.account_id, held.input_version)
    score = read_inputs(held.input_version, data, town.clock()).score
    assert score is not None
    return (town.clock() - scored_at(score)).days


@pytest.mark.parametrize("over", ["ended", "by-itself"])
def test_a_word_makes_the_score_below_it_no_younger(town: Town, over: str) -> None:
    before = computed(town)
    town.clock.advance(days=40)
    away = desk(town, ScoreTerms(rater=Away()))
    made, _ = away.propose_override(ADMIN, "C-1", said(town, "D", days=1))
    assert read(town).stale
    assert age(town) == 40
    if over == "ended":
        away.decide_override(ADMIN, ("C-1", made.override_id), "end")
    town.clock.advance(days=1)
    assert decided_by(town) == (before.risk_class, "scorecard")
    assert age(town) == (town.clock() - read(town).scored_at).days == 41
    refresh(town)
    assert age(town) == 0
