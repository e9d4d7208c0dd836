"""The migration that keeps covers from making credit of zero puts what is stored right."""

import psycopg

from app.store.checker import check_ledger
from app.store.migrate import migrate

BEFORE = "20261127_0510"
AFTER = "20261127_0600"

ACCOUNT = """
INSERT INTO segment (segment_id, name) VALUES ('main', 'main') ON CONFLICT DO NOTHING;
INSERT INTO customer (customer_id, name) VALUES ({name}, {name});
INSERT INTO account (customer_id, segment_id, path, currency, limit_minor, seq)
    VALUES ({name}, 'main', '{{}}', 'CNY', {limit}, 1);
UPDATE account SET path = ARRAY[account_id] WHERE customer_id = {name};
INSERT INTO journal (account_id, seq, kind, ref, at, authorized_minor, open_delivery_minor,
    open_item_minor, note_receivable_minor, prepayment_minor, limit_minor, unlimited, forced_minor)
    SELECT account_id, 1, 'LIMIT', 'x', now(), 0, 0, 0, 0, 0, {limit}, false, 0
    FROM account WHERE customer_id = {name};
INSERT INTO credit_limit (limit_id, account_id, kind, limit_minor, currency, unlimited, valid_from,
    status, proposed_by, decided_by, decided_at)
    SELECT gen_random_uuid(), account_id, 'base', {base}, 'CNY', false, '2026-01-01', 'APPROVED',
        'x', 'x', now() FROM account WHERE customer_id = {name};
INSERT INTO credit_limit (limit_id, account_id, kind, limit_minor, currency, unlimited, valid_from,
    status, proposed_by, decided_by, decided_at, cover_kind, percentage, cap_minor)
    SELECT gen_random_uuid(), account_id, 'cover', 700, 'CNY', false, '2026-01-01', 'APPROVED',
        'x', 'x', now(), 'DEPOSIT', 100, 700 FROM account WHERE customer_id = {name};
"""


def test_covers_beside_zero_lose_what_they_made(empty_database_url: str) -> None:
    migrate(empty_database_url, BEFORE)
    with psycopg.connect(empty_database_url) as connection:
        for name, base, limit in (("zero", 0, 700), ("some", 5, 705)):
            connection.execute(ACCOUNT.format(name=f"'{name}'", base=base, limit=limit))
    migrate(empty_database_url, AFTER)
    with psycopg.connect(empty_database_url) as connection:
        found = connection.execute(
            "SELECT a.customer_id, a.limit_minor, a.seq, j.kind, j.limit_minor FROM account a"
            " JOIN journal j USING (account_id, seq) ORDER BY a.customer_id DESC"
        ).fetchall()
    assert found == [("zero", 0, 2, "LIMIT_EFFECTIVE", 0), ("some", 705, 1, "LIMIT", 705)]
    migrate(empty_database_url)
    report = check_ledger(empty_database_url)
    assert report.clean, report.difference
