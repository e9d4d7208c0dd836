"""PROVISIONAL money that nobody confirmed in time counts no more: time passing is a fact too."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Final
from uuid import uuid4

import structlog

from app.domain.accounts import Use
from app.domain.adjustments import Lowerings
from app.domain.errors import BusyError
from app.domain.facts import Problem
from app.domain.facts_balances import Balances
from app.store import accounts, adjustments, facts_lapse, segments
from app.store.database import Database, Tx, moment
from app.store.facts_inbox import use_indexes
from app.store.facts_lapse import Lapsing
from app.store.facts_payers import with_groups
from app.store.orders import EVERYBODY, Whose
from app.telemetry import count_ledger_event
from app.usecases.books import Books
from app.usecases.dates import business_date
from app.usecases.portions import MOST_PAYERS, Cursor, Portion, one_by_one

PATIENCE_MS: Final = 300
"""How long accounts are waited for when all that is due is in use."""

PATIENCE_S: Final = 1.0
"""How long accounts are brought up to date while an order waits: half of a lane's patience."""

_log = structlog.get_logger(__name__)


def _drawn() -> str:
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class LapseProvisional:
    """Let PROVISIONAL payments lapse; any number may run at once, none waits for another."""

    database: Database
    new_id: Callable[[], str] = _drawn

    def __call__(
        self, now: datetime, most: int, on: Collection[int] | None = None, whose: Whose = EVERYBODY
    ) -> int:
        """Let up to `most` payments lapse that expire at `now` or before; returns how many did.

        `on`: only what counts on these accounts. Accounts that others work on are left for the next
        time; where there are no others, those of the oldest payment (with `on`: of all) are waited
        for a moment: else a busy account might never be found idle.

        Raises:
            BusyError: An account or the database was out of reach; nothing was changed.

        """

        def find(most: int) -> Callable[[Tx], list[Lapsing]]:
            return lambda tx: facts_lapse.due(tx, now, most, on, whose)

        waited = 1 if on is None else most
        return self._portion(now, find(most)) or self._portion(now, find(waited), wait=True)

    def _portion(
        self, now: datetime, find: Callable[[Tx], list[Lapsing]], *, wait: bool = False
    ) -> int:
        with self.database.begin(lock_timeout_ms=PATIENCE_MS) as tx:
            use_indexes(tx)
            found = find(tx)
            if not found:
                return 0
            wanted = with_groups(tx, {one.account_id for one in found})
            locked = (accounts.lock if wait else accounts.lock_idle)(tx, wanted)
            books = Books(tx, now, locked, dict(locked))
            whole = [key for key, held in locked.items() if {*held.path} <= {*locked}]
            # read before the payments change: what adjustments lower gives way to what lapses
            lowerings = adjustments.lowerings(tx, locked)
            lapsed = facts_lapse.lapse(tx, found, whole, now)
            for _, group in groupby(lapsed, attrgetter("segment_id")):
                _post(tx, books, lowerings, list(group))
            books.close()
            adjustments.add(tx, lowerings.given(self.new_id, now))
        if lapsed:
            count_ledger_event("payment", "lapsed", len(lapsed))
            _log.info("provisional_lapsed", payments=len(lapsed))
        return len(lapsed)


@dataclass(frozen=True, slots=True)
class LapseDue:
    """Let PROVISIONAL payments lapse by the database's clock, at most `most` at once."""

    database: Database
    most: int
    clock: Callable[[Tx], datetime] = moment

    def __call__(self, after: Cursor | None = None) -> Portion:
        """Let the oldest ones lapse; `after` are the payers that this pass has done alone.

        So are the next ones where an account of the oldest one's is out of reach.

        Raises:
            BusyError: The database was out of reach; nothing was changed.

        """
        alone, lapse = after or (), LapseProvisional(self.database)
        with self.database.read() as tx:
            at = self.clock(tx)
        try:
            done = lapse(at, self.most, whose=Whose(but=alone))
        except BusyError:
            with self.database.read() as tx:
                use_indexes(tx)
                found = facts_lapse.due(tx, at, self.most, whose=Whose(but=alone))
            payers = list(dict.fromkeys(one.account_id for one in found))[:MOST_PAYERS]
            done, more = one_by_one(
                payers, lambda payer: lapse(at, self.most, whose=Whose(only=payer))
            )
            return Portion(done, (*alone, *payers), len(more))
        return Portion(done, alone if done else None)


def lapse_on(
    database: Database, most: int, patience_s: float = PATIENCE_S
) -> Callable[[datetime, Collection[int]], bool]:
    """Make what takes out all money on accounts that expired by a moment, `most` payments at once.

    It says whether all is out, by it or by others: not where it takes longer than `patience_s`, or
    where somebody else holds a payment.
    """
    lapse = LapseProvisional(database)

    def take_out(at: datetime, account_ids: Collection[int]) -> bool:
        until = time.monotonic() + patience_s
        while lapse(at, most, account_ids):
            if time.monotonic() > until:
                break
        with database.read() as tx:
            use_indexes(tx)
            return not facts_lapse.due(tx, at, 1, account_ids)

    return take_out


def _post(tx: Tx, books: Books, lowerings: Lowerings, lapsed: Sequence[Lapsing]) -> None:
    """Take what payments of one segment counted from their accounts, one entry each."""
    segment_id = lapsed[0].segment_id
    today = business_date(segments.read(tx, segment_id), books.at)
    due = {
        key
        for key, held in books.pool.items()
        if held.segment_id == segment_id
        and held.limit_changes_on is not None
        and held.limit_changes_on <= today
    }
    if due:
        books.settle(due, today)
    find = books.finder(today, {one.currency for one in lapsed})  # it may be adjusted away by now
    balances = Balances(books.pool, find, books.entries, lowerings)
    for one in lapsed:
        move = {(one.account_id, one.currency): Use(prepayment=-one.prepayment)}
        posted = balances.stage(move, f"payment:{one.payment_id}")
        if isinstance(posted, Problem):
            message = f"payment {one.payment_id} cannot lapse: {posted.detail}"
            raise AssertionError(message)  # noqa: TRY004 - what only goes down can always go
        balances.keep(posted)
