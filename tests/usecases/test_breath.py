"""Batches that take long to judge let the rest of the process run meanwhile."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson
import pytest

from app.domain.accounts import Account
from app.domain.advice import Advice
from app.domain.limits import CreditLimit
from app.store.database import Database
from app.store.lane import Lane
from app.store.lane_rows import DecisionRow, Loaded, Record
from app.store.wire import Rows
from app.usecases.asks import Answer, Ask
from app.usecases.authorizations import AuthorizeOrders
from app.usecases.batches import Batch
from app.usecases.breath import Breath
from app.usecases.lanes import BatchingLane
from app.usecases.records import Judged
from tests.usecases.counter import Counter

MANY = 200
SHORT_S = 0.001
"""A breath that each step of so many takes several times, however quick the machine."""


@dataclass
class Others:
    """What else the process does: it counts its turns, and those it had by each step of a batch."""

    turns: int = 0
    seen: dict[str, int] = field(default_factory=dict)

    async def work(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)

    def look(self, step: str) -> None:
        self.seen[step] = self.turns

    def between(self, first: str, last: str) -> int:
        """Count the turns they had from one step to another: there is no wait between."""
        return self.seen[last] - self.seen[first]


class WatchedLane(Lane):
    """A lane that looks when it gives back what it read, and when it is given what to write."""

    others: Others

    async def outlook(
        self, payers: Collection[int], limited: Collection[int]
    ) -> tuple[Rows, dict[int, list[CreditLimit]]]:
        self.others.look("judged")
        found = await super().outlook(payers, limited)
        self.others.look("invoices")
        return found

    async def record(self, record: Record, after: Mapping[int, Account]) -> None:
        self.others.look("answered")
        await super().record(record, after)

    async def log(self, at: datetime, decisions: Sequence[DecisionRow]) -> None:
        self.others.look("answered")
        await super().log(at, decisions)


@dataclass(frozen=True)
class Watched(AuthorizeOrders):
    """Judges as always; looks when it has all it needs, and when it has worked out what helps."""

    others: Others = field(default_factory=Others)

    async def _batch(self, lane: Lane, at: datetime, loaded: Loaded, asks: Sequence[Ask]) -> Batch:
        batch = await super()._batch(lane, at, loaded, asks)
        batch.breath = Breath(SHORT_S)
        self.others.look("read")
        return batch

    async def _advice(
        self, lane: Lane, held: Sequence[Judged], batch: Batch
    ) -> dict[int, tuple[Advice, ...]]:
        told = await super()._advice(lane, held, batch)
        self.others.look("advised")
        return told


@pytest.mark.parametrize("checks", [False, True])
def test_others_run_while_a_batch_is_judged(database: Database, *, checks: bool) -> None:
    """All that are asked are held and one batch: each step of it takes longer than a breath."""
    desk, others = Counter.open(database), Others()
    desk.add("C-1", 100_00)

    async def ask() -> list[Answer]:
        authorize, lane = (
            Watched(lambda: desk.at, desk.new_id, others=others),
            WatchedLane(database.url),
        )
        lane.others = others
        batching = BatchingLane(lane, authorize.check if checks else authorize, lambda *_: None)
        make = desk.check if checks else desk.order
        asks = [make(desk.question(f"SO-{place}", "150.00")) for place in range(MANY)]
        await batching.start()
        working = asyncio.create_task(others.work())
        try:
            return list(await asyncio.gather(*map(batching.ask, asks)))
        finally:
            working.cancel()
            await batching.stop()

    told = asyncio.run(ask())
    assert {orjson.loads(one.body)["outcome"] for one in told} == {"HOLD"}
    assert len(told) == MANY
    assert others.between("read", "judged") >= 1
    assert others.between("invoices", "advised") >= 1
    assert others.between("advised", "answered") >= 1
    desk.exact()


def test_work_that_is_short_is_not_held_up() -> None:
    """A batch of few must not wait behind whatever else arrived."""

    async def steps() -> int:
        others, breath = Others(), Breath()
        working = asyncio.create_task(others.work())
        for _ in range(100):
            await breath.take()
        working.cancel()
        return others.turns

    # a stall of the machine amid a hundred steps is a breath, and not a second one
    assert asyncio.run(steps()) <= 1


def test_others_have_no_more_than_a_moment_of_each_batch() -> None:
    """Accounts are locked meanwhile: were each breath as long as it likes, the batch would die."""

    async def steps() -> tuple[float, int]:
        breath, lent, turns = Breath(), 0.0, 0

        async def others() -> None:
            nonlocal lent, turns
            while True:
                time.sleep(0.05)  # noqa: ASYNC251 - somebody who holds the loop
                lent, turns = lent + 0.05, turns + 1
                await asyncio.sleep(0)

        working = asyncio.create_task(others())
        for _ in range(60):
            time.sleep(0.006)  # noqa: ASYNC251 - a step that is long
            await breath.take()
        working.cancel()
        return lent, turns

    lent, turns = asyncio.run(steps())
    assert 1 <= turns <= 10
    assert lent <= 0.5 + 0.05
