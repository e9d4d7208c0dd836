"""A decision as it goes over the wire: rendered once, stored, and sent unchanged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from app.domain.accounts import Account
from app.domain.advice import WHO, Advice
from app.domain.decisions import Judgement, Question, Situation
from app.domain.money import Money, minor_to_text
from app.domain.rules import Fired, Value
from app.domain.values import quick
from app.texts import Text, text

_LISTED_INVOICES: Final = 100
"""How many invoices an advice names; the amount covers all of them."""


@quick
@dataclass(frozen=True, slots=True)
class Decided:
    """All that an answer tells besides the judgement itself."""

    decision_id: str
    rule_set_version: int
    order_hold_id: str | None
    reserves: bool
    advice: Sequence[Advice]


def render(
    question: Question, situation: Situation, judgement: Judgement, decided: Decided
) -> dict[str, Any]:
    """Render a decision as the contract's JSON."""
    binding, order = judgement.binding, judgement.order
    account, currency = binding.account, question.amount.currency
    bare, own = binding.bare, account.currency
    limit, headroom = bare.limit_minor, bare.headroom
    reasons, warnings, advice = judgement.reasons, judgement.warnings, decided.advice
    open_order = order if decided.reserves and judgement.lets_pass else None
    score = situation.inputs.score or {}
    return {
        "decision_id": decided.decision_id,
        "outcome": judgement.outcome,
        "judged": judgement.judged,
        "mode": situation.mode,
        "customer_id": situation.accounts[0].customer_id,
        "binding_customer_id": account.customer_id,
        "segment": question.segment_id,
        "check_point": question.check_point,
        "order_id": question.order_id,
        "amount": money(question.amount.minor, currency),
        "effective_limit": None if bare.unlimited or limit is None else money(limit, own),
        "unlimited": bare.unlimited,
        "exposure": money(bare.use.exposure, own),
        "authorized": money(bare.use.authorized, own),
        "headroom": None if headroom is None else money(headroom, own),
        "ship_up_to": money(judgement.ship_up_to, currency),
        "fx": None if own == currency else _fx(situation, account),
        "traffic_light": light(judgement, score),
        "score": score.get("score"),
        # most have none of these, and an empty comprehension costs as much as an amount
        "reasons": [_reason(row, situation) for row in reasons] if reasons else [],
        "warnings": [_reason(row, situation) for row in warnings] if warnings else [],
        "unblock": [_unblock(one, situation) for one in advice] if advice else [],
        "degraded": list(judgement.degraded),
        "rule_set_version": decided.rule_set_version,
        "model": score.get("model"),
        "authorization_id": open_order and open_order.authorization_id,
        "order_hold_id": decided.order_hold_id,
        "expires_at": open_order and open_order.expires_at and instant(open_order.expires_at),
        "counts_from": _counts_from(judgement),
        "account_seq": _seq(situation, judgement, decided),
        "evaluated_at": instant(situation.at),
    }


def money(minor: int, currency: str) -> dict[str, str]:
    """Write an amount as the wire's money object."""
    return {"amount": minor_to_text(minor, currency), "currency": currency}


@lru_cache(maxsize=256)  # the questions of a batch share their moment, and often their expiry
def instant(at: datetime) -> str:
    """Write a moment as RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def light(judgement: Judgement, score: Mapping[str, Any]) -> str:
    """Give the light of a decision: RED where held, else the score's, YELLOW with a warning."""
    if judgement.judged != "APPROVE":
        return "RED"
    scored = str(score.get("traffic_light", "YELLOW"))
    return "YELLOW" if scored == "GREEN" and judgement.warnings else scored


def _counts_from(judgement: Judgement) -> str | None:
    """Say from which day an approved order counts; also what a check would have authorized."""
    order = judgement.order
    if order is None or order.counts_from is None or not judgement.lets_pass:
        return None
    return order.counts_from.isoformat()


def _fx(situation: Situation, account: Account) -> dict[str, str] | None:
    rate = situation.rates.get(account.currency)
    if rate is None:
        return None
    return {
        "base": rate.base,
        "quote": rate.quote,
        "rate": format(rate.rate, "f"),
        "rate_date": rate.rate_date,
        "source": rate.source,
    }


def _seq(situation: Situation, judgement: Judgement, decided: Decided) -> int:
    payer = situation.accounts[0]
    for account, _ in judgement.after if decided.reserves else ():
        if account.account_id == payer.account_id:
            return account.seq
    return payer.seq


def _shown(name: str | None, value: Value | None, currency: str) -> str:
    """Write an observed or allowed value for people."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and (name or "").endswith("_minor"):
        return str(Money(value, currency))
    return str(value)


def _reason(fired: Fired, situation: Situation) -> dict[str, Any]:
    accounts = {account.account_id: account for account in situation.accounts}
    account = accounts.get(fired.account_id or 0, situation.accounts[0])
    observed = _shown(fired.row.observed, fired.observed, account.currency)
    threshold = _shown(fired.row.observed, fired.threshold, account.currency)
    said = _said(fired, {"observed": observed, "threshold": threshold})
    return {
        "code": fired.reason,
        "rule_id": fired.row.rule_id,
        "customer_id": account.customer_id,
        "observed": observed or None,
        "threshold": threshold or None,
        "zh": said.zh,
        "en": said.en,
    }


def _said(fired: Fired, values: Mapping[str, str]) -> Text:
    """Fill the reason's sentence; a rule set's own goes before the shipped one."""
    own = fired.row.says
    if own is None or fired.reason != fired.row.reason:
        return text(fired.reason, values)
    return Text(zh=own[0].format_map(values), en=own[1].format_map(values))


def _unblock(advice: Advice, situation: Situation) -> dict[str, Any]:
    whose = {account.account_id: account.customer_id for account in situation.accounts}
    code = "PAY_AHEAD" if advice.action == "PAY" and not advice.invoices else advice.action
    listed = advice.invoices[:_LISTED_INVOICES]
    values = {
        "amount": str(advice.amount),
        "invoices": ", ".join(listed),
        "until": advice.until.isoformat() if advice.until else "",
        "subject": advice.subject or "",
        "days": "" if advice.days is None else str(advice.days),
        "percent": "" if advice.percent is None else f"{advice.percent:.2f}",
    }
    if code == "PAY_AHEAD" and advice.percent is not None:
        code = "PREPAY"
    said = text(code, values)
    amount = advice.amount
    return {
        "action": advice.action,
        "amount": amount and money(amount.minor, amount.currency),
        "invoices": list(listed),
        "until": advice.until and advice.until.isoformat(),
        "percent": values["percent"] or None,
        "days": advice.days,
        "subject": advice.subject,
        "scope": WHO.get(advice.action),
        "removes": [
            {
                "code": code,
                "rule_id": rule_id,
                "customer_id": whose.get(account_id or 0, situation.accounts[0].customer_id),
            }
            for rule_id, code, account_id in advice.removes
        ],
        "suffices": advice.suffices,
        "zh": said.zh,
        "en": said.en,
    }
