"""Advice is tried out before it is given: the order is judged again as if it had been followed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from typing import Final

from app.domain.accounts import Account
from app.domain.decisions import Figures, Judgement, Overdue, Question, Situation
from app.domain.judging import reasons_of
from app.domain.limits import CreditLimit, EffectiveLimit, changes, effective_limit, in_force
from app.domain.money import MAX_MINOR
from app.domain.payments import OpenInvoice, Wallet, least
from app.domain.rules import Fired, RuleSet

Key = tuple[str, str, int | None]
"""One reason: its rule, its code and the account it speaks of (None: the payer's)."""

Limits = Mapping[int, Sequence[CreditLimit]]
"""The approved limits of accounts, covers among them, by account id."""

MOST_DAYS: Final = 20
"""How many days on which limits change are tried out."""


def key_of(fired: Fired) -> Key:
    """Name a reason."""
    return fired.row.rule_id, fired.reason, fired.account_id


@dataclass(frozen=True, slots=True)
class Trial:
    """A held order, and what would be left of its reasons if something were done."""

    question: Question
    situation: Situation
    rules: RuleSet
    judgement: Judgement
    now: frozenset[Key] = field(init=False)

    def __post_init__(self) -> None:
        """Name the reasons once."""
        object.__setattr__(self, "now", frozenset(map(key_of, self.judgement.reasons)))

    def left(self, situation: Situation | None, question: Question | None = None) -> frozenset[Key]:
        """Name the reasons in another situation, or of another question; None: as it is."""
        if situation is None:
            return self.now
        return frozenset(map(key_of, reasons_of(question or self.question, situation, self.rules)))

    def removed(self, situation: Situation | None) -> frozenset[Key]:
        """Name the reasons that go in another situation; none where a new one comes up."""
        left = self.left(situation)
        return self.now - left if left <= self.now else frozenset()


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment in the payer's currency that removes reasons."""

    amount: int
    invoices: tuple[str, ...]
    removed: frozenset[Key]


def plan_payment(trial: Trial, over: Sequence[Figures], wallet: Wallet) -> Payment | None:
    """Find the least payment that removes all reasons that money removes; None: it removes none.

    Invoices are paid from the oldest on, whole ones where they are what is late.
    """
    most = wallet.most(trial.judgement.tested)
    late = _of_order(trial.removed(wallet.pay(wallet.whole(len(wallet.invoices)))))
    able = trial.removed(wallet.pay(most))
    able -= _of_order(able) - late  # what only a payment in advance removes is not for invoices
    if not most or not able:
        return None
    count = _invoices_to_pay(trial, wallet, late) if late else 0
    floor = wallet.whole(count)
    amount = wallet.enough(floor, over)

    def enough(some: int) -> bool:
        return able <= trial.removed(wallet.pay(some))

    amount = _least(wallet, (floor, amount, most), enough)
    return Payment(amount, wallet.named(amount), trial.removed(wallet.pay(amount)))


def _of_order(keys: frozenset[Key]) -> frozenset[Key]:
    """Keep the reasons that speak of the order as a whole, not of a limit."""
    return frozenset(key for key in keys if key[2] is None)


def _least(wallet: Wallet, amounts: tuple[int, int, int], enough: Callable[[int], bool]) -> int:
    """Correct an amount between a floor and the most there is, where it is not the very least."""
    floor, amount, most = amounts
    if not enough(amount):
        return least(amount, most, enough)
    return least(floor, amount, enough) if wallet.converts else amount


def _invoices_to_pay(trial: Trial, wallet: Wallet, late: frozenset[Key]) -> int:
    """Count the oldest invoices without which no rule about what is late fires any more."""

    def gone(count: int) -> bool:
        return late <= trial.removed(wallet.pay(wallet.whole(count)))

    return least(0, len(wallet.invoices), gone)


def plan_prepayment(trial: Trial, over: Sequence[Figures], wallet: Wallet) -> Payment | None:
    """Find the least payment in advance, no invoice paid, that removes what it can."""
    most = wallet.most(trial.judgement.tested)
    able = trial.removed(wallet.pay(most, ahead=True))
    if not most or not able:
        return None

    def enough(some: int) -> bool:
        return able <= trial.removed(wallet.pay(some, ahead=True))

    amount = _least(wallet, (0, wallet.enough(0, over, ahead=True), most), enough)
    return Payment(amount, (), able)


@dataclass(frozen=True, slots=True)
class Raise:
    """The least limit, and the least contribution of a cover instead (None: covers cannot).

    `limit` is what to enter; covers that are there come on top of it. The account's currency.
    """

    account: Account
    limit: int
    cover: int | None
    removed: frozenset[Key]


def plan_limit(trial: Trial, figures: Figures, limits: Sequence[CreditLimit]) -> Raise | None:
    """Find the limit an account needs for the order to fit it; None where no limit helps."""
    account, today = figures.account, trial.situation.today
    able = trial.removed(with_limit(trial.situation, account, MAX_MINOR))
    if not able:
        return None

    def enough(minor: int) -> bool:
        return able <= trial.removed(with_limit(trial.situation, account, minor))

    needed = _under_ceiling(max(1, figures.bare.use.total + figures.needed), trial.rules)
    if not enough(needed):
        needed = least(needed, MAX_MINOR, enough)
    held = effective_limit(limits, today)
    covers = sum(row.limit_minor or 0 for row in limits if row.covers_on(today))
    cover = None
    if held.limit_minor:  # beside no limit, or one of zero, a cover counts nothing
        cover = needed - held.limit_minor
    return Raise(account, max(1, needed - covers), cover, able)


def _under_ceiling(use: int, rules: RuleSet) -> int:
    """Give the least limit, above zero, that carries a use with the tolerance on top."""
    share = 1 + Fraction(rules.tolerance_percent) / 100
    about = max(1, int(use / share) - 1)
    return next(minor for minor in range(about, use + 2) if rules.ceiling(minor) >= use)


def with_limit(situation: Situation, account: Account, minor: int) -> Situation:
    """Put another effective limit in force on an account."""
    accounts = tuple(
        in_force(one, EffectiveLimit(minor, unlimited=False, expired=False, changes_on=None))
        if one.account_id == account.account_id
        else one
        for one in situation.accounts
    )
    return replace(situation, accounts=accounts)


@dataclass(frozen=True, slots=True)
class Wait:
    """The first day on which limits that are approved already let the order pass by themselves."""

    until: date
    removed: frozenset[Key]


def plan_wait(trial: Trial, limits: Limits, invoices: Sequence[OpenInvoice]) -> Wait | None:
    """Find the first day that removes all about limits.

    The ledger, rates and scores are taken to be as fresh then as they are today, and what is owed
    to be owed still, so that invoices become overdue meanwhile.
    """
    today, limited = trial.situation.today, {key for key in trial.now if key[2] is not None}
    days = {day for rows in limits.values() for day in changes(rows) if day > today}
    for day in sorted(days)[:MOST_DAYS]:
        removed = trial.removed(on_day(trial.situation, limits, invoices, day))
        if removed and limited <= removed:
            return Wait(day, removed)
    return None


def on_day(
    situation: Situation, limits: Limits, invoices: Sequence[OpenInvoice], day: date
) -> Situation:
    """Give the situation on a later business date on which only limits and due dates moved."""
    accounts = tuple(
        in_force(one, effective_limit(limits[one.account_id], day))
        if one.account_id in limits
        else one
        for one in situation.accounts
    )
    overdue = _overdue_on(situation, invoices, day)
    return replace(situation, today=day, accounts=accounts, overdue=overdue)


def _overdue_on(situation: Situation, invoices: Sequence[OpenInvoice], day: date) -> Overdue:
    before = situation.overdue
    late = dict(before.amounts)
    for one in invoices:
        if situation.today <= one.due_date < day:
            late[one.open.currency] = late.get(one.open.currency, 0) + one.open.minor
    days = before.days + (day - situation.today).days if before.days else 0
    if invoices and not before.days:
        days = max(0, (day - invoices[0].due_date).days)
    return Overdue(late, before.open_items, days)
