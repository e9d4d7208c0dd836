"""Limits that follow the policy: recommended from what is stored, down at once, up if approved."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from app.domain.callers import Caller
from app.domain.errors import (
    CustomerUnknownError,
    FourEyesError,
    RateMissingError,
    SegmentUnknownError,
    VersionStaleError,
)
from app.domain.limits import LimitRecord
from app.domain.limits_policy import default_policy
from app.domain.money import Money
from app.store import inputs, limits_facts
from app.store.database import Database
from app.usecases.adjust_limits import AdjustLimits
from app.usecases.limits import LimitAsk, LimitView
from app.usecases.limits_decisions import Action
from app.usecases.limits_sets import Limits
from app.usecases.portions import Portion
from app.usecases.reviews import KINDS, ListAsk, WatchLimits
from app.usecases.segments import SegmentChange
from tests.server import Clock
from tests.usecases.town import ADMIN, Town, at_once, seeing

DAY = timedelta(days=1)


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    town = Town.found(database, clock)
    town.put("C-1", payment_terms_days=60, size="SMALL")
    return town


@pytest.fixture
def limits(town: Town) -> Limits:
    return Limits.over(town.database, town.clock)


def policy(
    limits: Limits,
    mode: str = "AUTO",
    who: Caller = ADMIN,
    **more: Any,  # noqa: ANN401 - JSON
) -> None:
    data = default_policy("CNY")
    data["adjust"] = {**data["adjust"], "mode": mode}
    limits.put_policy(who, "main", {**data, **more})


def scored(town: Town, risk_class: str, customer_id: str = "C-1") -> None:
    score = {"risk_class": risk_class, "score": 500, "scored_at": town.clock().isoformat()}
    with town.database.begin() as tx:
        inputs.change(tx, [town.account(customer_id).account_id], {"score": score})


def bought(town: Town, minor: int, currency: str = "CNY") -> None:
    """Invoice, as of half a year ago, and let it be paid in time."""
    number = town.next()
    day = (town.today - 180 * DAY).isoformat()
    dates = {"issue_date": day, "due_date": day}
    told = {"invoice_id": f"B-{number}", "amount": minor, "currency": currency}
    town.fact("invoice", "C-1", **told, **dates)
    parts = [{"invoice_id": f"B-{number}", "amount": minor}]
    paid = {"payment_id": f"P-{number}", "paid_date": day, "allocations": parts}
    town.fact("payment", "C-1", amount=minor, currency=currency, **paid)


def adjust(town: Town) -> int:
    """Let the loop go over all accounts, two at a time."""
    work = AdjustLimits(town.database, 2, lambda _: town.clock())
    done, after = 0, None
    while True:
        portion = work(after)
        done, after = done + portion.items, portion.after
        if after is None:
            return done


def listed(town: Town) -> Iterator[LimitRecord]:
    return (view.record for view in town.parties.list_limits(ADMIN, "C-1", None))


def base(town: Town) -> list[tuple[str, int | None, str]]:
    return [(one.status, one.limit_minor, one.origin) for one in listed(town)]


def decide(town: Town, action: Action, caller: Caller = ADMIN) -> LimitRecord:
    newest = next(listed(town))
    seen: list[LimitView] = []
    place = ("C-1", newest.limit_id)
    town.parties.decide_limit(town.keyed(caller), place, action, seeing(seen))
    return seen[0].record


def test_a_recommendation_reads_what_is_stored(town: Town, limits: Limits) -> None:
    bought(town, 3_650_000_00)
    bought(town, 10_000_00, "USD")  # 70,000 CNY
    scored(town, "B")
    town.limit("C-1", 500_000_00)
    found = limits.recommend(ADMIN, "C-1", "main")
    steps = {step.code: step.result.minor for step in found.found.steps}
    assert steps["LIMIT_TURNOVER"] == 3_720_000_00
    assert steps["LIMIT_NEED"] == 3_720_000_00 * 75 // 365
    assert steps["LIMIT_CLASS"] == steps["LIMIT_NEED"] * 120 // 100
    assert "LIMIT_CAP_SIZE" in steps
    assert found.found.limit == Money(917_000_00, "CNY")
    assert (found.current, found.found.policy_version) == (Money(500_000_00, "CNY"), 0)
    policy(limits, "OFF", size_caps={"SMALL": {"amount": "10000.00", "currency": "USD"}})
    again = limits.recommend(ADMIN, "C-1", "main").found
    assert (again.limit, again.policy_version) == (Money(70_000_00, "CNY"), 1)


def test_a_group_pays_as_its_members_do(town: Town, limits: Limits) -> None:
    town.put("G-1")
    town.put("C-1", parent_id="G-1")
    town.put("C-2", parent_id="G-1")
    town.limit("G-1", 500_000_00)
    due = town.today - 60 * DAY
    dates = {"issue_date": due.isoformat(), "due_date": due.isoformat()}

    def paying(name: str = "G-1") -> list[tuple[str, str | None]]:
        steps = limits.recommend(ADMIN, name, "main").found.steps
        found = [step for step in steps if step.code.startswith("LIMIT_PAYING")]
        return [(step.code, step.values.get("late")) for step in found]

    assert paying() == [("LIMIT_PAYING_UNKNOWN", None)]
    bought(town, 1_000_00)  # by C-1, and paid in time
    for number in range(3):  # not paid for 60 days
        told = {"invoice_id": f"L-{number}", "amount": 1_000_00}
        town.fact("invoice", "C-2", **told, **dates)
    assert paying() == [("LIMIT_PAYING", "45")]
    assert paying("C-1") == [("LIMIT_PAYING", "0")]


def test_what_a_recommendation_is_refused_for(town: Town, limits: Limits) -> None:
    town.limit("C-1", 1)
    eu = Caller("eu", frozenset({"admin"}), segments=frozenset({"eu"}))
    town.parties.put_segment(ADMIN, "eu", SegmentChange("eu"))
    with pytest.raises(SegmentUnknownError):
        limits.recommend(eu, "C-1", "main")
    with pytest.raises(CustomerUnknownError):
        limits.recommend(eu, "C-1", "eu")
    policy(limits, class_caps={"N": {"amount": "1", "currency": "JPY"}})
    with pytest.raises(RateMissingError):
        limits.recommend(ADMIN, "C-1", "main")
    with pytest.raises(VersionStaleError):
        limits.put_policy(ADMIN, "main", {}, expected=[7])


def test_a_limit_goes_down_by_itself_in_steps(town: Town, limits: Limits) -> None:
    policy(limits)
    bought(town, 365_000_00)
    scored(town, "C")  # recommended: 60,000
    ends = town.today + 700 * DAY
    town.propose("C-1", LimitAsk("base", "main", Money(100_000_00, "CNY"), valid_to=ends))
    assert adjust(town) == 0  # a person has just decided
    town.clock.advance(days=90)
    assert (adjust(town), adjust(town)) == (1, 0)
    newest = next(listed(town))
    assert (newest.status, newest.limit_minor, newest.origin) == (
        "APPROVED",
        75_000_00,
        "DYNAMIC",
    )
    assert (newest.valid_to, newest.proposed_by) == (ends, "aval-adjust")
    assert newest.evidence is not None
    assert newest.evidence["limit"] == {"amount": "60000.00", "currency": "CNY"}
    assert "60000.00 CNY" in (newest.reason or "")
    assert town.account("C-1").limit_minor == 75_000_00
    with town.database.read() as tx:
        kinds = tx.execute(
            text("SELECT kind FROM journal WHERE ref = :ref"), {"ref": newest.limit_id}
        )
        assert kinds.scalars().all() == ["LIMIT"]
    town.clock.advance(days=90)
    assert adjust(town) == 1
    assert town.account("C-1").limit_minor == 60_000_00
    town.exact()


def test_many_adjusters_take_one_step(town: Town, limits: Limits) -> None:
    """What one of them did is seen by the others under the lock, though they had decided before."""
    policy(limits)
    town.put("C-2")
    for name in ("C-1", "C-2"):
        town.limit(name, 100_000_00)
        scored(town, "E", name)
    town.clock.advance(days=90)
    work = AdjustLimits(town.database, 5, lambda _: town.clock())
    ends = at_once(*[work] * 4)
    assert sum(end.items for end in ends if isinstance(end, Portion)) == 2
    assert {town.account(name).limit_minor for name in ("C-1", "C-2")} == {75_000_00}
    town.exact()


def test_a_limit_goes_up_only_when_somebody_approves(town: Town, limits: Limits) -> None:
    policy(limits)
    bought(town, 3_650_000_00)
    scored(town, "B")
    town.limit("C-1", 100_000_00)
    town.clock.advance(days=90)
    assert (adjust(town), adjust(town)) == (1, 0)
    assert base(town)[0] == ("PROPOSED", 120_000_00, "DYNAMIC")
    assert town.account("C-1").limit_minor == 100_000_00
    assert decide(town, "approve").decided_by == "tests"
    assert town.account("C-1").limit_minor == 120_000_00
    town.exact()


def test_a_rejected_increase_is_not_proposed_again_at_once(town: Town, limits: Limits) -> None:
    policy(limits)
    bought(town, 3_650_000_00)
    scored(town, "B")
    town.limit("C-1", 100_000_00)
    town.clock.advance(days=90)
    assert adjust(town) == 1
    decide(town, "reject")
    assert adjust(town) == 0
    town.clock.advance(days=90)
    assert adjust(town) == 1


@pytest.mark.parametrize(
    ("mode", "status"), [("OFF", None), ("PROPOSE", "PROPOSED"), ("AUTO", "APPROVED")]
)
def test_modes(town: Town, limits: Limits, mode: str, status: str | None) -> None:
    policy(limits, mode)
    scored(town, "E")
    town.limit("C-1", 100_000_00)
    town.clock.advance(days=1)
    town.propose(
        "C-1", LimitAsk("base", "main", None), Caller("clerk", frozenset({"limit:propose"}))
    )
    town.clock.advance(days=90)
    assert adjust(town) == 0  # somebody has yet to decide
    decide(town, "reject")
    town.clock.advance(days=90)
    assert adjust(town) == (status is not None)
    assert base(town)[0][0] == (status or "REJECTED")


def test_nobody_gets_or_loses_what_a_person_did_not_grant(town: Town, limits: Limits) -> None:
    policy(limits)
    scored(town, "A")
    bought(town, 3_650_000_00)
    for ask in (
        LimitAsk("base", "main", unlimited=True),
        LimitAsk("base", "main", Money(0, "CNY")),
        LimitAsk("base", "main", None),
        LimitAsk("temporary", "main", Money(5, "CNY"), valid_from=date.min, valid_to=date.max),
    ):
        town.propose("C-1", ask)
        town.clock.advance(days=100)
        assert adjust(town) == 0


def test_an_automatic_decrease_is_undone_by_two_where_four_eyes_count(
    town: Town, limits: Limits
) -> None:
    town.parties.put_segment(ADMIN, "main", SegmentChange("main", four_eyes=True))
    policy(limits)
    scored(town, "E")
    clerk = Caller("clerk", frozenset({"limit:propose"}))
    town.propose("C-1", LimitAsk("base", "main", Money(100_000_00, "CNY")), clerk)
    decide(town, "approve")
    town.clock.advance(days=90)
    assert adjust(town) == 1
    assert town.account("C-1").limit_minor == 75_000_00
    assert decide(town, "end").status == "APPROVED"
    with pytest.raises(FourEyesError):
        decide(town, "end")
    assert decide(town, "end", replace(ADMIN, client="other")).status == "ENDED"
    assert town.account("C-1").limit_minor == 100_000_00
    town.exact()


EVERYTHING = ListAsk(None, None, None, None, 50)


def reviews(limits: Limits, ask: ListAsk = EVERYTHING) -> list[tuple[str, date]]:
    found = limits.list_reviews(ADMIN, ask)
    return [(one.customer_id, one.due_on) for one in found]


def test_the_review_calendar_goes_by_class(town: Town, limits: Limits) -> None:
    first = town.today
    for name, risk_class in (("C-1", "A"), ("C-2", "D"), ("C-3", "B")):
        if name != "C-1":
            town.put(name, owner=name)
        town.limit(name, 500)
        scored(town, risk_class, name)
    town.put("C-4")
    ends = first + 20 * DAY
    town.propose("C-4", LimitAsk("base", "main", Money(5, "CNY"), valid_to=ends))
    assert reviews(limits) == []
    everything = [
        ("C-4", ends),  # it ends before its class's 90 days are over
        ("C-2", first + 60 * DAY),
        ("C-3", first + 180 * DAY),
        ("C-1", first + 365 * DAY),
    ]
    assert reviews(limits, replace(EVERYTHING, until=date.max)) == everything
    assert reviews(limits, replace(EVERYTHING, until=first + 60 * DAY)) == everything[:2]
    assert reviews(limits, replace(EVERYTHING, until=first + 59 * DAY)) == everything[:1]
    ever = replace(EVERYTHING, until=date.max)
    assert reviews(limits, replace(ever, owner="C-3")) == everything[2:3]
    after = (everything[1][1], "C-2/main")
    assert reviews(limits, replace(ever, after=after)) == everything[2:]
    town.clock.advance(days=60)
    seen: list[Any] = []
    limits.record_review(town.keyed(), ("C-2", "main"), "looked", seeing(seen))
    assert (seen[0].last_on, seen[0].due_on) == (town.today, town.today + 60 * DAY)
    assert [name for name, _ in reviews(limits)] == ["C-4"]


def test_what_was_over_when_it_was_told_is_not_the_limit_to_review(
    town: Town, limits: Limits
) -> None:
    town.limit("C-1", 500)
    scored(town, "A")
    first = town.today
    town.clock.advance(days=40)
    over = LimitAsk("base", "main", Money(5, "CNY"))
    over = replace(over, valid_from=first + 10 * DAY, valid_to=first + 20 * DAY)
    town.propose("C-1", over)
    assert reviews(limits) == []
    ever = replace(EVERYTHING, until=date.max)
    assert reviews(limits, ever) == [("C-1", first + 365 * DAY)]


def test_what_ends_soon_is_told_unless_something_follows(town: Town, limits: Limits) -> None:
    soon, later = town.today + 30 * DAY, town.today + 31 * DAY

    def ending(until: date | None = None) -> list[date]:
        ask = ListAsk(None, None, until, None, 50)
        return [one.valid_to for one in limits.list_ending(ADMIN, ask)]

    town.propose("C-1", LimitAsk("base", "main", Money(5, "CNY"), valid_to=later))
    assert (ending(), ending(later)) == ([], [later])
    town.propose("C-1", LimitAsk("base", "main", Money(5, "CNY"), valid_to=soon))
    assert ending() == [soon]
    WatchLimits(town.database, lambda _: town.clock())()
    seen = {kind: REGISTRY.get_sample_value("aval_limits_ending", {"type": kind}) for kind in KINDS}
    assert seen == {"base": 1, "temporary": 0, "cover": 0}
    assert REGISTRY.get_sample_value("aval_limit_reviews_due") == 0
    follows = LimitAsk("base", "main", Money(5, "CNY"), valid_from=soon + DAY)
    town.propose("C-1", follows)
    assert ending() == []


def test_what_is_replaced_does_not_end_and_what_stands_after_follows(
    town: Town, limits: Limits
) -> None:
    def propose(first: int, last: int | None) -> None:
        until = None if last is None else town.today + last * DAY
        ask = LimitAsk("base", "main", Money(5, "CNY"), valid_to=until)
        town.propose("C-1", replace(ask, valid_from=town.today + first * DAY))

    def ending() -> list[int]:
        ask = ListAsk(None, None, None, None, 50)
        return [(one.valid_to - town.today).days for one in limits.list_ending(ADMIN, ask)]

    propose(0, 20)
    propose(0, 10)
    assert ending() == [10], "the longer one does not come back"
    propose(11, None)
    assert ending() == []
    propose(5, 15)
    assert ending() == [], "the one without an end stands after it, though approved before"
    propose(8, 12)
    assert ending() == []
    propose(11, 14)
    assert ending() == [14], "by now that one is replaced too"


def test_each_segment_has_a_last_day_of_its_own(town: Town, limits: Limits) -> None:
    west = SegmentChange(name="west", time_zone="America/New_York")
    town.parties.put_segment(ADMIN, "west", west)
    last = town.today
    for segment_id in ("main", "west"):
        town.propose("C-1", LimitAsk("base", segment_id, Money(5, "CNY"), valid_to=last))
    town.clock.advance(hours=23)
    ask = ListAsk(None, None, None, None, 50)
    assert [one.segment_id for one in limits.list_ending(ADMIN, ask)] == ["west"]
    assert [one.segment_id for one in limits.list_reviews(ADMIN, ask)] == ["main", "west"]
    town.clock.advance(days=1)
    assert limits.list_ending(ADMIN, ask) == []


def test_who_put_the_policy_in_force_does_not_grant_what_it_proposes(
    town: Town, limits: Limits
) -> None:
    """Else one person would raise limits alone: by the policy, and then by approving."""
    other = Caller("other", frozenset({"limit:approve"}))
    bought(town, 3_650_000_00)
    scored(town, "B")
    town.limit("C-1", 100_000_00)
    policy(limits)
    town.clock.advance(days=90)
    town.parties.put_segment(ADMIN, "main", SegmentChange("main", four_eyes=True))
    assert adjust(town) == 1
    assert base(town)[0] == ("PROPOSED", 120_000_00, "DYNAMIC")
    with pytest.raises(FourEyesError, match="put the policy in force"):
        decide(town, "approve")
    assert base(town)[0][0] == "PROPOSED"
    assert decide(town, "approve", other).decided_by == "other"
    town.exact()


def test_a_later_change_of_the_calendar_hides_nobody(town: Town, limits: Limits) -> None:
    """Whoever wrote the terms stays their author, also when somebody else puts them again."""
    clerk = Caller("clerk", frozenset({"rule:approve", "limit:approve"}))
    bought(town, 3_650_000_00)
    scored(town, "B")
    town.limit("C-1", 100_000_00)
    policy(limits)
    policy(limits, who=clerk, warn_days=7)
    town.clock.advance(days=90)
    town.parties.put_segment(ADMIN, "main", SegmentChange("main", four_eyes=True))
    assert adjust(town) == 1
    for author in (None, clerk):
        with pytest.raises(FourEyesError, match="put the policy in force"):
            decide(town, "approve", *([author] if author else []))
    other = Caller("other", frozenset({"limit:approve"}))
    assert decide(town, "approve", other).decided_by == "other"


@pytest.mark.parametrize("mode", ["AUTO", "PROPOSE"])
def test_what_somebody_approved_for_later_takes_over_on_its_day(
    town: Town, limits: Limits, mode: str
) -> None:
    policy(limits, mode)
    bought(town, 365_000_00)
    scored(town, "C")  # 60,000 are recommended
    town.limit("C-1", 100_000_00)
    first = town.today + 120 * DAY
    cut = LimitAsk("base", "main", Money(10_000_00, "CNY"), valid_from=first)
    town.propose("C-1", cut)
    town.clock.advance(days=95)
    assert adjust(town) == 1
    if mode == "PROPOSE":
        decide(town, "approve")
    assert next(listed(town)).valid_to == first - DAY
    held = town.account("C-1")
    assert (held.limit_minor, held.limit_changes_on) == (75_000_00, first)
    town.clock.advance(days=25)
    town.invoice("C-1", 1)
    assert town.account("C-1").limit_minor == 10_000_00
    town.exact()


def test_a_proposal_ends_before_what_was_approved_while_it_waited(
    town: Town, limits: Limits
) -> None:
    policy(limits, "PROPOSE")
    bought(town, 365_000_00)
    scored(town, "C")
    town.limit("C-1", 100_000_00)
    town.clock.advance(days=95)
    assert adjust(town) == 1
    waits = next(listed(town))
    first = town.today + 30 * DAY
    town.propose("C-1", LimitAsk("base", "main", Money(10_000_00, "CNY"), valid_from=first))
    seen: list[LimitView] = []
    town.parties.decide_limit(town.keyed(), ("C-1", waits.limit_id), "approve", seeing(seen))
    assert (waits.valid_to, seen[0].record.valid_to) == (None, first - DAY)
    town.clock.advance(days=30)
    town.invoice("C-1", 1)
    assert town.account("C-1").limit_minor == 10_000_00
    town.exact()


def test_members_are_those_of_the_path(town: Town) -> None:
    """A record that was merged counts with its heir, and has no members of its own."""
    town.put("C-2")
    town.put("C-3", parent_id="C-2")
    town.put("C-4")
    for name in ("C-2", "C-3", "C-4"):
        town.account(name)
    with town.database.read() as tx:
        rows = tx.execute(text("SELECT customer_id, account_id FROM account"))
        ids = {row.customer_id: row.account_id for row in rows}
    town.parties.merge_customers(ADMIN, "C-4", "C-2")
    with town.database.read() as tx:
        assert limits_facts.family(tx, ids["C-2"], "main") == ["C-2", "C-3", "C-4"]
        assert limits_facts.family(tx, ids["C-3"], "main") == ["C-3"]
        assert limits_facts.family(tx, ids["C-4"], "main") == ["C-4"]
