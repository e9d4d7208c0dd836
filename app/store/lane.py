"""A lane: one psycopg connection that decides batches in two round trips, and commits itself.

Only the task that owns a lane may use it; it is drained, never cancelled (see decision 5). A batch
may begin while the COMMIT of the one before is under way: the server takes them one by one.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from time import monotonic
from typing import Any, Final

import psycopg
from psycopg.conninfo import make_conninfo

from app.domain.accounts import Account
from app.domain.errors import BusyError
from app.domain.limits import CreditLimit
from app.domain.money import Rate
from app.domain.rates import MAX_AGE_DAYS
from app.store import lane_sql, orders_due, proposals
from app.store.arrays import ints, texts
from app.store.claims import Claims, ask_known, known
from app.store.database import ALIVE, type_of_lock_trouble
from app.store.guesses import Guesses, strays
from app.store.lane_rows import (
    Claim,
    DecisionRow,
    Known,
    Loaded,
    Record,
    Want,
    limits_of,
    loaded,
    rate_of,
    reads,
)
from app.store.lane_write import (
    account_columns,
    decision_columns,
    journal_columns,
    order_columns,
    seldom,
)
from app.store.wire import Met, Rows, Statement, Wire

_FIRST_REPLAN_S: Final = 0.5
_LAST_REPLAN_S: Final = 16.0
"""How long plans are kept, at first and in the end: each time twice as long as before."""

_OUTDATED: Final = (psycopg.errors.FeatureNotSupported, psycopg.errors.ReadOnlySqlTransaction)
"""A prepared plan from before a migration, and a server that a failover has put aside."""


class LostError(BusyError):
    """The connection was lost or could not be made: nothing else will fare better at once."""


class TakenError(BusyError):
    """What was to be new is there already: a key or an order came in between."""


class SlowError(BusyError):
    """The server ended a transaction in which nothing was said for too long: ask for less."""


class Lane:
    """Two round trips a batch: `load` (begin, claim, lock, read), then `record` (write, commit).

    `when_sent` is called when the last statements of a batch are on their way.
    """

    def __init__(
        self,
        url: str,
        *,
        prepare: bool = True,
        met: Met | None = None,
        guesses: Guesses | None = None,
    ) -> None:
        """Remember the address; the connection is made when it is first needed.

        `met` is shown each connection that is made.
        """
        self._url = make_conninfo(url, **ALIVE)
        self._prepare = prepare
        self._met = met
        self._wire: Wire | None = None
        self._guesses = guesses or Guesses(slots=1024)
        self._replan = prepare
        self._replan_s = _FIRST_REPLAN_S
        self._planned_s = self._heard_s = monotonic()
        self._locked: dict[int, Account] = {}
        self._claims = Claims()
        self.when_sent: Callable[[], None] | None = None

    async def load(self, want: Want, claims: Sequence[Claim]) -> tuple[Loaded, dict[Any, Known]]:
        """Begin, claim keys, lock orders and accounts in order, read the rest.

        Returns what is known of keys that were claimed before, by (client, key).

        Raises:
            BusyError: A lock or the database was out of reach; nothing was changed.

        """
        try:
            return await self._load(want, claims)
        except TakenError:
            self._claims.taken()
            await self.rollback()
            return await self._load(want, claims)

    async def _load(self, want: Want, claims: Sequence[Claim]) -> tuple[Loaded, dict[Any, Known]]:
        claim = self._claims.statement(claims)
        sql = (lane_sql.LOCK_ORDERS, lane_sql.LOCK_ACCOUNTS)
        (claimed,), found = await self._read("BEGIN", [claim], want, sql)
        self._locked = dict(found.accounts)
        before = self._claims.left(claims, claimed)
        if not before:
            return found, {}
        return found, known(before, (await self._run(ask_known(before)))[0])

    async def look(self, want: Want) -> Loaded:
        """Begin and read all of one snapshot, without a lock.

        Raises:
            BusyError: The database was out of reach.

        """
        sql = (lane_sql.READ_ORDERS, lane_sql.READ_ACCOUNTS)
        _, found = await self._read("BEGIN ISOLATION LEVEL REPEATABLE READ", [], want, sql)
        return found

    async def _read(
        self, begin: str, first: Sequence[Statement], want: Want, sql: tuple[str, str]
    ) -> tuple[list[Rows], Loaded]:
        """Begin, do what comes first and read the rest; gives the rows of what came first.

        It is read by guessed accounts, and anew by those that were right where one was wrong, or
        where an order is another payer's: each time by fewer, until all is read.
        """
        guessed, moved = self._guesses.of(want.refs), False
        while True:
            rows = await self._begin(begin, *first, *reads(want, *sql, guessed, moved=moved))
            found = loaded(rows[len(first) :])
            right = self._guesses.confirm(guessed, found)
            if len(right) == len(guessed) and (moved or not strays(found)):
                return rows[: len(first)], found
            await self.rollback()
            guessed, moved = right, True

    async def rates(self, currencies: Collection[str], first: date, last: date) -> list[Rate]:
        """Read the rates among currencies that conversions of these days may take, inclusive."""
        days = {"first": first - timedelta(days=MAX_AGE_DAYS), "last": last}
        wanted = {**days, "currencies": texts(sorted(currencies))}
        return [rate_of(row) for row in (await self._run((lane_sql.RATES, wanted)))[0]]

    async def held_for(self, ids: Collection[str]) -> dict[str, Any]:
        """Read what holds are for, and which proposal waits; locks on their orders keep both."""
        (rows,) = await self._run((proposals.HELD_FOR, {"ids": texts(sorted(ids))}))
        return {row.hold_id: row for row in rows}

    async def limits(self, ids: Collection[int]) -> dict[int, list[CreditLimit]]:
        """Read the approved limits of accounts."""
        (rows,) = await self._run((lane_sql.LIMITS, {"ids": ints(sorted(ids))}))
        return limits_of(ids, rows)

    async def uncounted(self, at: datetime, ids: Collection[int]) -> set[int]:
        """Say on which of some accounts orders do not count whose day has come by a moment."""
        wanted = {"at": at, "ids": ints(sorted(ids))}
        return {row.account_id for row in (await self._run((orders_due.ON, wanted)))[0]} & {*ids}

    async def rule_set(self, version: int) -> Mapping[str, Any] | None:
        """Read a rule set's data; None: nobody stored it."""
        (rows,) = await self._run((lane_sql.RULE_SET, {"version": version}))
        return rows[0].data if rows else None

    async def outlook(
        self, payers: Collection[int], limited: Collection[int]
    ) -> tuple[Rows, dict[int, list[CreditLimit]]]:
        """Read what advice looks at, at once: open invoices of payers, limits of accounts.

        Invoices come oldest due first, 500 an account at most.
        """
        invoices = (lane_sql.OPEN_INVOICES, {"ids": ints(sorted(payers))})
        if not limited:
            return (await self._run(invoices))[0], {}
        limits = (lane_sql.LIMITS, {"ids": ints(sorted(limited))})
        rows, found = await self._run(invoices, limits)
        return rows, limits_of(limited, found)

    async def record(self, record: Record, after: Mapping[int, Account]) -> None:
        """Write everything in one statement, the accounts under their guards, and commit.

        Raises:
            BusyError: The database was lost. Whether the batch was committed is then unknown:
                asking again with the same key tells.

        """
        changed = [held for key, held in after.items() if _differs(held, self._locked.get(key))]
        parameters = {
            "at": record.at,
            **order_columns(record.fresh),
            **journal_columns(record.entries),
            **account_columns(changed, self._locked, record.rooms),
            **decision_columns(record.decisions),
        }
        statements = [(lane_sql.RECORD, parameters), *seldom(record)]
        await self._run(*statements, ("COMMIT", None), sent=self.when_sent)

    async def log(self, at: datetime, decisions: Sequence[DecisionRow]) -> None:
        """Write decisions that changed nothing, and commit.

        Raises:
            BusyError: The database was lost; the decisions may be there or not.

        """
        parameters = {"at": at, **decision_columns(decisions)}
        statement = (lane_sql.DECISIONS, parameters)
        await self._run(statement, ("COMMIT", None), sent=self.when_sent)

    async def rollback(self) -> None:
        """Undo what is open, if anything; a broken connection is thrown away."""
        wire = self._wire
        if wire is None:
            return
        try:
            if wire.in_transaction:
                await wire.exchange([("ROLLBACK", None)])
        except psycopg.Error:
            await self._drop(wire)

    async def close(self) -> None:
        """Close the connection."""
        await self._drop(self._wire)

    async def _drop(self, wire: Wire | None) -> None:
        """Close a connection; the lane may have another one by now."""
        if wire is None:
            return
        if self._wire is wire:
            self._wire = None
        await wire.close()

    async def _begin(self, begin: str, *statements: Statement) -> list[Rows]:
        """Begin, under the lane's settings; statements are planned anew now and then."""
        first: list[Statement] = [(begin, None), (lane_sql.SETTINGS, None)]
        if self._replan and monotonic() - self._planned_s >= self._replan_s:
            first.append((lane_sql.REPLAN, None))  # before BEGIN it would settle the isolation
            self._planned_s = monotonic()
            self._replan_s = min(2 * self._replan_s, _LAST_REPLAN_S)
        rows = await self._run(*first, *statements, begins=True)
        return rows[len(first) :]

    async def _run(
        self,
        *statements: Statement,
        begins: bool = False,
        sent: Callable[[], None] | None = None,
    ) -> list[Rows]:
        """Send statements in one round trip and fetch what each returns.

        Only what begins a batch may connect: the rest of one whose connection is gone would be
        written without its locks and its keys.
        """
        wire, idle_s = self._wire, monotonic() - self._heard_s
        gone = SlowError if idle_s >= lane_sql.IDLE_S and not begins else LostError
        try:
            if begins:
                wire = await self._connected()
            elif wire is None or wire.lost:
                raise gone("the connection was lost amid a batch; try again")
            results = await wire.exchange(statements, sent)
            self._heard_s = monotonic()
        except (*type_of_lock_trouble, psycopg.errors.UniqueViolation) as error:
            if wire is None or wire.lost:
                raise gone("the database was out of reach; try again") from error
            taken = isinstance(error, psycopg.errors.UniqueViolation)
            busy = TakenError if taken else BusyError
            raise busy("another decision came in between; try again") from error
        except (psycopg.OperationalError, *_OUTDATED) as error:
            await self._drop(wire)
            raise gone("the database was out of reach; try again") from error
        except psycopg.errors.DivisionByZero as error:
            raise AssertionError("a guard of the batch stopped it") from error
        return results

    async def _connected(self) -> Wire:
        if self._wire is None or self._wire.lost:
            await self.close()
            self._wire = await Wire.connect(self._url, prepare=self._prepare, met=self._met)
        return self._wire


def _differs(held: Account, locked: Account | None) -> bool:
    """Compare two accounts; nearly all differ in their `seq`, which is seen without the rest."""
    return locked is None or held.seq != locked.seq or held != locked
