"""Values go to the server and come back unchanged, and trouble is told once and whole."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, date, datetime
from time import monotonic
from typing import Any, TypeVar

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.store.arrays import blobs, flags, ints, texts
from app.store.wire import Rows, Wire

T = TypeVar("T")
TEXT = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
INT = st.integers(-(2**63), 2**63 - 1)


def on_wire(url: str, act: Callable[[Wire], Coroutine[Any, Any, T]], *, prepare: bool = True) -> T:
    async def run() -> T:
        wire = await Wire.connect(url, prepare=prepare)
        try:
            return await act(wire)
        finally:
            await wire.close()

    return asyncio.run(run())


def rows_of(
    url: str,
    *,
    prepare: bool = True,
    **arrays: Any,  # noqa: ANN401 - any array
) -> Rows:
    """Send arrays as columns and give the rows that come back."""
    names = ", ".join(f"%({name})s" for name in arrays)
    sql = f"SELECT * FROM unnest({names}) AS n({', '.join(arrays)})"  # noqa: S608 - our own names

    async def ask(wire: Wire) -> Rows:
        return (await wire.exchange([(sql, arrays)]))[0]

    return on_wire(url, ask, prepare=prepare)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(
    st.lists(st.tuples(st.none() | TEXT, st.none() | INT, st.booleans(), st.binary()), max_size=9),
    st.booleans(),
)
def test_arrays_come_back_as_they_went(
    database_url: str, rows: list[tuple[str | None, int | None, bool, bytes]], prepare: bool
) -> None:
    told = rows_of(
        database_url,
        prepare=prepare,
        t=texts([row[0] for row in rows]),
        i=ints([row[1] for row in rows]),
        f=flags([row[2] for row in rows]),
        b=blobs([row[3] for row in rows]),
    )
    assert [(one.t, one.i, one.f, one.b) for one in told] == rows


def test_a_column_of_one_value_is_kept_where_it_is_short() -> None:
    """Names of people, which clients choose, would fill the memory."""
    short, long = ["main"] * 100, ["n" * 64] * 100
    assert texts([*short]) is texts(short)
    assert texts([*long]) is not texts(long)
    data = texts(long)[0]
    assert data is not None
    assert data.endswith((b"\0\0\0\x40" + b"n" * 64) * 100)


def test_single_values_have_their_types(database_url: str) -> None:
    at = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    sent = {"n": -5, "t": "ä'\\\"", "f": False, "d": date(1970, 1, 1), "m": at, "z": None}
    columns = ", ".join(f"%({name})s AS {name}" for name in sent if name != "z")

    async def ask(wire: Wire) -> Rows:
        sql = f"SELECT {columns}, %(z)s::text AS z"
        return (await wire.exchange([(sql, sent)]))[0]

    (row,) = on_wire(database_url, ask)
    assert row._asdict() == sent


def test_columns_are_read_by_name_and_without_a_proper_one_by_place(database_url: str) -> None:
    async def ask(wire: Wire) -> Rows:
        return (await wire.exchange([('SELECT 1 AS one, 2 AS "class", 3', None)]))[0]

    (row,) = on_wire(database_url, ask)
    assert (row.one, *row) == (1, 1, 2, 3)


def test_an_id_is_text(database_url: str) -> None:
    wanted = "019332b4-6c00-7000-8000-000000000003"

    async def ask(wire: Wire) -> Rows:
        return (await wire.exchange([("SELECT %(id)s::uuid AS id", {"id": wanted})]))[0]

    assert on_wire(database_url, ask) == [(wanted,)]


@pytest.mark.parametrize("prepare", [True, False])
def test_what_follows_a_failure_is_not_done_and_the_wire_goes_on(
    database_url: str, *, prepare: bool
) -> None:
    bad = ("SELECT 1 / %(n)s::bigint AS n", {"n": 0})

    async def act(wire: Wire) -> list[Rows]:
        await wire.exchange([("CREATE TABLE t (n bigint PRIMARY KEY)", None)])
        for _ in range(2):  # the second time finds what the first could not prepare
            with pytest.raises(psycopg.errors.DivisionByZero):
                await wire.exchange(
                    [("BEGIN", None), bad, ("INSERT INTO t VALUES (%(n)s)", {"n": 1})]
                )
            assert wire.in_transaction
            await wire.exchange([("ROLLBACK", None)])
            assert not wire.in_transaction
        insert = ("INSERT INTO t VALUES (%(n)s)", {"n": 2})
        return await wire.exchange([insert, ("SELECT n FROM t", None)])

    assert on_wire(database_url, act, prepare=prepare) == [[], [(2,)]]


def test_more_than_a_socket_takes_at_once(database_url: str) -> None:
    big = ["x" * 1_000_000] * 40
    (told,) = on_wire(database_url, lambda wire: _lengths(wire, big))
    assert told == [(1_000_000,)] * 40


async def _lengths(wire: Wire, values: list[str]) -> list[Rows]:
    sql = "SELECT length(t)::bigint AS n FROM unnest(%(t)s || '{}'::text[]) AS n(t)"
    return await wire.exchange([(sql, {"t": texts(values)})])


def test_a_lost_connection_is_told(database_url: str) -> None:
    async def act(wire: Wire) -> bool:
        end = "SELECT pg_terminate_backend(pg_backend_pid())"
        with pytest.raises(psycopg.OperationalError):
            await wire.exchange([(end, None)])
        return wire.lost

    assert on_wire(database_url, act)


def test_an_idle_wire_notices_its_end(database_url: str) -> None:
    async def act(wire: Wire) -> bool:
        ((row,),) = await wire.exchange([("SELECT pg_backend_pid() AS pid", None)])
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (row.pid,))
        until = monotonic() + 30
        while not wire.lost:
            assert monotonic() < until
            await asyncio.sleep(0.01)
        return wire.lost

    assert on_wire(database_url, act)


def test_a_server_that_is_silent_is_given_up(database_url: str) -> None:
    async def act(wire: Wire) -> None:
        wire._patience_s = 0.3  # noqa: SLF001 - nobody waits fifteen seconds for a test
        with pytest.raises(psycopg.OperationalError, match="no answer within"):
            await wire.exchange([("SELECT pg_sleep(5)", None)])

    on_wire(database_url, act)


async def _babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begin like a server, then say what no server says, and wait until the other side goes."""
    await reader.read(4096)
    writer.write(b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I")
    await reader.read(4096)
    writer.write(b"T\0\0\0\x02")
    with suppress(ConnectionError):
        while await reader.read(4096):
            continue
    writer.close()


def test_a_server_that_talks_nonsense_ends_the_wire_and_not_the_process() -> None:
    """Libpq then gives up without raising, and has neither a result nor is it busy, for ever."""

    async def run() -> None:
        server = await asyncio.start_server(_babble, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql://nobody@127.0.0.1:{port}/x?sslmode=disable&gssencmode=disable"
        wire = await Wire.connect(url, prepare=False)
        with pytest.raises(psycopg.OperationalError):
            async with asyncio.timeout(5):
                await wire.exchange([("SELECT 1", None)])
        await wire.close()
        server.close()
        await server.wait_closed()

    asyncio.run(run())


def test_a_parameter_of_another_type_is_a_bug(database_url: str) -> None:
    async def act(wire: Wire) -> None:
        await wire.exchange([("SELECT %(n)s", {"n": 1.5})])

    with pytest.raises(KeyError):
        on_wire(database_url, act)


def test_exchanges_are_answered_in_the_order_they_were_sent(database_url: str) -> None:
    async def ask(wire: Wire) -> list[Any]:
        sent = asyncio.Event()
        slow = wire.exchange([("SELECT 1 AS n, pg_sleep(0.05)", None)], sent.set)
        first = asyncio.create_task(slow)
        await sent.wait()
        second = asyncio.create_task(wire.exchange([("SELECT 2 AS n", None)]))
        done, _ = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        assert first in done
        return [(await first)[0][0].n, (await second)[0][0].n]

    assert on_wire(database_url, ask) == [1, 2]


def test_what_is_behind_a_failed_transaction_is_not_done(database_url: str) -> None:
    """Nor does it hide: what it would have prepared is prepared when it is sent again."""
    mark = ("CREATE TABLE mark ()", None)

    async def ask(wire: Wire) -> int:
        bad = [("BEGIN", None), ("SELECT 1 / 0", None), ("COMMIT", None)]
        behind = [("BEGIN", None), mark, ("COMMIT", None)]
        first, second = (asyncio.create_task(wire.exchange(one)) for one in (bad, behind))
        with pytest.raises(psycopg.errors.DivisionByZero):
            await first
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            await second
        await wire.exchange([("ROLLBACK", None)])
        await wire.exchange(behind)
        (rows,) = await wire.exchange([("SELECT count(*) AS n FROM mark", None)])
        return int(rows[0].n)

    assert on_wire(database_url, ask) == 0


def test_all_who_wait_hear_that_the_connection_is_lost(database_url: str) -> None:
    async def ask(wire: Wire) -> bool:
        end = [("SELECT pg_terminate_backend(pg_backend_pid())", None)]
        first = asyncio.create_task(wire.exchange(end))
        second = asyncio.create_task(wire.exchange([("SELECT 1", None)]))
        told = await asyncio.gather(first, second, return_exceptions=True)
        assert all(isinstance(one, psycopg.OperationalError) for one in told), told
        return wire.lost

    assert on_wire(database_url, ask)


def test_a_connection_that_cannot_be_met_is_closed(database_url: str) -> None:
    """Else it would stay open, and nobody's."""
    seen: list[psycopg.AsyncConnection[Any]] = []

    def met(fresh: psycopg.AsyncConnection[Any]) -> None:
        seen.append(fresh)
        raise LookupError

    async def run() -> None:
        with pytest.raises(LookupError):
            await Wire.connect(database_url, prepare=True, met=met)

    asyncio.run(run())
    assert [one.closed for one in seen] == [True]
