"""Decisions on limits and covers: approved, rejected, ended; four eyes where a segment asks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from app.domain.callers import Caller
from app.domain.errors import FourEyesError, LimitStateError, NotFoundError
from app.domain.limits import LimitRecord, Paper, base_in_force, grants_more, last_day
from app.domain.segments import Segment
from app.store import accounts, limits, limits_policy, merges, segments
from app.store.database import Database, Tx
from app.usecases.asks import Answer
from app.usecases.books import Books
from app.usecases.currencies import Told
from app.usecases.dates import business_date
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.limits import LimitView, Render, approve, keep_currency, open_account

Action = Literal["approve", "reject", "end"]


@dataclass(frozen=True, slots=True)
class _Desk:
    """A limit under its account's lock, in the hands of somebody."""

    books: Books
    segment: Segment
    caller: Caller
    today: date
    paper: Paper

    def need_other_eyes(self, proposer: str | None) -> None:
        """Insist that somebody else proposed, in a segment that asks for four eyes.

        Raises:
            FourEyesError: It was the caller.

        """
        if self.segment.four_eyes and proposer == self.caller.client:
            told = f"{proposer!r} proposed this {self.paper}: another client must approve"
            raise FourEyesError(told)

    def need_other_eyes_than_the_policys(self, record: LimitRecord) -> None:
        """Insist that who put a policy in force does not grant what it then proposes.

        Raises:
            FourEyesError: The caller did, in a segment that asks for four eyes.

        """
        if not self.segment.four_eyes or record.origin != "DYNAMIC":
            return
        version = int((record.evidence or {})["policy_version"])
        client = self.caller.client
        if client in limits_policy.authors(self.books.tx, self.segment.segment_id, version):
            told = f"{client!r} put the policy in force that proposed this: another must approve"
            raise FourEyesError(told)


@dataclass(frozen=True, slots=True)
class DecideLimit:
    """Approve or reject a proposed limit (or cover), or end an approved one.

    In a segment that asks for four eyes an end that grants more than before on any day is
    proposed by one client and done by another; who may only propose proposes an end anywhere.
    """

    database: Database
    now: Callable[[], datetime]
    paper: Paper = "limit"

    def __call__(
        self, keyed: Keyed, limit: tuple[str, str], action: Action, render: Render
    ) -> Answer:
        """Answer the limit as decided; `limit` is (id or alias of the customer, limit's id).

        Raises:
            ForbiddenError: The caller may not approve (or, for an end, not even propose).
            FourEyesError: The caller proposed it, or put the policy in force that did, in a
                segment that asks for four eyes.
            CustomerUnknownError: Nobody has this id.
            NotFoundError: The customer has no such limit within sight.
            LimitStateError: It was decided on before, or is not approved.
            CurrencyFixedError: The account is by now kept in another currency.
            KeyReusedError: The key was used with another question.
            BusyError: Somebody else changes the same records.

        """
        caller = keyed.caller
        if action != "end" or not caller.may("limit:propose"):
            caller.need("limit:approve")
        with self.database.begin() as tx:
            return once(
                tx,
                caller,
                keyed.key,
                keyed.digest,
                lambda: render(self._decide(tx, caller, limit, action)),
            )

    def _decide(self, tx: Tx, caller: Caller, limit: tuple[str, str], action: Action) -> LimitView:
        ref, limit_id = limit
        at = self.now()
        account_id, segment = self._find(tx, caller, limit, action)
        today = business_date(segment, at)
        books = open_account(tx, ref, account_id, at)
        record = limits.read(tx, limit_id, [account_id], self.paper)
        self._check(record, action)
        books.settle([account_id], today)
        desk = _Desk(books, segment, caller, today, self.paper)
        record = {"approve": _approved, "reject": _rejected, "end": _ended}[action](desk, record)
        books.close()
        return LimitView(record, books.pool[account_id].customer_id, segment.segment_id)

    def _check(self, record: LimitRecord, action: Action) -> None:
        needed = "APPROVED" if action == "end" else "PROPOSED"
        if action == "reject" and record.status == "APPROVED" and record.end_proposed_by:
            return
        if record.status != needed:
            raise LimitStateError(
                f"the {self.paper} is {record.status}, only one that is {needed} can be taken here"
            )

    def _find(
        self, tx: Tx, caller: Caller, limit: tuple[str, str], action: Action
    ) -> tuple[int, Segment]:
        ref, limit_id = limit
        try:
            UUID(limit_id)
        except ValueError:
            told = f"no {self.paper} has the id {limit_id[:64]!r}"
            raise NotFoundError(told, f"{self.paper}_id") from None
        owned = merges.with_merged(tx, accounts.customer_of(tx, ref))
        seen = {key: place for key, (_, place) in owned.items() if caller.sees(place)}
        record = limits.read(tx, limit_id, seen, self.paper)
        self._check(record, action)  # what a merged record had is over: no account is looked at
        return record.account_id, segments.read(tx, seen[record.account_id])


