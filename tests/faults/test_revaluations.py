"""The checker sees a revaluation that moved more than a rate."""

import psycopg
import pytest
from psycopg.rows import dict_row

from app.store.checker import check_within
from app.store.database import Database
from app.usecases.revaluation import RevaluePositions
from tests.usecases.counter import NOW, TODAY, Counter

ENTRY = "UPDATE journal SET {} WHERE kind = 'FX_REVALUATION'"


@pytest.fixture
def ledger(database: Database) -> str:
    """Make an account whose 100 USD were revalued, before it went on."""
    desk = Counter.open(database)
    desk.add("C-1", 900_00)
    desk.rate("USD", "CNY", "7", TODAY)
    desk.told(desk.order(desk.question("SO-1", "100.00", currency="USD")))
    desk.told(desk.order(desk.question("SO-2", "10.00")))
    desk.rate("USD", "CNY", "7.5", TODAY)
    assert RevaluePositions(database, 10, lambda _: NOW)().items == 1
    desk.told(desk.order(desk.question("SO-3", "10.00")))
    desk.exact()
    return database.url


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            "foreign_use = jsonb_set(foreign_use, '{USD,authorized}', '9999')",
            "position in USD: expected (10000, 0, 0, 0, 0) minor units as before, found (9999, ",
            id="position-moved",
        ),
        pytest.param(
            'foreign_use = foreign_use || \'{"EUR": {"open_item": 1, "rate": []}}\'',
            "position in EUR: expected (0, 0, 0, 0, 0) minor units as before, found (0, 0, 1, ",
            id="position-made",
        ),
        pytest.param(
            "authorized_minor = authorized_minor + 1",
            "position in its own currency: expected (1000, 0, 0, 0, 0) as before, found (1001, ",
            id="own-currency-moved",
        ),
        pytest.param(
            "foreign_use = jsonb_set(foreign_use, '{USD,rate,2}', '\"7.6\"')",
            "position in its own currency: expected (1000, 0, 0, 0, 0) as before, found (0, ",
            id="another-rate",
        ),
        pytest.param(
            "foreign_use = jsonb_set(foreign_use, '{USD,rate,1}', '\"USD\"')",
            "expected rates between its own currency and others, found []",
            id="rate-of-no-pair",
        ),
        pytest.param(
            "foreign_use = (SELECT foreign_use FROM journal k WHERE k.account_id"
            " = journal.account_id AND k.seq = journal.seq - 1)",
            "expected another rate than before, found none",
            id="no-other-rate",
        ),
        pytest.param(
            "foreign_use = jsonb_set(foreign_use, '{USD,rate,3}', '\"2026-11-15\"')",
            "rate USD/CNY 7.5: expected one dated 2026-11-16 to 2026-11-25, found 2026-11-15",
            id="rate-of-too-long-ago",
        ),
        pytest.param(
            "foreign_use = jsonb_set(foreign_use, '{USD,rate,3}', '\"2026-11-26\"')",
            "rate USD/CNY 7.5: expected one dated 2026-11-16 to 2026-11-25, found 2026-11-26",
            id="rate-of-a-later-day",
        ),
    ],
)
def test_a_revaluation_moves_nothing_but_worth(ledger: str, change: str, said: str) -> None:
    with psycopg.connect(ledger, row_factory=dict_row) as connection:
        assert check_within(connection).clean
        connection.execute("SET LOCAL session_replication_role = replica")
        assert connection.execute(ENTRY.format(change)).rowcount == 1
        found = str(check_within(connection))
        connection.rollback()
    assert found.startswith("revaluations: account "), found
    assert said in found
