"""The running state of a batch: what each question changes is what the next one meets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from typing import Any, Final

from app.domain.accounts import Account, Entry, revalued
from app.domain.callers import Caller
from app.domain.decisions import Inputs, Judgement, Overdue, Question, Situation
from app.domain.errors import BusyError, CustomerUnknownError, SegmentUnknownError
from app.domain.limits import CreditLimit, settle
from app.domain.money import Rate
from app.domain.orders import Order, OrderUse
from app.domain.rates import find_rate
from app.domain.scores_json import score_in_force
from app.store.lane_rows import Loaded, Payer, SegmentState
from app.usecases.breath import Breath

_UNUSED: Final = OrderUse()


class AccountMissingError(Exception):
    """Customers are known, but have no accounts in a segment yet; the batch makes them first."""

    def __init__(self, accounts: Iterable[tuple[str, str]]) -> None:
        """Say which accounts are missing, as (customer, segment)."""
        self.accounts = frozenset(accounts)
        super().__init__(f"{len(self.accounts)} accounts are not there yet")


class BehindError(BusyError):
    """Time has changed what counts on accounts, and their figures do not say so yet.

    Provisional money that has expired is to lapse first, and orders whose day has come to count.
    """

    def __init__(self, at: datetime, accounts: Iterable[int]) -> None:
        """Say on which accounts, and by which moment."""
        self.at = at
        self.accounts = frozenset(accounts)
        super().__init__("the account is being brought up to date; try again")


@dataclass(slots=True)
class Batch:
    """Accounts and orders as they stand after the questions judged so far."""

    at: datetime
    loaded: Loaded
    rates: list[Rate] = field(default_factory=list)
    accounts: dict[int, Account] = field(default_factory=dict)
    orders: dict[tuple[str, str], Order] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    past: list[Order] = field(default_factory=list)
    rooms: dict[int, int] = field(default_factory=dict)
    held_for: dict[str, Any] = field(default_factory=dict)
    uncounted: set[int] = field(default_factory=set)
    breath: Breath = field(default_factory=Breath)

    def __post_init__(self) -> None:
        """Start from what was loaded."""
        self.accounts = dict(self.loaded.accounts)
        self.orders = dict(self.loaded.orders)

    def segment(self, segment_id: str) -> SegmentState:
        """Give a segment's settings.

        Raises:
            SegmentUnknownError: There is none.

        """
        found = self.loaded.segments.get(segment_id)
        if found is None:
            raise SegmentUnknownError(f"no segment {segment_id[:64]!r}", "segment")
        return found

    def payer(self, question: Question) -> Payer:
        """Give what is known of the payer.

        Raises:
            CustomerUnknownError: Nobody has this id.
            AccountMissingError: The account is to be made first.

        """
        customer_id = self.loaded.customers.get(question.customer_id)
        if customer_id is None:
            detail = f"no customer has the id {question.customer_id!r}"
            raise CustomerUnknownError(detail, "customer_id")
        payer = self.loaded.payers.get((question.segment_id, question.customer_id))
        if payer is None:
            raise AccountMissingError([(customer_id, question.segment_id)])
        return payer

    def require_ready(self, asked: Sequence[tuple[Question, Caller]]) -> None:
        """Insist on all that can be judged on only when something else was done first.

        Raises:
            BehindError: Figures are to be brought up to date.
            AccountMissingError: Accounts are to be made.

        """
        self.require_in_time(asked)
        self.require_accounts(asked)

    def require_accounts(self, asked: Iterable[tuple[Question, Caller]]) -> None:
        """Insist on the accounts of all customers that are known, in segments that callers see.

        Raises:
            AccountMissingError: Some are to be made first.

        """
        loaded = self.loaded
        missing = {
            (loaded.customers[question.customer_id], question.segment_id)
            for question, caller in asked
            if (question.segment_id, question.customer_id) not in loaded.payers
            and question.customer_id in loaded.customers
            and question.segment_id in loaded.segments
            and caller.sees(question.segment_id)
        }
        if missing:
            raise AccountMissingError(missing)

    def require_in_time(self, asked: Iterable[tuple[Question, Caller]]) -> None:
        """Insist that the figures of who is asked about are those of this moment.

        Raises:
            BehindError: Something is to lapse, or to count, first.

        """
        lapsing = {one for state in self.loaded.segments.values() for one in state.lapsing}
        due = lapsing & self.judged_on(asked) if lapsing else lapsing
        if due or self.uncounted:
            raise BehindError(self.at, due | self.uncounted)

    def judged_on(self, asked: Iterable[tuple[Question, Caller]]) -> set[int]:
        """Name the accounts, with their groups, of payers whom callers see."""
        seen = (one for one, caller in asked if caller.sees(one.segment_id))
        payers = (self.loaded.payers.get((one.segment_id, one.customer_id)) for one in seen)
        held = (self.accounts.get(payer.account_id) for payer in payers if payer is not None)
        return {key for account in held if account is not None for key in account.path}

    def path(self, account_id: int) -> tuple[Account, ...]:
        """Give an account and its groups, as they stand.

        Raises:
            BusyError: The path changed while the locks were taken.

        """
        try:
            payer = self.accounts[account_id]
            if len(payer.path) == 1:
                return (payer,)
            return tuple([self.accounts[one] for one in payer.path])
        except KeyError as error:
            raise BusyError("a customer was moved to another group meanwhile") from error

    def foreign_currencies(self, questions: list[Question]) -> set[str]:
        """Name the currencies that need a rate; empty where everything is in one currency."""
        needed: set[str] = set()
        for account in self.accounts.values():
            if account.foreign:
                needed |= {account.currency, *account.foreign}
        for question in questions:
            payer = self.loaded.payers.get((question.segment_id, question.customer_id))
            if payer is None or payer.account_id not in self.accounts:
                continue
            for one in self.accounts[payer.account_id].path:
                own = self.accounts[one].currency if one in self.accounts else None
                if own is not None and own != question.amount.currency:
                    needed |= {own, question.amount.currency}
        return needed

    def due_limits(self) -> list[int]:
        """Name the accounts whose effective limit may differ on their business date."""
        return [
            key
            for key, account in self.accounts.items()
            if account.limit_changes_on is not None
            and account.limit_changes_on <= self.today(account)
        ]

    def today(self, account: Account) -> date:
        """Give the business date of an account's segment."""
        state = self.loaded.segments.get(account.segment_id)
        return self.at.date() if state is None else state.today

    def bring_up_to_date(self, limits: Mapping[int, list[CreditLimit]]) -> None:
        """Journal limits that began or lapsed, and value foreign positions by today's rates."""
        for key, account in list(self.accounts.items()):
            if key not in limits and not account.foreign:
                continue
            held, entry, today = account, None, self.today(account)
            if key in limits:
                held, entry = settle(account, limits[key], today)
            self.entries += [entry] if entry else []
            find = partial(find_rate, self.rates, today=today)
            self.accounts[key], newer = revalued(held, find)
            self.entries += newer

    def keep_seqs(self) -> None:
        """Take back what bringing up to date counted: nothing of this batch will be journalled."""
        self.entries.clear()
        for key, account in self.accounts.items():
            seq = self.loaded.accounts[key].seq
            if account.seq != seq:
                self.accounts[key] = replace(account, seq=seq)

    def rate(self, currency: str, account: Account) -> Rate | None:
        """Find the rate from a currency to an account's."""
        return find_rate(self.rates, currency, account.currency, self.today(account))

    def situation(self, question: Question, caller: Caller) -> Situation:
        """Put together what a question is judged on, as it stands now in this batch.

        Raises:
            SegmentUnknownError: Unknown, or outside what the caller may see.
            CustomerUnknownError: Nobody has this id.
            BusyError: The ground moved; try again.

        """
        caller.visit(question.segment_id)
        state = self.segment(question.segment_id)
        payer = self.payer(question)
        accounts = self.path(payer.account_id)
        order = self.orders.get((question.segment_id, question.order_id))
        leaves = order is not None and order.reserved > 0 and order.account_id != payer.account_id
        currency = question.amount.currency
        rates = {}
        for account in accounts:
            if account.currency != currency:
                rate = self.rate(currency, account)
                if rate is not None:
                    rates[account.currency] = rate
        key = (question.segment_id, question.order_id, payer.account_id, currency)
        # by position, in the order of the fields: by name costs twice as much
        return Situation(
            self.at,
            state.today,
            state.mode,
            accounts,
            read_inputs(accounts[0].input_version, payer.input, self.at),
            _overdue(payer, accounts[0], state.today),
            order,
            self.loaded.uses.get(key) or _UNUSED,
            self.path(order.account_id) if order is not None and leaves else (),
            rates,
            state.ledger_at,
            False,  # noqa: FBT003 - nobody releases it
            state.horizon_days,
        )

    def apply(self, judgement: Judgement, decision_id: str) -> None:
        """Let the next question meet what this one changed."""
        order = judgement.order
        if order is None:
            return
        key = (order.segment_id, order.order_id)
        before = self.orders.get(key)
        earlier = None if before is None else before.authorization_id
        if before is not None and earlier is not None and earlier != order.authorization_id:
            self.past.append(before)
        self.orders[key] = order
        for account, kind in judgement.after:
            ref = f"order:{order.order_id}"
            self.entries.append(Entry(account, kind, ref, decision_id))
            self._guard(account, judgement.ceilings.get(account.account_id))
            self.accounts[account.account_id] = account

    def _guard(self, account: Account, ceiling: int | None) -> None:
        """Keep the largest total, as it was locked, at which this grant still fits."""
        if ceiling is None:
            return
        key = account.account_id
        room = ceiling - account.use.total + self.loaded.accounts[key].use.total
        if room < self.rooms.get(key, room + 1):
            self.rooms[key] = room


def read_inputs(version: int, data: Mapping[str, Any], at: datetime) -> Inputs:
    """Read slow inputs as they are stored; a customer without any yet is active and unscored.

    Of a score that somebody overrode for a time, what counts `at` the moment of the question.
    """
    score = score_in_force(data.get("score"), at)
    return Inputs(version, bool(data.get("active", True)), score, data)


def _overdue(payer: Payer, held: Account, today: date) -> Overdue:
    late, open_items, oldest = {}, {}, today
    for code, (overdue, opened, due) in payer.open_items.items():
        oldest = min(oldest, due)
        if code != held.currency and code not in held.foreign:
            continue  # all of it was adjusted away: it is worth nothing
        if overdue:
            late[code] = overdue
        open_items[code] = opened
    return Overdue(late, open_items, (today - oldest).days)
