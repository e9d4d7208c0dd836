"""Adjustments: a drift becomes a signed document, once; and is taken back by another."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from app.domain.accounts import Use
from app.domain.adjustments import ADJUSTABLE, Adjustment
from app.domain.callers import Caller
from app.domain.errors import (
    AdjustmentStateError,
    BadRequestError,
    BusyError,
    CreditError,
    DriftStateError,
    NotFoundError,
    RateMissingError,
)
from app.domain.exposure import share
from app.domain.facts import Problem
from app.domain.facts_balances import Balances
from app.domain.ids import need_id
from app.domain.money import Money
from app.domain.reconciliation import Drift
from app.store import (
    accounts,
    adjustments,
    exposure,
    facts_lapse,
    moves,
    reconciliations,
    segments,
)
from app.store.database import Database, Tx
from app.usecases.asks import Answer
from app.usecases.books import Books
from app.usecases.dates import business_date
from app.usecases.groups import ensure_accounts
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.reconciliation import CLOCKS_APART, publish_drifts

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AdjustmentView:
    """An adjustment, and whose account it adds to."""

    adjustment: Adjustment
    customer_id: str
    segment_id: str


Render = Callable[[AdjustmentView], Answer]
"""Writes the answer, once."""


def _need_actor(caller: Caller) -> None:
    caller.need("ledger:write")
    if caller.actor is None:
        raise BadRequestError("is needed here: an adjustment has an author", "Aval-Actor")


def _open(tx: Tx, account_id: int, at: datetime) -> Books:
    """Lock an account and its groups."""
    path = accounts.get_many(tx, [account_id])[account_id].path
    books = Books.open(tx, path, at)
    if books.pool[account_id].path != path:
        raise BusyError("the group is being rearranged; try again")
    return books


def _own(tx: Tx, account_id: int, currency: str) -> Use:
    """Sum what the account's own documents come to; read it under its lock."""
    return exposure.own_positions(tx, [account_id]).get((account_id, currency), Use())


def _post(books: Books, made: Adjustment, refuse: type[CreditError]) -> AdjustmentView:
    """Book an adjustment on locked accounts as a fact, and store it."""
    tx, held = books.tx, books.pool[made.account_id]
    today = business_date(segments.read(tx, held.segment_id), books.at)
    books.settle(held.path, today)
    find = books.finder(today, {made.amount.currency})
    balances = Balances(books.pool, find, books.entries)
    purse = (made.account_id, made.amount.currency)
    posted = balances.stage({purse: made.use}, made.adjustment_id, "ADJUSTMENT")
    if isinstance(posted, Problem):
        if posted.code == RateMissingError.code:
            raise RateMissingError(posted.detail)
        raise refuse(posted.detail)
    balances.keep(posted)
    adjustments.add(tx, [made])
    books.close()
    _log.info("adjusted", adjustment_id=made.adjustment_id, kind=made.kind, client=made.client)
    return AdjustmentView(made, held.customer_id, held.segment_id)


@dataclass(frozen=True, slots=True)
class AdjustDrift:
    """Bring our figure to what the ERP has, by a document of its own."""

    database: Database
    now: Callable[[], datetime]
    new_id: Callable[[], str]

    def __call__(self, keyed: Keyed, drift_id: str, reason: str, render: Render) -> Answer:
        """Answer the adjustment; what it puts over a limit is forced.

        Raises:
            ForbiddenError: The caller may not write to the ledger.
            BadRequestError: Nobody is named as its author (`Aval-Actor`).
            NotFoundError: No such drift within sight.
            DriftStateError: It is of what Aval reserved, was adjusted or told anew since, or the
                account has moved since the snapshot's moment.
            RateMissingError: An account cannot value its currency.
            KeyReusedError: The key was used with another question.
            BusyError: Somebody else changes the same records.

        """
        _need_actor(keyed.caller)
        need_id(drift_id, "drift")
        with self.database.begin() as tx:
            return once(
                tx,
                keyed.caller,
                keyed.key,
                keyed.digest,
                lambda: render(self._adjust(tx, keyed.caller, drift_id, reason)),
            )

    def _adjust(self, tx: Tx, caller: Caller, drift_id: str, reason: str) -> AdjustmentView:
        at = self.now()
        drift = reconciliations.read_drift(tx, drift_id)
        if not caller.sees(drift.segment_id):
            raise NotFoundError(f"no drift has the id {drift_id}", "drift_id")
        if drift.category not in ADJUSTABLE:
            raise DriftStateError(
                "what is AUTHORIZED is Aval's own reservation: release it where it is wrong"
            )
        account_id = ensure_accounts(tx, drift.customer_id, drift.segment_id).account_id
        books = _open(tx, account_id, at)
        drift = reconciliations.read_drift(tx, drift_id, lock=True)
        _check(books, drift, account_id)
        made = Adjustment(
            adjustment_id=self.new_id(),
            account_id=account_id,
            kind="DRIFT",
            category=drift.category,
            amount=drift.amount,
            reason=reason,
            client=caller.client,
            actor=caller.actor,
            at=at,
            drift_id=drift_id,
        )
        view = _post(books, made, DriftStateError)
        reconciliations.close_drift(tx, drift_id, "ADJUSTED", at)
        publish_drifts(tx)
        return view


