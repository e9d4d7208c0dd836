"""Asks as nearly all of them are: read without the model, which takes several times as long.

What is not surely right and usual is left to the model, which reads it or says what is wrong with
it. A test holds both equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from app.api.wire import MOST_VERSION
from app.domain.decisions import Question
from app.domain.errors import FieldError
from app.domain.money import Money, parse_money

_DAY_S: Final = 86_400
LONGEST_S: Final = 366 * 10 * _DAY_S
"""The longest `expires_in`, inclusive; null is for ever."""

DEFAULT_EXPIRY_S: Final = {
    "QUOTE": 90 * _DAY_S,
    "ORDER": 90 * _DAY_S,
    "DELIVERY": 3 * _DAY_S,
    "GOODS_ISSUE": 3 * _DAY_S,
    "INVOICE": 3 * _DAY_S,
}

LONGEST_ID: Final = 64
_LONGEST_AMOUNT: Final = 32
_MOST_DAYS: Final = 3650

_OF_ASK: Final = frozenset(
    {
        "customer_id",
        "segment",
        "check_point",
        "order",
        "delivery_id",
        "amount",
        "payment_terms_days",
        "expires_in",
    }
)
_OF_ORDER: Final = frozenset({"id", "version"})
_OF_AMOUNT: Final = frozenset({"amount", "currency"})


@dataclass(frozen=True, slots=True)
class PlainAsks:
    """Reads the plain asks of one model.

    `expiry_s` maps the check points it allows to what an absent `expires_in` means, in seconds;
    `longest_s` is the most that may be asked for, inclusive. `names` are the fields it may have.
    """

    expiry_s: Mapping[Any, int]
    longest_s: int
    names: frozenset[str] = _OF_ASK

    def read(self, asked: object) -> Question | None:
        """Read an ask; None where only the model can tell."""
        if type(asked) is not dict or not asked.keys() <= self.names:
            return None
        get, order, money = asked.get, asked.get("order"), _money(asked.get("amount"))
        point: Any = get("check_point")
        known = type(point) is str and point in self.expiry_s
        if money is None or not known or type(order) is not dict or not order.keys() <= _OF_ORDER:
            return None
        expires_in = get("expires_in", self.expiry_s[point])
        customer_id: Any = get("customer_id")
        order_id: Any = order.get("id")
        segment_id, delivery_id = get("segment", "main"), get("delivery_id")
        version, days = order.get("version"), get("payment_terms_days")
        if not (
            _are_ids(customer_id, segment_id, order_id)
            and (delivery_id is None or _is_id(delivery_id))
            and _within(version, 0, MOST_VERSION)
            and _within(days, 0, _MOST_DAYS)
            and _within(expires_in, 1, self.longest_s)
        ):
            return None
        return Question(
            customer_id,
            segment_id,
            point,
            order_id,
            money,
            version,
            "sale",
            {},
            delivery_id,
            days,
            None,
            expires_in,
        )


def _money(amount: object) -> Money | None:
    """Read an amount above zero."""
    if type(amount) is not dict or amount.keys() != _OF_AMOUNT:
        return None
    text, currency = amount["amount"], amount["currency"]
    if type(text) is not str or type(currency) is not str or len(text) > _LONGEST_AMOUNT:
        return None
    try:
        money = parse_money(text, currency)
    except FieldError:
        return None
    return money if money.minor > 0 else None


def _is_id(value: object) -> bool:
    if type(value) is not str or not value.isascii():
        return False
    return 0 < len(value) <= LONGEST_ID and value.isprintable()


def _are_ids(one: object, two: object, three: object) -> bool:
    """Tell of three at once, in half the time."""
    if type(one) is not str or type(two) is not str or type(three) is not str:
        return False
    together = one + two + three
    fit = 0 < len(one) <= LONGEST_ID and 0 < len(two) <= LONGEST_ID and 0 < len(three) <= LONGEST_ID
    return fit and together.isascii() and together.isprintable()


def _within(value: object, least: int, most: int) -> bool:
    """Tell whether it is a whole number between bounds, both inclusive, or none at all."""
    return value is None or (type(value) is int and least <= value <= most)


CHECKS: Final = PlainAsks(DEFAULT_EXPIRY_S, LONGEST_S)
AUTHORIZATIONS: Final = PlainAsks(
    {point: expiry_s for point, expiry_s in DEFAULT_EXPIRY_S.items() if point != "QUOTE"},
    LONGEST_S,
)
ITEMS: Final = replace(AUTHORIZATIONS, names=_OF_ASK | {"idempotency_key"})
"""Those of a batch, whose keys are read by who reads the batch."""
