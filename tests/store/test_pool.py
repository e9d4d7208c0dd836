"""A pool of connections: what becomes of them when it closes, or where nothing is written."""

from contextlib import closing

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, literal, select, text
from sqlalchemy.engine.interfaces import CacheStats
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable

from app.domain.errors import BusyError
from app.store.copies import copy_in
from app.store.database import Database, Tx
from app.store.dialect import SharedDialect

MADE = Table("made", MetaData(), Column("number", Integer))
MAKE = CreateTable(MADE)
MAKE_ANYWAY = CreateTable(MADE, if_not_exists=True)


def test_what_is_in_use_when_the_pool_closes_is_closed_after(database_url: str) -> None:
    database = Database(database_url)
    with database.read() as tx:
        driver = tx.connection.driver_connection
        database.close()
        assert driver is not None
        assert not driver.closed
    assert driver.closed


def only_read(tx: Tx) -> None:
    """Leave the session as it is on a server that a failover has put aside."""
    tx.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))


def test_a_connection_to_a_server_that_takes_no_writes_is_not_kept(database_url: str) -> None:
    with closing(Database(database_url, pool_size=1)) as database:
        with database.begin() as tx:
            only_read(tx)
        with pytest.raises(BusyError, match="takes no writes"), database.begin() as tx:
            tx.execute(MAKE)
        with database.begin() as tx:
            tx.execute(MAKE)


def test_what_is_copied_to_a_server_that_takes_no_writes_is_busy_too(database_url: str) -> None:
    with closing(Database(database_url, pool_size=1)) as database:
        with database.begin() as tx:
            tx.execute(MAKE)
        with database.begin() as tx:
            only_read(tx)
        with pytest.raises(BusyError, match="takes no writes"), database.begin() as tx:
            copy_in(tx, MADE, ("number",), [(1,)])
        with database.begin() as tx:
            copy_in(tx, MADE, ("number",), [(1,)])
            assert tx.execute(select(func.count()).select_from(MADE)).scalar_one() == 1


def test_a_write_where_only_reading_was_asked_for_is_a_fault_of_ours(database: Database) -> None:
    with pytest.raises(DBAPIError, match="read-only"), database.read() as tx:
        tx.execute(MAKE)


def test_a_server_that_takes_no_writes_is_not_connected_to(database_url: str) -> None:
    with closing(Database(database_url)) as database, database.begin() as tx:
        name = tx.execute(text("SELECT current_database()")).scalar_one()
        tx.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    with closing(Database(database_url)) as database, pytest.raises(BusyError), database.read():
        pass


def test_an_error_does_not_say_what_was_sent(database: Database) -> None:
    with pytest.raises(DBAPIError) as bad, database.begin() as tx:
        tx.execute(text("SELECT CAST(:name AS text), 1 / 0"), {"name": "Zhang San"})
    assert "Zhang San" not in str(bad.value)


def test_what_one_pool_has_compiled_another_does_not_compile_again(database_url: str) -> None:
    asked = select(MADE.c.number).where(MADE.c.number == func.abs(literal(-7)))
    with closing(Database(database_url)) as one, closing(Database(database_url)) as other:
        hits = []
        for database in (one, other):
            with database.begin() as tx:
                tx.execute(MAKE_ANYWAY)
                hits.append(tx.execute(asked).context.cache_hit)
    assert hits == [CacheStats.CACHE_MISS, CacheStats.CACHE_HIT]


def of_version(version: tuple[int, int] | None) -> SharedDialect:
    made = SharedDialect()  # type: ignore[no-untyped-call] # SQLAlchemy's own
    made.server_version_info = version
    return made


def test_what_is_compiled_is_for_servers_of_one_version(database: Database) -> None:
    old, new, same = of_version((14, 2)), of_version((18, 4)), of_version((18, 4))
    assert old != new
    assert (same, hash(same)) == (new, hash(new))
    unmet = of_version(None)
    assert database.engine.dialect == unmet
    with database.begin():
        assert database.engine.dialect != unmet
