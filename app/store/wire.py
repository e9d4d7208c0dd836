"""A connection that stays in pipeline mode: what belongs together goes out and comes back as one.

psycopg's own pipeline waits at the socket once a statement, which costs a lane more than all it
decides. Here one callback takes whatever has arrived; a round trip is one wait, and the next one
may be sent before the answer to the last is there. Results are read by psycopg's loaders, errors
are psycopg's.
"""

import asyncio
import re
from collections import deque, namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any, Final, TypeVar, cast

import orjson
import psycopg
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.types.json import set_json_loads
from psycopg.types.string import TextLoader

from app.store.arrays import scalar

Parameters = dict[str, Any]
Statement = tuple[str, Parameters | None]
"""SQL with `%(name)s` for parameters, and their values: arrays, texts, numbers, dates, moments."""

Rows = list[Any]  # tuples whose values have the names of their columns
Tuple = tuple[Any, ...]
Make = Callable[[Sequence[Any]], Any]
Met = Callable[[psycopg.AsyncConnection[Any]], object]
_R = TypeVar("_R")

_NAME: Final = re.compile(r"%\((\w+)\)s")
_LOOK_S: Final = 0.25
PATIENCE_S: Final = 15.0
"""How long an exchange may take: longer than the server lets any statement run, by far."""

_TEXT: Final = 0
_BINARY: Final = 1
"""How results travel; ids come as text in text alone."""


@lru_cache(maxsize=256)
def _numbered(statement: str) -> tuple[bytes, tuple[str, ...]]:
    """Write a statement as the server takes it, `$1` for names, and list the names in order."""
    names = tuple(dict.fromkeys(_NAME.findall(statement)))
    places = {name: f"${place}" for place, name in enumerate(names, 1)}
    return _NAME.sub(lambda found: places[found[1]], statement).encode(), names


@dataclass(slots=True, eq=False)
class _Exchange:
    """A round trip under way: `steps` says of each result what it is.

    A step is the statement that a result prepares, or None where rows come.
    """

    done: asyncio.Future[None]
    began_s: float
    steps: list[bytes | None] = field(default_factory=list)
    results: list[PGresult] = field(default_factory=list)


