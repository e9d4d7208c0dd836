"""A batch begins behind one whose COMMIT is under way: in order, and nobody pays for another."""

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from app.domain.errors import BusyError, CreditError
from app.store.database import Database
from app.store.lane import Lane, LostError
from app.store.lane_rows import Record, Want
from app.usecases.asks import Answer, Ask
from app.usecases.lanes import BatchingLane, LaneSizes
from tests.usecases.counter import TESTER, Counter

NOWHERE = "postgresql://127.0.0.1:1/nothing"
NO_DESK: Any = None
"""`Counter.question` needs no desk."""


@dataclass
class Stages:
    """Decides in two stages, as a test says: until all is sent, and until it is committed."""

    trouble: dict[str, list[BaseException]] = field(default_factory=dict)
    began: list[str] = field(default_factory=list)
    loads: dict[str, asyncio.Event] = field(default_factory=dict)
    commits: dict[str, asyncio.Event] = field(default_factory=dict)

    async def __call__(self, lane: Lane, asks: Sequence[Ask]) -> list[Answer | CreditError]:
        name = "+".join(ask.question.order_id for ask in asks)
        self.began.append(name)
        await self.load(name).wait()
        assert lane.when_sent is not None
        lane.when_sent()
        await self.commit(name).wait()
        trouble = self.trouble.get(name)
        if trouble:
            raise trouble.pop(0)
        return [Answer(200, ask.question.order_id.encode()) for ask in asks]

    def load(self, name: str) -> asyncio.Event:
        """Give what ends the first stage of a batch."""
        return self.loads.setdefault(name, asyncio.Event())

    def commit(self, name: str) -> asyncio.Event:
        """Give what ends the second stage of a batch."""
        return self.commits.setdefault(name, asyncio.Event())

    def let(self, *names: str) -> None:
        """Let batches through both stages."""
        for name in names:
            self.load(name).set()
            self.commit(name).set()


def ask(name: str) -> Ask:
    return Ask("AUTHORIZATION", TESTER, Counter.question(NO_DESK, name), name, name)


@dataclass
class Asking:
    """A lane and who asks it."""

    lane: BatchingLane
    asked: dict[str, asyncio.Task[Answer]] = field(default_factory=dict)

    async def put(self, *names: str) -> None:
        """Ask, and let the lane do all it can."""
        for name in names:
            self.asked[name] = asyncio.create_task(self.lane.ask(ask(name)))
        await settle()

    def answered(self) -> list[str]:
        """Name who was answered."""
        return [name for name, task in self.asked.items() if task.done()]

    async def all(self) -> list[str]:
        """Wait for all answers."""
        async with asyncio.timeout(5):
            return [(await task).body.decode() for task in self.asked.values()]


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def with_lane(
    stages: Stages,
    act: Callable[[Asking], Coroutine[Any, Any, None]],
    sizes: LaneSizes | None = None,
) -> None:
    async def run() -> None:
        lane = BatchingLane(Lane(NOWHERE), stages, lambda *_: None, sizes or LaneSizes())
        await lane.start()
        await act(Asking(lane))
        await lane.stop()

    asyncio.run(run())


def test_the_next_batch_begins_while_a_commit_is_under_way() -> None:
    stages = Stages()

    async def act(asking: Asking) -> None:
        await asking.put("a")
        await asking.put("b", "c")
        assert stages.began == ["a"]  # its statements are still to be sent
        stages.load("a").set()
        await settle()
        assert stages.began == ["a", "b+c"]
        assert asking.answered() == []
        stages.commit("a").set()
        await settle()
        assert asking.answered() == ["a"]  # at once, whatever the next one does
        stages.let("b+c")
        assert await asking.all() == ["a", "b", "c"]

    with_lane(stages, act)


async def begin(asking: Asking, stages: Stages, *names: str) -> None:
    """Let questions come together while one is decided: their batch's COMMIT is under way."""
    await asking.put("a")
    await asking.put(*names)
    stages.let("a")
    await settle()
    stages.load("+".join(names)).set()


def test_few_wait_for_the_commit_and_as_many_as_are_ahead_do_not() -> None:
    stages = Stages()

    async def act(asking: Asking) -> None:
        await begin(asking, stages, "b", "c", "d")
        await asking.put("e", "f")
        assert stages.began == ["a", "b+c+d"]
        stages.commit("b+c+d").set()
        await settle()
        assert stages.began == ["a", "b+c+d", "e+f"]  # nobody waits once it is committed
        stages.load("e+f").set()
        await asking.put("g")
        assert stages.began[-1] == "e+f"
        await asking.put("h")
        assert stages.began[-1] == "g+h"  # as many as the batch that is ahead
        assert not asking.asked["e"].done()
        stages.let("e+f", "g+h")
        assert len(await asking.all()) == 8

    with_lane(stages, act)


