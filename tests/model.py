"""What must come of a question, in the plainest way: a desk with one currency and no time.

It shares no code with the program. Amounts are whole CNY, limits too; what documents add up to is
read from `tests.domain.facts_model`, which the program does not share either.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tests.domain.facts_model import Fact, add_up, carried, key_of

Limit = int | None | Literal["unlimited", "never"]
"""None: none is granted. A group that was never given one is passed by."""

CATEGORIES: Final = ("authorized", "open_delivery", "open_item", "prepayment")
_CENTS: Final = 100
_FORCED: Final = "FORCED_HOLD"
_REJECTED: Final = "ORDER_REJECTED"


@dataclass
class Held:
    """The open hold of an order: who was held for how much, None where nobody asked.

    `seen` is the newest version that was known then.
    """

    forced: bool
    customer: str | None = None
    amount: int = 0
    version: int | None = None
    seen: int = -1

    def is_moved(self, order: "Order") -> bool:
        """Tell whether it named no version, and a newer one has said something else since."""
        newer = order.version is not None and order.version > self.seen
        other = (order.payer, order.authorized) != (self.customer, self.amount)
        return self.version is None and newer and other


@dataclass
class Order:
    """An order's root."""

    payer: str
    version: int | None = None
    closed: int | None = None
    authorized: int = 0
    live: bool = False
    granted: bool = False
    rejected: bool = False
    untested: bool = False
    released_max: int | None = None
    hold: Held | None = None


@dataclass(frozen=True)
class Told:
    """What must be answered: an outcome with the codes of its reasons, or a refusal's code."""

    said: str
    reasons: frozenset[str] = frozenset()


