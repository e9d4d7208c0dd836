"""The read lane's statements look everything up by index: on empty tables and on full ones."""

import asyncio
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest

from app.store import read_sql
from app.store.read_lane import ReadConnection
from app.store.read_rows import Kind, Want
from tests.conftest import Server

CUSTOMERS = 20_000
PLACES = 20
PATIENCE_S = 120
ROWS_READ = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables"
OTHERS = """
SELECT count(*) - 1 FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
"""
STATEMENTS = {
    "accounts": read_sql.ACCOUNTS,
    "scores": read_sql.SCORES,
    "cards": read_sql.CARDS,
}
WANTED = {
    "customer_ref": {"customer_ref_pkey", "customer_ref_customer_id_idx"},
    "customer": {"customer_pkey", "customer_parent_id_idx"},
    "account": {"account_pkey", "account_customer_id_segment_id_key"},
    "account_input": {"account_input_pkey"},
    "segment": {"segment_pkey"},
    "invoice": {"invoice_open_idx"},
    "credit_limit": {"credit_limit_account_id_idx"},
    "fx_rate": {"fx_rate_pair_idx"},
    "customer_score": {"customer_score_pkey"},
    "score": {"score_pkey"},
    "score_due": {"score_due_customer_id_rank_idx"},
}
"""The indexes by which each table may be read; of the journal's partitions, the primary keys."""

FILL = """
INSERT INTO customer (customer_id, name) SELECT 'C-' || n, 'x' FROM generate_series(1, :n) AS n;
INSERT INTO customer_ref (ref, customer_id) SELECT customer_id, customer_id FROM customer;
INSERT INTO account (customer_id, segment_id, path, currency, input_version)
SELECT customer_id, 'main', '{}', 'CNY', 1 FROM customer;
UPDATE account SET path = ARRAY[account_id], limit_changes_on = '2026-01-01';
INSERT INTO credit_limit (limit_id, account_id, kind, currency, unlimited, valid_from, status,
    proposed_by)
SELECT gen_random_uuid(), account_id, 'base', 'CNY', true, '2026-01-01', 'APPROVED', 'x'
FROM account;
INSERT INTO account_input (account_id, version, data) SELECT account_id, 1, '{}' FROM account;
INSERT INTO invoice (segment_id, invoice_id, version, account_id, currency, amount_minor,
    issue_date, due_date, open_minor, content)
SELECT 'main', 'I-' || account_id, 1, account_id, 'CNY', 100, '2026-01-01', '2026-02-01',
    account_id % 2 * 100, '' FROM account;
INSERT INTO fx_rate (base, quote, rate, rate_date, source)
SELECT 'USD', 'CNY', 7, date '1990-01-01' + n, 'x' FROM generate_series(1, 10000) AS n;
UPDATE invoice SET currency = 'USD';
INSERT INTO score (customer_id, data, scored_at) SELECT customer_id, '{}', now() FROM customer;
INSERT INTO customer_score (customer_id, score_id, features_as_of, scored_at, seen)
SELECT customer_id, score_id, '2026-01-01', now(), '{}' FROM score;
"""


def plan(connection: psycopg.Connection[Any], statement: str) -> dict[str, Any]:
    """Plan as the lane does, without the values: a plan that is kept for every batch."""
    numbered = statement.replace("%(asked)s", "$1").replace("%(at)s", "$2")
    with connection.transaction():
        connection.execute(read_sql.SETTINGS)
        connection.execute(f"PREPARE asked(json, timestamptz) AS {numbered}")
        row = connection.execute("EXPLAIN (FORMAT JSON) EXECUTE asked('[]', now())").fetchone()
        connection.execute("DEALLOCATE asked")
    assert row is not None
    found: dict[str, Any] = row[0][0]["Plan"]
    return found


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from nodes(inner)


def index_of(node: dict[str, Any]) -> str | None:
    """Name the index of a scan; a bitmap's is in the node below."""
    if node["Node Type"] == "Bitmap Heap Scan":
        return str(next(nodes(node["Plans"][0]))["Index Name"])
    return node.get("Index Name")


