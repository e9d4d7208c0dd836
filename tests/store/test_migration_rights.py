"""What `aval migrate` may do to the database, and what it says where it may not."""

import os
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url
from sqlalchemy.exc import ProgrammingError

from app.store.migrate import migrate
from tests.conftest import Here, Server

ROLE = f"aval_without_rights_{os.getpid()}"


@pytest.fixture
def bare_url(server: Server, empty_database_url: str) -> Iterator[str]:
    """Name a database as a role that may connect to it and no more."""
    server.run("CREATE ROLE {} LOGIN PASSWORD 'p'", ROLE)
    try:
        with psycopg.connect(empty_database_url) as connection:
            connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        url = make_url(empty_database_url).set(username=ROLE, password="p")
        yield url.render_as_string(hide_password=False)
    finally:
        server.run("DROP ROLE {}", ROLE)


def test_a_role_that_may_create_nothing_hears_so(bare_url: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied for schema public"):
        migrate(bare_url)


def test_it_may_find_all_at_head(bare_url: str, empty_database_url: str) -> None:
    migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        every = sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}")
        connection.execute(every.format(sql.Identifier(ROLE)))
    migrate(bare_url)
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(ROLE)))


def test_it_is_one_line_at_the_terminal(here: Here, bare_url: str) -> None:
    ended = here("migrate", AVAL_DATABASE_URL=bare_url)
    assert ended.returncode == 1
    assert ended.stderr == "aval: the database: permission denied for schema public\n"
