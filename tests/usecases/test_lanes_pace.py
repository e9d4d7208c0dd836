"""A crowd that comes after a quiet time: nobody is turned away whom there is time enough for."""

import asyncio

from app.store.database import Database
from app.usecases.asks import Answer
from tests.usecases.counter import Counter


def test_what_one_alone_costs_is_not_what_each_of_many_does(database: Database) -> None:
    desk = Counter.open(database)
    desk.add("C-1", 100_000_00)

    async def crowd() -> list[object]:
        lanes = desk.lanes()
        await lanes.start()
        try:
            for place in range(15):
                await lanes.ask(desk.order(desk.question(f"SO-{place}", "0.01")))
            asks = [desk.order(desk.question(f"SP-{place}", "0.01")) for place in range(1500)]
            asking = map(lanes.ask, asks)
            return list(await asyncio.gather(*asking, return_exceptions=True))
        finally:
            await lanes.stop()

    assert {type(one) for one in asyncio.run(crowd())} == {Answer}
    assert desk.account().use.authorized == 15_15
