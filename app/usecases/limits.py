"""Limits and covers: proposed or approved at once, listed; `limits_decisions` decides on them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import uuid4

from app.domain.callers import Caller
from app.domain.covers import CoverTerms
from app.domain.errors import BusyError, FieldError
from app.domain.limits import LimitKind, LimitRecord, Paper, makes_up
from app.domain.money import Money
from app.store import accounts, limits, merges, segments
from app.store.database import Database, Tx
from app.usecases.asks import Answer
from app.usecases.books import Books
from app.usecases.currencies import Told, take_currency
from app.usecases.dates import business_date
from app.usecases.groups import ensure_accounts
from app.usecases.idempotency import once
from app.usecases.keyed import Keyed
from app.usecases.score_reads import find_customer
from app.usecases.sight import need_segment


@dataclass(frozen=True, slots=True)
class LimitAsk:
    """A limit as asked for; `limit` None and not `unlimited`: no credit is granted.

    `valid_from` None: from today on; `valid_to` is inclusive, None has no end. A cover has its
    terms, and what they contribute as `limit`.
    """

    kind: LimitKind
    segment_id: str
    limit: Money | None = None
    unlimited: bool = False
    valid_from: date | None = None
    valid_to: date | None = None
    reason: str | None = None
    cover: CoverTerms | None = None

    @property
    def currency_field(self) -> str:
        """The path at which a request says its currency."""
        return "limit.currency" if self.cover is None else "cap.currency"


@dataclass(frozen=True, slots=True)
class LimitView:
    """A limit, and whose it is; `in_force`, in lists: it is part of today's effective limit."""

    record: LimitRecord
    customer_id: str
    segment_id: str
    in_force: bool = False


Render = Callable[[LimitView], Answer]
"""Writes the answer, once."""


def check_ask(caller: Caller, ask: LimitAsk) -> None:
    """Insist on the right to propose, on sight of the segment, and on fields that fit together.

    Raises:
        ForbiddenError: The caller may neither propose nor approve.
        SegmentUnknownError: The segment lies out of sight.
        FieldError: A field breaks a rule; says which.

    """
    if not caller.may("limit:approve"):
        caller.need("limit:propose")
    caller.visit(ask.segment_id)
    if ask.unlimited and ask.limit is not None:
        raise FieldError("must be null or absent where unlimited is true", "limit")
    if ask.limit is not None and ask.limit.minor < 0:
        raise FieldError("must be zero or more", "limit.amount")
    if ask.kind == "temporary":
        for field in ("valid_from", "valid_to"):
            if getattr(ask, field) is None:
                raise FieldError("is required for a temporary limit", field)


def open_account(tx: Tx, ref: str, account_id: int, at: datetime) -> Books:
    """Lock a customer's account; a merge holds that lock until the id names another customer.

    Raises:
        BusyError: The customer was merged meanwhile.

    """
    customer_id = accounts.customer_of(tx, ref)
    books = Books.open(tx, [account_id], at)
    still = accounts.customer_of(tx, ref)
    if still != customer_id or books.pool[account_id].customer_id != still:
        raise BusyError("the customer is being merged; try again")
    return books


@dataclass(frozen=True, slots=True)
class ProposeLimit:
    """Put a limit in force at once where the caller may, else leave it to be approved."""

    database: Database
    now: Callable[[], datetime]

    def __call__(self, keyed: Keyed, ref: str, ask: LimitAsk, render: Render) -> Answer:
        """Answer the limit, APPROVED or PROPOSED; a cut below what is used is never refused.

        Raises:
            ForbiddenError: The caller may neither propose nor approve.
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id.
            FieldError: A field breaks a rule; says which.
            CurrencyFixedError: The account is kept in another currency.
            KeyReusedError: The key was used with another question.
            BusyError: Somebody else changes the same records.

        """
        caller = keyed.caller
        check_ask(caller, ask)
        with self.database.begin() as tx:
            return once(
                tx,
                caller,
                keyed.key,
                keyed.digest,
                lambda: render(self.within(tx, caller, ref, ask)),
            )

    def within(self, tx: Tx, caller: Caller, ref: str, ask: LimitAsk) -> LimitView:
        """Do it within a transaction; what was asked is checked already."""
        at, segment = self.now(), segments.read(tx, ask.segment_id)
        today = business_date(segment, at)
        customer_id = accounts.customer_of(tx, ref)
        account_id = ensure_accounts(tx, customer_id, ask.segment_id).account_id
        books = open_account(tx, ref, account_id, at)
        books.settle([account_id], today)
        if ask.limit is not None:
            told = Told(ask.limit.currency, "LIMIT", ask.currency_field)
            keep_currency(books, account_id, told, today)
        record = new_record(ask, books, (account_id, today), caller)
        limits.add(tx, record)
        if caller.may("limit:approve") and not segment.four_eyes:
            record = approve(books, record, caller, today)
        books.close()
        return LimitView(record, customer_id, ask.segment_id)