def test_ten_begin_behind_however_many_are_ahead() -> None:
    many, ten = [f"b{number}" for number in range(30)], [f"c{number}" for number in range(10)]
    stages = Stages()

    async def act(asking: Asking) -> None:
        await begin(asking, stages, *many)
        await asking.put(*ten[:9])
        assert stages.began == ["a", "+".join(many)]
        await asking.put(ten[9])
        assert stages.began == ["a", "+".join(many), "+".join(ten)]
        stages.let("+".join(many), "+".join(ten))
        await asking.all()

    with_lane(stages, act)


def test_few_that_wait_are_decided_before_a_lane_stops() -> None:
    stages = Stages()

    async def act(asking: Asking) -> None:
        await begin(asking, stages, "b", "c")
        await asking.put("d")
        stopping = asyncio.create_task(asking.lane.stop())
        await settle()
        assert stages.began == ["a", "b+c", "d"]
        stages.let("b+c", "d")
        await stopping
        assert await asking.all() == ["a", "b", "c", "d"]

    with_lane(stages, act)


@pytest.mark.parametrize("trouble", [BusyError("locked"), ValueError("a bug")])
def test_few_that_wait_are_decided_after_what_fails(trouble: Exception) -> None:
    stages = Stages({"b+c": [trouble]})

    async def act(asking: Asking) -> None:
        await begin(asking, stages, "b", "c")
        await asking.put("d")
        assert stages.began == ["a", "b+c"]
        stages.let("b+c", "b", "c", "d")
        assert await asking.all() == ["a", "b", "c", "d"]
        assert stages.began == ["a", "b+c", "b", "c", "d"]

    with_lane(stages, act)


class Kept(Ask):
    """An ask of which one can tell whether anybody still holds it."""


@pytest.mark.parametrize("late", [True, False], ids=["committed-later", "committed-at-once"])
def test_a_lane_that_rests_holds_nothing_of_what_it_answered(*, late: bool) -> None:
    """What it holds is a whole request with all its answers, for as long as nobody asks."""
    stages = Stages()

    async def act(asking: Asking) -> None:
        one = Kept("AUTHORIZATION", TESTER, Counter.question(NO_DESK, "a"), "a", "a")
        held = weakref.ref(one)
        asked = asyncio.create_task(asking.lane.ask(one))
        del one
        await settle()
        if late:
            stages.load("a").set()
            await settle()
        stages.let("a")
        assert (await asked).body == b"a"
        del asked
        await settle()
        gc.collect()
        assert held() is None

    with_lane(stages, act)


def test_only_one_batch_is_behind_another() -> None:
    stages = Stages()

    async def act(asking: Asking) -> None:
        await asking.put("a")
        for one in "abc":
            stages.load(one).set()
        await settle()
        await asking.put("b")
        await asking.put("c")
        assert stages.began == ["a", "b"]
        stages.commit("a").set()
        await settle()
        assert stages.began == ["a", "b", "c"]
        stages.let("b", "c")
        assert await asking.all() == ["a", "b", "c"]

    with_lane(stages, act)


def test_what_the_batch_ahead_takes_costs_the_one_behind_no_patience() -> None:
    """Tried again only once that is settled, it would hear BUSY for nothing it did."""
    locked = BusyError("locked")
    stages = Stages({"b": [locked], "c+d": [locked, locked]})
    sizes = LaneSizes(patience_s=1.0)

    async def act(asking: Asking) -> None:
        await begin(asking, stages, "b")
        await asking.put("c", "d")
        assert stages.began == ["a", "b", "c+d"]
        stages.let("c+d", "c", "d")
        stages.commit("b").set()
        stages.load("b").clear()
        await asyncio.sleep(1.5 * sizes.patience_s)
        assert stages.began == ["a", "b", "c+d", "b"]  # tried again, and not through yet
        stages.load("b").set()
        assert await asking.all() == ["a", "b", "c", "d"]
        assert stages.began == ["a", "b", "c+d", "b", "c+d", "c", "d"]

    with_lane(stages, act, sizes)


def test_who_failed_behind_another_is_tried_again_as_it_was() -> None:
    aborted = BusyError("the batch before it failed")
    stages = Stages({"a+b": [BusyError("locked")], "c+d": [aborted]})

    async def act(asking: Asking) -> None:
        await asking.put("a", "b")
        stages.load("a+b").set()
        await settle()
        await asking.put("c", "d")
        stages.let("a+b", "c+d", "a", "b")
        assert await asking.all() == ["a", "b", "c", "d"]

    with_lane(stages, act)
    assert stages.began == ["a+b", "c+d", "a", "b", "c+d"]  # not in halves, and last


