"""What would unblock an order: pay this much, ship up to that much, wait until then.

Computed from the same figures that held it, so that following the advice lets the order pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from app.domain.accounts import Account
from app.domain.decisions import Figures, Judgement, Question, Situation
from app.domain.groups import RateFinder
from app.domain.limits import CreditLimit, effective_limit
from app.domain.money import Money
from app.domain.payments import OpenInvoice, plan_payment
from app.domain.rules import Fired

_OVERDUE: Final = frozenset(
    {"account_overdue_days", "account_overdue_share_percent", "account_overdue_minor"}
)
"""Names that paying the oldest invoices changes."""

_ACTION: Final = {
    "CUSTOMER_INACTIVE": "ACTIVATE_CUSTOMER",
    "ORDER_REJECTED": "PLACE_NEW_ORDER",
    "FORCED_HOLD": "LIFT_HOLD",
    "ACCOUNT_STOPPED": "LIFT_STOP",
    "FX_RATE_MISSING": "POST_RATE",
    "LEDGER_QUARANTINE": "CLEAR_QUARANTINE",
    "SCORE_CLASS": "ASK_RELEASE",
    "STALE_LEDGER": "REPORT_LEDGER",
    "MISSING_INPUT": "ASK_RELEASE",
}
"""What helps against a reason that no payment removes."""

Limits = Mapping[int, Sequence[CreditLimit]]
"""The approved limits of accounts, by account id."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do. `invoices` are to be paid, oldest first, the last one perhaps in part."""

    action: str
    amount: Money | None = None
    invoices: tuple[str, ...] = ()
    until: date | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What advice needs besides what was judged.

    `invoices` are the payer's, oldest due first, the newest left out where they are too many.
    `limits` are those of the accounts that are `over_limit` and whose limit will change. `find`
    finds the rate that a payment of today takes.
    """

    invoices: Sequence[OpenInvoice]
    limits: Limits
    find: RateFinder


def over_limit(judgement: Judgement) -> list[Figures]:
    """List every account that the order does not fit, where that is why it was held."""
    held = {row.account_id for row in judgement.reasons if _is_limit(row)}
    return [
        figures
        for figures in judgement.tested
        if figures.excess and figures.account.account_id in held
    ]


def advise(
    question: Question, situation: Situation, judgement: Judgement, outlook: Outlook
) -> tuple[Advice, ...]:
    """List what would unblock a held order."""
    if judgement.outcome == "APPROVE":
        return ()
    advice: list[Advice] = []
    over = over_limit(judgement)
    late = [row for row in judgement.reasons if _is_overdue(row)]
    rows = [row.row for row in late]
    plan = plan_payment(situation, over, rows, outlook.invoices, outlook.find)
    if plan.amount:
        amount = Money(plan.amount, situation.accounts[0].currency)
        advice.append(Advice("PAY", amount=amount, invoices=plan.invoices))
    if judgement.ship_up_to:
        shippable = Money(judgement.ship_up_to, question.amount.currency)
        advice.append(Advice("SHIP_UP_TO", amount=shippable))
    advice += [_raise_limit(figures) for figures in over]
    until = _day_of_room(over, outlook.limits, situation.today)
    if until is not None:
        advice.append(Advice("WAIT_UNTIL", until=until))
    advice += [_other(row) for row in judgement.reasons if not _is_limit(row) and row not in late]
    return tuple(dict.fromkeys(advice))


def _is_limit(row: Fired) -> bool:
    return row.row.scope == "path" and row.reason not in {"MISSING_INPUT", "RULE_ERROR"}


def _is_overdue(row: Fired) -> bool:
    known = row.reason not in {"MISSING_INPUT", "RULE_ERROR"}
    return known and _OVERDUE.issuperset(row.row.names)


def _other(row: Fired) -> Advice:
    subject = None if row.observed is None else str(row.observed)
    return Advice(row.row.action or _ACTION.get(row.reason, "ASK_RELEASE"), subject=subject)


def _raise_limit(figures: Figures) -> Advice:
    account = figures.account
    needed = Money(max(0, _needed(figures)), account.currency)
    return Advice("RAISE_LIMIT", amount=needed, subject=account.customer_id)


def _needed(figures: Figures) -> int:
    return figures.bare.use.total + figures.needed


def _day_of_room(over: Sequence[Figures], limits: Limits, today: date) -> date | None:
    """Find the first day on which limits come into force by themselves that are all enough."""
    rows = [row for figures in over for row in limits.get(figures.account.account_id, ())]
    days = {row.valid_from for row in rows}
    days |= {
        row.valid_to + timedelta(days=1) for row in rows if row.valid_to not in {None, date.max}
    }
    return next(
        (
            day
            for day in sorted(days)
            if day > today and all(_fits(figures, limits, day) for figures in over)
        ),
        None,
    )


def _fits(figures: Figures, limits: Limits, day: date) -> bool:
    account: Account = figures.account
    found = effective_limit(limits.get(account.account_id, ()), day)
    return found.unlimited or (found.limit_minor or 0) >= _needed(figures)
