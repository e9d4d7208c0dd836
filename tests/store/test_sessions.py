"""Nothing is left in a session after its transaction: a transaction pooler may stand between.

A pooler hands each transaction to whichever server connection is free: a statement prepared, or a
setting made, in one is not there in the next, or is there for somebody else.
"""

import ast
import asyncio
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import httpx2
import psycopg
import pytest

from app.settings import Settings
from app.store.database import Database
from app.store.lane import Lane
from app.store.lane_rows import Record, Want
from tests.domain.facts_cases import invoice
from tests.erp import Erp

APP = Path(__file__).parents[2] / "app"
ROUNDS = 8
"""More than psycopg waits for before it prepares a statement."""

SPY = """
CREATE TABLE seen (at text, prepared bigint);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen SELECT tg_argv[0], count(*) FROM pg_prepared_statements;
    RETURN NULL;
END $$;
CREATE TRIGGER look AFTER INSERT ON decision FOR EACH STATEMENT EXECUTE FUNCTION look('lane');
CREATE TRIGGER look AFTER INSERT ON ledger_event FOR EACH STATEMENT EXECUTE FUNCTION look('pool');
"""
"""Looks into the very sessions that write."""

LEFT = """
ALTER TABLE rule_set RENAME TO real_rule_set;
CREATE VIEW rule_set AS SELECT 1 AS version, (
    SELECT coalesce(jsonb_object_agg(name, setting), '{}') FROM pg_settings
    WHERE source = 'session') AS data
"""
"""What a lane reads as its rules are then the settings of its session."""


@pytest.fixture
def prepare() -> Literal["on", "off"]:
    return "off"


@pytest.fixture
def settings(tmp_path: Path, prepare: Literal["on", "off"]) -> Settings:
    """Serve through a transaction pooler, or not."""
    return Settings(state_dir=tmp_path, prepare=prepare)


def use(client: httpx2.Client) -> None:
    """Do what makes the service prepare statements, if it ever does."""
    erp = Erp(client)
    erp.customer("C-1")
    for number in range(ROUNDS):
        erp.ask(f"SO-{number}", "10.00")
        erp.ask(f"SO-{number}", "11.00")
        event = invoice(f"I-{number}", customer_id="C-1")
        told = client.post("/v1/ledger-events", json={"events": [event]})
        assert told.json()["results"][0]["result"] == "applied", told.text
        assert client.get("/v1/customers/C-1/account").is_success
        assert client.get("/v1/decisions", params={"customer_id": "C-1"}).is_success


@pytest.mark.parametrize(
    ("prepare", "kept"),
    [pytest.param("off", False, id="off"), pytest.param("on", True, id="the-control")],
)
def test_no_prepared_statement_is_left(
    client: httpx2.Client, database_url: str, *, kept: bool
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(SPY)
    use(client)
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT at, count(*), max(prepared) FROM seen GROUP BY at")
        seen = {at: (looks, most) for at, looks, most in rows}
    assert set(seen) == {"lane", "pool"}
    assert min(looks for looks, _ in seen.values()) >= ROUNDS
    assert {most > 0 for _, most in seen.values()} == {kept}


SETTINGS = """
SELECT name, setting FROM pg_settings
WHERE source = 'session' AND name NOT IN ('transaction_isolation', 'transaction_read_only')
"""
"""The two that are left out are made anew by every transaction."""


def test_the_pool_leaves_no_setting(database: Database) -> None:
    with database.begin() as tx:
        inside = tx.exec_driver_sql(SETTINGS).all()
    with database.read() as tx:
        assert tx.exec_driver_sql("SHOW transaction_isolation").scalar_one() == "repeatable read"
    with database.engine.connect() as connection:
        after = connection.exec_driver_sql(SETTINGS).all()
        level = connection.exec_driver_sql("SHOW transaction_isolation").scalar_one()
    assert "lock_timeout" in dict(inside)
    assert (after, level) == ([], "read committed")


def test_a_lane_leaves_no_setting(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(LEFT)

    async def tell() -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
        lane = Lane(database_url, prepare=False)
        await lane.load(Want((), (), datetime.now(UTC)), ())
        inside = await lane.rule_set(1)
        await lane.record(Record(datetime.now(UTC)), {})
        after = await lane.rule_set(1)
        await lane.close()
        return inside, after

    inside, after = asyncio.run(tell())
    assert inside is not None
    assert inside["lock_timeout"] == "300"
    assert after == {}


SESSION_STATE = re.compile(
    r"set_config\([^()]*,\s*false\s*\)"
    r"|\bpg_(try_)?advisory_(?!xact)\w+|\bWITH\s+HOLD\b|\bTEMP(ORARY)?\s+TABLE\b"
    r"|^\s*(LISTEN|PREPARE|RESET|LOAD)\s+\w|^\s*DISCARD\s+(?!PLANS\b)\w"
    r"|^\s*SET\s+(?!LOCAL\b|TRANSACTION\b)"
)
"""SQL whose effect outlives its transaction."""


def strings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_no_statement_makes_session_state() -> None:
    found = [(path, text) for path in APP.rglob("*.py") for text in strings(path)]
    assert [one for one in found if SESSION_STATE.search(one[1])] == []
    assert any("set_config" in text for _, text in found)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT set_config('jit', 'off', false)",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_lock(1)",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "CREATE TEMP TABLE t (a int)",
        "LISTEN jobs",
        "DISCARD ALL",
        "SET search_path = x",
        " SET SESSION jit = off",
    ],
)
def test_session_state_is_recognised(statement: str) -> None:
    assert SESSION_STATE.search(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SET LOCAL jit = off",
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "SELECT set_config('jit', 'off', true)",
        "UPDATE account SET seq = 1",
        "DISCARD PLANS",  # whoever has the session next plans anew, no more
        "SELECT pg_advisory_xact_lock(1)",
    ],
)
def test_what_ends_with_its_transaction_is_not(statement: str) -> None:
    assert not SESSION_STATE.search(statement)
