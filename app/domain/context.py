"""The flat context that rules read, filled once a decision."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.domain.accounts import Account
from app.domain.decisions import Figures, Question, Situation
from app.domain.money import convert
from app.domain.rules import Value
from app.domain.scores_json import scored_at


def order_context(
    question: Question, situation: Situation, tested: Sequence[Figures]
) -> dict[str, Value]:
    """Fill what belongs to the order and its payer.

    What cannot be known is left out, so that the rules hold with MISSING_INPUT instead of
    passing; `ledger_age_days` is 0 while no source has ever reported (nothing can be stale yet).
    """
    payer, order, score = situation.accounts[0], situation.order, situation.inputs.score
    fx_missing = ""
    for figures in tested:
        if figures.fx_missing:
            fx_missing = f"{question.amount.currency}/{figures.account.currency}"
            break
    context: dict[str, Value] = {
        "customer_active": situation.inputs.active,
        "order_rejected": order is not None and order.rejected,
        "order_forced_hold": order is not None and order.hold_kind == "FORCED",
        "account_stopped": "STOPPED" in [account.status for account in situation.accounts],
        "account_quarantined": payer.quarantined,
        "account_overdue_days": situation.overdue.days,
        "fx_missing": fx_missing,
        "ledger_age_days": _age_days(situation.ledger_at, situation.at),
        "score_class": "" if score is None else str(score["risk_class"]),
        "score_age_days": 0 if score is None else _age_days(scored_at(score), situation.at),
    }
    overdue = worth(payer, situation.overdue.amounts)
    open_items = worth(payer, situation.overdue.open_items)
    if overdue is not None and open_items is not None:
        context["account_overdue_minor"] = overdue
        context["account_overdue_share_percent"] = -(-100 * overdue // open_items) if overdue else 0
    return context


def path_context(figures: Figures) -> dict[str, Value]:
    """Fill what belongs to one account that the order must fit."""
    account = figures.account
    state = "EXPIRED" if account.limit_expired else "NONE"
    if account.unlimited or account.limit_minor is not None:
        state = "ACTIVE"
    needed, ceiling = figures.bare.use.total + figures.needed, figures.ceiling
    context: dict[str, Value] = {
        "limit_state": state,
        "limit_excess_minor": 0 if ceiling is None else max(0, needed - ceiling),
        "limit_needed_minor": needed,
    }
    if ceiling is not None:
        context["limit_ceiling_minor"] = ceiling
    return context


def worth(account: Account, amounts: Mapping[str, int]) -> int | None:
    """Value amounts by currency in the account's currency, rounded up; None without a rate."""
    total = 0
    for currency, minor in amounts.items():
        if currency == account.currency:
            total += minor
            continue
        held = account.foreign.get(currency)
        if held is None:
            return None
        total += convert(minor, held.rate.factor(currency, account.currency), up=True)
    return total


def _age_days(then: datetime | None, now: datetime) -> int:
    return 0 if then is None else max(0, (now - then).days)
