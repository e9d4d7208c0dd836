"""Holds that are to be judged again where the database is away, or its last word is lost."""

import asyncio
from datetime import UTC, datetime

from prometheus_client import REGISTRY

from app.domain.holds import HoldFilter
from app.store.database import Database
from app.store.holds_ground import Moved
from app.store.holds_lane import HoldLane
from app.store.ids import IdSource
from app.telemetry import ORDER_HOLDS_OPEN
from app.usecases.asks import Answer
from app.usecases.holds_bulk import Reevaluated, ReevaluateHolds
from app.usecases.holds_judge import Again, HoldsJudge
from app.usecases.holds_release import ReleaseCleared
from app.usecases.keyed import Keyed
from app.usecases.portions import Portion
from tests.usecases.counter import TESTER, Counter
from tests.usecases.wires import COMMITTED, Wire

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)


def test_without_a_database_nothing_is_taken_apart(database_url: str) -> None:
    """One attempt may take as long as a connection may, and others of the process wait for it."""
    new_id = IdSource()
    wanted = [Moved(new_id(), "main", f"SO-{place}", place, NOW, "") for place in range(100)]

    async def judge() -> tuple[int, set[str]]:
        async with Wire(database_url) as wire:
            wire.down = True
            judging = HoldsJudge(lambda: HoldLane(wire.address), new_id, lambda *_: False)
            told = await asyncio.to_thread(judging, wanted, Again(), lambda: NOW)
            assert [one.hold_id for one in told] == [one.hold_id for one in wanted]
            return wire.connections, {one.result for one in told}

    assert asyncio.run(judge()) == (1, {"BUSY"})


def test_a_release_whose_commit_was_answered_to_nobody_is_told(database: Database) -> None:
    """It seems busy, and is not: who hears BUSY would ask again for what has gone."""
    desk = Counter.open(database)
    desk.add("C-1", 100_00)
    asks = [desk.order(desk.question(f"SO-{place}", "150.00")) for place in range(2)]
    holds = [str(desk.told(one)["order_hold_id"]) for one in asks]
    desk.rows("UPDATE account SET limit_minor = 15000")
    told: list[Reevaluated] = []

    def render(found: Reevaluated) -> Answer:
        told.append(found)
        return Answer(200, b"{}")

    async def judge() -> None:
        async with Wire(database.url) as wire:
            wire.cut_at = COMMITTED
            judging = HoldsJudge(lambda: HoldLane(wire.address), desk.new_id, lambda *_: False)
            again = ReevaluateHolds(database, judging, lambda: desk.at)
            wanted = HoldFilter(most=101, sort="opened_at", status="OPEN", hold_ids=holds)
            await asyncio.to_thread(again, Keyed(TESTER, "K", b"1" * 16), wanted, render)

    asyncio.run(judge())
    found = {one.hold_id: one.result for _, one in told[0].verdicts}
    assert sorted(found.values()) == ["BUSY", "RELEASED"]
    status = "SELECT hold_id::text FROM order_hold WHERE status = 'RELEASED'"
    released = [row["hold_id"] for row in desk.rows(status)]
    assert released == [key for key, result in found.items() if result == "RELEASED"]


def test_open_holds_are_counted_though_some_have_moved(database: Database) -> None:
    """On a busy desk some have at every look."""
    desk = Counter.open(database)
    desk.add("C-1", 100_00)
    desk.told(desk.order(desk.question("SO-1", "150.00")))
    ORDER_HOLDS_OPEN.labels("AUTOMATIC").set(0)
    judge = HoldsJudge(lambda: HoldLane(database.url), desk.new_id, lambda *_: False)
    assert ReleaseCleared(database, judge, 100, lambda _: desk.at)() == Portion(0)
    assert REGISTRY.get_sample_value("aval_order_holds_open", {"type": "AUTOMATIC"}) == 1
    judged = "SELECT hold_id FROM order_hold WHERE judged_on IS NOT NULL"
    assert len(desk.rows(judged)) == 1