def _approved(desk: _Desk, record: LimitRecord) -> LimitRecord:
    desk.need_other_eyes(record.proposed_by)
    desk.need_other_eyes_than_the_policys(record)
    if record.origin == "DYNAMIC":
        record = _before_the_next(desk, record)
    if record.limit_minor is not None:
        told = Told(record.currency, "LIMIT")  # by the proposal: the decision has no such field
        keep_currency(desk.books, record.account_id, told, desk.today)
    return approve(desk.books, record, desk.caller, desk.today)


def _before_the_next(desk: _Desk, record: LimitRecord) -> LimitRecord:
    """Let one that follows a base limit end with it: another may have been approved meanwhile."""
    known = limits.approved(desk.books.tx, [record.account_id])[record.account_id]
    base = base_in_force(known, desk.today)
    until = None if base is None else last_day(base, known, desk.today)
    if until is None or (record.valid_to is not None and record.valid_to <= until):
        return record
    return replace(record, valid_to=until)


def _rejected(desk: _Desk, record: LimitRecord) -> LimitRecord:
    """Reject a proposal; of an approved limit the proposal to end it."""
    if record.status == "APPROVED":
        after = replace(record, end_proposed_by=None, end_proposed_actor=None, end_proposed_at=None)
    else:
        after = replace(
            record,
            status="REJECTED",
            decided_by=desk.caller.client,
            decided_actor=desk.caller.actor,
            decided_at=desk.books.at,
        )
    limits.write(desk.books.tx, after)
    return after


def _ended(desk: _Desk, record: LimitRecord) -> LimitRecord:
    """End a limit, or leave its end to somebody else."""
    books, caller = desk.books, desk.caller
    alone = caller.may("limit:approve")
    raises = desk.segment.four_eyes and _grants_more(desk, record)
    proposer = record.end_proposed_by
    if proposer is None and (raises or not alone):
        after = replace(
            record,
            end_proposed_by=caller.client,
            end_proposed_actor=caller.actor,
            end_proposed_at=books.at,
        )
        limits.write(books.tx, after)
        return after
    if not alone:
        raise LimitStateError(f"the end of this {desk.paper} is proposed already")
    if raises:
        desk.need_other_eyes(proposer)
    after = replace(
        record,
        status="ENDED",
        ended_by=caller.client,
        ended_actor=caller.actor,
        ended_at=books.at,
    )
    limits.write(books.tx, after)
    books.settle([record.account_id], desk.today, record.limit_id)
    return after


def _grants_more(desk: _Desk, record: LimitRecord) -> bool:
    """Tell whether more is granted on any day from today on, were this limit not there."""
    key = record.account_id
    before = limits.approved(desk.books.tx, [key])[key]
    after = limits.approved(desk.books.tx, [key], without=record.limit_id)[key]
    return grants_more(after, before, desk.today)
