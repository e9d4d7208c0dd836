"""What a stored decision says of itself: its question against the accounts it recorded.

Accounts, orders and questions are JSON here, as decisions keep them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from app.store.checker_ground import (
    CATEGORIES,
    Amounts,
    amounts,
    minus,
    plus,
    used,
    worth,
    worth_of_all,
)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """The question and the situation of a decision, as it stored them."""

    question: Json
    situation: Json

    @property
    def accounts(self) -> Sequence[Json]:
        """The payer's account, then its groups upwards."""
        found: Sequence[Json] = self.situation["accounts"]
        return found

    @property
    def freed(self) -> Sequence[Json]:
        """The accounts of another payer that the order leaves."""
        found: Sequence[Json] = self.situation.get("freed", ())
        return found

    @property
    def order(self) -> Json:
        """The order as it was; empty for a new one."""
        found: Json = self.situation.get("order", {})
        return found

    @property
    def currency(self) -> str:
        """The order's currency, as asked."""
        return str(self.question["amount"][1])

    @property
    def is_sale(self) -> bool:
        """Whether anything is judged and reserved at all."""
        return str(self.question["type"]) == "sale"

    @property
    def counts_from(self) -> str | None:
        """The day from which the order counts, where it ships beyond the horizon of its segment."""
        days, ships = self.situation.get("horizon_days"), self.question.get("ship_date")
        if days is None or ships is None or not self.is_sale:
            return None
        if self.question["check_point"] not in {"ORDER", "QUOTE"}:
            return None
        first = date.fromisoformat(ships) - timedelta(days=int(days))
        return first.isoformat() if first > date.fromisoformat(self.situation["today"]) else None

    @property
    def needed(self) -> int:
        """What must be reserved: the order's value less what its facts carry, once it counts."""
        if self.counts_from is not None:
            return 0
        delivered, invoiced = self.situation["use"]
        return max(0, int(self.question["amount"][0]) - max(int(delivered), int(invoiced)))

    @property
    def is_same_grant(self) -> bool:
        """Whether the order's reservation is on the payer's account, in the order's currency."""
        payer = self.accounts[0]["id"]
        return (self.order.get("account_id"), self.order.get("currency")) == (payer, self.currency)

    @property
    def tested(self) -> int:
        """Up to which amount this very grant was held to a limit, or is let pass by a person.

        Nothing once its authorization, or the release it rests on, is over.
        """
        order, until = self.order, self.order.get("expires_at")
        over = until is not None and self._at > datetime.fromisoformat(until)
        ended = order.get("released_max") is not None and not self.is_let_pass
        if order.get("state", "NONE") != "LIVE" or order.get("untested", False) or over or ended:
            return 0
        return int(order.get("authorized", 0)) if self.is_same_grant else 0

    @property
    def is_to_fit(self) -> bool:
        """Whether goods would leave that no ask was held to a limit for."""
        if not self.is_sale or self.counts_from is not None:
            return False
        delivered, _ = self.situation["use"]
        return int(self.question["amount"][0]) > max(self.tested, int(delivered))

    @property
    def _at(self) -> datetime:
        return datetime.fromisoformat(self.situation["at"])

    @property
    def is_let_pass(self) -> bool:
        """Whether a person lets the order pass, up to an amount, to the moment of this ask."""
        if self.order.get("released_max") is None:
            return False
        if self.situation.get("releasing", False):
            return True
        until = self.order.get("released_until")
        if until is None:
            if self.order.get("state", "NONE") != "LIVE":
                return False
            until = self.order.get("expires_at")
        in_time = until is None or self._at <= datetime.fromisoformat(until)
        return self.is_same_grant and in_time

    def reserved_on(self, account_id: int) -> tuple[str, int]:
        """Give currency and amount of the order's own reservation on an account."""
        holders = {one["id"] for one in self.freed or self.accounts}
        reserved = int(self.order.get("reserved", 0)) if account_id in holders else 0
        return str(self.order.get("currency", self.currency)), reserved

    def moved_on(self, account_id: int) -> dict[str, int]:
        """Give by how much a grant changes what is reserved on an account, by currency."""
        before, reserved = self.reserved_on(account_id)
        moved = {before: -reserved}
        if account_id in {one["id"] for one in self.accounts}:
            moved[self.currency] = moved.get(self.currency, 0) + self.needed
        return {currency: minor for currency, minor in moved.items() if minor}


def excess(ask: Ask, account: Json, tolerance_percent: str) -> int | None:
    """Say by how much an order passes the ceiling of an account; None where it has no ceiling.

    Raises:
        ValueError: No stored rate values the order in the account's currency.

    """
    if account.get("unlimited"):
        return None
    ceiling = ceiling_of(int(account.get("limit_minor", 0)), tolerance_percent)
    rate = ask.situation.get("rates", {}).get(account["currency"])
    asked = _with(without_own(ask, account), ask.currency, ask.needed, rate)
    return max(0, used(asked["use"]) - ceiling)


def without_own(ask: Ask, account: Json) -> Json:
    """Give an account as it would be without the order's own reservation.

    Raises:
        ValueError: The order is reserved in a currency that the account has no position in.

    """
    before, reserved = ask.reserved_on(account["id"])
    return _with(account, before, -reserved, None)


def ceiling_of(limit_minor: int, tolerance_percent: str) -> int:
    """Give the largest use that a grant may lead to: the limit and what is tolerated above it."""
    return limit_minor + int(limit_minor * Fraction(tolerance_percent) / 100)


def _with(account: Json, currency: str, minor: int, rate: Sequence[Any] | None) -> Json:
    """Reserve `minor` more on a recorded account; a foreign position is then valued by `rate`."""
    delta = (minor, 0, 0, 0, 0)
    if not minor or currency == account["currency"]:
        return {**account, "use": plus(account["use"], delta)}
    own, foreign = account["currency"], dict(account.get("foreign") or {})
    held = foreign.pop(currency, None)
    total: Amounts = tuple(account["use"])
    if held is not None:
        total = minus(total, worth(amounts(held), currency, own, held["rate"]))
    rate = rate or (held and held["rate"])
    if rate is None:
        message = f"no rate values {currency} in {own}"
        raise ValueError(message)
    after = plus(amounts(held or {}), delta)
    total = plus(total, worth(after, currency, own, rate))
    if any(after):
        foreign[currency] = {**dict(zip(CATEGORIES, after, strict=True)), "rate": rate}
    return {**account, "use": total, "foreign": foreign}


def reserved_in(use: Sequence[int], foreign: Json | None, own: str, currency: str) -> int:
    """Give what is reserved in one currency on an account as it was stored.

    Raises:
        ValueError: A stored rate does not value its position.

    """
    if currency == own:
        return use[0] - worth_of_all(foreign, own)[0]
    return int((foreign or {}).get(currency, {}).get("authorized", 0))
