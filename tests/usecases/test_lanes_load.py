"""Lanes under load: who would wait too long hears so at once, who left costs nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from app.domain.callers import Caller
from app.domain.errors import BusyError, CreditError
from app.store.lane import Lane
from app.usecases.asks import Answer, Ask
from app.usecases.lane_sets import Lanes
from app.usecases.lane_tries import Item, Together
from app.usecases.lanes import BatchingLane, LaneSizes
from app.usecases.turns import Turns
from tests.usecases.counter import TESTER, Counter

NOWHERE = "postgresql://127.0.0.1:1/nothing"
NO_DESK: Any = None


@dataclass
class Slow:
    """Decides a batch in `takes_s` for each question; remembers every batch by its order ids."""

    takes_s: float = 0.0
    batches: list[list[str]] = field(default_factory=list)

    async def __call__(self, _: Lane, asks: Sequence[Ask]) -> list[Answer | CreditError]:
        self.batches.append([ask.question.order_id for ask in asks])
        await asyncio.sleep(self.takes_s * len(asks))
        return [Answer(200, ask.question.order_id.encode()) for ask in asks]


def ask(name: str, client: str = "tests", customer: str = "C-1") -> Ask:
    question = Counter.question(NO_DESK, name, customer_id=customer)
    caller: Caller = replace(TESTER, client=client)
    return Ask("AUTHORIZATION", caller, question, name, name)


def lane_of(script: Slow, batch: int = 256, wait_s: float = 2.0) -> BatchingLane:
    sizes = LaneSizes(batch=batch, wait_s=wait_s)
    return BatchingLane(Lane(NOWHERE), script, lambda *_: None, sizes)


def test_who_would_wait_too_long_is_turned_away_at_once() -> None:
    """The control is the same crowd with patience enough: everybody is answered."""

    async def crowd(wait_s: float) -> list[object]:
        lane = lane_of(Slow(0.02), batch=2, wait_s=wait_s)
        await lane.start()
        for place in range(10):
            await lane.ask(ask(f"first-{place}"))  # from here on the pace is known
        asking = [asyncio.create_task(lane.ask(ask(str(place)))) for place in range(30)]
        told = await asyncio.gather(*asking, return_exceptions=True)
        await lane.stop()
        return list[object](told)

    hasty = asyncio.run(crowd(0.02))
    assert any(isinstance(one, BusyError) for one in hasty)
    assert sum(isinstance(one, Answer) for one in hasty) >= 3
    assert all(isinstance(one, Answer) for one in asyncio.run(crowd(60.0)))


def test_a_question_nobody_waits_for_any_more_is_never_decided() -> None:
    script = Slow(0.05)

    async def work() -> None:
        lane = lane_of(script, batch=1)
        await lane.start()
        asking = [asyncio.create_task(lane.ask(ask(str(place)))) for place in range(3)]
        await asyncio.sleep(0.01)  # the first is being decided, the others wait
        asking[1].cancel()
        told = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(one) for one in told] == [Answer, asyncio.CancelledError, Answer]
        await lane.stop()

    asyncio.run(work())
    assert script.batches == [["0"], ["2"]]


def test_a_flood_of_one_client_keeps_no_other_waiting() -> None:
    script = Slow(0.001)

    async def work() -> None:
        lane = lane_of(script, batch=4)
        await lane.start()
        flood = asyncio.create_task(lane.ask_all([ask(str(place)) for place in range(40)]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await lane.ask(ask("mine", "other"))
        assert not flood.done()
        await flood
        await lane.stop()

    asyncio.run(work())
    assert "mine" in {name for batch in script.batches[:3] for name in batch}


@pytest.mark.parametrize("count", [1, 3])
def test_all_of_a_request_are_answered_in_their_order(count: int) -> None:
    async def work() -> list[Answer | BaseException]:
        lanes = Lanes([lane_of(Slow(), batch=3) for _ in range(count)], lane_of(Slow()))
        await lanes.start()
        asks = [ask(str(place), customer=f"C-{place}") for place in range(20)]
        told = await lanes.ask_all(asks)
        await lanes.stop()
        return told

    told = asyncio.run(work())
    assert [one.body for one in told if isinstance(one, Answer)] == [b"%d" % n for n in range(20)]


def test_a_lane_that_is_full_turns_away_its_own_part_only() -> None:
    async def work() -> list[Answer | BaseException]:
        stopped = lane_of(Slow())
        lanes = Lanes([lane_of(Slow()), stopped], lane_of(Slow()))
        await lanes.start()
        await stopped.stop()
        asks = [ask(str(place), customer=f"C-{place}") for place in range(20)]
        told = await lanes.ask_all(asks)
        places = [hash(one.question.customer_id) % 2 for one in asks]
        assert [isinstance(one, BusyError) for one in told] == [place == 1 for place in places]
        await lanes.authorizations[0].stop()
        await lanes.checks.stop()
        return told

    assert len(asyncio.run(work())) == 20


def test_large_requests_take_turns_and_one_that_waits_too_long_is_turned_away() -> None:
    async def work() -> list[object]:
        lanes = Lanes([lane_of(Slow())], lane_of(Slow()))
        lanes.turns = Turns(3, 2, 0.2)
        inside, most, gate = 0, 0, asyncio.Event()

        async def large(*, waits: bool) -> int:
            nonlocal inside, most
            async with lanes.turn("erp"):
                inside += 1
                most = max(most, inside)
                if waits:
                    await gate.wait()
                inside -= 1
            return most

        holding = [asyncio.create_task(large(waits=True)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await large(waits=False)
        async with asyncio.timeout(0.1), lanes.turn("shop"):
            assert inside == 2
        waiting = [asyncio.create_task(large(waits=False)) for _ in range(5)]
        gate.set()
        return list[object](await asyncio.gather(*holding, *waiting))

    assert set(asyncio.run(work())) == {2}


@pytest.mark.parametrize("large", [0, 1, 3])
def test_whoever_has_a_turn_finds_room_though_all_is_of_one_customer(large: int) -> None:
    """As many requests of one client as may be under way, and one of another, on one lane."""

    def roomy() -> BatchingLane:
        sizes = LaneSizes(wait_s=60.0)
        sizes = sizes.for_large() if large else sizes.roomy()
        return BatchingLane(Lane(NOWHERE), Slow(0.00001), lambda *_: None, sizes)

    async def request(lanes: Lanes, client: str, number: int) -> list[Answer | BaseException]:
        async with lanes.turn(client):
            return await lanes.ask_all([ask(f"{number}-{n}", client) for n in range(1000)])

    async def work() -> list[list[Answer | BaseException]]:
        lanes = Lanes([lane_of(Slow())], lane_of(Slow()), [roomy() for _ in range(large)])
        if not large:
            lanes = Lanes([roomy()], lanes.checks)
        await lanes.start()
        clients = ["shop", *["erp"] * (lanes.turns.most_own + 3)]
        asking = [request(lanes, client, number) for number, client in enumerate(clients)]
        told = await asyncio.gather(*asking)
        await lanes.stop()
        assert (lanes.turns.at_once, lanes.turns.most_own) == ((4, 3) if large else (3, 2))
        return told

    for one in asyncio.run(work()):
        assert {type(answer) for answer in one} == {Answer}


def test_no_more_wait_than_may_whoever_they_are_of() -> None:
    """Ten clients flood a lane: each has its share, and who gave way for another hears so."""

    async def work() -> tuple[int, float | None, list[list[Answer | BaseException]]]:
        sizes = LaneSizes(batch=4, queue=50, wait_s=60.0)
        lane = BatchingLane(Lane(NOWHERE), Slow(0.0001), lambda *_: None, sizes)
        await lane.start()
        floods = [
            asyncio.create_task(lane.ask_all([ask(f"{n}-{place}", f"{n}") for place in range(60)]))
            for n in range(10)
        ]
        await asyncio.sleep(0)
        held, shown = lane.depth, waiting_shown()
        async with asyncio.timeout(30):
            told = await asyncio.gather(*floods)
        assert waiting_shown() == 0
        await lane.stop()
        return held, shown, told

    held, shown, told = asyncio.run(work())
    assert (held, shown) == (50, 50)
    assert [[isinstance(one, Answer) for one in each].count(True) for each in told] == [5] * 10
    assert {type(one) for each in told for one in each} == {Answer, BusyError}


def waiting_shown() -> float | None:
    return REGISTRY.get_sample_value("aval_lane_queue")


def test_large_requests_have_lanes_of_their_own() -> None:
    async def work() -> tuple[list[str], list[str]]:
        own, large = Slow(), Slow()
        lanes = Lanes([lane_of(own)], lane_of(Slow()), [lane_of(large), lane_of(large)])
        await lanes.start()
        asks = [ask(str(place), customer=f"C-{place}") for place in range(8)]
        told = await lanes.ask_all(asks)
        assert [one.body for one in told if isinstance(one, Answer)] == [
            b"%d" % n for n in range(8)
        ]
        await lanes.ask(ask("alone"))
        await lanes.large[1].stop()
        assert not lanes.alive()  # a lane that is gone is told, whatever it is for
        await lanes.stop()
        names = sorted(name for batch in large.batches for name in batch)
        return [name for batch in own.batches for name in batch], names

    assert asyncio.run(work()) == (["alone"], [str(place) for place in range(8)])


def test_an_answer_is_given_once() -> None:
    """A second word for one question must not end the wait for another."""

    async def work() -> list[object]:
        together = Together.of(2)
        first, second = (Item(ask(str(place)), together, place) for place in range(2))
        waiting = asyncio.create_task(together.all())
        first.tell(Answer(201, b"first"))
        first.tell(BusyError("again"))
        await asyncio.sleep(0)
        assert not waiting.done()
        second.tell(Answer(201, b"second"))
        return list[object](await waiting)

    assert asyncio.run(work()) == [Answer(201, b"first"), Answer(201, b"second")]
