"""The last line: with the test of the limit lost, the engine itself refuses what is too much."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import orjson
import psycopg
import pytest
from sqlalchemy.exc import IntegrityError

from app.domain.cases import Case
from app.domain.decisions import Judgement, Question
from app.domain.errors import CreditError
from app.domain.grants import grant_of
from app.domain.judging import judge
from app.domain.rules import read_rule_set
from app.domain.rules_standard import STANDARD
from app.store.database import Database
from app.store.lane import Lane
from app.store.lane_rows import Claim, Want
from app.store.packing import unpack
from app.usecases.asks import Answer, Ask
from app.usecases.batches import Batch
from app.usecases.lanes import BatchingLane
from app.usecases.records import Judged, record_of
from tests.usecases.counter import NOW, TESTER, Counter, outcomes

RULES = read_rule_set(1, STANDARD)


@pytest.fixture
def desk(database: Database) -> Counter:
    desk = Counter.open(database)
    desk.add("C-1", 100_00)
    return desk


@dataclass(frozen=True)
class Heedless:
    """Authorizes as `AuthorizeOrders` does, but never minds what the rules say.

    `guarded` False loses the guard of the UPDATE too, so that only the table's CHECK is left.
    """

    guarded: bool

    async def __call__(self, lane: Lane, asks: Sequence[Ask]) -> list[Answer | CreditError]:
        want = Want(
            refs={(ask.question.segment_id, ask.question.customer_id) for ask in asks},
            orders={(ask.question.segment_id, ask.question.order_id) for ask in asks},
            at=NOW,
        )
        claims = [
            Claim(ask.caller.client, ask.key or "", ask.hash, ask.decision_id) for ask in asks
        ]
        found, _ = await lane.load(want, claims)
        batch = Batch(NOW, found)
        done = [self._approve(batch, ask) for ask in asks]
        record = record_of(batch, done, ())
        if not self.guarded:
            record.rooms.clear()
        await lane.record(record, batch.accounts)
        return [Answer(one.status, one.body) for one in done]

    def _approve(self, batch: Batch, ask: Ask) -> Judged:
        situation = batch.situation(ask.question, ask.caller)
        told = judge(ask.question, situation, RULES, ask.decision_id)
        case = Case(ask.question, situation, RULES)
        grant = grant_of(case, ask.decision_id)
        judgement: Judgement = replace(
            told,
            outcome="APPROVE",
            order=grant.order,
            after=grant.after,
            ceilings=grant.ceilings,
        )
        batch.apply(judgement, ask.decision_id)
        return Judged(ask, situation, judgement, 1, None, b"{}")


def heedless(desk: Counter, *amounts: str, guarded: bool) -> list[object]:
    """Ask for orders of these amounts, all in one batch; bugs come back as they are raised."""

    async def ask() -> list[object]:
        lane = BatchingLane(Lane(desk.database.url), Heedless(guarded=guarded), lambda *_: None)
        await lane.start()
        asks = [desk.order(desk.question(f"SO-{place}", one)) for place, one in enumerate(amounts)]
        try:
            return list(await asyncio.gather(*map(lane.ask, asks), return_exceptions=True))
        finally:
            await lane.stop()

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "guarded", [True, False], ids=["guard-of-the-update", "check-of-the-table"]
)
@pytest.mark.parametrize(
    ("amounts", "stopped"),
    [
        pytest.param(("100.01",), (0,), id="one-cent-over"),
        pytest.param(("60.00", "40.01"), (1,), id="the-second-of-a-batch"),
        pytest.param(("100.00", "0.01", "0.01"), (1, 2), id="all-after-the-last-that-fits"),
    ],
)
def test_a_lost_test_of_the_limit_is_stopped(
    desk: Counter, amounts: tuple[str, ...], stopped: tuple[int, ...], *, guarded: bool
) -> None:
    told = heedless(desk, *amounts, guarded=guarded)
    trouble = AssertionError if guarded else psycopg.errors.CheckViolation
    assert tuple(place for place, one in enumerate(told) if isinstance(one, trouble)) == stopped
    assert sum(isinstance(one, Answer) for one in told) == len(amounts) - len(stopped)
    assert desk.account().use.total <= 100_00
    assert outcomes(desk.ask(desk.order(desk.question("SO-X", "100.00")))) in (
        ["APPROVE"],
        ["HOLD"],
    )


def test_the_table_refuses_more_than_limit_and_forced(desk: Counter) -> None:
    for column in ("authorized_minor", "open_delivery_minor", "open_item_minor"):
        with pytest.raises(IntegrityError, match="account_never_over_check"):
            desk.rows(f"UPDATE account SET {column} = 10001")  # noqa: S608 - a column of ours
    with pytest.raises(IntegrityError, match="account_never_over_check"):
        desk.rows("UPDATE account SET limit_minor = NULL, authorized_minor = 1")
    desk.rows("UPDATE account SET authorized_minor = 10001, forced_minor = 1")


def test_an_account_that_moved_on_is_not_overwritten(desk: Counter) -> None:
    """The guard on `seq`: a row that changed in spite of its lock fails the batch."""

    async def record() -> None:
        lane = Lane(desk.database.url)
        want = Want({("main", "C-1")}, {("main", "SO-1")}, NOW)
        found, _ = await lane.load(want, [])
        batch = Batch(NOW, found)
        question = desk.question("SO-1")
        told = judge(question, batch.situation(question, TESTER), RULES, desk.new_id())
        batch.apply(told, desk.new_id())
        ((account_id, held),) = batch.accounts.items()
        found.accounts[account_id] = replace(held, seq=0)
        lane._locked[account_id] = replace(held, seq=0)  # noqa: SLF001 - a lost lock
        try:
            await lane.record(record_of(batch, (), ()), batch.accounts)
        finally:
            await lane.rollback()
            await lane.close()

    with pytest.raises(AssertionError, match="guard"):
        asyncio.run(record())
    assert desk.account().use.authorized == 0


def poisoned(desk: Counter, place: int) -> Ask:
    """Make an ask that the database refuses to write."""
    ask = desk.order(desk.question(f"SO-P{place}", "1.00"), f"P-{place}")
    return replace(ask, decision_id="no uuid")


def test_a_poisoned_question_harms_nobody_else(desk: Counter) -> None:
    asks = [desk.order(desk.question(f"SO-{place}", "1.00")) for place in range(20)]
    asks[7:7] = [poisoned(desk, 0)]

    async def ask() -> list[object]:
        lanes = desk.lanes()
        await lanes.start()
        try:
            return list(await asyncio.gather(*map(lanes.ask, asks), return_exceptions=True))
        finally:
            await lanes.stop()

    told = asyncio.run(ask())
    assert [place for place, one in enumerate(told) if not isinstance(one, Answer)] == [7]
    assert isinstance(told[7], psycopg.errors.DataError)
    assert desk.account().use.authorized == 20_00
    again = desk.order(desk.question("SO-P0", "1.00"), "P-0")
    assert outcomes(desk.ask(again)) == ["APPROVE"]  # its key stayed free


def test_a_segment_whose_rule_set_is_missing_harms_nobody_else(desk: Counter) -> None:
    desk.rows("INSERT INTO segment (segment_id, name, rule_set_version) VALUES ('bad', 'bad', 99)")
    good = desk.order(desk.question("SO-1"))
    bad = desk.order(desk.question("SO-1", segment_id="bad"))

    async def ask() -> list[object]:
        lanes = desk.lanes()
        await lanes.start()
        try:
            asked = (lanes.ask(good), lanes.ask(bad))
            return list(await asyncio.gather(*asked, return_exceptions=True))
        finally:
            await lanes.stop()

    told = asyncio.run(ask())
    assert isinstance(told[0], Answer)
    assert isinstance(told[1], LookupError)


def test_a_snapshot_holds_what_was_asked(desk: Counter) -> None:
    question: Question = desk.question("SO-1", ship_date=date(2026, 12, 1), attributes={"a": "b"})
    desk.told(desk.order(question))
    (row,) = desk.rows("SELECT record FROM decision")
    inputs = orjson.loads(unpack(row["record"])[0])
    assert inputs["question"]["attributes"] == {"a": "b"}
    assert inputs["situation"]["accounts"][0]["limit_minor"] == 100_00
