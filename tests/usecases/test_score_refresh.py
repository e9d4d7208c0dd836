"""The list of due scores: who adds to it, in which order it is worked off, and the night."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from app.domain.customers import AccountChange
from app.domain.errors import BusyError
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.domain.scores_refresh import Urgency
from app.scoring.observing import ObservingError
from app.scoring.scorecard_file import standard_scorecard
from app.store import score_due
from app.store.database import Database, Tx
from app.store.scores import Subject
from app.usecases.portions import Cursor, Portion
from app.usecases.score_raters import RateByCard, Rated
from app.usecases.score_refresh import ListNight, RefreshScores
from app.usecases.score_together import ScoreTogether
from app.usecases.scores import Scores
from app.usecases.scoring import score_customers
from app.usecases.seeds import SeedDatabase
from app.usecases.segments import SegmentChange
from app.work import Loop
from app.work import run as run_loops
from tests.server import Clock
from tests.usecases.readers import Reader
from tests.usecases.town import ADMIN, Town, at_once

REST = timedelta(seconds=60)


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
    return Town.found(database, clock)


def refresh(town: Town) -> RefreshScores:
    return RefreshScores(town.database, cooldown=REST, clock=lambda _: town.clock())


def due(town: Town) -> dict[str, int]:
    """Give the most urgent rank of everybody on the list."""
    query = "SELECT customer_id, min(rank) FROM score_due GROUP BY customer_id"
    with town.database.read() as tx:
        return {row[0]: row[1] for row in tx.execute(text(query))}


def scored(town: Town) -> dict[str, datetime]:
    query = "SELECT customer_id, scored_at FROM customer_score"
    with town.database.read() as tx:
        return {row[0]: row[1].astimezone(UTC) for row in tx.execute(text(query))}


def settled(town: Town, *customer_ids: str) -> None:
    """Put customers that have been scored, and are through with the rest."""
    for customer_id in customer_ids:
        town.put(customer_id)
        town.invoice(customer_id, 1_000, due="2026-12-01")
    while refresh(town)().items:
        town.clock.advance(seconds=60)
    assert due(town) == {}
    town.clock.advance(seconds=61)


def dishonour(town: Town) -> None:
    note = {"note_id": "N-1", "kind": "BANK", "due_date": "2026-09-01"}
    paid = {"payment_id": "P-1", "amount": 500, "paid_date": "2026-06-01"}
    town.fact("payment", "C-1", note=note, allocations=[], **paid)
    town.fact("note", "C-1", note_id="N-1", status="DISHONOURED", recourse=True)


EVENTS: dict[str, tuple[Callable[[Town], object], int | None]] = {
    "invoice": (lambda town: town.invoice("C-1", 500, due="2026-12-01"), 1),
    "invoice-past-due": (lambda town: town.invoice("C-1", 500, due="2026-06-14"), 0),
    "invoice-due-today": (lambda town: town.invoice("C-1", 500, due="2026-06-15"), 1),
    "payment": (lambda town: pay(town, amount=500), 1),
    "payment-taken-back": (lambda town: pay(town, amount=0), 0),
    "bill-dishonoured": (dishonour, 0),
    "write-off": (lambda town: town.fact("write_off", "C-1", write_off_id="W", amount=5), 0),
    "credit-note": (lambda town: town.fact("credit_note", "C-1", credit_note_id="W", amount=5), 1),
    "first-limit": (lambda town: town.limit("C-1", 9_000), 1),
    "limit-cut": (lambda town: (town.limit("C-1", 9_000), town.limit("C-1", 8_999)), 0),
    "limit-of-another": (lambda town: town.limit("C-2", 9_000), None),
    "nothing": (lambda town: town.put("C-1"), None),
}


def pay(town: Town, amount: int) -> None:
    town.fact("payment", "C-1", payment_id="P", amount=amount, paid_date="2026-06-01")


@pytest.mark.parametrize("case", EVENTS)
def test_what_happens_puts_a_customer_on_the_list(town: Town, case: str) -> None:
    act, rank = EVENTS[case]
    settled(town, "C-1", "C-2")
    act(town)
    assert due(town).get("C-1") == rank


def test_what_is_refused_or_waits_puts_nobody_on_the_list(town: Town) -> None:
    settled(town, "C-1")
    town.fact("invoice", "C-9", invoice_id="I-9", amount=5, issue_date="2026-01-01",
        due_date="2026-01-02")  # fmt: skip
    assert due(town) == {}


def test_a_score_rests_unless_something_adverse_comes(town: Town) -> None:
    settled(town, "C-1", "C-2")
    for customer_id in ("C-1", "C-2"):
        town.invoice(customer_id, 500, due="2026-12-01")
    assert refresh(town)().items == 2
    town.clock.advance(seconds=59)
    town.invoice("C-1", 500, due="2026-12-01")
    town.invoice("C-2", 500, due="2026-06-01")  # past due
    assert refresh(town)().items == 1
    assert due(town) == {"C-1": 1}
    town.clock.advance(seconds=1)
    assert refresh(town)().items == 1
    assert due(town) == {}


def test_adverse_comes_first_and_the_night_last(town: Town) -> None:
    town.put("C-1")
    now = town.clock()
    with town.database.begin() as tx:
        score_due.add(tx, ["N"], Urgency.NIGHT, now)
        score_due.add(tx, ["E"], Urgency.EVENT, now)
        score_due.add(tx, ["A"], Urgency.ADVERSE, now)
    with town.database.begin() as tx:
        taken = [score_due.take(tx, now, REST, most)[0] for most in (1,)]
        assert taken == ["A"]
        assert score_due.take(tx, now, REST, 2) == ["A", "E"]


@dataclass(frozen=True)
class Slow(RateByCard):
    """Rates, and only then something happens."""

    act: Callable[[], object]

    def __call__(self, tx: Tx, *rest: Any) -> Any:  # noqa: ANN401 - as a rater's
        rated = RateByCard.__call__(self, tx, *rest)
        self.act()
        return rated


def due_by(town: Town, *urgencies: Urgency) -> None:
    """Put C-1 on the list."""
    with town.database.begin() as tx:
        for urgency in urgencies:
            score_due.add(tx, ["C-1"], urgency, town.clock())


E, A, N = Urgency.EVENT, Urgency.ADVERSE, Urgency.NIGHT
RESTS: dict[str, tuple[tuple[Urgency, ...], bool, bool]] = {
    "event": ((E,), True, True),
    "adverse": ((A,), True, False),
    "adverse-among-others": ((E, A, N), True, False),
    "event-in-the-night": ((E, N), True, True),
    "night": ((N,), False, False),
}


def test_a_stale_score_says_until_when_it_rests(town: Town) -> None:
    settled(town, "C-1")
    reader = Reader(town.database, town.clock, REST)
    for case, (urgencies, stale, rests) in RESTS.items():
        slow = Slow(partial(due_by, town, *urgencies))
        told = ScoreTogether(town.database, town.clock, slow, REST)(ADMIN, "C-1").result(30)
        assert replace(reader.score("C-1"), score=told.score) == told, case
        assert (told.stale, told.rests) == (stale, rests), case
        assert told.due_at == (told.scored_at + REST if rests else None), case
        town.clock.advance(seconds=60)
        assert refresh(town)().items == 1
        fresh = reader.score("C-1")
        assert (fresh.stale, fresh.rests, fresh.due_at) == (False, False, None), case


def test_what_came_while_a_score_was_computed_stays_due(town: Town) -> None:
    """The fact is committed after the scorer has read; its entry must outlive the scoring."""
    settled(town, "C-1")
    town.invoice("C-1", 500, due="2026-06-01")
    Scores.over(town.database, town.clock).score_customers(["C-1"])
    assert due(town) == {}
    town.invoice("C-1", 500, due="2026-06-01")
    slow = Slow(lambda: town.invoice("C-1", 500, due="2026-06-01"))
    assert RefreshScores(town.database, slow, REST, lambda _: town.clock())().items == 1
    assert due(town) == {"C-1": 0}


def test_two_workers_share_the_list(town: Town) -> None:
    ids = [f"C-{number}" for number in range(120)]
    for customer_id in ids:
        town.put(customer_id)
    with town.database.begin() as tx:
        score_due.add(tx, ids, Urgency.EVENT, town.clock())

    def work() -> int:
        total, portion = 0, Portion(0, ())
        while portion.after is not None:
            portion = refresh(town)()
            total += portion.items
        return total

    done = at_once(work, work)
    assert sum(one for one in done if isinstance(one, int)) == 120
    assert due(town) == {}
    assert scored(town).keys() == set(ids)


@dataclass(frozen=True, slots=True)
class Away:
    """A rater that is out of reach."""

    def bench(self, *_: object) -> Any:  # noqa: ANN401 - never returns
        raise BusyError("the model is away")

    def stop(self) -> None:
        """Do nothing."""

    def __call__(self, *_: object) -> Any:  # noqa: ANN401 - never returns
        raise BusyError("the model is away")


def test_a_model_that_is_away_leaves_the_score_and_says_stale(town: Town) -> None:
    settled(town, "C-1")
    before = scored(town)
    town.invoice("C-1", 500, due="2026-12-01")
    away = RefreshScores(town.database, Away(), REST, lambda _: town.clock())
    with pytest.raises(BusyError):
        away()
    assert scored(town) == before
    assert due(town) == {"C-1": 1}


@dataclass(frozen=True)
class Poisoned(RateByCard):
    """Breaks off wherever some customers are among those to be rated."""

    by: frozenset[str] = frozenset()
    trouble: type[Exception] = BusyError

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> Mapping[str, Rated]:
        if self.by & {one.customer_id for one in subjects}:
            raise self.trouble("crashed")
        return RateByCard.__call__(self, tx, subjects, at)


def poisoned(town: Town, *by: str, trouble: type[Exception] = BusyError) -> RefreshScores:
    rater = Poisoned(frozenset(by), trouble)
    return RefreshScores(town.database, rater, REST, lambda _: town.clock(), pause_s=0.0)


@pytest.mark.parametrize("trouble", [BusyError, ObservingError])
def test_who_cannot_be_scored_keeps_nobody_waiting(town: Town, trouble: type[Exception]) -> None:
    ids = [f"C-{number}" for number in range(5)]
    for customer_id in ids:
        town.put(customer_id)
        town.invoice(customer_id, 1_000, due="2026-12-01")
    run = poisoned(town, "C-1", "C-2", trouble=trouble)
    assert run().items == 3
    assert due(town) == {"C-1": 1, "C-2": 1}
    assert scored(town).keys() == {"C-0", "C-3", "C-4"}
    town.put("C-9")
    town.invoice("C-9", 1_000, due="2026-12-01")
    with town.database.begin() as tx:
        score_due.put_back(tx, "C-1")
        order = "SELECT customer_id FROM score_due ORDER BY due_id"
        assert list(tx.execute(text(order)).scalars()) == ["C-2", "C-9", "C-1"]
    assert run().items == 1
    assert refresh(town)().items == 2
    assert due(town) == {}


@dataclass(frozen=True)
class Restarting(RateByCard):
    """Crashes on a batch, and is back only after a while."""

    back_s: float = 0.1
    crashed_at: list[float] = field(default_factory=list)

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> Mapping[str, Rated]:
        if len(subjects) > 1:
            self.crashed_at.append(time.monotonic())
        if time.monotonic() < self.crashed_at[-1] + self.back_s:
            raise BusyError("is being restarted")
        return RateByCard.__call__(self, tx, subjects, at)


def test_what_crashed_on_a_batch_is_given_time_to_come_back(town: Town) -> None:
    waiting(town, "C-1", "C-2")
    run = RefreshScores(town.database, Restarting(), REST, lambda _: town.clock(), pause_s=0.12)
    assert run() == Portion(2, ())


def waiting(town: Town, *customer_ids: str, urgency: Urgency = Urgency.EVENT) -> None:
    """Put customers that were never scored on the list, in this order."""
    for customer_id in customer_ids:
        town.put(customer_id)
        with town.database.begin() as tx:
            score_due.add(tx, [customer_id], urgency, town.clock())


def test_where_everybody_fails_the_model_is_away(town: Town) -> None:
    ids = [f"C-{number}" for number in range(9)]
    waiting(town, *ids)
    run = poisoned(town, *ids)
    with pytest.raises(BusyError):
        run()
    assert due(town) == dict.fromkeys(ids, 1)
    assert queued(town) == [*ids[3:], *ids[:3]]
    for _ in range(3):  # three of the others at a time, then all are suspects
        with pytest.raises(BusyError):
            run()
        town.clock.advance(seconds=60)
    assert run.suspects.ids == set(ids)
    back = replace(run, rater=RateByCard())
    assert back() == Portion(9, ())
    assert not run.suspects.ids


def queued(town: Town) -> list[str]:
    with town.database.read() as tx:
        query = text("SELECT customer_id FROM score_due ORDER BY rank, due_id")
        return list(tx.execute(query).scalars())


@pytest.mark.parametrize("trouble", [BusyError, ObservingError])
def test_many_who_fail_in_a_row_starve_nobody(town: Town, trouble: type[Exception]) -> None:
    """They are first by urgency, by age and by name, and stay so when they are put back."""
    bad = [f"B-{number}" for number in range(4)]
    waiting(town, *bad, urgency=Urgency.ADVERSE)
    waiting(town, "C-2", "C-1")
    run = poisoned(town, *bad, trouble=trouble)
    if trouble is BusyError:  # the fourth is behind the first three no more
        with pytest.raises(BusyError):
            run()
        assert queued(town) == ["B-3", "B-0", "B-1", "B-2", "C-2", "C-1"]
        assert run() == Portion(2, (), 1)
    else:  # the features' process is there: no number of them speaks against it
        assert run() == Portion(2, (), 4)
    assert scored(town).keys() == {"C-1", "C-2"}
    assert run() == Portion(0)  # they rest
    waiting(town, "C-3")
    town.clock.advance(seconds=60)
    assert run() == Portion(1, ())  # they come after everybody else, and keep nobody waiting
    with pytest.raises(trouble):
        run()
    assert refresh(town)().items == 4


def test_who_could_not_be_scored_is_tried_after_growing_pauses(town: Town) -> None:
    waiting(town, "C-1")
    run = poisoned(town, "C-1")
    for pause in (0, 1, 2, 4, 8, 16, 32, 60, 60):
        if pause:
            town.clock.advance(seconds=pause - 1)
            assert run() == Portion(0)
            town.clock.advance(seconds=1)
        with pytest.raises(BusyError):
            run()
    town.clock.advance(seconds=60)
    assert replace(run, rater=RateByCard())() == Portion(1, ())


@pytest.mark.parametrize(("bad", "trouble"), [(1, BusyError), (2, BusyError), (2, ObservingError)])
def test_a_pass_ends_where_nobody_can_be_scored(
    town: Town, bad: int, trouble: type[Exception]
) -> None:
    ids = [f"C-{number}" for number in range(bad)]
    waiting(town, *ids)
    portion = poisoned(town, *ids, trouble=trouble)
    assert one_pass(portion) == (1, {"busy": 1})
    waiting(town, "C-9")
    assert one_pass(portion) == (2, {"done": 1})
    assert due(town) == dict.fromkeys(ids, 1)


def one_pass(portion: RefreshScores) -> tuple[int, Counter[str]]:
    """Let background work do one pass: how many portions it had, at most 9, and how it ended."""
    calls, before = 0, passes()

    async def run_it() -> None:
        stop, running = asyncio.Event(), asyncio.get_running_loop()

        def counted(after: Cursor | None) -> Portion:
            nonlocal calls
            calls, told = calls + 1, Portion(0)
            try:
                told = portion(after) if calls < 9 else told
            finally:
                if told.after is None:  # the last of the pass: no other begins after it
                    running.call_soon_threadsafe(stop.set)
            return told

        await run_loops([Loop("one-pass", 60.0, counted)], stop)

    asyncio.run(run_it())
    return calls, passes() - before


def passes() -> Counter[str]:
    kinds, name = ("busy", "failed", "done"), "aval_work_runs_total"
    told = {one: REGISTRY.get_sample_value(name, {"loop": "one-pass", "result": one})
            for one in kinds}  # fmt: skip
    return Counter({one: int(number or 0) for one, number in told.items()})


# The night; it is 12:00 in Shanghai


def night(town: Town, hour: int = 2) -> int:
    total, portion = 0, Portion(0, ())
    while portion.after is not None:
        portion = ListNight(town.database, hour, 2, lambda _: town.clock())()
        total += portion.items
    return total


def test_a_night_lists_everybody_once(town: Town) -> None:
    settled(town, "C-1", "C-2", "C-3")
    town.parties.merge_customers(ADMIN, "C-3", "C-2")
    while refresh(town)().items:
        town.clock.advance(seconds=60)
    assert night(town) == 0  # the first one is the next
    town.clock.advance(hours=13)  # 01:00
    assert night(town) == 0
    town.clock.advance(hours=1)
    assert night(town) == 2
    assert due(town) == {"C-1": 2, "C-2": 2}
    assert not Reader(town.database, town.clock).score("C-1").stale
    assert refresh(town)().items == 2
    assert night(town) == 0
    town.clock.advance(days=3)  # nights in which nobody worked are made up for by one
    assert night(town) == 2


def test_a_night_goes_on_where_it_stopped_beside_others(town: Town) -> None:
    ids = [f"C-{number}" for number in range(9)]
    for customer_id in ids:
        town.put(customer_id)
    assert night(town) == 0
    town.clock.advance(days=1)
    assert ListNight(town.database, 2, 4, lambda _: town.clock())().items == 4  # and dies
    with town.database.begin() as tx:
        tx.execute(text("SELECT FROM score_night FOR UPDATE"))
        assert night(town) == 0  # somebody else is at it
    done = at_once(lambda: night(town), lambda: night(town), lambda: night(town))
    assert sum(one for one in done if isinstance(one, int)) == 5
    query = "SELECT customer_id FROM score_due ORDER BY due_id"
    with town.database.read() as tx:
        assert list(tx.execute(text(query)).scalars()) == ids


def test_who_cannot_be_scored_takes_no_room_of_a_night(town: Town) -> None:
    settled(town, "C-1")
    with town.database.begin() as tx:
        score_due.add(tx, ["C-1"], Urgency.NIGHT, town.clock())
        score_due.add(tx, ["C-1"], Urgency.EVENT, town.clock())
        score_due.put_back(tx, "C-1")
        assert score_due.night(tx, 9) == 0
    assert due(town) == {"C-1": Urgency.EVENT}


def test_accounts_are_locked_together_no_longer_than_orders_wait(town: Town) -> None:
    """Whoever scores waits for another scorer longer than for an account, on which orders come."""
    settled(town, "C-1")
    with town.database.begin() as tx:
        score_customers(tx, ["C-1"], town.clock() + timedelta(days=2), RateByCard())
        assert tx.execute(text("SHOW lock_timeout")).scalar_one() == "300ms"
    with town.database.begin() as tx:
        assert tx.execute(text("SHOW lock_timeout")).scalar_one() == "2s"


def test_each_segment_has_its_own_night(town: Town) -> None:
    town.parties.put_segment(ADMIN, "west", SegmentChange("West", time_zone="America/New_York"))
    town.put("C-1")
    town.put("C-2")
    town.parties.put_terms(ADMIN, ("C-2", "west"), AccountChange())
    assert night(town) == 0
    town.clock.advance(hours=2)  # 02:00 in New York, 14:00 in Shanghai
    assert night(town) == 1
    town.clock.advance(hours=12)  # 02:00 in Shanghai
    assert night(town) == 2
