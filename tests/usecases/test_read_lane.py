"""The read lane: what waits together is read together, and nobody waits for ever."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg
import pytest
from prometheus_client import REGISTRY
from psycopg.conninfo import make_conninfo

from app.domain.errors import BusyError
from app.domain.segments import Segment
from app.store import read_sql, segments
from app.store.database import Database
from app.store.lane import LostError
from app.store.read_lane import ReadConnection
from app.store.read_rows import Row, Want
from app.usecases.read_lane import ReadLane
from app.usecases.reads import Reads
from tests.parties import add_customer
from tests.usecases.town import ADMIN
from tests.usecases.wires import Wire

NOON = datetime(2026, 6, 15, 4, tzinfo=UTC)


def now() -> datetime:
    return NOON


@dataclass
class Script:
    """A source without a database: each question's row is its place and reference."""

    trouble: Callable[[list[str]], BaseException | None] = lambda _: None
    batches: list[list[str]] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    async def fetch(self, wants: Sequence[Want], at: datetime) -> list[Row]:
        assert at == NOON
        names = [want.ref for want in wants]
        self.batches.append(names)
        self.began.set()
        await self.gate.wait()
        trouble = self.trouble(names)
        if trouble is not None:
            raise trouble
        return [(place, name) for place, name in enumerate(names)]

    async def close(self) -> None:
        self.closed = True


def want(name: object) -> Want:
    return Want("SCORE", str(name))


def run(script: Script, names: Sequence[str], batch: int = 256) -> list[object]:
    """Ask all at once, so that they are one batch where it takes as many."""

    async def work() -> list[object]:
        lane = ReadLane(script, now, batch)
        await lane.start()
        asking = [asyncio.create_task(lane.read("tests", want(name))) for name in names]
        await script.began.wait()
        script.gate.set()
        found = await asyncio.gather(*asking, return_exceptions=True)
        await lane.stop()
        return [one if isinstance(one, BaseException) else one.row[1] for one in found]

    return asyncio.run(work())


def test_what_arrives_meanwhile_is_read_together() -> None:
    script = Script()

    async def work() -> None:
        lane = ReadLane(script, now)
        await lane.start()
        asking = [asyncio.create_task(lane.read("tests", want(0)))]
        await script.began.wait()
        asking += [asyncio.create_task(lane.read("tests", want(place))) for place in range(1, 6)]
        await asyncio.sleep(0)
        script.gate.set()
        assert [one.row[1] for one in await asyncio.gather(*asking)] == [
            "0",
            "1",
            "2",
            "3",
            "4",
            "5",
        ]
        await lane.stop()

    asyncio.run(work())
    assert script.batches == [["0"], ["1", "2", "3", "4", "5"]]
    assert script.closed


def test_a_batch_is_no_larger_than_it_may_be() -> None:
    script = Script()
    names = [str(place) for place in range(10)]
    assert run(script, names, batch=4) == names
    assert [len(one) for one in script.batches] == [4, 4, 2]


@pytest.mark.parametrize("bad", [pytest.param(place, id=f"place-{place}") for place in (0, 3, 7)])
def test_a_bug_goes_to_its_own_caller(bad: int) -> None:
    names = [str(place) for place in range(8)]
    told = run(Script(lambda batch: ZeroDivisionError() if str(bad) in batch else None), names)
    assert isinstance(told[bad], ZeroDivisionError)
    assert [one for place, one in enumerate(told) if place != bad] == names[:bad] + names[bad + 1 :]


def test_a_lost_connection_is_tried_once_more() -> None:
    tries = iter([LostError("away"), None])
    script = Script(lambda _: next(tries))
    assert run(script, ["0", "1"]) == ["0", "1"]
    assert script.batches == [["0", "1"], ["0", "1"]]


def test_without_a_database_everybody_hears_busy_and_the_next_are_tried() -> None:
    script = Script(lambda batch: LostError("away") if "0" in batch else None)
    told = run(script, [*(str(place) for place in range(256)), "later"])
    assert {type(one) for one in told[:256]} == {LostError}
    assert told[256] == "later"
    assert [len(one) for one in script.batches] == [256, 1, 256]


