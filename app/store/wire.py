"""A connection that stays in pipeline mode: what belongs together goes out and comes back as one.

psycopg's own pipeline waits at the socket once a statement, which costs a lane more than all it
decides. Here one callback takes whatever has arrived; a round trip is one wait. Results are read
by psycopg's loaders, errors are psycopg's.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import lru_cache
from itertools import count
from typing import Any, Final, TypeVar

import orjson
import psycopg
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.types.json import set_json_loads
from psycopg.types.string import TextLoader

from app.store.arrays import Array

Parameters = dict[str, Any]
Statement = tuple[str, Parameters | None]
"""SQL with `%(name)s` for parameters, and their values: arrays, texts, numbers, dates, moments."""

Rows = list[dict[str, Any]]
Tuple = tuple[Any, ...]
Make = Callable[[Sequence[Any]], dict[str, Any]]
_R = TypeVar("_R")

_NAME: Final = re.compile(r"%\((\w+)\)s")
_LOOK_S: Final = 0.25
PATIENCE_S: Final = 15.0
"""How long an exchange may take: longer than the server lets any statement run, by far."""

_TEXT: Final = 0
_BINARY: Final = 1
"""How results travel; ids come as text in text alone."""

_Sent = tuple[bytes | None, int, int]
"""A parameter as it is sent: its bytes, its type's oid, and 1 where they are binary."""


@lru_cache(maxsize=256)
def _numbered(statement: str) -> tuple[bytes, tuple[str, ...]]:
    """Write a statement as the server takes it, `$1` for names, and list the names in order."""
    names = tuple(dict.fromkeys(_NAME.findall(statement)))
    places = {name: f"${place}" for place, name in enumerate(names, 1)}
    return _NAME.sub(lambda found: places[found[1]], statement).encode(), names


_OIDS: Final[dict[type, int]] = {bool: 16, int: 20, str: 25, date: 1082, datetime: 1184}


def _sent(value: object) -> _Sent:
    """Write a parameter.

    Raises:
        KeyError: Its type is none that lanes send.

    """
    if isinstance(value, Array):
        return value.sent
    if value is None:
        return None, 0, 0
    return str(value).encode(), _OIDS[type(value)], 0