_SETTLED: Final = {("PREPAYMENT", True), ("OPEN_ITEM", False)}
"""What money does that has come: the category, and whether it raises it."""


def _check(books: Books, drift: Drift, account_id: int) -> None:
    """Insist that the locked account is what was compared, and nobody has answered the drift."""
    if drift.status != "OPEN":
        raise DriftStateError(f"the drift is {drift.status}, only one that is OPEN can be adjusted")
    held = books.pool[account_id]
    if held.quarantined:  # what waits may be just what is missing, and would count twice
        raise DriftStateError("facts of the account wait in quarantine: settle these first")
    if (drift.category, drift.amount.minor > 0) in _SETTLED:
        # what counts in full as prepayment already settles no invoice until it is FINAL
        in_part, currency = drift.category == "PREPAYMENT", drift.amount.currency
        payment = facts_lapse.announced(books.tx, account_id, currency, in_part=in_part)
        if payment is not None:
            raise DriftStateError(
                f"payment {payment} is PROVISIONAL, and would count twice once it is FINAL:"
                " let the ERP tell it FINAL, or with amount 0 if it does not come"
            )
    own = share(_own(books.tx, account_id, drift.ours.currency), drift.category)
    merged = accounts.customer_of(books.tx, drift.customer_id) != drift.customer_id
    moved = held.seq != drift.seq and moves.moved_from(books.tx, account_id, drift.seq)
    if merged or moved or own != drift.ours.minor:
        raise DriftStateError(
            "the account has moved since it was compared: let the ERP send a new snapshot"
        )
    # What came between their moment and our comparison is in our figure and not in theirs.
    as_of = reconciliations.moment_of(books.tx, drift.reconciliation_id)
    if moves.moved_since(books.tx, {account_id: held.seq}, as_of - CLOCKS_APART):
        raise DriftStateError(
            "the account has moved since the snapshot's as_of: let the ERP send a new snapshot"
        )


@dataclass(frozen=True, slots=True)
class ReverseAdjustment:
    """Take an adjustment back by one of the opposite sign: what of it has not given way."""

    database: Database
    now: Callable[[], datetime]
    new_id: Callable[[], str]

    def __call__(self, keyed: Keyed, adjustment_id: str, reason: str, render: Render) -> Answer:
        """Answer the reversal; what it puts over a limit is forced.

        Raises:
            ForbiddenError: The caller may not write to the ledger.
            BadRequestError: Nobody is named as its author (`Aval-Actor`).
            NotFoundError: No such adjustment within sight.
            AdjustmentStateError: It is a reversal itself, nothing of it is left, or the figure
                would fall below 0.
            RateMissingError: An account cannot value its currency.
            KeyReusedError: The key was used with another question.
            BusyError: Somebody else changes the same records.

        """
        _need_actor(keyed.caller)
        need_id(adjustment_id, "adjustment")
        with self.database.begin() as tx:
            return once(
                tx,
                keyed.caller,
                keyed.key,
                keyed.digest,
                lambda: render(self._reverse(tx, keyed.caller, adjustment_id, reason)),
            )

    def _reverse(self, tx: Tx, caller: Caller, adjustment_id: str, reason: str) -> AdjustmentView:
        at = self.now()
        before = adjustments.read(tx, adjustment_id)
        books = _open(tx, before.account_id, at)
        if not caller.sees(books.pool[before.account_id].segment_id):
            raise NotFoundError(f"no adjustment has the id {adjustment_id}", "adjustment_id")
        if adjustments.read(tx, adjustment_id) != before:
            raise BusyError("the customer is being merged; try again")
        left = _left(tx, before)
        made = Adjustment(
            adjustment_id=self.new_id(),
            account_id=before.account_id,
            kind="REVERSAL",
            category=before.category,
            amount=Money(-left, before.amount.currency),
            reason=reason,
            client=caller.client,
            actor=caller.actor,
            at=at,
            reverses=adjustment_id,
        )
        return _post(books, made, AdjustmentStateError)


def _left(tx: Tx, before: Adjustment) -> int:
    """Give what is to be taken back, if that may be.

    Raises:
        AdjustmentStateError: It may not.

    """
    if before.kind != "DRIFT":
        raise AdjustmentStateError("only the adjustment of a drift can be reversed")
    left = adjustments.left_of(tx, before)
    if not left:
        raise AdjustmentStateError("nothing of the adjustment is left to be reversed")
    own = share(_own(tx, before.account_id, before.amount.currency), before.category)
    if own < left:
        raise AdjustmentStateError(
            f"{before.category} would fall below 0: reverse what lowers it first"
        )
    return left
