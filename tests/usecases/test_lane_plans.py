"""What lanes ask reads by index, with nothing in the tables and with 100,000 of everything.

A statement that is prepared on an empty table keeps its plan: so the same lanes, with the same
connections, are asked before and after the tables have grown. What is counted is what PostgreSQL
did, so the test knows none of the statements.
"""

import asyncio
import time
from typing import Final

import psycopg
import pytest

from app.store.database import Database
from app.usecases.asks import Ask
from app.usecases.lane_sets import Lanes
from tests.usecases.counter import Counter

GROWN: Final = 100_000
LARGE: Final = (
    "account",
    "account_input",
    "credit_limit",
    "credit_order",
    "customer",
    "customer_ref",
    "decision%",
    "invoice",
    "journal%",
    "order_use",
    "request_key%",
)
"""Tables, their partitions included, that grow with the business."""

GROW: Final = f"""
INSERT INTO customer (customer_id, name)
SELECT 'g' || n, 'grown' FROM generate_series(1, {GROWN}) AS n;
INSERT INTO customer_ref (ref, customer_id)
SELECT 'g' || n, 'g' || n FROM generate_series(1, {GROWN}) AS n;
INSERT INTO account (account_id, customer_id, segment_id, path, currency, limit_minor)
OVERRIDING SYSTEM VALUE
SELECT 1000 + n, 'g' || n, 'main', ARRAY[1000 + n], 'CNY', 1000000
FROM generate_series(1, {GROWN}) AS n;
INSERT INTO account_input (account_id, version, data)
SELECT 1000 + n, 0, '{{}}' FROM generate_series(1, {GROWN}) AS n;
INSERT INTO credit_order (segment_id, order_id, account_id, currency)
SELECT 'main', 'go' || n, 1000 + n, 'CNY' FROM generate_series(1, {GROWN}) AS n;
INSERT INTO order_use (segment_id, order_id, account_id, currency, delivered_minor, invoiced_minor)
SELECT 'main', 'go' || n, 1000 + n, 'CNY', 1, 1 FROM generate_series(1, {GROWN}) AS n;
INSERT INTO request_key (client, key, hash)
SELECT 'grown', 'gk' || n, '' FROM generate_series(1, {GROWN}) AS n;
"""  # noqa: S608 - made of constants


_OTHERS: Final = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


FEW: Final = 1_000
"""More entries of an index than the questions need, and far fewer than it has once it has grown."""

_WHOLE: Final = "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname LIKE ANY(%s)"
_ENTRIES: Final = """
SELECT relname || ' ' || indexrelname, idx_tup_read FROM pg_stat_user_indexes
WHERE relname LIKE ANY(%s)
"""


def counts(url: str, query: str = _WHOLE) -> dict[str, int]:
    """Count what was read of every large table; who read it has disconnected by then.

    `_WHOLE`: sequential scans by table; `_ENTRIES`: entries read by index.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(500):  # a backend reports what it did as it ends
            if not connection.execute(_OTHERS).fetchall():
                break
            time.sleep(0.01)
        rows = connection.execute(query.encode(), ([*LARGE],)).fetchall()
    assert len(rows) > len(LARGE)
    return dict(rows)


def grow(url: str) -> None:
    """Fill the tables, with checks of foreign keys asleep, which would read them one by one."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in GROW.split(";"):
            if statement.strip():
                connection.execute(statement.encode())


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


@pytest.fixture
def desk(database: Database) -> Counter:
    desk = Counter.open(database)
    desk.add("G", 1_000_000_00)
    desk.add("C-1", 1_000_00)
    desk.add("C-2", 1_000_00)
    desk.add("C-3", 1_000_00, parent="G")
    desk.add("C-empty", 1_000_00)
    desk.add("C-grown", 1_000_00)
    return desk


def test_lanes_never_read_a_whole_table(desk: Counter) -> None:
    url = desk.database.url

    async def run() -> None:
        lanes = desk.lanes()
        await lanes.start()
        try:
            await put(lanes, desk, "empty")
            await asyncio.to_thread(grow, url)
            await put(lanes, desk, "grown")
        finally:
            await lanes.stop()

    desk.database.close()
    before, entries_before = counts(url), counts(url, _ENTRIES)
    asyncio.run(run())
    desk.database.close()
    assert {name: count for name, count in counts(url).items() if count > before[name]} == {}
    entries = counts(url, _ENTRIES)
    assert {
        name: count for name, count in entries.items() if count - entries_before[name] > FEW
    } == {}
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
