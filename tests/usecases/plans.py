"""Tables with 30,000 rows each, and what PostgreSQL says was read of them."""

import time
from typing import Final

import psycopg

GROWN: Final = 30_000
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
    "master_change",
    "order_use",
    "payment",
    "quarantine",
    "request_key%",
)
"""Tables, their partitions included, that grow with the business."""

GROW: Final = f"""
INSERT INTO customer (customer_id, name)
SELECT 'g' || n, 'grown' FROM generate_series(1, {GROWN}) AS n;
INSERT INTO customer_ref (ref, customer_id)
SELECT 'g' || n, 'g' || n FROM generate_series(1, {GROWN}) AS n;
INSERT INTO account (account_id, customer_id, segment_id, path, currency, limit_minor,
    authorized_minor, seq)
OVERRIDING SYSTEM VALUE
SELECT 1000 + n, 'g' || n, 'main', ARRAY[1000 + n], 'CNY', 1000000, 1, 1
FROM generate_series(1, {GROWN}) AS n;
INSERT INTO account_input (account_id, version, data)
SELECT 1000 + n, 0, '{{}}' FROM generate_series(1, {GROWN}) AS n;
INSERT INTO credit_limit (limit_id, account_id, kind, limit_minor, currency, unlimited, valid_from,
    status, proposed_by)
SELECT md5('l' || n)::uuid, 1000 + n, 'base', 1000000, 'CNY', false, '2026-01-01', 'APPROVED',
    'grown'
FROM generate_series(1, {GROWN}) AS n;
INSERT INTO credit_order (segment_id, order_id, account_id, currency, state, authorized_minor,
    reserved_minor, expires_at)
SELECT 'main', 'go' || n, 1000 + n, 'CNY', 'LIVE', 1, 1,
    timestamptz '2030-01-01' + n * interval '1s'
FROM generate_series(1, {GROWN}) AS n;
INSERT INTO order_use (segment_id, order_id, account_id, currency, delivered_minor, invoiced_minor)
SELECT 'main', 'go' || n, 1000 + n, 'CNY', 1, 1 FROM generate_series(1, {GROWN}) AS n;
INSERT INTO invoice (segment_id, invoice_id, version, account_id, currency, amount_minor,
    issue_date, due_date, open_minor, content)
SELECT 'main', 'gi' || n, 1, 1000 + n, 'CNY', 1, '2026-06-01', '2026-07-01', 1, ''
FROM generate_series(1, {GROWN}) AS n;
INSERT INTO payment (segment_id, payment_id, version, account_id, currency, amount_minor, paid_date,
    status, expires_at, haircut_percent, content)
SELECT 'main', 'gp' || n, 1, 1000 + n, 'CNY', 1, '2026-06-01', 'PROVISIONAL',
    timestamptz '2026-06-08' + n * interval '1s', 0, ''
FROM generate_series(1, {GROWN}) AS n;
INSERT INTO request_key (client, key, hash)
SELECT 'grown', 'gk' || n, '' FROM generate_series(1, {GROWN}) AS n;
INSERT INTO decision (decision_id, kind, account_id, segment_id, customer_id, order_id, outcome,
    judged, client, evaluated_at, rule_set_version, input_version, status, record)
SELECT aval_uuid7_floor(now() + n * interval '1ms'), 'AUTHORIZATION', 1000 + n, 'main', 'g' || n,
    'go' || n, 'APPROVE', 'APPROVE', 'grown', now(), 1, 0, 200, ''
FROM generate_series(1, {GROWN}) AS n;
INSERT INTO journal (account_id, seq, kind, ref, at, authorized_minor, open_delivery_minor,
    open_item_minor, note_receivable_minor, prepayment_minor, unlimited, forced_minor)
SELECT 1000 + n, 1, 'AUTHORIZE', 'go' || n, now(), 1, 0, 0, 0, 0, false, 0
FROM generate_series(1, {GROWN}) AS n;
"""  # noqa: S608 - made of constants

FEW: Final = 1_000
"""More entries of an index than questions need, and far fewer than it has once it has grown."""

WHOLE: Final = "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname LIKE ANY(%s)"
ENTRIES: Final = """
SELECT relname || ' ' || indexrelname, idx_tup_read FROM pg_stat_user_indexes
WHERE relname LIKE ANY(%s)
"""

_OTHERS: Final = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'
"""
_PATIENCE_S: Final = 60.0


def counts(url: str, query: str = WHOLE) -> dict[str, int]:
    """Count what was read of every large table; who read it must have disconnected.

    `WHOLE`: sequential scans by table; `ENTRIES`: entries read by index.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        until = time.monotonic() + _PATIENCE_S
        while connection.execute(_OTHERS).fetchall():  # a backend reports what it did as it ends
            assert time.monotonic() < until, "somebody is connected, and told nothing yet"
            time.sleep(0.01)
        rows = connection.execute(query.encode(), ([*LARGE],)).fetchall()
    assert len(rows) > len(LARGE)
    return dict(rows)


def many(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Name the indexes of which more than a few entries were read between two counts."""
    read = {name: count - before.get(name, 0) for name, count in after.items()}
    return {name: count for name, count in read.items() if count > FEW}


def sample(url: str) -> None:
    """Let the planner know what ANALYZE samples."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")


def grow(url: str) -> None:
    """Fill the tables, with checks of foreign keys asleep, which would read them one by one."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in GROW.split(";"):
            if statement.strip():
                connection.execute(statement.encode())
