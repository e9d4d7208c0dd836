"""The read lane's connection: a batch of questions is one round trip, whatever their kinds."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from typing import Any, Final

import orjson
import psycopg
from psycopg.conninfo import make_conninfo

from app.domain.errors import BusyError
from app.store import read_sql
from app.store.database import ALIVE, type_of_lock_trouble
from app.store.lane import LostError
from app.store.read_rows import Kind, Row, Want
from app.store.wire import Met, Statement, Wire

_STATEMENTS: Final[dict[Kind, str]] = {
    "ACCOUNT": read_sql.ACCOUNTS,
    "SCORE": read_sql.SCORES,
    "CARD": read_sql.CARDS,
}

REPLAN_S: Final = 10.0
"""How long a plan is kept: so long may reads be slow after a table that was empty was filled."""


class ReadConnection:
    """One connection that only reads; several batches may be in flight, and are read in turn."""

    def __init__(
        self,
        url: str,
        *,
        prepare: bool = True,
        replan_s: float = REPLAN_S,
        met: Met | None = None,
    ) -> None:
        """Remember the address; the connection is made when it is first needed.

        `met` is shown each connection that is made.
        """
        self._url = make_conninfo(url, **ALIVE)
        self._prepare = prepare
        self._replan_s = replan_s
        self._met = met
        self._planned_s = 0.0
        self._wire: Wire | None = None
        self._connecting: asyncio.Task[Wire] | None = None

    async def fetch(self, wants: Sequence[Want], at: datetime) -> list[Row]:
        """Read what questions ask for as it stands at `at`; one row each, in their order.

        One statement a kind, each in one snapshot; nothing is locked.

        Raises:
            LostError: The connection was lost or could not be made.
            BusyError: The server did not answer in time.

        """
        asked: dict[Kind, list[dict[str, Any]]] = {}
        for place, want in enumerate(wants):
            sight = None if want.sight is None else sorted(want.sight)
            told = {"place": place, "ref": want.ref, "segment_id": want.segment_id, "sight": sight}
            asked.setdefault(want.kind, []).append(told)
        found: list[Row | None] = [None] * len(wants)
        for row in await self._run(asked, at):
            found[row[0]] = row
        if None in found:
            message = f"{len(wants)} questions, but not a row for each"
            raise AssertionError(message)
        return [row for row in found if row is not None]

    async def _run(self, asked: dict[Kind, list[dict[str, Any]]], at: datetime) -> list[Row]:
        """Send the statements in one round trip, which is one transaction."""
        statements: list[Statement] = [(read_sql.SETTINGS, None)]
        if self._prepare and monotonic() - self._planned_s >= self._replan_s:
            self._planned_s = monotonic()
            statements.insert(0, (read_sql.REPLAN, None))
        for kind, rows in asked.items():
            told = {"asked": orjson.dumps(rows).decode(), "at": at}
            statements.append((_STATEMENTS[kind], told))
        wire = None
        try:
            wire = await self._connected()
            found = await wire.exchange_tuples(statements)
        except type_of_lock_trouble as error:
            if wire is None or wire.lost:
                raise LostError("the database was out of reach; try again") from error
            raise BusyError("the database took too long; try again") from error
        except psycopg.errors.InvalidSqlStatementName as error:
            # the batch before could not prepare what this one had sent to be executed
            raise BusyError("the database took too long; try again") from error
        except (psycopg.OperationalError, psycopg.errors.FeatureNotSupported) as error:
            await self._drop(wire)  # the last one: a plan from before a migration
            raise LostError("the database was out of reach; try again") from error
        return [row for rows in found[-len(asked) :] for row in rows]

    async def _connected(self) -> Wire:
        """Give the connection; all who find it lost wait for the same attempt, and hear of it."""
        if self._connecting is None and self._wire is not None and not self._wire.lost:
            return self._wire
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> Wire:
        try:
            await self._drop(self._wire)
            self._wire = await Wire.connect(self._url, prepare=self._prepare, met=self._met)
            return self._wire
        finally:
            self._connecting = None

    async def close(self) -> None:
        """Close the connection; the next question makes another."""
        await self._drop(self._wire)

    async def _drop(self, wire: Wire | None) -> None:
        """Close a connection; there may be another one by now."""
        if wire is None:
            return
        if self._wire is wire:
            self._wire = None
        await wire.close()
