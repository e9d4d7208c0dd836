"""What would unblock an order: pay this much, ship up to that much, wait until then.

Everything is tried out on the situation that held the order (`advice_trials`), so that who follows
the advice and asks again gets the order through, and a cent less does not do. An advice names the
reasons it removes; where it does not suffice alone, it does together with those for the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_CEILING, Decimal
from typing import Final

from app.domain.advice_trials import (
    Key,
    Limits,
    Payment,
    Trial,
    key_of,
    plan_limit,
    plan_payment,
    plan_prepayment,
    plan_wait,
)
from app.domain.decisions import Figures, Judgement, Question, Situation
from app.domain.money import Money, RateFinder, convert
from app.domain.payments import OpenInvoice, Wallet, with_rest
from app.domain.rules import Fired, RuleSet
from app.domain.terms_context import class_of

ACTIONS: Final = {
    "CUSTOMER_INACTIVE": "ACTIVATE_CUSTOMER",
    "ORDER_REJECTED": "PLACE_NEW_ORDER",
    "FORCED_HOLD": "LIFT_HOLD",
    "ACCOUNT_STOPPED": "LIFT_STOP",
    "FX_RATE_MISSING": "POST_RATE",
    "LEDGER_QUARANTINE": "CLEAR_QUARANTINE",
    "STALE_LEDGER": "REPORT_LEDGER",
}
"""What to do about a reason whose remedy is always the same."""

WHO: Final = {
    "RAISE_LIMIT": "limit:approve",
    "ADD_COVER": "limit:approve",
    "ACTIVATE_CUSTOMER": "customer:write",
    "LIFT_HOLD": "hold:release_forced",
    "LIFT_STOP": "hold:release_forced",
    "POST_RATE": "rate:write",
    "CLEAR_QUARANTINE": "ledger:write",
    "REPORT_LEDGER": "ledger:write",
    "ASK_RELEASE": "hold:release",
    "CHANGE_POLICY": "rule:approve",
}
"""The scope that an action needs; what is not named is up to the customer or whoever sells."""

_WHOLE: Final = 100


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do. `invoices` are to be paid, oldest first, the last one perhaps in part.

    `percent` is the share of the order's value that is paid ahead, rounded up to two places;
    `days` are payment terms.
    `removes` are the reasons that go; `suffices`: all of them, so that it is enough alone.
    `subject` is a customer, a pair of currencies, a rule; or what was seen.
    """

    action: str
    amount: Money | None = None
    invoices: tuple[str, ...] = ()
    until: date | None = None
    subject: str | None = None
    percent: Decimal | None = None
    days: int | None = None
    removes: tuple[Key, ...] = field(default=(), compare=False)
    suffices: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What advice needs besides what was judged.

    `invoices` are the payer's, oldest due first, the newest left out where they are too many.
    `limits` are those of the accounts that are `over_limit` and of those whose limit will change.
    `find` finds the rate that a payment of today takes.
    """

    invoices: Sequence[OpenInvoice]
    limits: Limits
    find: RateFinder


def over_limit(judgement: Judgement) -> list[Figures]:
    """List every account that the order does not fit, where that is why it was held."""
    held = {row.account_id for row in judgement.reasons if _is_limit(row)}
    return [figures for figures in judgement.tested if figures.account.account_id in held]


def limits_needed(judgement: Judgement, situation: Situation) -> set[int]:
    """Name the accounts whose limits advice looks at; none where no limit is in the way."""
    over = {figures.account.account_id for figures in over_limit(judgement)}
    changing = {one.account_id for one in situation.accounts if one.limit_changes_on is not None}
    return over | changing if over else set()


def advise(
    asked: tuple[Question, RuleSet], situation: Situation, judgement: Judgement, outlook: Outlook
) -> tuple[Advice, ...]:
    """List what would unblock a held order; `asked` is the question and the rules it met."""
    if judgement.outcome == "APPROVE":
        return ()
    question, rules = asked
    trial = Trial(question, situation, rules, judgement)
    found = _Found(trial)
    over, invoices = over_limit(judgement), with_rest(situation, outlook.invoices)
    _pay(found, over, Wallet(situation, invoices, outlook.find))
    if judgement.ship_up_to:
        shippable = Money(judgement.ship_up_to, question.amount.currency)
        found.add(Advice("SHIP_UP_TO", amount=shippable), trial.now)
    _raise(found, over, outlook.limits)
    wait = plan_wait(trial, outlook.limits, invoices)
    if wait is not None:
        found.add(Advice("WAIT_UNTIL", until=wait.until), wait.removed)
    _shorten(found)
    for row in judgement.reasons:
        _ask(found, row)
    return tuple(found.listed())


@dataclass(slots=True)
class _Found:
    """The advice so far; `helped` are the reasons that some of it removes."""

    trial: Trial
    advice: list[tuple[Advice, frozenset[Key]]] = field(default_factory=list)

    def add(self, advice: Advice, removed: Iterable[Key]) -> None:
        self.advice.append((advice, frozenset(removed)))

    def helps(self, key: Key) -> bool:
        """Tell whether something other than a smaller order or time is known for a reason."""
        return any(
            key in removed
            for one, removed in self.advice
            if one.action not in {"SHIP_UP_TO", "WAIT_UNTIL"}
        )

    def listed(self) -> Iterable[Advice]:
        """Give each thing once, with all that it removes, in the order of the reasons."""
        merged: dict[Advice, frozenset[Key]] = {}
        for one, removed in self.advice:
            merged[one] = merged.get(one, frozenset()) | removed
        for one, removed in merged.items():
            told = tuple(key for key in map(key_of, self.trial.judgement.reasons) if key in removed)
            yield replace(one, removes=told, suffices=self.trial.now <= removed)


def _is_limit(row: Fired) -> bool:
    return row.row.scope == "path" and row.reason not in {"MISSING_INPUT", "RULE_ERROR"}


def _pay(found: _Found, over: Sequence[Figures], wallet: Wallet) -> None:
    """Advise a payment, and where it would go to invoices, one in advance as well."""
    plan, currency = plan_payment(found.trial, over, wallet), wallet.payer.currency
    if plan is not None:
        percent = None if plan.invoices else _share(found.trial, plan, wallet)
        amount = Money(plan.amount, currency)
        paid = Advice("PAY", amount=amount, invoices=plan.invoices, percent=percent)
        found.add(paid, plan.removed)
    if plan is None or plan.invoices:
        ahead = plan_prepayment(found.trial, over, wallet)
        percent = None if ahead is None else _share(found.trial, ahead, wallet)
        if ahead is not None and percent is not None:
            amount = Money(ahead.amount, currency)
            found.add(Advice("PREPAY", amount=amount, percent=percent), ahead.removed)


def _share(trial: Trial, plan: Payment, wallet: Wallet) -> Decimal | None:
    """Say which share of the order a payment is; None: more than all, or nothing values it."""
    order, currency = trial.question.amount, wallet.payer.currency
    worth = order.minor
    if order.currency != currency:
        rate = trial.situation.rates.get(currency)
        if rate is None:
            return None
        worth = convert(worth, rate.factor(order.currency, currency), up=True)
    if not 0 < plan.amount <= worth:
        return None
    share = Decimal(plan.amount * _WHOLE) / Decimal(worth)
    return share.quantize(Decimal("0.01"), ROUND_CEILING)


def _raise(found: _Found, over: Sequence[Figures], limits: Limits) -> None:
    """Advise a limit on every account that is in the way, and a cover where one counts."""
    for figures in over:
        account = figures.account
        plan = plan_limit(found.trial, figures, limits.get(account.account_id, ()))
        if plan is None:
            continue
        limit, whose = Money(plan.limit, account.currency), account.customer_id
        found.add(Advice("RAISE_LIMIT", amount=limit, subject=whose), plan.removed)
        if plan.cover is not None:
            cover = Money(plan.cover, account.currency)
            found.add(Advice("ADD_COVER", amount=cover, subject=whose), plan.removed)


def _shorten(found: _Found) -> None:
    """Advise the terms of the payer's class where longer ones hold the order."""
    trial = found.trial
    terms = trial.rules.terms.get(class_of(trial.situation))
    if terms is not None:
        shorter = replace(trial.question, payment_terms_days=terms.days)
        left = trial.left(trial.situation, shorter)
        if left < trial.now:
            found.add(Advice("SHORTEN_TERMS", days=terms.days), trial.now - left)


def _ask(found: _Found, row: Fired) -> None:
    """Say who can act on a reason that nothing else removes."""
    key = key_of(row)
    subject = None if row.observed is None else str(row.observed)
    action = row.row.action or ACTIONS.get(row.reason)
    if action is not None:
        found.add(Advice(action, subject=subject), [key])
    elif not found.helps(key) and row.outcome == "REJECT":
        # an order that is refused is on no hold that a person could release
        found.add(Advice("CHANGE_POLICY", subject=row.row.rule_id), [key])
    elif not found.helps(key):
        found.add(Advice("ASK_RELEASE", subject=subject), [key])
