"""Lanes: nobody waits for ever, nobody pays for another one's trouble, no answer is lost."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg
import pytest

from app.domain.errors import (
    BusyError,
    CreditError,
    CustomerUnknownError,
    KeyReusedError,
    SegmentUnknownError,
)
from app.store.database import Database
from app.store.lane import Lane, LostError
from app.usecases.asks import Answer, Ask
from app.usecases.batches import AccountMissingError, BehindError
from app.usecases.lane_sets import Lanes
from app.usecases.lane_tries import CatchUp
from app.usecases.lanes import BatchingLane, LaneSizes
from tests.usecases.counter import TESTER, Counter
from tests.usecases.wires import COMMITTED, Wire

T = TypeVar("T")
NOWHERE = "postgresql://127.0.0.1:1/nothing"


@dataclass
class Script:
    """Decides as a test says, without a database; remembers every batch by its order ids."""

    trouble: Callable[[list[str]], BaseException | None] = lambda _: None
    batches: list[list[str]] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, _: Lane, asks: Sequence[Ask]) -> list[Answer | CreditError]:
        names = [ask.question.order_id for ask in asks]
        self.batches.append(names)
        self.began.set()
        await self.gate.wait()
        trouble = self.trouble(names)
        if trouble is not None:
            raise trouble
        return [Answer(200, name.encode()) for name in names]


def made(_customer: str, _segment: str) -> None:
    """Make an account, as far as a script cares."""


def ask(name: str) -> Ask:
    question = Counter.question(NO_DESK, name)
    return Ask("AUTHORIZATION", TESTER, question, name, name)


NO_DESK: Any = None
"""`Counter.question` needs no desk."""


def run(
    script: Script,
    names: Sequence[str],
    make: Callable[[str, str], object] = made,
    sizes: LaneSizes | None = None,
    catch_up: CatchUp = lambda _at, _accounts: False,
) -> list[object]:
    """Ask all at once, so that they are one batch where it takes as many."""

    async def work() -> list[object]:
        lane = BatchingLane(Lane(NOWHERE), script, make, sizes or LaneSizes(), catch_up)
        await lane.start()
        asking = [asyncio.create_task(lane.ask(ask(name))) for name in names]
        await script.began.wait()
        script.gate.set()
        found = await asyncio.gather(*asking, return_exceptions=True)
        await lane.stop()
        return [one.body.decode() if isinstance(one, Answer) else one for one in found]

    return asyncio.run(work())


def test_what_arrives_meanwhile_is_decided_together() -> None:
    script = Script()

    async def work() -> None:
        lane = BatchingLane(Lane(NOWHERE), script, made)
        await lane.start()
        asking = [asyncio.create_task(lane.ask(ask("0")))]
        await script.began.wait()
        asking += [asyncio.create_task(lane.ask(ask(str(place)))) for place in range(1, 6)]
        await asyncio.sleep(0)
        assert lane.depth == 5
        script.gate.set()
        assert [one.body for one in await asyncio.gather(*asking)] == [
            b"0",
            b"1",
            b"2",
            b"3",
            b"4",
            b"5",
        ]
        await lane.stop()

    asyncio.run(work())
    assert script.batches == [["0"], ["1", "2", "3", "4", "5"]]


def test_a_batch_is_no_larger_than_it_may_be() -> None:
    script = Script()
    names = [str(place) for place in range(10)]
    assert run(script, names, sizes=LaneSizes(batch=4)) == names
    assert [len(one) for one in script.batches] == [4, 4, 2]


@pytest.mark.parametrize("bad", [pytest.param(place, id=f"place-{place}") for place in (0, 3, 7)])
def test_a_bug_goes_to_its_own_caller(bad: int) -> None:
    names = [str(place) for place in range(8)]
    script = Script(lambda batch: ZeroDivisionError("bug") if str(bad) in batch else None)
    told = run(script, names)
    assert isinstance(told[bad], ZeroDivisionError)
    assert [one for place, one in enumerate(told) if place != bad] == names[:bad] + names[bad + 1 :]
    decided = [batch for batch in script.batches if str(bad) not in batch]
    assert [name for batch in decided for name in batch] == sorted(
        name for batch in decided for name in batch
    )  # the order of arrival is kept


def test_a_bug_costs_two_tries_for_each_time_it_is_halved() -> None:
    script = Script(lambda batch: ZeroDivisionError("bug") if "100" in batch else None)
    names = [str(place) for place in range(256)]
    told = run(script, names)
    assert [isinstance(one, ZeroDivisionError) for one in told].index(True) == 100
    assert [len(one) for one in script.batches if "100" in one] == [
        256, 128, 64, 32, 16, 8, 4, 2, 1,
    ]  # fmt: skip
    assert len(script.batches) == 1 + 2 * 8


def test_one_that_meets_a_lock_is_tried_three_times_then_busy() -> None:
    script = Script(lambda batch: BusyError("locked") if "1" in batch else None)
    told = run(script, ["0", "1", "2"])
    assert (told[0], type(told[1]), told[2]) == ("0", BusyError, "2")
    assert script.batches.count(["1"]) == 3


def test_a_lock_that_is_gone_the_second_time_is_never_heard_of() -> None:
    tries = iter([BusyError("locked"), None])
    assert run(Script(lambda _: next(tries)), ["0"]) == ["0"]


def test_without_a_database_nothing_is_taken_apart() -> None:
    """256 questions are three attempts, not a thousand, and the next ones are tried again."""
    names = [str(place) for place in range(256)]
    script = Script(lambda batch: LostError("away") if "0" in batch else None)
    told = run(script, [*names, "later"])
    assert {type(one) for one in told[:256]} == {LostError}
    assert told[256] == "later"
    assert [len(one) for one in script.batches] == [256, 256, 256, 1]


def test_patience_ends() -> None:
    """Locks everywhere: after a moment whoever is left hears BUSY, all of them at once."""
    script = Script(lambda batch: BusyError("locked") if "later" not in batch else None)
    names = [str(place) for place in range(256)]
    sizes = LaneSizes(patience_s=0.0)
    told = run(script, [*names, "later"], sizes=sizes)
    assert {type(one) for one in told[:256]} == {BusyError}
    assert told[256] == "later"
    assert len(script.batches) == 2


def test_a_bug_is_found_even_when_patience_has_ended() -> None:
    script = Script(lambda batch: ZeroDivisionError("bug") if "1" in batch else None)
    told = run(script, ["0", "1", "2"], sizes=LaneSizes(patience_s=0.0))
    assert (told[0], type(told[1]), told[2]) == ("0", ZeroDivisionError, "2")


def test_the_bug_of_one_question_is_its_own() -> None:
    """Asked together or alone: what is wrong with one stands in its place, and only there."""
    script = Script(lambda batch: ZeroDivisionError("bug") if "1" in batch else None)
    script.gate.set()

    async def work() -> list[Answer | BaseException]:
        lane = BatchingLane(Lane(NOWHERE), script, made)
        await lane.start()
        told = await lane.ask_all([ask(str(place)) for place in range(4)])
        await lane.stop()
        return told

    told = asyncio.run(work())
    assert [type(one) for one in told] == [Answer, ZeroDivisionError, Answer, Answer]


def missing(batch: list[str], absent: set[str]) -> BaseException | None:
    lacks = [(name, "main") for name in batch if name in absent]
    return AccountMissingError(lacks) if lacks else None


def test_every_account_that_a_batch_misses_is_made() -> None:
    names = [str(place) for place in range(200)]
    absent = set(names)

    def make(customer_id: str, _: str) -> None:
        absent.discard(customer_id)

    script = Script(lambda batch: missing(batch, absent))
    assert run(script, names, make) == names
    assert [len(batch) for batch in script.batches] == [200, 200]  # all of them at once


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(SegmentUnknownError("none"), id="refusal"),
        pytest.param(BusyError("locked"), id="busy"),
        pytest.param(RuntimeError("bug"), id="bug"),
        pytest.param(None, id="made-but-still-missing"),
    ],
)
def test_an_account_that_cannot_be_made_harms_nobody_else(trouble: Exception | None) -> None:
    def make(_customer: str, _segment: str) -> None:
        if trouble is not None:
            raise trouble

    names = [str(place) for place in range(8)]
    told = run(Script(lambda batch: missing(batch, {"5"})), names, make)
    assert isinstance(told[5], type(trouble) if trouble else AccountMissingError)
    assert told[:5] + told[6:] == names[:5] + names[6:]


def test_a_full_queue_turns_away() -> None:
    script = Script()

    async def work() -> None:
        lane = BatchingLane(Lane(NOWHERE), script, made, LaneSizes(batch=1, queue=2))
        await lane.start()
        asking = [asyncio.create_task(lane.ask(ask(str(place)))) for place in range(2)]
        await script.began.wait()
        asking.append(asyncio.create_task(lane.ask(ask("2"))))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await lane.ask(ask("3"))
        script.gate.set()
        assert len(await asyncio.gather(*asking)) == 3
        await lane.stop()

    asyncio.run(work())


def test_who_waits_when_it_stops_is_answered_and_who_comes_after_is_not() -> None:
    script = Script()

    async def work() -> None:
        lane = BatchingLane(Lane(NOWHERE), script, made, LaneSizes(batch=2))
        await lane.start()
        asking = [asyncio.create_task(lane.ask(ask(str(place)))) for place in range(7)]
        await script.began.wait()
        stopping = asyncio.create_task(lane.stop())
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await lane.ask(ask("late"))
        script.gate.set()
        assert len(await asyncio.gather(*asking)) == 7
        await stopping
        assert not lane.alive()
        with pytest.raises(BusyError):
            await lane.ask(ask("later"))

    asyncio.run(work())


def test_a_lane_that_never_began_or_has_died_lets_nobody_wait() -> None:
    class Broken(Lane):
        async def rollback(self) -> None:
            raise MemoryError

    script = Script(lambda batch: BusyError("locked") if "0" in batch else None)

    async def work() -> None:
        lane = BatchingLane(Broken(NOWHERE), script, made, LaneSizes(batch=1))
        with pytest.raises(BusyError):
            await lane.ask(ask("early"))
        await lane.start()
        asking = [asyncio.create_task(lane.ask(ask(str(place)))) for place in range(3)]
        script.gate.set()
        told = await asyncio.wait_for(asyncio.gather(*asking, return_exceptions=True), 5)
        assert {type(one) for one in told} == {BusyError}
        assert not lane.alive()
        with pytest.raises(BusyError):
            await lane.ask(ask("late"))
        with pytest.raises(MemoryError):
            await lane.stop()

    asyncio.run(work())


@pytest.mark.parametrize("trouble", [None, OSError("a disk that fails")])
def test_money_that_cannot_be_taken_out_keeps_nobody_else(trouble: Exception | None) -> None:
    tries: list[set[int]] = []

    def catch_up(_: datetime, accounts: Collection[int]) -> bool:
        tries.append(set(accounts))
        if trouble is not None:
            raise trouble
        return False

    due = BehindError(datetime(2026, 6, 15, tzinfo=UTC), [7])
    script = Script(lambda names: due if "a" in names else None)
    first, second = run(script, ["a", "b"], catch_up=catch_up)
    assert (first, second) == (due, "b")
    assert tries == [{7}]  # for both, and not again when they are apart


def test_a_client_that_hangs_up_takes_nothing_away() -> None:
    script = Script()

    async def work() -> None:
        lane = BatchingLane(Lane(NOWHERE), script, made)
        await lane.start()
        asking = [asyncio.create_task(lane.ask(ask(str(place)))) for place in range(3)]
        await script.began.wait()
        asking[1].cancel()
        script.gate.set()
        told = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(told[1], asyncio.CancelledError)
        assert [one.body for one in told if isinstance(one, Answer)] == [b"0", b"2"]
        await lane.stop()

    asyncio.run(work())
    assert script.batches == [["0", "1", "2"]]


# --- from here on with a database ---


@pytest.fixture
def desk(database: Database) -> Counter:
    desk = Counter.open(database)
    desk.add("C-1", 100_00)
    return desk


def through(desk: Counter, work: Callable[[Wire, Lanes], Coroutine[Any, Any, T]]) -> T:
    """Work with lanes whose connections go through a wire."""

    async def inside() -> T:
        async with Wire(desk.database.url) as wire:
            lanes = desk.lanes(wire.address)
            await lanes.start()
            try:
                return await work(wire, lanes)
            finally:
                await lanes.stop()

    return asyncio.run(inside())


def test_an_answer_lost_at_commit_is_found_again_by_its_key(desk: Counter) -> None:
    first = desk.order(desk.question("SO-1", "60.00"), "K")
    others = [desk.order(desk.question(f"SO-2{place}", "1.00")) for place in range(5)]

    async def work(wire: Wire, lanes: Lanes) -> list[Answer]:
        wire.cut_at = COMMITTED
        return list(await asyncio.gather(*map(lanes.ask, [first, *others])))

    told = through(desk, work)
    assert {one.status for one in told} == {201}
    assert desk.account().use.authorized == 65_00
    (again,) = desk.answers([desk.order(first.question, "K")])
    assert isinstance(again, Answer)
    assert (again.body, again.replayed) == (told[0].body, True)
    (other,) = desk.answers([desk.order(desk.question("SO-1", "61.00"), "K")])
    assert isinstance(other, KeyReusedError)
    assert len(desk.rows("SELECT decision_id FROM decision")) == 6
    desk.exact()


def test_a_check_whose_commit_was_lost_is_answered_all_the_same(desk: Counter) -> None:
    asks = [desk.check(desk.question(f"SO-{place}")) for place in range(5)]

    async def work(wire: Wire, lanes: Lanes) -> list[Answer]:
        wire.cut_at = COMMITTED
        return list(await asyncio.gather(*map(lanes.ask, asks)))

    assert {one.status for one in through(desk, work)} == {200}


def test_a_database_that_is_away_is_busy_soon_and_fine_when_it_is_back(desk: Counter) -> None:
    asks = [desk.order(desk.question(f"SO-{place}", "0.10"), f"K-{place}") for place in range(100)]

    async def work(wire: Wire, lanes: Lanes) -> None:
        await lanes.ask(desk.order(desk.question("SO-X")))
        wire.down = True
        wire.cut()
        before = wire.connections
        told = await asyncio.gather(*map(lanes.ask, asks), return_exceptions=True)
        assert {type(one) for one in told} == {LostError}
        assert wire.connections - before <= 3
        wire.down = False
        told = await asyncio.gather(*map(lanes.ask, asks), return_exceptions=True)
        assert {type(one) for one in told} == {Answer}

    through(desk, work)
    assert desk.account().use.authorized == 20_00
    desk.exact()


def test_a_backend_that_was_ended_is_replaced_unheard(desk: Counter) -> None:
    async def work(_: Wire, lanes: Lanes) -> list[Answer]:
        first = await lanes.ask(desk.order(desk.question("SO-1")))
        desk.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return [first, await lanes.ask(desk.order(desk.question("SO-2")))]

    assert [one.status for one in through(desk, work)] == [201, 201]


def test_a_lock_holds_up_its_own_account_only(desk: Counter) -> None:
    """Somebody works on C-2 for long: C-1's orders go, C-2's hear BUSY and keep their keys."""
    desk.add("C-2", 100_00)
    asks = [
        desk.order(desk.question(f"SO-{place}", customer_id=f"C-{place % 2 + 1}"), f"K-{place}")
        for place in range(4)
    ]
    with psycopg.connect(desk.database.url) as other:
        other.execute("SELECT 1 FROM account WHERE customer_id = 'C-2' FOR UPDATE")
        told = desk.ask(*asks)
    kinds = [type(one) for one in told]
    assert kinds == [dict, BusyError, dict, BusyError]
    again = desk.ask(*asks)
    assert [type(one) for one in again] == [dict] * 4
    assert desk.account("C-2").use.authorized == 20_00
    desk.exact()


def test_a_lane_is_usable_after_every_kind_of_trouble(desk: Counter) -> None:
    """One connection: a lock, a refusal and a poisoned statement, each followed by an approval."""

    async def work(wire: Wire, lanes: Lanes) -> int:
        for place in range(3):
            with psycopg.connect(desk.database.url) as other:
                other.execute("SELECT 1 FROM account FOR UPDATE")
                with pytest.raises(BusyError):
                    await lanes.ask(desk.order(desk.question("SO-1", "1.00")))
            unknown = desk.question("SO-1", customer_id="nobody")
            with pytest.raises(CustomerUnknownError):
                await lanes.ask(desk.order(unknown))
            poisoned = replace(desk.order(desk.question("SO-1", "1.00")), decision_id="no uuid")
            with pytest.raises(psycopg.errors.DataError):
                await lanes.ask(poisoned)
            await lanes.ask(desk.order(desk.question(f"SO-{place}", "1.00")))
        return wire.connections

    assert through(desk, work) == 1
    assert desk.account().use.authorized == 3_00


def test_missing_accounts_are_made_on_the_way(desk: Counter) -> None:
    """Two customers without an account in a segment, one of them in a group, and an alias."""
    desk.add("G", 15_00)
    desk.add("C-2", parent="G")
    desk.rows("INSERT INTO segment (segment_id, name, mode) VALUES ('new', 'new', 'SHADOW')")
    desk.rows("INSERT INTO customer_ref (ref, customer_id) VALUES ('alias', 'C-2')")
    asks = [
        desk.order(desk.question(f"SO-{name}", customer_id=name, segment_id="new"))
        for name in ("C-1", "C-2", "alias")
    ]
    asks.append(desk.check(desk.question("SO-9", customer_id="G", segment_id="new")))
    told = desk.ask(*asks)
    assert [type(one) for one in told] == [dict] * 4
    assert desk.account("C-1", "new").use.authorized == 10_00
    assert desk.account("G", "new").use.authorized == 20_00
    assert desk.account("G").use.authorized == 0


def test_lanes_of_two_processes_race_for_one_order(desk: Counter) -> None:
    """A new order is inserted by one of them; the other meets it."""
    asks = [desk.order(desk.question("SO-1", f"{place}.00")) for place in range(1, 9)]
    told = desk.ask(*asks, lanes=4)
    assert [type(one) for one in told] == [dict] * 8
    (order,) = desk.rows("SELECT authorization_id, reserved_minor FROM credit_order")
    assert len({one["authorization_id"] for one in told if isinstance(one, dict)}) == 1
    assert desk.account().use.authorized == order["reserved_minor"]
    desk.exact()
