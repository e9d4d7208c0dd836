"""A lane: one psycopg connection that decides batches in two round trips, and commits itself.

Only the task that owns a lane may use it; it is drained, never cancelled (see decision 5).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import orjson
import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row

from app.domain.accounts import Account
from app.domain.errors import BusyError
from app.domain.limits import CreditLimit
from app.domain.money import Rate
from app.domain.rates import MAX_AGE_DAYS
from app.store import accounts, lane_sql
from app.store.database import type_of_lock_trouble
from app.store.lane_rows import Claim, Known, Loaded, Record, Rows, Want, loaded, reads

_ALIVE: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""How soon a server that has vanished is noticed: seconds, the last one milliseconds."""

_OUTDATED: Final = (psycopg.errors.FeatureNotSupported, psycopg.errors.ReadOnlySqlTransaction)
"""A prepared plan from before a migration, and a server that a failover has put aside."""


class LostError(BusyError):
    """The connection was lost or could not be made: nothing else will fare better at once."""


class Lane:
    """Two round trips a batch: `load` (begin, claim, lock, read), then `record` (write, commit)."""

    def __init__(self, url: str, *, prepare: bool = True) -> None:
        """Remember the address; the connection is made when it is first needed."""
        self._url = make_conninfo(url, **_ALIVE)
        self._prepare = prepare
        self._connection: psycopg.AsyncConnection[DictRow] | None = None
        self._locked: dict[int, Account] = {}

    async def load(self, want: Want, claims: Sequence[Claim]) -> tuple[Loaded, dict[Any, Known]]:
        """Begin, claim keys, lock orders and accounts in order, read the rest.

        Returns what is known of keys that were claimed before, by (client, key).

        Raises:
            BusyError: A lock or the database was out of reach; nothing was changed.

        """
        rows = await self._run(
            ("BEGIN", None),
            (lane_sql.SETTINGS, None),
            (lane_sql.CLAIM, [_json([claim.row() for claim in claims])]),
            *reads(want, lane_sql.LOCK_ORDERS, lane_sql.LOCK_ACCOUNTS),
        )
        claimed = {(row["client"], row["key"]) for row in rows[2]}
        found = loaded(rows[3:])
        self._locked = dict(found.accounts)
        twice = [claim for claim in claims if (claim.client, claim.key) not in claimed]
        return found, await self._known(twice)

    async def look(self, want: Want) -> Loaded:
        """Begin and read all of one snapshot, without a lock.

        Raises:
            BusyError: The database was out of reach.

        """
        rows = await self._run(
            ("BEGIN ISOLATION LEVEL REPEATABLE READ", None),
            (lane_sql.SETTINGS, None),
            *reads(want, lane_sql.READ_ORDERS, lane_sql.READ_ACCOUNTS),
        )
        return loaded(rows[2:])

    async def _known(self, twice: Sequence[Claim]) -> dict[Any, Known]:
        if not twice:
            return {}
        parameters = {
            "clients": [claim.client for claim in twice],
            "keys": [claim.key for claim in twice],
        }
        (rows,) = await self._run((lane_sql.KNOWN, parameters))
        if len(rows) != len(twice):
            raise BusyError("a key is being cleared away; try again")
        return {
            (row["client"], row["key"]): Known(
                row["hash"], row["status"] or 0, (row["answer"] or "").encode()
            )
            for row in rows
        }

    async def rates(self, currencies: Collection[str], first: date, last: date) -> list[Rate]:
        """Read the rates among currencies that conversions of these days may take, inclusive."""
        (rows,) = await self._run(
            (
                lane_sql.RATES,
                {
                    "first": first - timedelta(days=MAX_AGE_DAYS),
                    "last": last,
                    "currencies": sorted(currencies),
                },
            )
        )
        return [
            Rate(
                row["base"],
                row["quote"],
                row["rate"].normalize(),
                row["rate_date"].isoformat(),
                row["source"],
            )
            for row in rows
        ]

    async def limits(self, ids: Collection[int]) -> dict[int, list[CreditLimit]]:
        """Read the approved limits of accounts."""
        (rows,) = await self._run((lane_sql.LIMITS, {"ids": sorted(ids)}))
        found: dict[int, list[CreditLimit]] = {key: [] for key in ids}
        for row in rows:
            account_id, order = row.pop("account_id"), row.pop("ordinal")
            found[account_id].append(CreditLimit(**row, order=order))
        return found

    async def rule_set(self, version: int) -> Mapping[str, Any]:
        """Read a rule set's data.

        Raises:
            LookupError: A segment names a version that nobody stored.

        """
        (rows,) = await self._run((lane_sql.RULE_SET, {"version": version}))
        if not rows:
            message = f"no rule set {version} is stored"
            raise LookupError(message)
        data: Mapping[str, Any] = rows[0]["data"]
        return data

    async def open_invoices(self, ids: Collection[int]) -> Rows:
        """Read open invoices of accounts, oldest due first, 500 an account at most."""
        (rows,) = await self._run((lane_sql.OPEN_INVOICES, {"ids": sorted(ids)}))
        return rows

    async def record(self, record: Record, after: Mapping[int, Account]) -> None:
        """Write everything in one statement, the accounts under their guards, and commit.

        Raises:
            BusyError: The database was lost. Whether the batch was committed is then unknown:
                asking again with the same key tells.

        """
        statements: list[tuple[str, Any]] = [
            (
                lane_sql.RECORD,
                {
                    "rows": _json(
                        {
                            "fresh": record.fresh,
                            "known": record.known,
                            "past": record.past,
                            "journal": record.journal,
                            "holds": record.holds,
                            "decisions": record.decisions,
                        }
                    )
                },
            )
        ]
        if record.hold_events:
            statements.append((lane_sql.HOLD_EVENTS, {"rows": _json(record.hold_events)}))
        changed = [held for key, held in after.items() if held != self._locked.get(key)]
        if changed:
            rows = [self._account_row(held, record.rooms) for held in changed]
            parameters = {"rows": _json(rows), "count": len(rows)}
            statements.append((lane_sql.UPDATE_ACCOUNTS, parameters))
        if record.forget:
            pairs = {
                "clients": [client for client, _ in record.forget],
                "keys": [key for _, key in record.forget],
            }
            statements.append((lane_sql.FORGET, pairs))
        await self._run(*statements, ("COMMIT", None))

    def _account_row(self, held: Account, rooms: Mapping[int, int]) -> dict[str, Any]:
        return {
            **accounts.to_row(held),
            "limit_expired": held.limit_expired,
            "limit_changes_on": held.limit_changes_on,
            "locked_seq": self._locked[held.account_id].seq,
            "room": rooms.get(held.account_id),
        }

    async def rollback(self) -> None:
        """Undo what is open, if anything; a broken connection is thrown away."""
        connection = self._connection
        if connection is None:
            return
        try:
            await connection.rollback()
        except psycopg.Error:
            await self.close()

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _run(self, *statements: tuple[str, Any]) -> list[Rows]:
        """Send statements in one round trip and fetch what each returns."""
        try:
            connection = await self._connected()
            async with connection.pipeline():
                cursors = [
                    await connection.execute(statement, parameters)
                    for statement, parameters in statements
                ]
            results = [await cursor.fetchall() if cursor.description else [] for cursor in cursors]
        except (*type_of_lock_trouble, psycopg.errors.UniqueViolation) as error:
            if self._lost():
                raise LostError("the database was out of reach; try again") from error
            raise BusyError("another decision came in between; try again") from error
        except (psycopg.OperationalError, *_OUTDATED) as error:
            await self.close()
            raise LostError("the database was out of reach; try again") from error
        except psycopg.errors.DivisionByZero as error:
            raise AssertionError("a guard of the batch stopped it") from error
        return results

    def _lost(self) -> bool:
        return self._connection is None or self._connection.closed

    async def _connected(self) -> psycopg.AsyncConnection[DictRow]:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._url,
                autocommit=True,
                prepare_threshold=0 if self._prepare else None,
                row_factory=dict_row,
            )
        return self._connection


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
