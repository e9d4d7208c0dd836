"""The migration that tells limits that are gone from those never given fills what is stored."""

from typing import Final

import psycopg
import pytest

from app.store.migrate import migrate

BEFORE: Final = "20261206_0100"
AFTER: Final = "20261207_0100"

ACCOUNT: Final = """
INSERT INTO segment (segment_id, name, time_zone) VALUES ('main', 'main', 'Asia/Shanghai');
INSERT INTO customer (customer_id, name) VALUES ('G', 'G');
INSERT INTO customer (customer_id, name, active, merged_into) VALUES ('OLD', 'G', false, 'G');
INSERT INTO customer_ref (ref, customer_id) VALUES ('G', 'G'), ('OLD', 'G');
INSERT INTO account (customer_id, segment_id, path, currency, limit_changes_on)
    VALUES ('G', 'main', '{}', 'CNY', '2026-06-20'), ('OLD', 'main', '{}', 'CNY', NULL)
"""

LIMIT: Final = """
INSERT INTO credit_limit (limit_id, account_id, kind, limit_minor, currency, unlimited, valid_from,
    valid_to, status, proposed_by, decided_by, decided_at, ended_by, ended_at)
    SELECT gen_random_uuid(), account_id, %(kind)s, %(minor)s, 'CNY', false, %(first)s, %(last)s,
        %(status)s, 'x', 'x', '2026-01-01', %(by)s, %(ended)s
    FROM account WHERE customer_id = %(of)s
"""


@pytest.mark.parametrize("of", ["G", "OLD"])
@pytest.mark.parametrize(
    ("limit", "days", "withheld"),
    [
        pytest.param(("base", None), ("2026-06-19", None, None), True, id="null"),
        pytest.param(("base", 5), ("2026-06-20", None, None), False, id="not-begun"),
        pytest.param(("temporary", 5), ("2026-06-01", "2026-06-02", None), True, id="lapsed"),
        pytest.param(("base", 5), ("2026-06-19", None, "2026-06-18 16:00Z"), True, id="ended"),
        pytest.param(
            ("base", 5), ("2026-06-19", None, "2026-06-18 15:59Z"), False, id="ended-too-early"
        ),
    ],
)
def test_what_was_given_once_is_withheld(
    empty_database_url: str,
    of: str,
    limit: tuple[str, int | None],
    days: tuple[str, str | None, str | None],
    withheld: bool,
) -> None:
    first, last, ended = days
    migrate(empty_database_url, BEFORE)
    row = {
        "of": of,
        "kind": limit[0],
        "minor": limit[1],
        "first": first,
        "last": last,
        "status": "ENDED" if ended else "APPROVED",
        "by": "x" if ended else None,
        "ended": ended,
    }
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(ACCOUNT)
        connection.execute(LIMIT, row)
    migrate(empty_database_url, AFTER)
    with psycopg.connect(empty_database_url) as connection:
        found = connection.execute(
            "SELECT limit_withheld FROM account WHERE customer_id = 'G'"
        ).fetchone()
    assert found == (withheld,)
