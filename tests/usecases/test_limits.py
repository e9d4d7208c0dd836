"""Limits: what is in force when, one effect an approval, a cut below use, keys that repeat."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pytest
from sqlalchemy import select, text

from app.domain.callers import Caller
from app.domain.errors import (
    BusyError,
    CreditError,
    CurrencyFixedError,
    ForbiddenError,
    FourEyesError,
    KeyReusedError,
    LimitStateError,
    NotFoundError,
)
from app.domain.limits import LimitRecord
from app.domain.money import Money
from app.store import accounts, customers
from app.store.database import Database
from app.store.schema.parties import credit_limit
from app.usecases.asks import Answer
from app.usecases.limits import LimitAsk, LimitView
from app.usecases.segments import SegmentChange
from tests.server import Clock
from tests.usecases.readers import Reader
from tests.usecases.town import ADMIN, Town, at_once, seeing, wait_for_a_waiter

CLERK = Caller("clerk", frozenset({"limit:propose"}))
BOSS = Caller("boss", frozenset({"limit:approve"}))


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    town = Town.found(database, clock)
    town.put("C-1")
    return town


def decide(town: Town, record: LimitRecord, action: str, caller: Caller = BOSS) -> LimitView:
    seen: list[LimitView] = []
    assert action in {"approve", "reject", "end"}
    town.parties.decide_limit(
        town.keyed(caller),
        ("C-1", record.limit_id),
        action,  # type: ignore[arg-type] # a test's table of plain words, checked above
        seeing(seen),
    )
    return seen[0]


def kinds(town: Town) -> list[str]:
    with town.database.read() as tx:
        query = "SELECT kind FROM journal JOIN account USING (account_id) WHERE customer_id = 'C-1'"
        return list(tx.execute(text(query + " ORDER BY journal.seq")).scalars())


def test_a_proposal_changes_nothing_until_approved(town: Town) -> None:
    proposed = town.limit("C-1", 500, CLERK).record
    assert (proposed.status, proposed.proposed_by) == ("PROPOSED", "clerk")
    assert town.account("C-1").limit_minor is None
    approved = decide(town, proposed, "approve").record
    assert (approved.status, approved.decided_by) == ("APPROVED", "boss")
    assert town.account("C-1").limit_minor == 500
    assert kinds(town) == ["LIMIT"]
    town.exact()


@pytest.mark.parametrize(
    ("steps", "action"),
    [
        pytest.param((), "end", id="end-of-a-proposal"),
        pytest.param(("reject",), "approve", id="approve-a-rejected-one"),
        pytest.param(("approve",), "approve", id="approve-twice"),
        pytest.param(("approve",), "reject", id="reject-an-approved-one"),
        pytest.param(("approve", "end"), "end", id="end-twice"),
        pytest.param(("approve", "end"), "approve", id="approve-an-ended-one"),
    ],
)
def test_a_limit_is_decided_once(town: Town, steps: tuple[str, ...], action: str) -> None:
    record = town.limit("C-1", 500, CLERK).record
    for step in steps:
        decide(town, record, step)
    before = town.account("C-1")
    with pytest.raises(LimitStateError):
        decide(town, record, action)
    assert town.account("C-1") == before


def test_an_approval_in_a_currency_of_before_names_no_field(town: Town) -> None:
    ask = LimitAsk("base", "main", Money(500, "CNY"), valid_to=town.today)
    record = town.propose("C-1", ask, CLERK).record
    town.clock.advance(days=2)  # what is over keeps no currency
    town.put("C-1", currency="USD")
    with pytest.raises(CurrencyFixedError) as refused:
        decide(town, record, "approve")
    assert refused.value.field is None  # an approval has no body


def test_two_approvals_have_one_effect(town: Town) -> None:
    for number in range(4):
        record = town.limit("C-1", 500 + number, CLERK).record
        ends = at_once(*[partial(decide, town, record, "approve")] * 3)
        refused = [end for end in ends if isinstance(end, CreditError)]
        assert [type(one) for one in refused] == [LimitStateError] * 2
    assert kinds(town) == ["LIMIT"] * 4
    assert town.account("C-1").limit_minor == 503
    town.exact()


def test_equal_keys_at_once_have_one_effect(town: Town) -> None:
    keyed = town.keyed()
    ask = LimitAsk("base", "main", Money(500, "CNY"))
    seen: list[LimitView] = []
    propose = partial(town.parties.propose_limit, keyed, "C-1", ask, seeing(seen))
    ends = at_once(*[propose] * 4)
    answers = [end for end in ends if isinstance(end, Answer)]
    assert len(answers) == 4, ends
    assert [answer.replayed for answer in answers].count(False) == 1
    assert len(seen) == 1
    other = replace(keyed, digest=b"another question")
    with pytest.raises(KeyReusedError):
        town.parties.propose_limit(other, "C-1", ask, seeing(seen))


def test_a_refused_limit_leaves_its_key_free(town: Town) -> None:
    keyed = town.keyed()
    seen: list[LimitView] = []
    town.limit("C-1", 5)
    foreign = LimitAsk("base", "main", Money(5, "EUR"))
    with pytest.raises(CurrencyFixedError):
        town.parties.propose_limit(keyed, "C-1", foreign, seeing(seen))
    assert not town.parties.propose_limit(
        keyed, "C-1", LimitAsk("base", "main", None), seeing(seen)
    ).replayed


def test_a_cut_below_use_is_forced_and_heals(town: Town) -> None:
    town.limit("C-1", 1000)
    town.invoice("C-1", 800)
    town.limit("C-1", 500)
    assert (town.account("C-1").limit_minor, town.account("C-1").forced) == (500, 300)
    town.limit("C-1", 0)
    assert town.account("C-1").forced == 800
    town.propose("C-1", LimitAsk("base", "main", unlimited=True))
    assert (town.account("C-1").unlimited, town.account("C-1").forced) == (True, 0)
    town.limit("C-1", None)
    assert (town.account("C-1").limit_minor, town.account("C-1").forced) == (None, 800)
    town.exact()


def test_time_alone_puts_limits_in_force(town: Town) -> None:
    today = town.today
    town.propose(
        "C-1",
        LimitAsk("base", "main", Money(100, "CNY"), valid_to=today + timedelta(days=1)),
    )
    held = town.account("C-1")
    assert held.limit_changes_on == today + timedelta(days=2)
    town.clock.advance(days=2)
    town.limit("C-1", None, CLERK)  # whoever locks the account first books what time did
    held = town.account("C-1")
    assert (held.limit_minor, held.limit_expired, held.limit_changes_on) == (None, True, None)
    assert kinds(town) == ["LIMIT", "LIMIT_EFFECTIVE"]
    town.exact()


def test_the_last_decision_wins_although_the_clock_stands(town: Town) -> None:
    for minor in (5, 3, 9, 1):
        town.limit("C-1", minor)
        assert town.account("C-1").limit_minor == minor


def test_a_replaced_limit_does_not_come_back_by_itself(town: Town) -> None:
    first = town.limit("C-1", 100).record
    ask = LimitAsk("base", "main", Money(900, "CNY"), valid_to=town.today)
    second = town.propose("C-1", ask).record
    town.clock.advance(days=1)
    seen = Reader(town.database, town.clock).account("C-1")
    assert (seen.effective_limit, seen.limit_expired) == (None, True)
    decide(town, second, "end")  # taken back by a person: the one before holds again
    assert town.account("C-1").limit_minor == 100
    assert decide(town, first, "end").record.ended_by == "boss"
    assert town.account("C-1").limit_minor is None
    town.exact()


def test_four_eyes_counts_clients(town: Town) -> None:
    town.parties.put_segment(ADMIN, "main", SegmentChange("main", four_eyes=True))
    record = town.limit("C-1", 500, BOSS).record
    assert record.status == "PROPOSED"
    with pytest.raises(FourEyesError):
        decide(town, record, "approve", replace(BOSS, actor="somebody else"))
    assert town.account("C-1").limit_minor is None
    assert decide(town, record, "approve", ADMIN).record.status == "APPROVED"


OTHER = Caller("other", frozenset({"limit:approve"}))


def four_eyes(town: Town) -> None:
    town.parties.put_segment(ADMIN, "main", SegmentChange("main", four_eyes=True))


def approved(town: Town, minor: int | None, **more: object) -> LimitRecord:
    """Let one client propose a limit and another one approve it."""
    limit = None if minor is None else Money(minor, "CNY")
    ask = LimitAsk("base", "main", limit)
    record = town.propose("C-1", replace(ask, **more), CLERK).record  # type: ignore[arg-type]
    return decide(town, record, "approve").record


def test_an_end_that_grants_more_needs_four_eyes(town: Town) -> None:
    four_eyes(town)
    approved(town, 500)
    cut = approved(town, 100)
    told = decide(town, cut, "end").record
    assert (told.status, told.end_proposed_by) == ("APPROVED", "boss")
    assert town.account("C-1").limit_minor == 100
    with pytest.raises(FourEyesError):
        decide(town, cut, "end")
    done = decide(town, cut, "end", OTHER).record
    assert (done.status, done.end_proposed_by, done.ended_by) == ("ENDED", "boss", "other")
    assert town.account("C-1").limit_minor == 500
    town.exact()


def test_an_end_that_grants_more_later_needs_four_eyes_too(town: Town) -> None:
    four_eyes(town)
    approved(town, 500)
    cut = approved(town, 100, valid_from=town.today + timedelta(days=9))
    assert decide(town, cut, "end").record.status == "APPROVED"


def test_an_end_that_grants_less_is_one_clients(town: Town) -> None:
    four_eyes(town)
    approved(town, 100)
    more = approved(town, 500)
    assert decide(town, more, "end").record.status == "ENDED"
    assert town.account("C-1").limit_minor == 100


def test_a_proposed_end_may_be_rejected(town: Town) -> None:
    four_eyes(town)
    approved(town, 500)
    cut = approved(town, 100)
    decide(town, cut, "end")
    told = decide(town, cut, "reject").record
    assert (told.status, told.end_proposed_by) == ("APPROVED", None)
    with pytest.raises(LimitStateError):
        decide(town, cut, "reject")
    assert town.account("C-1").limit_minor == 100


def test_who_may_only_propose_proposes_an_end(town: Town) -> None:
    record = approved(town, 500)
    assert decide(town, record, "end", CLERK).record.end_proposed_by == "clerk"
    with pytest.raises(LimitStateError):
        decide(town, record, "end", CLERK)
    with pytest.raises(ForbiddenError):
        decide(town, record, "reject", CLERK)
    assert town.account("C-1").limit_minor == 500
    assert decide(town, record, "end").record.status == "ENDED"


def test_two_ends_have_one_effect(town: Town) -> None:
    four_eyes(town)
    approved(town, 500)
    cut = approved(town, 100)
    ends = at_once(*[partial(decide, town, cut, "end", BOSS)] * 3)
    refused = [type(end) for end in ends if isinstance(end, CreditError)]
    assert refused == [FourEyesError] * 2
    assert town.account("C-1").limit_minor == 100


@pytest.mark.parametrize(
    "limit_id", ["no uuid", "0b5e6f0a-6c1e-4f2e-9a55-3d1f6a1c2b7d"], ids=["text", "nobody's"]
)
def test_unknown_limits(town: Town, limit_id: str) -> None:
    record = replace(town.limit("C-1", 5).record, limit_id=limit_id)
    with pytest.raises(NotFoundError):
        decide(town, record, "end")


def test_limits_of_others_are_not_found(town: Town) -> None:
    town.put("C-2")
    with pytest.raises(NotFoundError):
        decide(town, town.limit("C-2", 5).record, "end")


def test_a_date_far_away_is_no_end(town: Town) -> None:
    ask = LimitAsk("base", "main", Money(5, "CNY"), valid_to=date.max)
    assert town.propose("C-1", ask).record.valid_to == date.max
    assert town.account("C-1").limit_changes_on is None


def test_a_limit_does_not_go_to_a_record_that_was_merged(town: Town) -> None:
    town.put("C-2")
    account_id = town.account("C-1").account_id
    with ThreadPoolExecutor(1) as pool:
        with town.database.begin() as tx:
            accounts.lock(tx, [account_id])
            proposing = pool.submit(town.limit, "C-1", 5)
            wait_for_a_waiter(town.database)  # it has read whose id this is
            customers.hand_over_refs(tx, "C-1", "C-2")  # what a merge does under this lock
        with pytest.raises(BusyError):
            proposing.result()
    assert town.limit("C-1", 5).customer_id == "C-2"


def test_the_people_behind_it_are_kept_as_asserted(town: Town) -> None:
    four_eyes(town)
    people = [replace(one, actor=f"p.{one.client}") for one in (CLERK, BOSS, OTHER)]
    clerk, boss, other = people
    approved(town, 500)
    ask = LimitAsk("base", "main", Money(100, "CNY"))
    record = decide(town, town.propose("C-1", ask, clerk).record, "approve", boss).record
    assert (record.proposed_actor, record.decided_actor) == ("p.clerk", "p.boss")
    told = decide(town, record, "end", boss).record
    assert (told.end_proposed_actor, told.ended_actor) == ("p.boss", None)
    assert decide(town, record, "reject", other).record.end_proposed_actor is None
    decide(town, record, "end", boss)
    assert decide(town, record, "end", other).record.ended_actor == "p.other"
    refused = decide(town, town.propose("C-1", ask, clerk).record, "reject", other).record
    assert (refused.status, refused.decided_actor) == ("REJECTED", "p.other")


def test_a_merge_ends_limits_by_the_person_that_it_asserts(town: Town) -> None:
    town.put("HEIR")
    kept = approved(town, 500).limit_id
    town.propose("C-1", LimitAsk("base", "main", Money(900, "CNY")), CLERK)
    town.parties.merge_customers(replace(ADMIN, actor="li.na"), "C-1", "HEIR")
    with town.database.read() as tx:
        rows = tx.execute(select(credit_limit)).mappings().all()
    ends = {str(row["limit_id"]): (row["ended_actor"], row["decided_actor"]) for row in rows}
    assert ends.pop(kept) == ("li.na", None)
    assert [*ends.values()] == [(None, "li.na")]
