"""Holds that are to be judged again where the database is away."""

import asyncio
from datetime import UTC, datetime

from app.store.holds_ground import Moved
from app.store.holds_lane import HoldLane
from app.store.ids import IdSource
from app.usecases.holds_judge import Again, HoldsJudge
from tests.usecases.wires import Wire

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
