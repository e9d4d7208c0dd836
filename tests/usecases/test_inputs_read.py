"""Lanes read inputs as text without what no rule reads, and as stored where there is none yet."""

import asyncio
from typing import Any, Final

import pytest
from sqlalchemy import text

from app.store.database import Database
from app.store.lane import Lane
from app.store.lane_rows import Want
from tests.parties import add_customer
from tests.server import Clock
from tests.usecases.town import Town

PAYER: Final = ("main", "C-1")
DATA: Final = (
    '{"active": true, "score": {"class": "B", "reasons": [{"feature": "dso"}], "pd": 0.1}}'
)
READ: Final = {"active": True, "score": {"class": "B", "pd": 0.1}}


def read(database: Database, clock: Clock) -> Any:  # noqa: ANN401 - as it is stored
    """Read the inputs of `C-1` as a batch reads them."""

    async def load() -> Any:  # noqa: ANN401
        lane = Lane(database.url)
        try:
            ground, _ = await lane.load(Want({PAYER}, set(), clock()), [])
            return ground.payers[PAYER].input
        finally:
            await lane.close()

    return asyncio.run(load())


@pytest.fixture
def account_id(database: Database, clock: Clock) -> int:
    """Add `C-1` with these inputs."""
    Town.found(database, clock)
    account_id = add_customer(database, "C-1", 100)
    with database.begin() as tx:
        tx.execute(text("UPDATE account SET input_version = 2"))
        tx.execute(
            text("INSERT INTO account_input (account_id, version, data) VALUES (:id, 2, :data)"),
            {"id": account_id, "data": DATA},
        )
    return account_id


def store(database: Database, account_id: int, for_rules: str | None) -> None:
    """Store other text for rules than data says, which the trigger never does."""
    with database.begin() as tx:
        tx.execute(text("ALTER TABLE account_input DISABLE TRIGGER for_rules"))
        tx.execute(text("ALTER TABLE account_input DISABLE TRIGGER no_change"))
        tx.execute(
            text("UPDATE account_input SET for_rules = CAST(:told AS json) WHERE account_id = :id"),
            {"told": for_rules, "id": account_id},
        )


@pytest.mark.usefixtures("account_id")
def test_reasons_of_a_score_are_not_read(database: Database, clock: Clock) -> None:
    assert read(database, clock) == READ


def test_inputs_are_read_as_the_text_that_is_stored(
    database: Database, clock: Clock, account_id: int
) -> None:
    store(database, account_id, '{"active": false}')
    assert read(database, clock) == {"active": False}


def test_inputs_from_before_there_was_text_are_read_as_they_are(
    database: Database, clock: Clock, account_id: int
) -> None:
    store(database, account_id, None)
    assert read(database, clock) == READ


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(DATA, READ, id="scored"),
        pytest.param('{"score": null}', {"score": None}, id="unscored"),
        pytest.param("{}", {}, id="empty"),
    ],
)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_the_text_follows_the_data_in_whatever_role_it_is_written(
    database: Database, account_id: int, role: str, data: str, told: object
) -> None:
    with database.begin() as tx:
        tx.execute(text(f"SET LOCAL session_replication_role = {role}"))
        stored = tx.execute(
            text(
                "INSERT INTO account_input (account_id, version, data, for_rules)"
                " VALUES (:id, 3, :data, '1') RETURNING for_rules"
            ),
            {"id": account_id, "data": data},
        )
        assert stored.scalar_one() == told
        tx.execute(text("ALTER TABLE account_input DISABLE TRIGGER no_change"))
        changed = tx.execute(
            text(
                "UPDATE account_input SET data = '{\"a\": 1}', for_rules = NULL RETURNING for_rules"
            )
        )
        assert set(map(str, changed.scalars())) == {"{'a': 1}"}