@dataclass
class Model:
    """Customers and groups with their limits, orders, and all facts that were applied."""

    limits: dict[str, Limit] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)

    def path(self, customer: str) -> Iterator[str]:
        """Give a customer and its groups, upwards."""
        above: str | None = customer
        while above is not None:
            yield above
            above = self.parents[above]

    def carried(self, order_id: str, customer: str) -> int:
        """Give what facts of an order carry for a payer."""
        return max(carried(self.facts, order_id, (customer, "CNY"))) // _CENTS

    def tested(self, customer: str, order_id: str) -> int:
        """Give up to which amount of an order no limit is asked: left already, or asked before."""
        order = self.orders.get(order_id)
        delivered = carried(self.facts, order_id, (customer, "CNY"))[0] // _CENTS
        if order is None or not order.live or order.payer != customer or order.untested:
            return delivered
        return max(delivered, order.authorized)

    def reserved(self, order_id: str) -> int:
        """Give what is reserved for an order."""
        order = self.orders.get(order_id)
        if order is None or not order.live:
            return 0
        return max(0, order.authorized - self.carried(order_id, order.payer))

    def figures(self) -> dict[str, dict[str, int]]:
        """Add up every account, its members' use included."""
        found = {name: dict.fromkeys(CATEGORIES, 0) for name in self.parents}
        documents = [fact for fact in self.facts if fact["type"] != "order"]
        for (payer, _), sums in add_up(documents).items():
            for name in self.path(payer):
                for category, minor in sums.items():
                    found[name][category] += minor // _CENTS
        for order_id, order in self.orders.items():
            for name in self.path(order.payer):
                found[name]["authorized"] += self.reserved(order_id)
        return found

    def forced(self, name: str, use: dict[str, int]) -> int:
        """Give what stands above an account's limit."""
        limit = self.limits[name]
        return 0 if limit == "unlimited" else max(0, total(use) - _granted(limit))

    def ask(self, customer: str, order_id: str, amount: int, version: int | None = None) -> Told:
        """Say what an ask is answered, and let it have its effect."""
        order = self.orders.get(order_id)
        refused = _stale(order, version)
        if refused is not None:
            return refused
        return self._decide(customer, order_id, amount, version)

    def _decide(
        self, customer: str, order_id: str, amount: int, version: int | None, *, lift: bool = False
    ) -> Told:
        order = self.orders.get(order_id)
        reasons = self._reasons(customer, order_id, amount, lift=lift)
        if order is None:
            order = self.orders[order_id] = Order(customer)
        seen = [one for one in (order.version, version) if one is not None]
        order.version = max(seen, default=None)
        if _REJECTED in reasons:
            return Told("REJECT", reasons)
        if reasons:
            forced = order.hold is not None and order.hold.forced
            order.hold = Held(forced, customer, amount, version, max(seen, default=-1))
            return Told("HOLD", reasons)
        same = order.payer == customer
        if not same and not lift:
            order.released_max = None
        order.untested = self._goes_untested(order, customer, order_id, amount)
        order.payer, order.authorized, order.live, order.granted = customer, amount, True, True
        order.hold = None
        return Told("APPROVE")

    def _reasons(self, customer: str, order_id: str, amount: int, *, lift: bool) -> frozenset[str]:
        order = self.orders.get(order_id)
        found = set()
        if order is not None and order.rejected:
            found.add(_REJECTED)
        if order is not None and order.hold is not None and order.hold.forced:
            found.add(_FORCED)
        let = order is not None and order.released_max is not None and amount <= order.released_max
        lasts = lift or (order is not None and order.live and order.payer == customer)
        if let and lasts:
            return frozenset(found)
        return frozenset(found | self._short(customer, order_id, amount))

    def _goes_untested(self, order: Order, customer: str, order_id: str, amount: int) -> bool:
        """Tell whether an ask that passes leaves some of the order that no limit was asked for."""
        if amount > self.tested(customer, order_id):
            return False
        tested = order.live and order.payer == customer and not order.untested
        return amount > (order.authorized if tested else 0)

    def _short(self, customer: str, order_id: str, amount: int) -> set[str]:
        """Name what is short along the path; what was asked for and is reserved is not again."""
        order, reserved = self.orders.get(order_id), self.reserved(order_id)
        if amount <= self.tested(customer, order_id):
            return set()
        needed = max(0, amount - self.carried(order_id, customer))
        holders = set(self.path(order.payer)) if order is not None else set()
        figures, found = self.figures(), set()
        for name in self.path(customer):
            limit = self.limits[name]
            if limit == "unlimited" or (limit == "never" and name != customer):
                continue
            use = total(figures[name]) - (reserved if name in holders else 0)
            if use + needed > _granted(limit):
                found.add("OVER_LIMIT" if isinstance(limit, int) else "NO_LIMIT")
        return found

    def fact(self, fact: dict[str, Any]) -> str:
        """Apply a fact; an order's moves its root. Returns the word it is answered with."""
        held = [one["version"] for one in self.facts if key_of(one) == key_of(fact)]
        if held and fact["version"] < max(held):
            return "stale"
        self.facts.append(fact)
        if fact["type"] == "order":
            self._record(fact)
        return "applied"

    def _record(self, fact: dict[str, Any]) -> None:
        amount = int(fact["amount"]["amount"])
        order = self.orders.setdefault(fact["order_id"], Order(fact["customer_id"]))
        moved, order.payer = order.payer != fact["customer_id"], fact["customer_id"]
        order.version = fact["version"]
        if moved:
            order.granted = False
        if fact["status"] == "CLOSED" or not amount:
            order.closed, order.live = fact["version"], False
            if order.hold is not None and not order.hold.forced:
                order.hold = None
            order.released_max = None
            return
        if moved or not order.live:
            order.released_max = None
            order.untested = True
        elif amount > order.authorized:
            order.untested = True
        order.closed, order.live, order.granted, order.authorized = None, True, True, amount

    def give_back(self, order_id: str) -> None:
        """Release an authorization; what a person allowed without an end ends with it."""
        order = self.orders[order_id]
        if order.live:
            order.live, order.released_max = False, None

    def force_hold(self, customer: str, order_id: str) -> None:
        """Put a forced hold on an order, or make its hold one."""
        order = self.orders.setdefault(order_id, Order(customer))
        if order.hold is None:
            order.hold = Held(forced=True)
        order.hold.forced = True

    def release_hold(self, order_id: str) -> Told:
        """Let a held order pass; one that nobody asked about is only let go."""
        order = self.orders[order_id]
        held = order.hold
        if held is None or held.customer is None:
            order.hold = None
            return Told("RELEASED")
        refused = _stale(order, held.version)
        if refused is None and held.is_moved(order):
            refused = Told("order_version_stale")
        if refused is not None:
            return refused
        if order.rejected:
            return Told("hold_not_open")
        held.forced, order.released_max = False, held.amount
        self._decide(held.customer, order_id, held.amount, held.version, lift=True)
        return Told("RELEASED")

    def end_hold(self, order_id: str, *, reject: bool) -> None:
        """Reject a held order, or cancel it: its reservation is freed."""
        order = self.orders[order_id]
        order.live, order.hold, order.released_max = False, None, None
        order.rejected = order.rejected or reject


def total(use: dict[str, int]) -> int:
    """Add up what counts against a limit."""
    return use["authorized"] + use["open_delivery"] + use["open_item"] - use["prepayment"]


def _granted(limit: Limit) -> int:
    return limit if isinstance(limit, int) else 0


def _stale(order: Order | None, version: int | None) -> Told | None:
    if order is None:
        return None
    asked = order.version if version is None else version
    if order.closed is not None and (asked is None or asked <= order.closed):
        return Told("order_closed")
    if asked is not None and order.version is not None and asked < order.version:
        return Told("order_version_stale")
    return None