def keep_currency(books: Books, account_id: int, told: Told, today: date) -> None:
    """Keep a locked account in the currency of a limit.

    Raises:
        CurrencyFixedError: It is kept in another one, and something is open.

    """
    entry = take_currency(books.tx, books.pool[account_id], told, today)
    if entry is not None:
        books.post(entry)


def new_record(
    ask: LimitAsk, books: Books, account: tuple[int, date], caller: Caller
) -> LimitRecord:
    """Make the record of a limit that is asked for; `account` is its id and the business date.

    Raises:
        FieldError: It ends before it begins.

    """
    account_id, today = account
    valid_from = ask.valid_from or today
    if ask.valid_to is not None and ask.valid_to < valid_from:
        raise FieldError(f"{ask.valid_to} is before valid_from {valid_from}", "valid_to")
    return LimitRecord(
        limit_id=str(uuid4()),
        account_id=account_id,
        kind=ask.kind,
        limit_minor=None if ask.limit is None else ask.limit.minor,
        currency=books.pool[account_id].currency,
        unlimited=ask.unlimited,
        valid_from=valid_from,
        valid_to=ask.valid_to,
        status="PROPOSED",
        reason=ask.reason,
        proposed_by=caller.client,
        proposed_actor=caller.actor,
        created_at=books.at,
        cover=ask.cover,
    )


def approve(books: Books, record: LimitRecord, caller: Caller, today: date) -> LimitRecord:
    """Approve a limit of a locked account, and put what it changes today in force.

    A base limit begins with its approval at the earliest: one dated back would not replace what
    began between its date and today, and that would come back when it ends. What is over already
    keeps its dates, and replaces nothing.
    """
    lasts = record.kind == "base" and (record.valid_to is None or record.valid_to >= today)
    after = replace(
        record,
        valid_from=max(record.valid_from, today) if lasts else record.valid_from,
        status="APPROVED",
        decided_by=caller.client,
        decided_actor=caller.actor,
        decided_at=limits.next_decision(books.tx, record.account_id, books.at),
    )
    limits.write(books.tx, after)
    books.settle([record.account_id], today, record.limit_id)
    return after


@dataclass(frozen=True, slots=True)
class ListLimits:
    """List the limits (or covers) of a customer within sight, the newest first.

    Those of records that were merged into it are among them: all of them ended or rejected.
    """

    database: Database
    now: Callable[[], datetime]
    paper: Paper = "limit"

    def __call__(self, caller: Caller, ref: str, segment_id: str | None) -> list[LimitView]:
        """Return all of one segment, or of all segments; a merged record's under its own id.

        Raises:
            SegmentUnknownError: No such segment within sight.
            CustomerUnknownError: Nobody has this id within sight.

        """
        with self.database.read() as tx:
            need_segment(tx, caller, segment_id)
            held = {
                account_id: (customer_id, place)
                for account_id, (customer_id, place) in merges.with_merged(
                    tx, find_customer(tx, caller, ref)
                ).items()
                if caller.sees(place) and segment_id in {None, place}
            }
            days = {one.segment_id: business_date(one, self.now()) for one in segments.every(tx)}
            approved = limits.approved(tx, held)
            in_force = {
                one.limit_id
                for account_id, (_, place) in held.items()
                for one in makes_up(approved[account_id], days[place])
            }
            found = [
                LimitView(record, customer_id, place, record.limit_id in in_force)
                for account_id, (customer_id, place) in held.items()
                for record in limits.listing(tx, account_id, self.paper)
            ]
        return sorted(found, key=_place, reverse=True)


def _place(view: LimitView) -> tuple[datetime, str]:
    """Say where a limit stands in a list, whatever account it is of: pages need one order."""
    return view.record.created_at, view.record.limit_id
