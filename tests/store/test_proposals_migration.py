"""The migration by which releases are approved as they are carried out frees what never was."""

from typing import Final

import psycopg
import pytest

from app.store.migrate import migrate

BEFORE: Final = "20261209_0200"
AFTER: Final = "20261210_0100"

HOLD: Final = """
INSERT INTO customer (customer_id, name) VALUES ('C', 'C');
INSERT INTO order_hold (hold_id, kind, status, customer_id, opened_at, updated_at, closed_at)
SELECT '00000000-0000-7000-8000-000000000001', 'AUTOMATIC', '{status}', 'C', now(), now(),
    CASE '{status}' WHEN 'OPEN' THEN NULL ELSE now() END
"""

PROPOSAL: Final = """
INSERT INTO release_proposal (proposal_id, hold_id, status, max_minor, currency, reason_code,
    proposed_by, proposed_at, decided_by, decided_at)
SELECT gen_random_uuid(), '00000000-0000-7000-8000-000000000001', %(status)s, 1, 'CNY', 'OK', 'ann',
    timestamptz '2026-06-01Z' + %(place)s * interval '1 day',
    CASE WHEN %(status)s <> 'PROPOSED' THEN 'bob' END,
    CASE WHEN %(status)s <> 'PROPOSED' THEN now() END
"""


@pytest.mark.parametrize(
    ("hold", "before", "after"),
    [
        pytest.param("OPEN", ["APPROVED"], ["PROPOSED"], id="never-carried-out"),
        pytest.param(
            "OPEN", ["DECLINED", "APPROVED"], ["DECLINED", "PROPOSED"], id="after-a-declined"
        ),
        pytest.param(
            "OPEN", ["PROPOSED", "APPROVED"], ["PROPOSED", "APPROVED"], id="another-waits"
        ),
        pytest.param(
            "OPEN", ["APPROVED", "PROPOSED"], ["APPROVED", "PROPOSED"], id="a-newer-waits"
        ),
        pytest.param("RELEASED", ["APPROVED"], ["APPROVED"], id="carried-out"),
        pytest.param("CANCELLED", ["APPROVED"], ["APPROVED"], id="overtaken"),
    ],
)
def test_what_was_approved_and_not_carried_out_waits_again(
    empty_database_url: str, hold: str, before: list[str], after: list[str]
) -> None:
    migrate(empty_database_url, BEFORE)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(HOLD.format(status=hold).encode())
        for place, status in enumerate(before):
            connection.execute(PROPOSAL, {"status": status, "place": place})
    migrate(empty_database_url, AFTER)
    with psycopg.connect(empty_database_url) as connection:
        query = "SELECT status, decided_by IS NULL FROM release_proposal ORDER BY proposed_at"
        found = connection.execute(query).fetchall()
    assert [status for status, _ in found] == after
    assert [nobody for _, nobody in found] == [status == "PROPOSED" for status in after]
