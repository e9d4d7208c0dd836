"""The migration that keeps inputs as text rewrites none of them, whose triggers forbid it."""

from typing import Final

import psycopg

from app.store.migrate import migrate

BEFORE: Final = "20261215_0100"
AFTER: Final = "20261216_0100"

ADD: Final = "INSERT INTO account_input (account_id, version, data) VALUES (1, %s, '{\"a\": 1}')"


def test_what_is_older_has_no_text_and_what_is_newer_has(empty_database_url: str) -> None:
    migrate(empty_database_url, BEFORE)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(ADD, (1,))
    migrate(empty_database_url, AFTER)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(ADD, (2,))
        found = connection.execute("SELECT version, for_rules FROM account_input ORDER BY version")
        assert found.fetchall() == [(1, None), (2, {"a": 1})]
