"""The database as the use cases see it: short transactions that commit before anybody answers.

This file and the lane are the only places that commit (see docs/decisions/0006).
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final
from urllib.parse import urlsplit
from weakref import WeakSet

import orjson
import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from app.domain.errors import BusyError
from app.store.dialect import COMPILED, DRIVER
from app.telemetry import set_pool

type_of_lock_trouble = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.QueryCanceled,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.AdminShutdown,
    psycopg.errors.CannotConnectNow,
    psycopg.errors.TooManyConnections,
)

ALIVE: Final[Mapping[str, str | int]] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "target_session_attrs": "read-write",
}
"""How soon a server that has vanished is noticed: seconds, `tcp_user_timeout` in milliseconds.

One that a failover has put aside is none of ours: it would answer reads with what was before."""

OVERFLOW = 4
"""Connections beyond `pool_size`, opened when all are in use and closed afterwards."""

_PREPARE: Mapping[str, Any] = {"prepare_threshold": 5}
"""Options of a connection: what it executed so often is prepared."""

NEVER_PREPARE: Mapping[str, Any] = {"prepare_threshold": None}
"""Options of a connection that leaves nothing behind in its session."""

Tx = Connection
"""An open transaction; every store function takes it first."""


def moment(tx: Tx) -> datetime:
    """Read the database's clock, at this very statement: the one clock of all background work."""
    found: datetime = tx.execute(text("SELECT statement_timestamp()")).scalar_one()
    return found.astimezone(UTC)


def dialect_url(url: str, driver: str = "psycopg") -> str:
    """Name the driver: `postgresql://…` becomes `postgresql+psycopg://…`.

    Raises:
        ValueError: Not a PostgreSQL address.

    """
    scheme = urlsplit(url).scheme
    if scheme not in {"postgresql", "postgres"}:
        message = f"a database address starts with postgresql://, not {scheme or 'nothing'}:"
        raise ValueError(message)
    return f"postgresql+{driver}" + url[len(scheme) :]


def _dumps(value: object) -> str:
    return orjson.dumps(value).decode()


@contextmanager
def _dropped_where_nothing_is_written(tx: Tx) -> Iterator[None]:
    """Keep no connection to a server that a failover has put aside.

    Raises:
        BusyError: Its server takes no writes.

    """
    try:
        yield
    except (DBAPIError, psycopg.Error) as error:  # psycopg's own come from a COPY
        if not isinstance(getattr(error, "orig", error), psycopg.errors.ReadOnlySqlTransaction):
            raise
        tx.invalidate()
        raise BusyError("the database takes no writes; try again") from error


class Database:
    """A pool of connections for everything but the lanes.

    Transactions are READ COMMITTED; correctness rests on row locks, never on isolation.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        overflow: int = OVERFLOW,
        prepare: bool = True,
        met: Callable[[psycopg.Connection[Any]], object] | None = None,
    ) -> None:
        """Make the pool; nothing is connected yet. `prepare=False` suits transaction poolers.

        `met` is shown each connection that is made. A pool without `overflow` is one that requests
        do not share, and is not what the figures tell of.
        """
        self.url = url
        self.engine: Engine = create_engine(
            dialect_url(url, DRIVER),
            execution_options={"compiled_cache": COMPILED},
            use_native_hstore=False,  # there is none, and it would be looked for at the first use
            pool_size=pool_size,
            max_overflow=overflow,
            pool_timeout=5,
            pool_pre_ping=True,
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
            hide_parameters=True,  # names and amounts would go into the log with an error
            connect_args={**ALIVE, **(_PREPARE if prepare else NEVER_PREPARE)},
        )
        self._made, self._making = WeakSet[psycopg.Connection[Any]](), Lock()
        event.listen(self.engine, "connect", self._keep)
        if overflow:
            event.listen(self.engine, "checkout", self._watch)
            event.listen(self.engine, "checkin", self._watch)
        if met is not None:
            event.listen(self.engine, "connect", lambda fresh, _: met(fresh))

    def _keep(self, fresh: psycopg.Connection[Any], _: object) -> None:
        with self._making:
            self._made.add(fresh)

    def cut(self) -> int:
        """Break all connections, and say how many: who waits for one's server hears BusyError.

        A server that hangs on a machine that does not would be waited for without end: a
        `statement_timeout` is the server's own. What still works is connected anew when needed.
        """
        with self._making:
            made = [one for one in self._made if not one.closed]
        for one in made:
            with (
                suppress(OSError, psycopg.OperationalError),  # it was closed meanwhile
                socket.socket(fileno=os.dup(one.fileno())) as line,
            ):
                line.shutdown(socket.SHUT_RDWR)
        return len(made)

    def _watch(self, *_: object) -> None:
        pool = self.engine.pool
        if isinstance(pool, QueuePool):
            set_pool(pool.checkedout(), pool.size())

    @contextmanager
    def begin(self, *, lock_timeout_ms: int = 2000, statement_timeout_s: int = 30) -> Iterator[Tx]:
        """Run a block in one transaction, committed when the block ends, before the caller goes on.

        Raises:
            BusyError: The database or a lock was out of reach; nothing was changed.

        """
        with self._transaction("", lock_timeout_ms, statement_timeout_s) as tx:
            yield tx

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """Read under one snapshot (REPEATABLE READ, read only), so that figures fit together.

        Raises:
            BusyError: The database was out of reach.

        """
        with self._transaction("REPEATABLE READ, READ ONLY", 2000, 30) as tx:
            yield tx

    @contextmanager
    def _transaction(
        self, isolation: str, lock_timeout_ms: int, statement_timeout_s: int
    ) -> Iterator[Tx]:
        try:
            with self.engine.begin() as tx:
                if isolation:  # it goes before any query of the transaction
                    tx.execute(text(f"SET TRANSACTION ISOLATION LEVEL {isolation}"))
                tx.execute(
                    text(
                        "SELECT set_config('lock_timeout', :lock, true),"
                        " set_config('statement_timeout', :statement, true),"
                        " set_config('idle_in_transaction_session_timeout', '30s', true),"
                        " set_config('jit', 'off', true)"
                    ),
                    {"lock": f"{lock_timeout_ms}ms", "statement": f"{statement_timeout_s}s"},
                )
                with nullcontext() if isolation else _dropped_where_nothing_is_written(tx):
                    yield tx
        except PoolTimeoutError as error:
            raise BusyError("every database connection is in use; try again") from error
        except (OperationalError, psycopg.OperationalError, *type_of_lock_trouble) as error:
            # psycopg's own come from a COPY
            raise BusyError("the database or a lock was out of reach; try again") from error
        except DBAPIError as error:
            if error.connection_invalidated or isinstance(error.orig, type_of_lock_trouble):
                raise BusyError("the database was out of reach; try again") from error
            raise

    def close(self) -> None:
        """Close every idle connection of the pool; one that is in use closes when it is given back.

        The pool itself would forget such a one open.
        """

        @event.listens_for(self.engine, "checkin")
        def close_late(connection: DBAPIConnection | None, _: object) -> None:
            if connection is not None:
                connection.close()

        self.engine.dispose()