def check(connection: psycopg.Connection[Any], statement: str) -> None:
    found = list(nodes(plan(connection, statement)))
    assert {one["Node Type"] for one in found} & {"Seq Scan", "Hash Join", "Merge Join"} == set()
    tables = [one for one in found if "Relation Name" in one]
    assert len(tables) >= 5
    read = {(one["Relation Name"], index_of(one)) for one in tables}
    assert {pair for pair in read if pair[1] not in wanted(pair[0])} == set()


def wanted(table: str) -> set[str]:
    if re.fullmatch(r"journal_\w*\d+", table):
        return {f"{table}_pkey"}
    return WANTED[table]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS)
def test_plans_on_empty_tables(connection: psycopg.Connection[Any], statement: str) -> None:
    check(connection, statement)


def test_plans_on_tables_known_to_be_empty(connection: psycopg.Connection[Any]) -> None:
    """After ANALYZE the planner believes that a table has no page at all."""
    connection.execute("ANALYZE")
    for statement in STATEMENTS.values():
        check(connection, statement)


def test_plans_with_20000_customers(connection: psycopg.Connection[Any]) -> None:
    fill(connection, CUSTOMERS)
    for statement in STATEMENTS.values():
        check(connection, statement)
    connection.execute("ANALYZE")
    for statement in STATEMENTS.values():
        check(connection, statement)


def fill(connection: psycopg.Connection[Any], customers: int) -> None:
    connection.execute("INSERT INTO segment (segment_id, name) VALUES ('main', 'Main')")
    for statement in FILL.replace(":n", str(customers)).split(";\n"):
        connection.execute(statement)


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known-to-be-empty"])
def test_plans_on_tables_just_filled(connection: psycopg.Connection[Any], *, known: bool) -> None:
    if known:
        connection.execute("ANALYZE")
    fill(connection, 5000)
    for statement in STATEMENTS.values():
        check(connection, statement)


@pytest.mark.parametrize("kind", ["ACCOUNT", "SCORE", "CARD"])
def test_plans_made_on_empty_tables_are_not_kept(server: Server, kind: Kind) -> None:
    """What a service plans on its first day must not serve after the first import.

    The control keeps its plans. Where tests beside this one create or drop many tables at once, the
    server has all its sessions forget everything, and some do so for long: then it is run again, in
    another database, until the server left it alone for the second that it takes.
    """
    enough = 50 * PLACES
    until = monotonic() + PATIENCE_S
    while True:
        name = f"aval_test_plans_{os.getpid()}"
        try:
            kept, forgot = _rows_read(server.create(name, server.template), kind)
        finally:
            server.drop(name)
        assert forgot < enough
        if kept > enough:
            return
        assert monotonic() < until, "no session kept its plans"
        sleep(0.5)


def _rows_read(url: str, kind: Kind) -> tuple[int, int]:
    """Count what sessions read that planned on empty tables: one keeps its plans, one does not."""
    wants = [Want(kind, f"C-{place * 40 + 1}", "main") for place in range(PLACES)]
    at = datetime.now(UTC)

    async def work(connection: psycopg.Connection[Any]) -> tuple[int, int]:
        keeps = ReadConnection(url, replan_s=3600)
        forgets = ReadConnection(url, replan_s=0)
        for one in (keeps, forgets):
            await one.fetch(wants, at)
        fill(connection, 1_000)
        kept, forgot = [
            await _read_by(connection, one, wants, at, left)
            for left, one in ((1, keeps), (0, forgets))
        ]
        return kept, forgot

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")
        return asyncio.run(work(connection))


async def _read_by(
    connection: psycopg.Connection[Any],
    one: ReadConnection,
    wants: list[Want],
    at: datetime,
    left: int,
) -> int:
    """Count the rows a session reads; it tells as it ends, which leaves so many others."""
    before = _number(connection, ROWS_READ)
    rows = await one.fetch(wants, at)
    assert [row[1] for row in rows] == [want.ref for want in wants]
    await one.close()
    until = monotonic() + 60
    while _number(connection, OTHERS) > left:
        assert monotonic() < until
        await asyncio.sleep(0.02)
    return _number(connection, ROWS_READ) - before


def _number(connection: psycopg.Connection[Any], query: str) -> int:
    connection.execute("SELECT pg_stat_force_next_flush()")  # what `fill` read
    found = connection.execute(query.encode()).fetchone()
    assert found is not None
    return int(found[0])