def test_who_was_committed_behind_one_that_failed_is_not_decided_again() -> None:
    stages = Stages({"a": [BusyError("its COMMIT failed")]})

    async def act(asking: Asking) -> None:
        await asking.put("a")
        stages.load("a").set()
        await settle()
        await asking.put("b")
        stages.commit("a").set()
        await settle()
        assert stages.began == ["a", "b"]  # nothing is undone while the other is at work,
        stages.load("b").set()
        await asyncio.sleep(0.1)  # longer than the pause before a second try
        assert stages.began == ["a", "b"]  # nor before it is known how that ended
        stages.let("a", "b")
        assert await asking.all() == ["a", "b"]

    with_lane(stages, act)
    assert stages.began == ["a", "b", "a"]


def test_a_commit_that_fails_when_nobody_comes_is_tried_again() -> None:
    stages = Stages({"a": [BusyError("lost")]})

    async def act(asking: Asking) -> None:
        stages.let("a")
        await asking.put("a")
        assert await asking.all() == ["a"]

    with_lane(stages, act)
    assert stages.began == ["a", "a"]


def test_a_lane_that_stops_waits_for_a_commit_under_way() -> None:
    stages = Stages({"a": [BusyError("lost")]})

    async def run() -> None:
        lane = BatchingLane(Lane(NOWHERE), stages, lambda *_: None)
        await lane.start()
        asking = Asking(lane)
        stages.load("a").set()
        await asking.put("a")
        stopping = asyncio.create_task(lane.stop())
        await settle()
        assert not stopping.done()
        stages.commit("a").set()
        await stopping
        assert await asking.all() == ["a"]

    asyncio.run(run())


@pytest.fixture
def desk(database: Database) -> Counter:
    desk = Counter.open(database)
    desk.add("C-1", limit_minor=100_00)
    return desk


REFUSES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.order_id = 'SO-BAD' THEN RAISE 'not this one' USING ERRCODE = '{code}'; END IF;
    RETURN NEW;
END $$;
CREATE {trigger} ON credit_order {when} FOR EACH ROW EXECUTE FUNCTION refuse()
"""

WHEN = {
    "a-statement-fails": {"trigger": "TRIGGER refuse BEFORE INSERT", "when": ""},
    "the-commit-fails": {
        "trigger": "CONSTRAINT TRIGGER refuse AFTER INSERT",
        "when": "DEFERRABLE INITIALLY DEFERRED",
    },
}


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        pytest.param("P0001", psycopg.errors.RaiseException, id="refused"),
        # the lane gives the connection up, on which the next batch is under way
        pytest.param("53100", LostError, id="disk-full"),
    ],
)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("place", [0, 3, 7])
def test_on_a_real_server_only_the_one_that_fails_is_refused(
    desk: Counter, code: str, trouble: type[Exception], when: str, place: int
) -> None:
    """Batches of one, one behind the other: each is decided once, and the ledger is exact."""
    desk.rows(REFUSES.format(code=code, **WHEN[when]))
    names = [f"SO-{number}" for number in range(8)]
    names[place] = "SO-BAD"
    desk.sizes = LaneSizes(batch=1)
    asks = [desk.order(desk.question(name, "1.00")) for name in names]
    told = ask_all(desk, asks)
    assert [type(one) for one in told] == [
        trouble if name == "SO-BAD" else Answer for name in names
    ]
    assert desk.account().use.authorized == 700
    assert {row["key"] for row in desk.rows("SELECT key FROM request_key")} == {
        one.key for one in asks if one.question.order_id != "SO-BAD"
    }
    desk.exact()


def test_nobody_waits_for_a_server_that_a_failover_has_put_aside(desk: Counter) -> None:
    name = desk.rows("SELECT current_database() AS name")[0]["name"]
    desk.rows(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    desk.sizes = LaneSizes(batch=1)
    told = ask_all(desk, [desk.check(desk.question(f"SO-{number}")) for number in range(3)])
    assert [type(one) for one in told] == [LostError] * 3


def test_the_rest_of_a_batch_goes_on_no_other_connection(desk: Counter) -> None:
    """It would be written without the locks and the keys that its beginning took."""

    async def act() -> None:
        lane = Lane(desk.database.url)
        await lane.load(Want({("main", "C-1")}, {("main", "SO-1")}, desk.at), [])
        await lane.close()
        with pytest.raises(LostError):
            await lane.record(Record(desk.at), {})
        await lane.close()

    asyncio.run(act())


def ask_all(desk: Counter, asks: Sequence[Ask]) -> list[object]:
    async def act() -> list[object]:
        lanes = desk.lanes()
        await lanes.start()
        try:
            async with asyncio.timeout(10):
                asking = map(lanes.ask, asks)
                return list(await asyncio.gather(*asking, return_exceptions=True))
        finally:
            await lanes.stop()

    return asyncio.run(act())
