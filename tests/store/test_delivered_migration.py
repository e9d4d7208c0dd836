"""The migration by which only what has left is delivered mends what older programs left."""

from typing import Any, Final

import httpx2
import psycopg
import pytest
from alembic import command

from app.store.checker import check_ledger
from app.store.database import Database
from app.store.migrate import alembic_config, migrate
from tests.erp import Erp, money

BEFORE: Final = "20261212_0200"
DAYS: Final = {"issue_date": "2026-06-15", "due_date": "2026-08-15"}
FACTS: Final[list[dict[str, Any]]] = [
    {"type": "delivery", "delivery_id": "D-1", "order_id": "SO-1", "amount": money("30.00")},
    {"type": "delivery", "delivery_id": "D-2", "order_id": "SO-2", "amount": money("5.00")},
    {
        "type": "invoice",
        "invoice_id": "I-1",
        "amount": money("80.00"),
        "lines": [{"order_id": "SO-1", "amount": money("80.00"), "final": True}],
        **DAYS,
    },
]
LEFT: Final = {
    "delivered-by-its-bill": (
        "UPDATE order_use SET delivered_minor = invoiced_minor WHERE order_id = 'SO-1'",
        "SELECT delivered_minor, invoiced_minor FROM order_use WHERE order_id = 'SO-1'",
        (30_00, 80_00),
    ),
    "without-its-reservation": (
        "UPDATE credit_order SET reserved_minor = 0 WHERE order_id = 'SO-2'",
        "SELECT reserved_minor FROM credit_order WHERE order_id = 'SO-2'",
        (15_00,),
    ),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_older_programs_left_is_mended(
    client: httpx2.Client, database: Database, case: str
) -> None:
    erp = Erp(client)
    erp.customer("C-1")
    assert erp.ask("SO-2", "20.00")["outcome"] == "APPROVE"
    told = {"source": "erp", "version": 1, "customer_id": "C-1", "segment": "main"}
    events = [
        {**told, "occurred_at": "2026-06-15T04:00:00Z", "event_id": f"e-{number}", **fact}
        for number, fact in enumerate(FACTS)
    ]
    answer = erp.post("/v1/ledger-events", {"events": events}).json()
    assert [one["result"] for one in answer["results"]] == ["applied"] * 3, answer
    older, query, expected = LEFT[case]
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(older)
        command.downgrade(alembic_config(database.url), BEFORE)
        assert not check_ledger(database.url).clean
        migrate(database.url)
        assert connection.execute(query).fetchall() == [expected]
    report = check_ledger(database.url)
    assert report.clean, str(report)
