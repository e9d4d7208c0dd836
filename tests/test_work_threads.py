"""Every loop of `aval work` has a thread and a connection: none waits for another's."""

import asyncio
from threading import Barrier, Event

from sqlalchemy import text

from app.settings import Settings
from app.store.database import Database
from app.usecases.portions import Cursor, Portion
from app.work import Loop, loops, open_database, run

PATIENCE_S = 20.0


def test_all_loops_may_be_at_work_at_once(database: Database) -> None:
    pool = open_database(Settings(), database.url)
    names = [one.name for one in loops(Settings(train_every_days=30), pool)]
    assert len(names) > 12, "fewer than there are threads anyway"
    meeting, met, parted = Barrier(len(names)), list[bool](), Event()

    def portion(_: Cursor | None) -> Portion:
        try:
            with pool.read() as tx:
                tx.execute(text("SELECT 1"))
                meeting.wait(PATIENCE_S)
            met.append(True)
        finally:
            parted.set()
        return Portion(0)

    async def meet() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(run([Loop(name, 3600.0, portion) for name in names], stop))
        await asyncio.to_thread(parted.wait, 2 * PATIENCE_S)
        stop.set()
        await running

    asyncio.run(meet())
    pool.close()
    assert len(met) == len(names)
