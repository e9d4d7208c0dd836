"""A decision's question and situation as JSON, exact enough to judge them again years later.

Slow inputs are not here: they are stored once, by version (`account_input`).
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.domain.accounts import Account, Use, foreign_from_json, foreign_to_json
from app.domain.decisions import Inputs, Overdue, Question, Situation
from app.domain.money import Money, Rate
from app.domain.orders import Order, OrderUse


def question_to_json(question: Question) -> dict[str, Any]:
    """Write a question, equal ones alike; absent parts are left out."""
    data = {
        "customer_id": question.customer_id,
        "segment": question.segment_id,
        "check_point": question.check_point,
        "order_id": question.order_id,
        "amount": [question.amount.minor, question.amount.currency],
        "version": question.version,
        "type": question.order_type,
        "attributes": dict(sorted(question.attributes.items())) or None,
        "delivery_id": question.delivery_id,
        "payment_terms_days": question.payment_terms_days,
        "ship_date": question.ship_date and question.ship_date.isoformat(),
        "expires_in": question.expires_in,
    }
    return {name: value for name, value in data.items() if value is not None}


def question_from_json(data: Mapping[str, Any]) -> Question:
    """Read what `question_to_json` wrote."""
    minor, currency = data["amount"]
    ship_date = data.get("ship_date")
    return Question(
        customer_id=data["customer_id"],
        segment_id=data["segment"],
        check_point=data["check_point"],
        order_id=data["order_id"],
        amount=Money(minor, currency),
        version=data.get("version"),
        order_type=data["type"],
        attributes=data.get("attributes", {}),
        delivery_id=data.get("delivery_id"),
        payment_terms_days=data.get("payment_terms_days"),
        ship_date=None if ship_date is None else date.fromisoformat(ship_date),
        expires_in=data.get("expires_in"),
    )


def situation_to_json(situation: Situation) -> dict[str, Any]:
    """Write a situation without its slow inputs."""
    order, overdue = situation.order, situation.overdue
    data = {
        "at": situation.at.isoformat(),
        "today": situation.today.isoformat(),
        "mode": situation.mode,
        "accounts": [_account_to_json(account) for account in situation.accounts],
        "freed": [_account_to_json(account) for account in situation.freed],
        "overdue": [dict(overdue.amounts), dict(overdue.open_items), overdue.days],
        "order": None if order is None else _order_to_json(order),
        "use": [situation.use.delivered, situation.use.invoiced],
        "rates": {code: _rate_to_json(rate) for code, rate in situation.rates.items()},
        "ledger_at": situation.ledger_at and situation.ledger_at.isoformat(),
        "releasing": situation.releasing or None,
        "horizon_days": situation.horizon_days,
    }
    return {name: value for name, value in data.items() if value not in (None, [], {})}


def situation_from_json(data: Mapping[str, Any], inputs: Inputs) -> Situation:
    """Read what `situation_to_json` wrote, with the slow inputs of its version."""
    amounts, open_items, days = data["overdue"]
    ledger_at, order = data.get("ledger_at"), data.get("order")
    return Situation(
        at=datetime.fromisoformat(data["at"]),
        today=date.fromisoformat(data["today"]),
        mode=data["mode"],
        accounts=tuple(_account_from_json(one) for one in data["accounts"]),
        freed=tuple(_account_from_json(one) for one in data.get("freed", ())),
        inputs=inputs,
        overdue=Overdue(amounts, open_items, days),
        order=None if order is None else _order_from_json(order),
        use=OrderUse(*data["use"]),
        rates={code: _rate_from_json(rate) for code, rate in data.get("rates", {}).items()},
        ledger_at=None if ledger_at is None else datetime.fromisoformat(ledger_at),
        releasing=data.get("releasing", False),
        horizon_days=data.get("horizon_days"),
    )


def _rate_to_json(rate: Rate) -> list[str]:
    return [rate.base, rate.quote, str(rate.rate), rate.rate_date, rate.source]


def _rate_from_json(data: list[str]) -> Rate:
    base, quote, rate, rate_date, source = data
    return Rate(base, quote, Decimal(rate), rate_date, source)


_PLAIN = ("customer_id", "segment_id", "currency", "status", "limit_minor", "unlimited")
_PLAIN_MORE = ("limit_expired", "forced", "seq", "input_version", "quarantined")


def _account_to_json(account: Account) -> dict[str, Any]:
    use = account.use
    data = {name: getattr(account, name) for name in _PLAIN + _PLAIN_MORE}
    data = {name: value for name, value in data.items() if value is not None and value is not False}
    data["id"], data["path"] = account.account_id, list(account.path)
    data["use"] = [
        use.authorized,
        use.open_delivery,
        use.open_item,
        use.note_receivable,
        use.prepayment,
    ]
    if account.foreign:
        data["foreign"] = foreign_to_json(account.foreign)
    if account.limit_changes_on is not None:
        data["changes_on"] = account.limit_changes_on.isoformat()
    return data


def _account_from_json(data: Mapping[str, Any]) -> Account:
    plain = {name: data[name] for name in _PLAIN + _PLAIN_MORE if name in data}
    changes_on = data.get("changes_on")
    return Account(
        account_id=data["id"],
        path=tuple(data["path"]),
        use=Use(*data["use"]),
        foreign=foreign_from_json(data.get("foreign")),
        limit_changes_on=None if changes_on is None else date.fromisoformat(changes_on),
        **plain,
    )


_MOMENTS = ("expires_at", "authorized_at", "released_until")


def _order_to_json(order: Order) -> dict[str, Any]:
    data = {name: getattr(order, name) for name in Order.__slots__}
    for name in (*_MOMENTS, "counts_from"):
        data[name] = data[name] and data[name].isoformat()
    return {name: value for name, value in data.items() if value is not None and value is not False}


def _order_from_json(data: Mapping[str, Any]) -> Order:
    moments = {name: datetime.fromisoformat(data[name]) for name in _MOMENTS if name in data}
    if "counts_from" in data:
        data = {**data, "counts_from": date.fromisoformat(data["counts_from"])}
    return Order(**{**data, **moments})
