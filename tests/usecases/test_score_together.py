"""Scored together: right answers for everybody, one transaction for many, trouble kept apart."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from app.domain.errors import BusyError
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.scoring.scorecard_file import standard_scorecard
from app.store.database import Database, Tx
from app.store.scores import Subject
from app.usecases.score_raters import RateByCard, Rated
from app.usecases.score_together import ScoreTogether
from app.usecases.seeds import SeedDatabase
from tests.server import Clock
from tests.usecases.town import Town

IDS = [f"C-{number}" for number in range(8)]


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


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
    town = Town.found(database, clock)
    for customer_id in IDS:
        town.put(customer_id)
    return town


def ask(together: ScoreTogether, gate: Gate) -> dict[str, Any]:
    """Ask for all at once while the first is being scored; gives score or refusal of each."""

    def one(customer_id: str) -> object:
        try:
            return together(customer_id)
        except (BusyError, ZeroDivisionError) as refusal:
            return refusal

    with ThreadPoolExecutor(len(IDS)) as pool:
        asked = {IDS[0]: pool.submit(one, IDS[0])}
        assert gate.entered.wait(20)
        asked |= {customer_id: pool.submit(one, customer_id) for customer_id in IDS[1:]}
        while len(together._pending) < len(IDS) - 1:  # noqa: SLF001 - the starting line
            threading.Event().wait(0.01)
        gate.open.set()
        return {customer_id: done.result(30) for customer_id, done in asked.items()}


def test_who_waits_is_scored_together_and_hears_its_own(town: Town) -> None:
    gate = Gate()
    told = ask(ScoreTogether(town.database, town.clock, gate), gate)
    assert {key: one.customer_id for key, one in told.items()} == dict(zip(IDS, IDS, strict=True))
    assert sorted(map(len, gate.batches)) == [1, len(IDS) - 1]


def test_a_refusal_is_that_of_its_customer_alone(town: Town) -> None:
    gate = Gate(busy=frozenset({"C-3"}))
    told = ask(ScoreTogether(town.database, town.clock, gate), gate)
    refused = [key for key, one in told.items() if isinstance(one, BusyError)]
    assert refused == ["C-3"]


def test_a_bug_leaves_nobody_waiting(town: Town) -> None:
    gate = Gate(broken=frozenset({"C-5"}))
    together = ScoreTogether(town.database, town.clock, gate)
    told = ask(together, gate)
    broken = [key for key, one in told.items() if isinstance(one, ZeroDivisionError)]
    assert 1 <= len(broken) <= 2  # who led the batch hears of it too
    assert "C-5" in broken
    again = together("C-6")
    assert again is not None
    assert together._pending == []  # noqa: SLF001 - nobody is left behind
