"""Authorizations of a status are listed without a walk through all orders, however few have it."""

from typing import Final

import psycopg
import pytest
from sqlalchemy import text

from app.domain.authorizations import Status
from app.store.authorizations import AuthorizationFilter, page
from app.store.database import Database
from tests.usecases.plans import grow, sample

FEW: Final = 500
"""More rows than a page of five is made of, far fewer than there are orders."""

MADE: Final = """
UPDATE credit_order SET
    authorization_id = aval_uuid7_floor('2026-01-01'::timestamptz + (expires_at - '2030-01-01')),
    reserved_minor = 0;
UPDATE credit_order SET reserved_minor = 1, authorized_minor = 3
WHERE order_id IN ('go1', 'go2', 'go3', 'go4', 'go5');
UPDATE credit_order SET state = 'RELEASED' WHERE order_id IN ('go6', 'go7', 'go8', 'go9', 'go10');
UPDATE credit_order SET state = 'EXPIRED'
WHERE order_id IN ('go11', 'go12', 'go13', 'go14', 'go15');
INSERT INTO past_authorization (authorization_id, segment_id, order_id, account_id, currency,
    authorized_minor)
SELECT aval_uuid7_floor('2027-01-01'::timestamptz + n * interval '1s'), 'main', 'go' || n, 1000 + n,
    'CNY', 1 FROM generate_series(1, 30000) AS n
"""
"""The oldest orders are open, released and expired, five each; all later ones are consumed."""

READ: Final = text("""
SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables
""")


@pytest.fixture
def grown(database: Database) -> Database:
    grow(database.url)
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in MADE.split(";"):
            connection.execute(statement.encode())
    return database


def test_few_rows_are_read_for_a_page_of_any_status(grown: Database) -> None:
    sample(grown.url)
    wanted: dict[Status, list[str]] = {
        "OPEN": ["go5", "go4", "go3", "go2", "go1"],
        "CONSUMED": ["go30000", "go29999", "go29998", "go29997", "go29996"],
        "EXPIRED": ["go15", "go14", "go13", "go12", "go11"],
        "RELEASED": ["go30000", "go29999", "go29998", "go29997", "go29996"],
    }
    for status, orders in wanted.items():
        with grown.read() as tx:
            before = tx.execute(READ).scalar_one()
            found = page(tx, AuthorizationFilter(5, status=status))
            read = tx.execute(READ).scalar_one() - before
        assert [one.order_id for one in found] == orders, status
        assert read < FEW, (status, read)
