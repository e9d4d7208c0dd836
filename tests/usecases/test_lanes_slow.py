"""A batch that is judged for longer than the server waits within a transaction."""

import asyncio
import time

from app.domain.errors import CreditError
from app.store.database import Database
from app.store.lane import Lane
from app.usecases.asks import Answer, Ask
from app.usecases.authorizations import AuthorizeOrders
from app.usecases.batches import Batch
from app.usecases.lanes import BatchingLane
from app.usecases.records import Judged
from tests.usecases.counter import Counter


class Thorough(AuthorizeOrders):
    """Judges as always, a second an order, and lets nothing else of the process run meanwhile."""

    def _judge(self, batch: Batch, ask: Ask) -> Judged | CreditError:
        time.sleep(1.0)
        return super()._judge(batch, ask)


def test_it_is_taken_apart_until_there_is_time_enough(database: Database) -> None:
    """Tried as a whole again it would be ended again, and all in it would never hear more."""
    desk = Counter.open(database)
    desk.add("C-1", 100_00)

    async def ask() -> list[Answer]:
        decide = Thorough(lambda: desk.at, desk.new_id)
        lane = BatchingLane(Lane(database.url), decide, lambda *_: None)
        await lane.start()
        asks = [desk.order(desk.question(f"SO-{place}", "1.00")) for place in range(6)]
        try:
            return list(await asyncio.gather(*map(lane.ask, asks)))
        finally:
            await lane.stop()

    told = asyncio.run(ask())
    assert [one.status for one in told] == [201] * 6
    assert desk.account().use.authorized == 6_00
    desk.exact()
