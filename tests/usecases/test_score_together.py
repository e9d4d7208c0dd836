"""Scored together: right answers for everybody, one transaction for many, trouble kept apart."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from app.domain.callers import Caller
from app.domain.errors import BusyError, CustomerUnknownError
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.domain.scores import StoredScore
from app.scoring.scorecard_file import standard_scorecard
from app.store.database import Database, Tx
from app.store.scores import Subject
from app.usecases.score_raters import RateByCard, Rated
from app.usecases.score_together import MOST_WAITING, ScoreTogether
from app.usecases.seeds import SeedDatabase
from tests.conftest import Server
from tests.server import Clock
from tests.usecases.town import ADMIN, Town

IDS = [f"C-{number}" for number in range(8)]
NORTH = Caller("north", frozenset({"admin"}), frozenset({"north"}))


@dataclass(frozen=True, slots=True)
class Gate(RateByCard):
    """Rates when it is let; remembers who came together, and refuses or breaks on some."""

    batches: list[list[str]] = field(default_factory=list)
    entered: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)
    busy: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> Mapping[str, Rated]:
        ids = [one.customer_id for one in subjects]
        self.batches.append(ids)
        self.entered.set()
        assert self.open.wait(20)
        if self.busy & {*ids}:
            raise BusyError("one of them")
        if self.broken & {*ids}:
            raise ZeroDivisionError
        return RateByCard()(tx, subjects, at)


@pytest.fixture(scope="module")
def town(server: Server) -> Iterator[Town]:
    """Make one town for all: scoring its customers again and again is harmless."""
    url, clock = server.create("aval_test_together", server.template), Clock()
    with closing(Database(url)) as database:
        SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
        town = Town.found(database, clock)
        for customer_id in IDS:
            town.put(customer_id, aliases=(f"CRM-{customer_id}",))
        yield town
    server.drop("aval_test_together")


def opened(town: Town, gate: Gate) -> ScoreTogether:
    return ScoreTogether(town.database, town.clock, gate, pause_s=0.0)


def begin(together: ScoreTogether, gate: Gate) -> "Future[StoredScore]":
    """Ask for one and wait until it is being scored: whoever asks now waits."""
    first = together(ADMIN, IDS[0])
    assert gate.entered.wait(20)
    return first


def refusal(asked: "Future[StoredScore]") -> str:
    return type(asked.exception(30)).__name__


def test_who_waits_is_scored_together_and_hears_its_own(town: Town) -> None:
    gate = Gate()
    together = opened(town, gate)
    asked = [begin(together, gate), *(together(ADMIN, one) for one in IDS[1:])]
    gate.open.set()
    assert [one.result(30).customer_id for one in asked] == IDS
    assert gate.batches == [IDS[:1], IDS[1:]]


def test_one_customer_by_several_names_is_scored_once(town: Town) -> None:
    gate = Gate()
    together = opened(town, gate)
    begin(together, gate)
    asked = [together(ADMIN, ref) for ref in ("C-1", "CRM-C-1", "C-1", "CRM-C-2")]
    gate.open.set()
    assert [one.result(30).customer_id for one in asked] == ["C-1", "C-1", "C-1", "C-2"]
    assert gate.batches[1:] == [["C-1", "C-2"]]


def test_who_is_unknown_or_out_of_sight_hears_it_and_harms_nobody(town: Town) -> None:
    gate = Gate()
    together = opened(town, gate)
    begin(together, gate)
    nobody, hidden = together(ADMIN, "nobody"), together(NORTH, "C-2")
    seen = together(ADMIN, "C-2")
    gate.open.set()
    assert {refusal(nobody), refusal(hidden)} == {CustomerUnknownError.__name__}
    assert seen.result(30).customer_id == "C-2"
    assert gate.batches[1:] == [["C-2"]]


TROUBLE = {
    "BusyError": lambda: Gate(busy=frozenset({"C-3"})),
    "ZeroDivisionError": lambda: Gate(broken=frozenset({"C-3"})),
}


@pytest.mark.parametrize("told", TROUBLE)
def test_trouble_is_that_of_its_customer_alone(town: Town, told: str) -> None:
    gate = TROUBLE[told]()
    together = opened(town, gate)
    asked = [begin(together, gate), *(together(ADMIN, one) for one in IDS[1:])]
    gate.open.set()
    assert refusal(asked.pop(3)) == told
    assert [one.result(30).customer_id for one in asked] == [*IDS[:3], *IDS[4:]]
    assert together(ADMIN, "C-6").result(30).customer_id == "C-6"


def test_who_waited_too_long_for_the_second_try_is_refused(town: Town) -> None:
    gate = Gate(busy=frozenset({"C-3"}))
    # on a busy machine, too, the first try begins within the patience; the second never does
    together = ScoreTogether(town.database, town.clock, gate, patience_s=5.0, pause_s=5.1)
    begin(together, gate)
    asked = [together(ADMIN, "C-3"), together(ADMIN, "C-4")]
    gate.open.set()
    assert [refusal(one) for one in asked] == ["BusyError"] * 2
    assert gate.batches[1:] == [["C-3", "C-4"]]


def test_who_waited_too_long_for_the_first_try_is_refused(town: Town) -> None:
    gate = Gate()
    together = opened(town, gate)
    first = begin(together, gate)
    together.patience_s = 0.1  # of who comes now: the first had time enough to begin
    asked = together(ADMIN, "C-1")
    time.sleep(0.2)
    gate.open.set()
    assert first.result(30).customer_id == "C-0"
    assert refusal(asked) == "BusyError"
    assert gate.batches == [["C-0"]]


def test_who_hangs_up_in_time_is_left_out(town: Town) -> None:
    gate = Gate()
    together = opened(town, gate)
    begun = begin(together, gate)
    waiting, other = together(ADMIN, "C-1"), together(ADMIN, "C-2")
    assert waiting.cancel()
    assert not begun.cancel()
    gate.open.set()
    assert other.result(30).customer_id == "C-2"
    with pytest.raises(CancelledError):
        waiting.result(30)
    assert gate.batches == [["C-0"], ["C-2"]]


def test_too_many_are_refused_at_once_and_give_way_to_who_has_fewer(town: Town) -> None:
    gate = Gate()
    together = opened(town, gate)
    begin(together, gate)
    asked = [together(ADMIN, "C-1") for _ in range(MOST_WAITING)]
    with pytest.raises(BusyError):
        together(ADMIN, "C-1")
    other = together(Caller("other", frozenset({"admin"})), "C-2")
    with pytest.raises(BusyError):
        asked.pop().result(0)
    gate.open.set()
    assert {one.result(30).customer_id for one in asked} == {"C-1"}
    assert other.result(30).customer_id == "C-2"
    assert gate.batches[1] == ["C-1", "C-2"]  # in turns, though it came last


def test_after_several_the_next_batch_waits_for_as_many(town: Town) -> None:
    gate = Gate()
    together = ScoreTogether(town.database, town.clock, gate, linger_s=20.0)
    first = begin(together, gate)
    asked = [together(ADMIN, one) for one in IDS[1:4]]
    gate.open.set()
    assert [one.result(30).customer_id for one in (first, *asked)] == IDS[:4]
    again = []
    for one in IDS[4:7]:  # each comes a while after the other
        threading.Event().wait(0.05)
        again.append(together(ADMIN, one))
    assert [one.result(10).customer_id for one in again] == IDS[4:7]
    assert gate.batches == [IDS[:1], IDS[1:4], IDS[4:7]]


def test_who_is_alone_does_not_wait(town: Town) -> None:
    gate = Gate()
    gate.open.set()
    together = ScoreTogether(town.database, town.clock, gate, linger_s=20.0)
    for one in IDS[:3]:
        assert together(ADMIN, one).result(10).customer_id == one