class Wire:
    """One connection, owned by one lane. Exchanges are answered in the order they were sent."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], *, prepare: bool) -> None:
        """Take over a fresh connection in autocommit mode; `prepare` statements by name or not."""
        self._connection = connection
        self._pgconn: PGconn = connection.pgconn
        self._prepare = prepare
        self._prepared: dict[bytes, bytes] = {}
        self._number = count()
        self._makers: dict[str, Make] = {}
        self._patience_s = PATIENCE_S
        self._under_way: deque[_Exchange] = deque()
        self._loop = asyncio.get_running_loop()
        connection.adapters.register_loader("uuid", TextLoader)  # ids are text in the house
        set_json_loads(orjson.loads, connection)  # whole numbers are exact up to 64 bits
        self._reader = Transformer(connection)  # knows a type's loader once it has met it
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()
        self._socket = self._pgconn.socket
        self._loop.add_reader(self._socket, self._readable)
        self._looking = self._loop.call_later(_LOOK_S, self._look)
        self._watching = True

    @classmethod
    async def connect(cls, url: str, *, prepare: bool, met: Met | None = None) -> "Wire":
        """Connect; `met` is shown the fresh connection.

        Raises:
            psycopg.OperationalError: The server is out of reach.

        """
        connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
        try:
            if met is not None:
                met(connection)
            return cls(connection, prepare=prepare)
        except BaseException:
            await connection.close()  # nobody else knows of it
            raise

    @property
    def lost(self) -> bool:
        """Whether nothing can be sent any more."""
        if not self._watching:
            return True
        return self._connection.closed or self._pgconn.status != ConnStatus.OK

    @property
    def in_transaction(self) -> bool:
        """Whether something was begun that is neither committed nor rolled back."""
        return self._pgconn.transaction_status != TransactionStatus.IDLE

    async def exchange(
        self, statements: Sequence[Statement], sent: Callable[[], None] | None = None
    ) -> list[Rows]:
        """Send statements together and give the rows of each, as tuples with the columns' names.

        What follows a statement that fails is not executed. `sent` is called once they are on
        their way; another exchange may follow from then on.

        Raises:
            psycopg.Error: The first that failed, or the connection was lost.

        """
        under_way = self._start(statements, _TEXT)
        if sent is not None:
            sent()
        await under_way.done
        return [
            self._rows(result, self._named(statement, result)) if result.ntuples else []
            for (statement, _), result in zip(statements, self._taken(under_way), strict=True)
        ]

    async def exchange_tuples(self, statements: Sequence[Statement]) -> list[list[Tuple]]:
        """Send statements together and give the rows of each, as tuples that came in binary.

        Raises:
            psycopg.Error: The first that failed, or the connection was lost.

        """
        under_way = self._start(statements, _BINARY)
        await under_way.done
        results = self._taken(under_way)
        return [self._rows(result, tuple) if result.ntuples else [] for result in results]

    def _start(self, statements: Sequence[Statement], form: int) -> _Exchange:
        """Send statements, ended by a sync of their own."""
        under_way = _Exchange(self._loop.create_future(), self._loop.time())
        for statement, parameters in statements:
            under_way.steps += self._send(statement, parameters, form)
        self._pgconn.pipeline_sync()
        self._under_way.append(under_way)
        self._flush()
        return under_way

    def _send(self, statement: str, parameters: Parameters | None, form: int) -> list[bytes | None]:
        """Put a statement into the buffer; list what its results are."""
        sql, names = _numbered(statement)
        given = map(parameters.__getitem__, names) if parameters else ()
        sent = [one if type(one) is tuple else scalar(one) for one in given]
        values, oids, formats = zip(*sent, strict=True) if sent else ((), (), ())
        if not self._prepare:
            self._pgconn.send_query_params(sql, values, oids, formats, form)
            return [None]
        name, steps = self._prepared.get(sql), list[bytes | None]()
        if name is None:
            name = b"aval_%d" % next(self._number)
            self._pgconn.send_prepare(name, sql, oids)
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
                    if not self._under_way:
                        return
                elif result.status == ExecStatus.PIPELINE_SYNC:
                    _wake(self._under_way.popleft())
                    if not self._under_way:
                        return
                else:
                    self._under_way[0].results.append(result)
        except psycopg.Error as error:
            self._fail(error)

    def _look(self) -> None:
        """Look without having been called: uvloop is silent about a socket that was reset.

        A server that ends with a part of an exchange unread resets it. libuv takes that for a bad
        descriptor and stops watching, and who waits would wait for ever.
        """
        self._looking = self._loop.call_later(_LOOK_S, self._look)
        if self._under_way:
            self._readable()
        if self._under_way and self._loop.time() - self._under_way[0].began_s > self._patience_s:
            # nobody waits for a server that is silent, however well its machine answers
            self._fail(psycopg.OperationalError(f"no answer within {self._patience_s:g} s"))

    def _fail(self, error: psycopg.Error) -> None:
        """Tell all who wait that the connection is gone; nothing will arrive any more."""
        self._detach()
        while self._under_way:
            waiting = self._under_way.popleft().done
            if not waiting.done():
                waiting.set_exception(error)

    def _taken(self, under_way: _Exchange) -> list[PGresult]:
        """Look through what arrived: forget what could not be prepared, raise what went wrong."""
        taken: list[PGresult] = []
        trouble: psycopg.Error | None = None
        for step, result in zip(under_way.steps, under_way.results, strict=True):
            if result.status == ExecStatus.FATAL_ERROR and trouble is None:
                trouble = error_from_result(result)
            if step is None:
                taken.append(result)
            elif result.status != ExecStatus.COMMAND_OK:
                self._prepared.pop(step, None)
        if trouble is not None:
            raise trouble
        return taken

    def _named(self, statement: str, result: PGresult) -> Make:
        """Find how a statement's rows get their names; its columns are looked at once."""
        make = self._makers.get(statement)
        if make is None:
            places = range(result.nfields)
            make = _by_name(tuple((result.fname(place) or b"").decode() for place in places))
            if self._prepare:  # else a migration may change the columns unnoticed
                self._makers[statement] = make
        return make

    def _rows(self, result: PGresult, make: Callable[[Sequence[Any]], _R]) -> list[_R]:
        self._reader.set_pgresult(result)
        return self._reader.load_rows(0, result.ntuples, make)

    def _detach(self) -> None:
        """Stop watching the socket, once: its number may be somebody else's by now."""
        if self._watching:
            self._watching = False
            self._looking.cancel()
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)

    async def close(self) -> None:
        """Close the connection, and tell who waits for it; a second time does nothing."""
        self._fail(psycopg.OperationalError("the connection was closed"))
        if not self._connection.closed:
            await self._connection.close()


def _wake(under_way: _Exchange) -> None:
    if not under_way.done.done():
        under_way.done.set_result(None)


@lru_cache(maxsize=256)
def _by_name(names: tuple[str, ...]) -> Make:
    # a third of what a dictionary takes; a column without a proper name is read by its place
    row: Any = namedtuple("row", names, rename=True)  # type: ignore[misc]  # noqa: PYI024
    return cast("Make", row._make)