def test_two_round_trips_are_in_flight_and_no_more() -> None:
    script = Script()

    async def work() -> None:
        lane = ReadLane(script, now, batch=1)
        await lane.start()
        asking = [asyncio.create_task(lane.read("tests", want(place))) for place in range(4)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert script.batches == [["0"], ["1"]]
        assert waiting() == 2
        stopping = asyncio.create_task(lane.stop())
        script.gate.set()
        told = await asyncio.gather(*asking)
        await stopping
        assert [one.row[1] for one in told] == ["0", "1", "2", "3"]
        assert script.closed

    asyncio.run(work())


def test_a_server_that_is_slow_is_not_asked_again_at_once() -> None:
    script = Script(lambda batch: BusyError("slow") if "0" in batch else None)
    told = run(script, ["0", "1"])
    assert {type(one) for one in told} == {BusyError}
    assert len(script.batches) == 1


def test_a_full_queue_turns_away() -> None:
    script = Script()

    async def work() -> None:
        lane = ReadLane(script, now, batch=1, queue=2)
        await lane.start()
        asking = [asyncio.create_task(lane.read("tests", want(0)))]
        await script.began.wait()
        asking += [asyncio.create_task(lane.read("tests", want(place))) for place in (1, 2)]
        await asyncio.sleep(0)
        assert waiting() == 2
        with pytest.raises(BusyError):
            await lane.read("tests", want(3))
        script.gate.set()
        assert len(await asyncio.gather(*asking)) == 3
        await lane.stop()
        assert waiting() == 0

    asyncio.run(work())


def waiting() -> float | None:
    return REGISTRY.get_sample_value("aval_read_queue")


def test_a_flood_of_one_client_keeps_no_other_waiting() -> None:
    """It may fill the queue; who comes then takes its newest one's place, and is read next."""
    script = Script()

    async def work() -> None:
        lane = ReadLane(script, now, batch=2, queue=6)
        await lane.start()
        asking = [asyncio.create_task(lane.read("flood", want(place))) for place in range(2)]
        await script.began.wait()
        asking += [asyncio.create_task(lane.read("flood", want(place))) for place in range(2, 12)]
        asking.append(asyncio.create_task(lane.read("phone", want("mine"))))
        await asyncio.sleep(0)
        script.gate.set()
        async with asyncio.timeout(30):
            told = await asyncio.gather(*asking, return_exceptions=True)
        await lane.stop()
        assert [isinstance(one, BusyError) for one in told] == [False] * 7 + [True] * 5 + [False]
        assert waiting() == 0

    asyncio.run(work())
    mine = [place for place, batch in enumerate(script.batches) if want("mine").ref in batch]
    assert mine[0] <= 3, script.batches


def test_who_waits_when_it_stops_is_answered_and_who_comes_after_is_not() -> None:
    script = Script()

    async def work() -> None:
        lane = ReadLane(script, now, batch=2)
        await lane.start()
        asking = [asyncio.create_task(lane.read("tests", want(place))) for place in range(7)]
        await script.began.wait()
        stopping = asyncio.create_task(lane.stop())
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await lane.read("tests", want("late"))
        script.gate.set()
        assert len(await asyncio.gather(*asking)) == 7
        await stopping
        assert not lane.alive()

    asyncio.run(work())


def test_a_client_that_hangs_up_takes_nothing_away() -> None:
    script = Script()

    async def work() -> None:
        lane = ReadLane(script, now)
        await lane.start()
        asking = [asyncio.create_task(lane.read("tests", want(place))) for place in range(3)]
        await script.began.wait()
        waits = [asyncio.create_task(lane.read("tests", want(place))) for place in (3, 4)]
        await asyncio.sleep(0)
        asking[1].cancel()
        waits[0].cancel()
        await asyncio.sleep(0)
        script.gate.set()
        assert [(await asking[place]).row[1] for place in (0, 2)] == ["0", "2"]
        assert (await waits[1]).row[1] == "4"
        assert lane.alive()
        await lane.stop()

    asyncio.run(work())
    assert script.batches == [["0", "1", "2"], ["4"]]  # who had gone before was not read for


def test_a_bug_of_the_lane_is_heard_and_others_are_answered() -> None:
    class Broken(Script):
        async def fetch(self, wants: Sequence[Want], at: datetime) -> list[Row]:
            rows = await super().fetch(wants, at)
            return rows[1:] if wants[0].ref == "0" else rows  # a row too few

    told = run(Broken(), ["0", "1"], batch=1)
    assert isinstance(told[0], ValueError)
    assert told[1] == "1"


def test_a_lane_that_never_began_or_has_died_lets_nobody_wait() -> None:
    script = Script()

    async def work() -> None:
        lane = ReadLane(script, now, batch=1)
        with pytest.raises(BusyError):
            await lane.read("tests", want("early"))
        await lane.start()
        asking = [asyncio.create_task(lane.read("tests", want(place))) for place in range(3)]
        await script.began.wait()
        (task,) = (one for one in asyncio.all_tasks() if one.get_name() == "read-lane")
        task.cancel()
        with pytest.raises(BusyError):
            await asyncio.wait_for(asking[2], 5)
        assert not lane.alive()
        with pytest.raises(BusyError):
            await lane.read("tests", want("late"))
        script.gate.set()  # what is in flight comes home
        assert [one.row[1] for one in await asyncio.gather(*asking[:2])] == ["0", "1"]

    asyncio.run(work())


def test_a_connection_that_breaks_is_made_again_unnoticed(database: Database) -> None:
    add_segment(database)
    add_customer(database, "C-1", 100_00)

    async def work() -> None:
        async with Wire(database.url) as wire:
            lane = ReadLane(ReadConnection(wire.address), now)
            reads = Reads.over(lane)
            await lane.start()
            for place in range(3):
                seen = await reads.account(ADMIN, "C-1", "main")
                assert seen.headroom is not None
                assert wire.connections == place + 1
                wire.cut()
                await asyncio.sleep(0.01)
            wire.down = True
            with pytest.raises(BusyError):
                await reads.account(ADMIN, "C-1", "main")
            wire.down = False
            assert (await reads.account(ADMIN, "C-1", "main")).customer_id == "C-1"
            assert lane.alive()
            await lane.stop()

    asyncio.run(work())


def test_batches_in_flight_share_one_connection(database: Database) -> None:
    async def work() -> None:
        async with Wire(database.url) as wire:
            source = ReadConnection(wire.address)
            for made in (1, 2):
                told = await asyncio.gather(*(source.fetch([want(one)], now()) for one in "abc"))
                assert [len(rows) for rows in told] == [1, 1, 1]
                assert wire.connections == made
                wire.cut()
                await asyncio.sleep(0.01)
            await source.close()

    asyncio.run(work())


def test_who_finds_no_connection_shares_the_attempt_and_its_failure(database: Database) -> None:
    async def work() -> None:
        async with Wire(database.url, down=True) as wire:
            source = ReadConnection(wire.address)
            fetches = (source.fetch([want(one)], now()) for one in "abc")
            told = await asyncio.gather(*fetches, return_exceptions=True)
            assert [type(one) for one in told] == [LostError] * 3
            assert wire.connections == 1
            wire.down = False
            assert len(await source.fetch([want("a")], now())) == 1
            await source.close()

    asyncio.run(work())


def test_what_the_batch_before_could_not_prepare_is_asked_for_again(database: Database) -> None:
    """The statement is sent by name behind the one that should have made the name."""
    impatient = make_conninfo(database.url, options="-c lock_timeout=200ms")

    async def work() -> None:
        source = ReadConnection(impatient)
        await source.fetch([want("a")], now())  # connected, and only scores are prepared
        with psycopg.connect(database.url) as other:
            other.execute("LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
            fetches = (source.fetch([Want("ACCOUNT", one, "main")], now()) for one in "ab")
            told = await asyncio.gather(*fetches, return_exceptions=True)
            assert [type(one) for one in told] == [BusyError] * 2
        assert len(await source.fetch([Want("ACCOUNT", "a", "main")], now())) == 1
        await source.close()

    asyncio.run(work())


def test_a_terminated_backend_is_replaced_unnoticed(database: Database) -> None:
    add_segment(database)
    add_customer(database, "C-1", 100_00)

    async def work() -> None:
        lane = ReadLane(ReadConnection(database.url), now)
        reads = Reads.over(lane)
        await lane.start()
        for _ in range(3):
            cards = [reads.card(ADMIN, "C-1") for _ in range(5)]
            assert {card.customer_id for card in await asyncio.gather(*cards)} == {"C-1"}
            await asyncio.to_thread(terminate_others, database.url)
        await lane.stop()

    asyncio.run(work())


def add_segment(database: Database) -> None:
    with database.begin() as tx:
        segments.create(tx, Segment("main", "Main"))


def terminate_others(url: str) -> None:
    query = (
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND query LIKE '%n.place%'"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        assert row[0] == 1


@pytest.mark.parametrize("prepare", [True, False], ids=["prepared", "unprepared"])
def test_all_kinds_share_a_round_trip(database: Database, *, prepare: bool) -> None:
    add_segment(database)
    for number in range(5):
        add_customer(database, f"C-{number}", 100 * number)
    wants = [
        Want(kind, f"C-{number}", "main" if kind == "ACCOUNT" else None)
        for number in (3, 0, 4, 9)
        for kind in ("ACCOUNT", "CARD", "SCORE")
    ]

    async def work() -> list[list[Row]]:
        connection = ReadConnection(database.url, prepare=prepare)
        found = [await connection.fetch(wants, NOON) for _ in range(7)]
        await connection.close()
        return found

    for rows in asyncio.run(work()):
        assert [row[0] for row in rows] == list(range(12))
        assert [row[1] for row in rows] == [*["C-3"] * 3, *["C-0"] * 3, *["C-4"] * 3, *[None] * 3]


def test_settings_hold_for_the_batch_and_end_with_it(database: Database) -> None:
    """A pooler gives the connection to somebody else: nothing may stay behind."""

    async def work() -> list[object]:
        kind = psycopg.AsyncConnection
        async with await kind.connect(database.url, autocommit=True) as connection:
            async with connection.pipeline():
                await connection.execute(read_sql.SETTINGS)
                within = await connection.execute("SHOW enable_seqscan")
            after = await connection.execute("SHOW enable_seqscan")
            return [await within.fetchone(), await after.fetchone()]

    assert asyncio.run(work()) == [("off",), ("on",)]
