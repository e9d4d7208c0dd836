"""A gate in the database: what writes the journal waits there, without a lock, until it opens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from tests.waits import wait_for

_MADE = """
CREATE TABLE gate (closed boolean);
CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WHILE EXISTS (SELECT FROM gate) LOOP PERFORM pg_sleep(0.01); END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER gated AFTER INSERT ON journal EXECUTE FUNCTION pass_gate();
"""
_INSIDE = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event = 'PgSleep'"
)


@dataclass(frozen=True)
class Gate:
    """The gate of a database; what stands at it is bounded by its statement's time-out alone."""

    connection: psycopg.Connection

    def close(self) -> None:
        """Let nobody through any more."""
        self.connection.execute("INSERT INTO gate VALUES (true)")

    def open(self) -> None:
        """Let everybody through."""
        self.connection.execute("DELETE FROM gate")

    def wait(self) -> None:
        """Wait until somebody stands at it."""
        wait_for(lambda: self.connection.execute(_INSIDE).fetchone() == (1,))


@contextmanager
def gate_of(url: str) -> Iterator[Gate]:
    """Build a gate, open; it is open again when the block ends."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_MADE)
        gate = Gate(connection)
        try:
            yield gate
        finally:
            gate.open()
