"""A lane that stands still lets nobody wait, and one that is flooded turns the flood away."""

import asyncio
import time
from collections.abc import Sequence

import pytest
import structlog

from app.domain.errors import BusyError, CreditError
from app.store.lane import Lane
from app.usecases.asks import Answer, Ask
from app.usecases.lanes import BatchingLane, LaneSizes
from tests.usecases.test_lanes_behind import NOWHERE, Asking, Stages, with_lane
from tests.usecases.test_lanes_load import Slow, ask, lane_of

HASTY = LaneSizes(wait_s=0.1, patience_s=0.1)


async def turned_away(asking: Asking, *names: str) -> None:
    """Wait until these hear that they shall try again."""
    async with asyncio.timeout(60):
        told = await asyncio.gather(
            *(asking.asked.pop(name) for name in names), return_exceptions=True
        )
    assert [type(one) for one in told] == [BusyError] * len(names)


def test_nobody_waits_behind_a_batch_that_takes_too_long() -> None:
    """What is in it is answered when it is known; who comes later finds the lane as it was."""
    stages = Stages()

    async def act(asking: Asking) -> None:
        await asking.put("a")
        await asking.put("b", "c")
        await turned_away(asking, "b", "c")
        await asking.put("d")
        assert asking.answered() == ["d"]  # at once
        await turned_away(asking, "d")
        stages.let("a", "e")
        assert await asking.all() == ["a"]
        await asking.put("e")
        assert await asking.all() == ["a", "e"]

    with_lane(stages, act, HASTY)
    assert stages.began == ["a", "e"]


def test_nobody_waits_behind_a_commit_that_takes_too_long() -> None:
    stages = Stages()

    async def act(asking: Asking) -> None:
        await asking.put("a", "b", "c")
        stages.load("a+b+c").set()
        await asking.put("d")  # fewer than are ahead: waits for their end
        await turned_away(asking, "d")
        stages.let("a+b+c", "e")
        assert await asking.all() == ["a", "b", "c"]
        await asking.put("e")
        assert (await asking.all())[-1] == "e"

    with_lane(stages, act, HASTY)
    assert stages.began == ["a+b+c", "e"]


def test_nobody_waits_behind_what_is_tried_again_for_too_long() -> None:
    gate, again, tries = asyncio.Event(), asyncio.Event(), list[str]()

    async def decide(_: Lane, asks: Sequence[Ask]) -> list[Answer | CreditError]:
        tries.append(asks[0].question.order_id)
        if len(tries) == 1:
            raise BusyError("a lock")
        again.set()
        await gate.wait()
        return [Answer(200, one.question.order_id.encode()) for one in asks]

    async def work() -> list[object]:
        sizes = LaneSizes(wait_s=0.1, patience_s=0.3)
        lane = BatchingLane(Lane(NOWHERE), decide, lambda *_: None, sizes)
        await lane.start()
        first = asyncio.create_task(lane.ask(ask("a")))
        await again.wait()
        async with asyncio.timeout(60):
            (told,) = await asyncio.gather(lane.ask(ask("b")), return_exceptions=True)
        assert not first.done()
        gate.set()
        answers: list[object] = [told, (await first).body, (await lane.ask(ask("c"))).body]
        await lane.stop()
        return answers

    told, *bodies = asyncio.run(work())
    assert isinstance(told, BusyError)
    assert bodies == [b"a", b"c"]


@pytest.mark.usefixtures("every_line")
def test_who_was_let_in_is_turned_away_when_the_pace_gets_worse() -> None:
    """Each batch is quick enough by itself; who would wait for many of them hears so in time."""
    script, told = Slow(0.0001), dict[str, tuple[type, float]]()

    async def one(lane: BatchingLane, name: str) -> None:
        began = time.monotonic()
        (answer,) = await asyncio.gather(lane.ask(ask(name)), return_exceptions=True)
        told[name] = type(answer), time.monotonic() - began

    async def work() -> None:
        sizes = LaneSizes(batch=4, wait_s=0.3, patience_s=0.3)
        lane = BatchingLane(Lane(NOWHERE), script, lambda *_: None, sizes)
        await lane.start()
        for place in range(20):
            await lane.ask(ask(f"first-{place}"))
        script.takes_s = 0.1  # 0.4 s a batch
        async with asyncio.timeout(60):
            await asyncio.gather(*(one(lane, str(place)) for place in range(64)))
        script.takes_s = 0.0
        assert (await lane.ask(ask("later"))).body == b"later"
        await lane.stop()

    with structlog.testing.capture_logs() as lines:
        asyncio.run(work())
    answered = [name for name, (kind, _) in told.items() if kind is Answer]
    assert answered == [str(place) for place in range(len(answered))]
    assert 4 <= len(answered) <= 12, "those of the first batches"
    assert {kind for kind, _ in told.values()} == {Answer, BusyError}
    late = [line["turned_away"] for line in lines if line["event"] == "lane_late"]
    assert sum(late) == 64 - len(answered)


def test_nobody_waits_for_as_long_as_poison_is_looked_for_on_a_slow_server() -> None:
    """Each try is quick enough by itself; all of them together are one batch that takes too long.

    Who is in it gets what is right, at last: all answers but one.
    """
    tries, failed = list[int](), asyncio.Event()

    async def decide(_: Lane, asks: Sequence[Ask]) -> list[Answer | CreditError]:
        tries.append(len(asks))
        if len(tries) == 2:
            failed.set()  # and is being taken apart
        await asyncio.sleep(0.15)
        if any(one.question.order_id == "7" for one in asks):
            raise ZeroDivisionError
        return [Answer(200, one.question.order_id.encode()) for one in asks]

    async def work() -> tuple[list[object], int]:
        lane = BatchingLane(Lane(NOWHERE), decide, lambda *_: None, HASTY)
        await lane.start()
        inside = [asyncio.create_task(lane.ask(ask(str(place)))) for place in range(64)]
        await failed.wait()
        with pytest.raises(BusyError):
            await lane.ask(ask("behind", "other"))
        during = len(tries)
        with pytest.raises(BusyError):
            await lane.ask(ask("later", "other"))
        assert len(tries) == during, "who comes later hears it at once"
        told = await asyncio.gather(*inside, return_exceptions=True)
        await lane.stop()
        return list[object](told), during

    inside, during = asyncio.run(work())
    all_of_them = len(tries)
    assert during < all_of_them
    assert [type(one) for one in inside].count(Answer) == 63
    assert isinstance(inside[7], ZeroDivisionError)
    assert all_of_them == 1 + 2 * 6, "each half that fails is halved"


def test_a_flood_is_turned_away_and_a_quiet_client_is_not() -> None:
    """The pace says that all would wait too long: who has nothing waiting is taken next."""

    async def work() -> tuple[list[object], list[Answer]]:
        lane = lane_of(Slow(0.002), batch=4, wait_s=0.02)
        await lane.start()
        for place in range(10):
            await lane.ask(ask(f"first-{place}"))  # from here on the pace is known
        flood = [asyncio.create_task(lane.ask(ask(str(place)))) for place in range(400)]
        await asyncio.sleep(0)
        quiet = [await lane.ask(ask(f"mine-{place}", "other")) for place in range(5)]
        assert lane.depth > 4  # the flood waits still
        told = await asyncio.gather(*flood, return_exceptions=True)
        await lane.stop()
        return list[object](told), quiet

    told, quiet = asyncio.run(work())
    assert {type(one) for one in told} == {Answer, BusyError}
    assert len(quiet) == 5
