"""A decision's question and situation as JSON, exact enough to judge them again years later.

Slow inputs are not here: they are stored once, by version (`account_input`).
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from app.domain.accounts import Account, Use
from app.domain.accounts_json import foreign_from_json, foreign_to_json
from app.domain.decisions import Inputs, Overdue, Question, Situation
from app.domain.money import Money, Rate
from app.domain.orders import Order, OrderUse


def question_to_json(question: Question) -> dict[str, Any]:
    """Write a question, equal ones alike; absent parts are left out."""
    data: dict[str, Any] = {
        "customer_id": question.customer_id,
        "segment": question.segment_id,
        "check_point": question.check_point,
        "order_id": question.order_id,
        "amount": (question.amount.minor, question.amount.currency),
    }
    if question.version is not None:
        data["version"] = question.version
    data["type"] = question.order_type
    if question.attributes:
        data["attributes"] = dict(sorted(question.attributes.items()))
    if question.delivery_id is not None:
        data["delivery_id"] = question.delivery_id
    if question.payment_terms_days is not None:
        data["payment_terms_days"] = question.payment_terms_days
    if question.ship_date is not None:
        data["ship_date"] = question.ship_date.isoformat()
    if question.expires_in is not None:
        data["expires_in"] = question.expires_in
    if question.order_pd_ppm is not None:
        data["order_pd_ppm"] = question.order_pd_ppm
    if question.order_pd_model is not None:
        data["order_pd_model"] = question.order_pd_model
    if question.expires_by_default:
        data["expires_by_default"] = True
    return data


def question_from_json(data: Mapping[str, Any]) -> Question:
    """Read what `question_to_json` wrote."""
    minor, currency = data["amount"]
    ship_date, told = data.get("ship_date"), data.get("order_pd_model")
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
        order_pd_ppm=data.get("order_pd_ppm"),
        order_pd_model=told and (told[0], told[1]),
        expires_by_default=data.get("expires_by_default", False),
    )


def situation_to_json(situation: Situation) -> dict[str, Any]:
    """Write a situation without its slow inputs."""
    at, order, overdue = situation.at, situation.order, situation.overdue
    data: dict[str, Any] = {
        "at": _moment(at),
        "today": situation.today.isoformat(),
        "mode": situation.mode,
        "accounts": [_account_to_json(account) for account in situation.accounts],
    }
    if situation.freed:
        data["freed"] = [_account_to_json(account) for account in situation.freed]
    data["overdue"] = [dict(overdue.amounts), dict(overdue.open_items), overdue.days]
    if order is not None:
        data["order"] = _order_to_json(order)
    data["use"] = [situation.use.delivered, situation.use.invoiced]
    if situation.rates:
        data["rates"] = {code: _rate_to_json(rate) for code, rate in situation.rates.items()}
    if situation.ledger_at is not None:
        data["ledger_at"] = _moment(situation.ledger_at)
    if situation.releasing:
        data["releasing"] = True
    if situation.horizon_days is not None:
        data["horizon_days"] = situation.horizon_days
    return data


def _moment(moment: datetime) -> str:
    return _written(moment) if moment.tzinfo is UTC else moment.isoformat()


@lru_cache(maxsize=64)  # the decisions of a batch share their moments; equal ones must read alike
def _written(moment: datetime) -> str:
    return moment.isoformat()


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
_PLAIN_MORE = ("limit_expired", "limit_withheld", "forced", "seq", "input_version", "quarantined")


def _account_to_json(account: Account) -> dict[str, Any]:
    """Write an account; what is usual (no limit of its own, nothing expired) is left out.

    Written out field by field: every decision does it for each account on its path.
    """
    use = account.use
    data: dict[str, Any] = {
        "customer_id": account.customer_id,
        "segment_id": account.segment_id,
        "currency": account.currency,
        "status": account.status,
    }
    if account.limit_minor is not None:
        data["limit_minor"] = account.limit_minor
    if account.unlimited:
        data["unlimited"] = True
    if account.limit_expired:
        data["limit_expired"] = True
    if account.limit_withheld:
        data["limit_withheld"] = True
    data["forced"] = account.forced
    data["seq"] = account.seq
    data["input_version"] = account.input_version
    data["quarantined"] = account.quarantined
    data["id"] = account.account_id
    data["path"] = account.path
    data["use"] = (
        use.authorized,
        use.open_delivery,
        use.open_item,
        use.note_receivable,
        use.prepayment,
    )
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
