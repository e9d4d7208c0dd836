"""COPY: what goes in comes out again, a taken key is said, and trouble is told as busy."""

import uuid
from datetime import UTC, date, datetime

import psycopg
import pytest
from sqlalchemy import Table, select

from app.domain.errors import BusyError
from app.store.copies import TakenError, copy_in
from app.store.database import Database
from app.store.schema import documents, evidence

AT = datetime(2026, 6, 15, 4, 0, 0, 123456, tzinfo=UTC)
ODD = 'a\\b\tc\nd"é—款\\N'

ROWS: dict[str, tuple[Table, dict[str, object]]] = {
    "journal": (
        evidence.journal,
        {
            "account_id": 1,
            "seq": 2**40,
            "kind": "FACT",
            "ref": ODD,
            "decision_id": str(uuid.UUID(int=7)),
            "at": AT,
            "authorized_minor": 0,
            "open_delivery_minor": 1,
            "open_item_minor": 10**18,
            "note_receivable_minor": 0,
            "prepayment_minor": 0,
            "limit_minor": None,
            "unlimited": True,
            "forced_minor": 0,
            "foreign_use": {"USD": {"open_item": 5, "rate": ["USD", "CNY", "7", "d", "s"]}},
        },
    ),
    "invoice": (
        documents.invoice,
        {
            "segment_id": "main",
            "invoice_id": ODD,
            "version": 3,
            "account_id": 1,
            "currency": "CNY",
            "amount_minor": 10,
            "issue_date": date(1970, 1, 1),
            "due_date": date(2100, 12, 31),
            "open_minor": 10,
            "excess_minor": 0,
            "content": b"\x00\xff\\",
        },
    ),
    "invoice_line": (
        documents.invoice_line,
        {
            "segment_id": "main",
            "invoice_id": "I",
            "line_no": 0,
            "order_id": None,
            "delivery_id": "D",
            "amount_minor": 1,
            "final": False,
        },
    ),
}


def put(database: Database, table: Table, *rows: dict[str, object]) -> None:
    with database.begin() as tx:
        copy_in(tx, table, tuple(rows[0]), [tuple(row.values()) for row in rows])


@pytest.mark.parametrize("name", ROWS)
def test_what_went_in_comes_out(database: Database, name: str) -> None:
    table, row = ROWS[name]
    put(database, table, row)
    with database.read() as tx:
        found = tx.execute(select(*(table.c[one] for one in row))).mappings().one()
    assert dict(found) == row


def test_documents_of_json_go_in_as_they_were_written(database: Database) -> None:
    text = '{"a": "\\\\ \\t",  "b": 1.50}'
    row: dict[str, object] = {
        "source": "erp",
        "event_id": "1",
        "content": b"x",
        "type": "order",
        "result": "applied",
        "payload": text,
    }
    put(database, evidence.ledger_event, row)
    with psycopg.connect(database.url) as connection:
        found = connection.execute("SELECT payload::text FROM ledger_event").fetchone()
    assert found == (text,)


def test_a_taken_key_is_said_and_nothing_of_the_transaction_stays(database: Database) -> None:
    table, row = ROWS["invoice"]
    put(database, table, row)
    with pytest.raises(TakenError, match="invoice"):
        put(database, table, row | {"invoice_id": "A"}, row)
    with database.read() as tx:
        assert tx.execute(select(table.c.invoice_id)).scalars().all() == [ODD]


def test_a_lost_connection_is_busy_and_the_next_transaction_has_another(
    database: Database,
) -> None:
    table, row = ROWS["invoice"]

    def put_after_the_end() -> None:
        with database.begin() as tx:
            mine = tx.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with psycopg.connect(database.url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (mine,))
            copy_in(tx, table, tuple(row), [tuple(row.values())])

    with pytest.raises(BusyError):
        put_after_the_end()
    put(database, table, row)


def test_a_row_that_another_is_inserting_is_waited_for_as_long_as_locks_are(
    database: Database,
) -> None:
    table, row = ROWS["invoice"]
    values = [tuple(row.values())]
    with database.begin() as first:
        copy_in(first, table, tuple(row), values)
        with pytest.raises(BusyError), database.begin(lock_timeout_ms=50) as second:
            copy_in(second, table, tuple(row), values)
