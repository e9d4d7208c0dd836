"""A page of changes is read by index, however many others there are."""

from typing import Final

import psycopg
import pytest

from app.store import changes
from app.store.changes import ChangeFilter
from app.store.database import Database
from tests.usecases.plans import ENTRIES, counts, many, sample

FILL: Final = """
INSERT INTO customer (customer_id, name) SELECT 'C-' || n, 'x' FROM generate_series(1, 30000) AS n;
INSERT INTO customer_ref (ref, customer_id) SELECT customer_id, customer_id FROM customer;
INSERT INTO segment (segment_id, name) VALUES ('main', 'Main'), ('EU', 'Europe')
ON CONFLICT DO NOTHING;
INSERT INTO account (customer_id, segment_id, path, currency)
SELECT customer_id, 'main', '{}', 'CNY' FROM customer;
INSERT INTO master_change (kind, segment_id, client, before, after)
VALUES ('SEGMENT', 'EU', 'x', '{}', '{}');
INSERT INTO master_change (kind, customer_id, segment_id, client, before, after)
SELECT CASE n % 3 WHEN 0 THEN 'ACCOUNT' ELSE 'CUSTOMER' END, 'C-' || n,
    CASE n % 3 WHEN 0 THEN 'main' END, 'x', '{}', '{}'
FROM generate_series(1, 30000) AS n
"""
ASKED: Final[dict[str, tuple[ChangeFilter, int]]] = {
    "newest": (ChangeFilter(10), 10),
    "kind": (ChangeFilter(10, kind="SEGMENT"), 1),
    "customer": (ChangeFilter(10, customer_id="C-7"), 1),
    "segment": (ChangeFilter(10, segment_id="EU"), 1),
    "sight": (ChangeFilter(10, segments=frozenset({"main"})), 10),
}


@pytest.fixture
def filled(database: Database) -> Database:
    """Keep 30,001 changes."""
    with psycopg.connect(database.url, autocommit=True) as connection:
        for statement in FILL.split(";"):
            connection.execute(statement.encode())
    sample(database.url)
    return database


@pytest.mark.parametrize("name", ASKED)
def test_a_page_reads_little(filled: Database, name: str) -> None:
    wanted, expected = ASKED[name]
    before, entries = counts(filled.url), counts(filled.url, ENTRIES)
    with filled.read() as tx:
        found = changes.page(tx, wanted)
    filled.close()
    assert len(found) == expected
    assert {table: n for table, n in counts(filled.url).items() if n > before[table]} == {}
    assert many(entries, counts(filled.url, ENTRIES)) == {}