class Wire:
    """One connection; only one exchange at a time, by the task that owns it."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], *, prepare: bool) -> None:
        """Take over a fresh connection in autocommit mode; `prepare` statements by name or not."""
        self._connection = connection
        self._pgconn: PGconn = connection.pgconn
        self._prepare = prepare
        self._prepared: dict[bytes, bytes] = {}
        self._number = count()
        self._makers: dict[str, Make] = {}
        self._began_s = 0.0
        self._patience_s = PATIENCE_S
        self._results: list[PGresult] = []
        self._waiting: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        connection.adapters.register_loader("uuid", TextLoader)  # ids are text in the house
        set_json_loads(orjson.loads, connection)  # whole numbers are exact up to 64 bits
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()
        self._socket = self._pgconn.socket
        self._loop.add_reader(self._socket, self._readable)
        self._looking = self._loop.call_later(_LOOK_S, self._look)
        self._watching = True

    @classmethod
    async def connect(cls, url: str, *, prepare: bool) -> "Wire":
        """Connect.

        Raises:
            psycopg.OperationalError: The server is out of reach.

        """
        return cls(await psycopg.AsyncConnection.connect(url, autocommit=True), prepare=prepare)

    @property
    def lost(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._connection.closed or self._pgconn.status != ConnStatus.OK

    @property
    def in_transaction(self) -> bool:
        """Whether something was begun that is neither committed nor rolled back."""
        return self._pgconn.transaction_status != TransactionStatus.IDLE

    async def exchange(self, statements: Sequence[Statement]) -> list[Rows]:
        """Send statements together and give the rows of each, by column name.

        What follows a statement that fails is not executed.

        Raises:
            psycopg.Error: The first that failed, or the connection was lost.

        """
        results = await self._exchange(statements, _TEXT)
        return [
            self._rows(result, self._named(statement, result)) if result.ntuples else []
            for (statement, _), result in zip(statements, results, strict=True)
        ]

    async def exchange_tuples(self, statements: Sequence[Statement]) -> list[list[Tuple]]:
        """Send statements together and give the rows of each, as tuples that came in binary.

        Raises:
            psycopg.Error: The first that failed, or the connection was lost.

        """
        results = await self._exchange(statements, _BINARY)
        return [self._rows(result, tuple) if result.ntuples else [] for result in results]

    async def _exchange(self, statements: Sequence[Statement], form: int) -> list[PGresult]:
        """Send, wait, and give a result for each statement."""
        self._results.clear()
        self._waiting = waiting = self._loop.create_future()
        self._began_s = self._loop.time()
        steps: list[bytes | None] = []  # the statement that a result prepares; None: rows
        for statement, parameters in statements:
            steps += self._send(statement, parameters, form)
        self._pgconn.pipeline_sync()
        self._flush()
        await waiting
        return self._taken(steps)

    def _send(self, statement: str, parameters: Parameters | None, form: int) -> list[bytes | None]:
        """Put a statement into the buffer; list what its results are."""
        sql, names = _numbered(statement)
        sent = [_sent(parameters[name]) for name in names] if parameters is not None else []
        values = [value for value, _, _ in sent]
        formats = [binary for _, _, binary in sent]
        if not self._prepare:
            oids = [oid for _, oid, _ in sent]
            self._pgconn.send_query_params(sql, values, oids, formats, form)
            return [None]
        name, steps = self._prepared.get(sql), list[bytes | None]()
        if name is None:
            name = b"aval_%d" % next(self._number)
            self._pgconn.send_prepare(name, sql, [oid for _, oid, _ in sent])
            self._prepared[sql] = name
            steps.append(sql)
        self._pgconn.send_query_prepared(name, values, formats, form)
        return [*steps, None]

    def _flush(self) -> None:
        """Write what the socket takes; the rest when it takes more."""
        try:
            left = self._pgconn.flush()
        except psycopg.Error as error:
            self._fail(error)
            return
        if left:
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        self._loop.remove_writer(self._socket)
        self._flush()

    def _readable(self) -> None:
        """Take what has arrived; the sync that ends an exchange wakes who waits for it."""
        try:
            self._pgconn.consume_input()
            while not self._pgconn.is_busy():
                result = self._pgconn.get_result()
                if result is None:
                    if self._pgconn.status != ConnStatus.OK:  # libpq gave up without raising
                        raise psycopg.OperationalError("the connection is lost")
                    if self._waiting is None:
                        return
                    continue
                if result.status == ExecStatus.PIPELINE_SYNC:
                    self._wake()
                    return
                self._results.append(result)
        except psycopg.Error as error:
            self._fail(error)

    def _look(self) -> None:
        """Look without having been called: uvloop is silent about a socket that was reset.

        A server that ends with a part of an exchange unread resets it. libuv takes that for a bad
        descriptor and stops watching, and who waits would wait for ever.
        """
        self._looking = self._loop.call_later(_LOOK_S, self._look)
        if self._waiting is None:
            return
        self._readable()
        if self._loop.time() - self._began_s > self._patience_s:
            self._give_up()

    def _give_up(self) -> None:
        """Let nobody wait for a server that is silent, however well its machine answers."""
        if self._waiting is not None:
            self._fail(psycopg.OperationalError(f"no answer within {self._patience_s:g} s"))

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def _fail(self, error: psycopg.Error) -> None:
        """Tell who waits that the connection is gone; nothing will arrive any more."""
        self._detach()
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)

    def _taken(self, steps: Sequence[bytes | None]) -> list[PGresult]:
        """Look through what arrived: forget what could not be prepared, raise what went wrong."""
        taken: list[PGresult] = []
        trouble: psycopg.Error | None = None
        for step, result in zip(steps, self._results, strict=True):
            if result.status == ExecStatus.FATAL_ERROR and trouble is None:
                trouble = error_from_result(result)
            if step is None:
                taken.append(result)
            elif result.status != ExecStatus.COMMAND_OK:
                self._prepared.pop(step, None)
        self._results.clear()
        if trouble is not None:
            raise trouble
        return taken

    def _named(self, statement: str, result: PGresult) -> Make:
        """Find how a statement's rows become mappings; its columns are looked at once."""
        make = self._makers.get(statement)
        if make is None:
            places = range(result.nfields)
            make = _by_name([(result.fname(place) or b"").decode() for place in places])
            if self._prepare:  # else a migration may change the columns unnoticed
                self._makers[statement] = make
        return make

    def _rows(self, result: PGresult, make: Callable[[Sequence[Any]], _R]) -> list[_R]:
        reader = Transformer(self._connection)
        reader.set_pgresult(result)
        return reader.load_rows(0, result.ntuples, make)

    def _detach(self) -> None:
        """Stop watching the socket, once: its number may be somebody else's by now."""
        if self._watching:
            self._watching = False
            self._looking.cancel()
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)

    async def close(self) -> None:
        """Close the connection; a second time does nothing."""
        self._detach()
        if not self._connection.closed:
            await self._connection.close()


def _by_name(names: Sequence[str]) -> Make:
    def make(values: Sequence[Any]) -> dict[str, Any]:
        return dict(zip(names, values, strict=True))

    return make
