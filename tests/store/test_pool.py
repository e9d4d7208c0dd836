"""A pool of connections: what becomes of those in use when it closes."""

from app.store.database import Database


def test_what_is_in_use_when_the_pool_closes_is_closed_after(database_url: str) -> None:
    database = Database(database_url)
    with database.read() as tx:
        driver = tx.connection.driver_connection
        database.close()
        assert driver is not None
        assert not driver.closed
    assert driver.closed
