"""What would unblock an order: pay this much, ship up to that much, wait until then.

Computed from the same figures that held it, so that following the advice lets the order pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from app.domain.context import worth
from app.domain.decisions import Judgement, Question, Situation
from app.domain.limits import EffectiveLimit
from app.domain.money import Money, convert
from app.domain.rules import Fired, Row

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


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """An open invoice of the payer; minor units of its currency."""

    invoice_id: str
    due_date: date
    open: Money


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do. `invoices` are to be paid, oldest first, the last one perhaps in part."""

    action: str
    amount: Money | None = None
    invoices: tuple[str, ...] = ()
    until: date | None = None
    subject: str | None = None


def advise(
    question: Question,
    situation: Situation,
    judgement: Judgement,
    invoices: Sequence[OpenInvoice],
    coming: Mapping[int, EffectiveLimit],
) -> tuple[Advice, ...]:
    """List what would unblock a held order; `invoices` come oldest due first."""
    if judgement.outcome == "APPROVE":
        return ()
    advice = []
    over_limit = [row for row in judgement.reasons if row.row.scope == "path"]
    late = [row.row for row in judgement.reasons if _is_overdue(row.row)]
    others = [row for row in judgement.reasons if row not in over_limit and row.row not in late]
    if over_limit or late:
        excess = _excess_for(question.amount.currency, situation, judgement)
        advice.append(_pay(situation, excess, late, invoices))
    if 0 < judgement.ship_up_to < question.amount.minor:
        shippable = Money(judgement.ship_up_to, question.amount.currency)
        advice.append(Advice("SHIP_UP_TO", amount=shippable))
    if over_limit:
        advice += _limit_advice(judgement, coming)
    advice += [_other(row) for row in others]
    return tuple(dict.fromkeys(advice))


def _is_overdue(row: Row) -> bool:
    return all(term.name in _OVERDUE for term in row.terms)


def _other(row: Fired) -> Advice:
    subject = None if row.observed is None else str(row.observed)
    return Advice(_ACTION.get(row.reason, "ASK_RELEASE"), subject=subject)


def _pay(
    situation: Situation, excess: int, late: Sequence[Row], invoices: Sequence[OpenInvoice]
) -> Advice:
    """Pay the oldest invoices until no overdue rule fires, and at least what is over the limit."""
    payer = situation.accounts[0]
    worths = [worth(payer, {one.open.currency: one.open.minor}) or 0 for one in invoices]
    count = next(
        (
            number
            for number in range(len(invoices) + 1)
            if not _still_late(situation, late, invoices[number:], worths[number:])
        ),
        len(invoices),
    )
    amount = max(sum(worths[:count]), excess)
    while count < len(invoices) and sum(worths[:count]) < amount:
        count += 1
    paid = tuple(one.invoice_id for one in invoices[:count])
    return Advice("PAY", amount=Money(amount, payer.currency), invoices=paid)


def _excess_for(order: str, situation: Situation, judgement: Judgement) -> int:
    """Give the largest excess on the path, in the payer's currency, rounded up."""
    binding = judgement.binding
    if not binding.excess or not any(row.row.scope == "path" for row in judgement.reasons):
        return 0
    payer, currency = situation.accounts[0], binding.account.currency
    if currency == payer.currency:
        return binding.excess
    mine, theirs = situation.rates.get(payer.currency), situation.rates.get(currency)
    into = Fraction(1) if theirs is None else 1 / theirs.factor(order, currency)
    back = Fraction(1) if mine is None else mine.factor(order, payer.currency)
    return convert(binding.excess, into * back, up=True)


def _still_late(
    situation: Situation,
    late: Sequence[Row],
    invoices: Sequence[OpenInvoice],
    worths: Sequence[int],
) -> bool:
    """Tell whether an overdue rule would still fire if only these invoices were left open."""
    overdue = [
        (one, minor)
        for one, minor in zip(invoices, worths, strict=True)
        if one.due_date < situation.today
    ]
    total, open_items = sum(minor for _, minor in overdue), sum(worths)
    context = {
        "account_overdue_days": max(
            ((situation.today - one.due_date).days for one, _ in overdue), default=0
        ),
        "account_overdue_minor": total,
        "account_overdue_share_percent": -(-100 * total // open_items) if total else 0,
    }
    return any(all(term.holds(context) for term in row.terms) for row in late)


def _limit_advice(judgement: Judgement, coming: Mapping[int, EffectiveLimit]) -> list[Advice]:
    """Name the limit that would do, and the day on which one comes into force by itself."""
    binding = judgement.binding
    needed = binding.bare.use.total + binding.needed
    advice = [
        Advice(
            "RAISE_LIMIT",
            amount=Money(max(0, needed), binding.account.currency),
            subject=binding.account.customer_id,
        )
    ]
    later, starts = coming.get(binding.account.account_id), binding.account.limit_changes_on
    if later and starts and (later.unlimited or (later.limit_minor or 0) >= needed):
        advice.append(Advice("WAIT_UNTIL", until=starts))
    return advice
