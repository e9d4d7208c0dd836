"""What lanes ask reads by index, with nothing in the tables and with 30,000 rows in each.

A statement that is prepared on an empty table keeps its plan: so the same lanes, with the same
connections, are asked before and after the tables have grown; and others, which plan by what
ANALYZE samples. What is counted is what PostgreSQL did, so the test knows none of the statements.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from app.store.database import Database
from app.usecases.asks import Ask
from app.usecases.lane_sets import Lanes
from tests.usecases.counter import Counter
from tests.usecases.plans import ENTRIES, counts, grow, many, sample


def questions(desk: Counter, turn: str) -> list[list[Ask]]:
    """Put questions of every kind: new and known orders, keys that come again, holds, checks.

    Accounts are guessed and looked up, and one order comes to be of another payer.
    """
    first = desk.order(desk.question(f"SO-{turn}", "10.00"), f"K-{turn}")
    again = desk.order(desk.question(f"SO-{turn}", "20.00"))
    held = desk.order(desk.question(f"SO-{turn}-big", "9000000.00", customer_id="C-2"))
    less = desk.order(desk.question(f"SO-{turn}-big", "5.00", customer_id="C-2"))
    check = desk.check(desk.question(f"SO-{turn}-new", "7.00"))
    member = desk.order(desk.question(f"SO-{turn}-group", "1.00", customer_id="C-3"))
    moved = desk.order(desk.question(f"SO-{turn}", "3.00", customer_id="C-2"))
    new = desk.order(desk.question(f"SO-{turn}-late", "2.00", customer_id=f"C-{turn}"))
    return [[first, member, check], [first, again, held], [less, check], [moved], [new, less]]


async def put(lanes: Lanes, desk: Counter, turn: str) -> None:
    for asks in questions(desk, turn):
        await asyncio.gather(*map(lanes.ask, asks))


@asynccontextmanager
async def open_lanes(desk: Counter) -> AsyncIterator[Lanes]:
    lanes = desk.lanes()
    await lanes.start()
    try:
        yield lanes
    finally:
        await lanes.stop()


@pytest.fixture
def desk(database: Database) -> Counter:
    desk = Counter.open(database)
    desk.add("G", 1_000_000_00)
    desk.add("C-1", 1_000_00)
    desk.add("C-2", 1_000_00)
    desk.add("C-3", 1_000_00, parent="G")
    desk.add("C-empty", 1_000_00)
    desk.add("C-grown", 1_000_00)
    desk.add("C-sampled", 1_000_00)
    return desk


def test_lanes_never_read_a_whole_table(desk: Counter) -> None:
    url = desk.database.url

    async def run() -> None:
        async with open_lanes(desk) as lanes:
            await put(lanes, desk, "empty")
            await asyncio.to_thread(grow, url)
            await put(lanes, desk, "grown")
        await asyncio.to_thread(sample, url)
        async with open_lanes(desk) as lanes:
            await put(lanes, desk, "sampled")

    desk.database.close()
    before, entries_before = counts(url), counts(url, ENTRIES)
    asyncio.run(run())
    desk.database.close()
    assert {name: count for name, count in counts(url).items() if count > before[name]} == {}
    entries = counts(url, ENTRIES)
    assert many(entries_before, entries) == {}
    read = {name for name, count in entries.items() if count > entries_before[name]}
    assert "account account_pkey" in read  # the control: what is read is counted


def test_a_whole_table_that_is_read_is_counted(desk: Counter) -> None:
    """The control: the counter counts, also where a table has no rows."""
    url = desk.database.url
    desk.database.close()
    before = counts(url)["credit_order"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT currency FROM credit_order")
    assert counts(url)["credit_order"] == before + 1


def test_an_index_that_is_read_whole_is_counted(desk: Counter) -> None:
    """The control: no table is read whole, and yet all of it is."""
    url = desk.database.url
    desk.database.close()
    grow(url)
    before = counts(url, ENTRIES)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
        connection.execute("SELECT order_id FROM credit_order ORDER BY segment_id, order_id")
    assert [*many(before, counts(url, ENTRIES))] == ["credit_order credit_order_pkey"]
