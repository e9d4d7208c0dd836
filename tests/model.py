"""What must come of a question, in the plainest way: a desk with one currency.

It shares no code with the program. Amounts are whole CNY, limits too; what documents add up to is
read from `tests.domain.facts_model`, which the program does not share either. Time stands still
unless somebody moves `at`; what has ended by then, or begun to count, is in the books after
`pass_by`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal

from tests.domain.facts_model import Fact, add_up, carried, key_of

Limit = int | None | Literal["unlimited", "never"]
"""None: none is granted. A group that was never given one is passed by."""

CATEGORIES: Final = (
    *("authorized", "open_delivery", "open_item", "note_receivable", "prepayment"),
)
_CENTS: Final = 100
_FORCED: Final = "FORCED_HOLD"
_REJECTED: Final = "ORDER_REJECTED"
_SHANGHAI: Final = timedelta(hours=8)


@dataclass(frozen=True)
class Terms:
    """How long an authorization lasts (None: until released), and when the goods ship.

    How long nobody said, by `default`: that long from the day on which the order counts.
    """

    lasts: timedelta | None = None
    ships: date | None = None
    default: bool = False


FOR_EVER: Final = Terms()


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
    terms: Terms = FOR_EVER

    def is_moved(self, order: "Order") -> bool:
        """Tell whether it named no version, and a newer one has said something else since."""
        newer = order.version is not None and order.version > self.seen
        other = (order.payer, order.authorized) != (self.customer, self.amount)
        return self.version is None and newer and other


@dataclass
class Order:
    """An order's root: `live` until it is released, or swept out; it may have ended before."""

    payer: str
    version: int | None = None
    closed: int | None = None
    authorized: int = 0
    live: bool = False
    granted: bool = False
    rejected: bool = False
    untested: bool = False
    released_max: int | None = None
    released_until: datetime | None = None
    hold: Held | None = None
    ends: datetime | None = None
    counts_from: date | None = None

    def lives(self, at: datetime) -> bool:
        """Tell whether it is authorized at a moment, whoever swept."""
        return self.live and (self.ends is None or at <= self.ends)

    def end(self) -> None:
        """End its authorization; what a person allowed without an end ends with it."""
        self.live, self.untested, self.counts_from = False, False, None
        if self.released_until is None:
            self.released_max = None

    def forbid(self) -> None:
        """Take back what a person allowed."""
        self.released_max = self.released_until = None


@dataclass(frozen=True)
class Told:
    """What must be answered: an outcome with the codes of its reasons, or a refusal's code."""

    said: str
    reasons: frozenset[str] = frozenset()


@dataclass
class Model:
    """Customers and groups with their limits, orders, and all facts that were applied.

    `horizon` are days ahead within which what ships counts (None: all does), `haircut` percent of
    provisional money.
    """

    limits: dict[str, Limit] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    at: datetime = datetime(2026, 6, 15, 4, tzinfo=UTC)
    horizon: int | None = None
    haircut: int = 100

    @property
    def today(self) -> date:
        """The business date, in Shanghai."""
        return (self.at + _SHANGHAI).date()

    def pass_by(self) -> None:
        """Take what has ended by now out of the books, and let count what has begun to."""
        for order_id, order in self.orders.items():
            left = order.live and order.authorized > self.carried(order_id, order.payer)
            if order.live and order.ends is not None and order.ends <= self.at:
                if left:
                    order.end()
                else:
                    order.counts_from = None  # it stays as it is, used up
            elif order.counts_from is not None and order.counts_from <= self.today:
                order.counts_from, order.untested = None, True

    def path(self, customer: str) -> Iterator[str]:
        """Give a customer and its groups, upwards."""
        above: str | None = customer
        while above is not None:
            yield above
            above = self.parents[above]

    def catch_up(self, customer: str) -> None:
        """Let count what has begun to on any account that a customer is held to."""
        mine = set(self.path(customer))
        for order in self.orders.values():
            day, over = order.counts_from, order.ends is not None and order.ends <= self.at
            due = day is not None and day <= self.today and not over
            if due and mine & set(self.path(order.payer)):
                order.counts_from, order.untested = None, True

    def carried(self, order_id: str, customer: str) -> int:
        """Give what facts of an order carry for a payer."""
        return max(carried(self.facts, order_id, (customer, "CNY"))) // _CENTS

    def tested(self, customer: str, order_id: str) -> int:
        """Give up to which amount of an order no limit is asked: left already, or asked before."""
        order = self.orders.get(order_id)
        delivered = carried(self.facts, order_id, (customer, "CNY"))[0] // _CENTS
        if order is None or not self._stands(order, customer):
            return delivered
        return max(delivered, order.authorized)

    def _stands(self, order: Order, customer: str) -> bool:
        """Tell whether an ask held this payer's order to the limits, and what it rests on lasts."""
        lives = order.lives(self.at) and order.payer == customer and not order.untested
        return lives and (order.released_max is None or self._lasts(order, customer))

    def _lasts(self, order: Order, customer: str) -> bool:
        """Tell whether what a person allowed this payer lasts: until its end, or the order's."""
        until = order.released_until
        lasts = order.lives(self.at) if until is None else self.at <= until
        return order.payer == customer and lasts

    def reserved(self, order_id: str) -> int:
        """Give what is reserved for an order."""
        order = self.orders.get(order_id)
        if order is None or not order.live or order.counts_from is not None:
            return 0
        return max(0, order.authorized - self.carried(order_id, order.payer))

    def figures(self) -> dict[str, dict[str, int]]:
        """Add up every account, its members' use included."""
        found = {name: dict.fromkeys(CATEGORIES, 0) for name in self.parents}
        documents = [self._now(fact) for fact in self.facts if fact["type"] != "order"]
        for (payer, _), sums in add_up(documents, self.haircut).items():
            for name in self.path(payer):
                for category, minor in sums.items():
                    found[name][category] += minor // _CENTS
        for order_id, order in self.orders.items():
            for name in self.path(order.payer):
                found[name]["authorized"] += self.reserved(order_id)
        return found

    def _now(self, fact: Fact) -> Fact:
        """Give a fact as it counts by now: provisional money that has expired is none."""
        if (
            fact.get("status") != "PROVISIONAL"
            or datetime.fromisoformat(fact["expires_at"]) > self.at
        ):
            return fact
        return {**fact, "amount": {"amount": "0", "currency": "CNY"}}

    def forced(self, name: str, use: dict[str, int]) -> int:
        """Give what stands above an account's limit."""
        limit = self.limits[name]
        return 0 if limit == "unlimited" else max(0, total(use) - _granted(limit))

    def ask(
        self,
        customer: str,
        order_id: str,
        amount: int,
        version: int | None = None,
        terms: Terms = FOR_EVER,
    ) -> Told:
        """Say what an ask is answered, and let it have its effect."""
        self.catch_up(customer)
        order = self.orders.get(order_id)
        refused = _stale(order, version)
        if refused is not None:
            return refused
        return self._decide(order_id, _asked(customer, amount, version, terms))

    def _decide(self, order_id: str, asked: Held, *, lift: bool = False) -> Told:
        customer, amount, version = str(asked.customer), asked.amount, asked.version
        order, begins = self.orders.get(order_id), self._begins(asked.terms)
        reasons = self._reasons(customer, order_id, amount, lift=lift, waits=begins is not None)
        if order is None:
            order = self.orders[order_id] = Order(customer)
        seen = [one for one in (order.version, version) if one is not None]
        order.version = max(seen, default=None)
        if _REJECTED in reasons:
            return Told("REJECT", reasons)
        if reasons:
            forced = order.hold is not None and order.hold.forced
            newest = max(seen, default=-1)
            order.hold = Held(forced, customer, amount, version, newest, asked.terms)
            return Told("HOLD", reasons)
        order.untested = self._goes_untested(order, customer, order_id, amount, begins)
        if not lift and not self._lasts(order, customer):
            order.forbid()
        ends = self._ends(order, customer, asked.terms)
        if not lift and order.released_max is not None and order.released_until is None:
            # made for as long as the authorization lasted then: who asks again prolongs no release
            order.released_until = order.ends if ends != order.ends else None
        order.ends = ends
        order.payer, order.authorized, order.live, order.granted = customer, amount, True, True
        order.hold, order.counts_from = None, begins
        return Told("APPROVE")

    def _begins(self, terms: Terms) -> date | None:
        """Say from which day what ships beyond the horizon counts."""
        if self.horizon is None or terms.ships is None:
            return None
        ahead = timedelta(days=self.horizon)
        return terms.ships - ahead if terms.ships > self.today + ahead else None

    def _ends(self, order: Order, customer: str, terms: Terms) -> datetime | None:
        """Say when an authorization ends: asked for again, never before it would have."""
        ends = None if terms.lasts is None else self.at + terms.lasts
        begins = self._begins(terms)
        if ends is not None and terms.default and begins is not None:
            ends += begins - self.today
        if not order.live or order.payer != customer:
            return ends
        return None if ends is None or order.ends is None else max(ends, order.ends)

    def _reasons(
        self, customer: str, order_id: str, amount: int, *, lift: bool, waits: bool
    ) -> frozenset[str]:
        order = self.orders.get(order_id)
        found = set()
        if order is not None and order.rejected:
            found.add(_REJECTED)
        if order is not None and order.hold is not None and order.hold.forced:
            found.add(_FORCED)
        let = order is not None and order.released_max is not None and amount <= order.released_max
        lasts = lift or (order is not None and self._lasts(order, customer))
        if waits or (let and lasts):
            return frozenset(found)
        return frozenset(found | self._short(customer, order_id, amount))

    def _goes_untested(
        self, order: Order, customer: str, order_id: str, amount: int, begins: date | None
    ) -> bool:
        """Tell whether an ask that passes leaves some of the order that no limit was asked for."""
        if begins is not None:
            return True
        if amount > self.tested(customer, order_id):
            return False
        return amount > (order.authorized if self._stands(order, customer) else 0)

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
            order.end()
            order.forbid()
            order.closed = fact["version"]
            if order.hold is not None and not order.hold.forced:
                order.hold = None
            return
        if moved or not order.lives(self.at):
            order.forbid()
            order.untested, order.ends, order.counts_from = True, None, None
        elif amount != order.authorized:
            lasting = order.released_max is not None and order.released_until is None
            if lasting and order.ends is not None:
                order.forbid()  # for ever, nobody allowed it
                order.untested = True
            order.untested, order.ends = order.untested or amount > order.authorized, None
        order.closed, order.live, order.granted, order.authorized = None, True, True, amount

    def give_back(self, order_id: str) -> None:
        """Release an authorization; what a person allowed without an end ends with it."""
        order = self.orders[order_id]
        if order.live:
            order.end()

    def force_hold(self, customer: str, order_id: str) -> None:
        """Put a forced hold on an order, or make its hold one."""
        order = self.orders.setdefault(order_id, Order(customer))
        if order.hold is None:
            order.hold = Held(forced=True)
        order.hold.forced = True

    def release_hold(self, order_id: str, until: datetime | None = None) -> Told:
        """Let a held order pass; one that nobody asked about is only let go."""
        order = self.orders[order_id]
        held = order.hold
        if held is None or held.customer is None:
            order.hold = None
            return Told("RELEASED")
        self.catch_up(held.customer)
        refused = _stale(order, held.version)
        if refused is None and held.is_moved(order):
            refused = Told("order_version_stale")
        if refused is not None:
            return refused
        if order.rejected:
            return Told("hold_not_open")
        held.forced, order.released_max, order.released_until = False, held.amount, until
        self._decide(order_id, held, lift=True)
        return Told("RELEASED")

    def end_hold(self, order_id: str, *, reject: bool) -> None:
        """Reject a held order, or cancel it: its reservation is freed."""
        order = self.orders[order_id]
        order.end()
        order.forbid()
        order.hold = None
        order.rejected = order.rejected or reject


def _asked(customer: str, amount: int, version: int | None, terms: Terms) -> Held:
    return Held(forced=False, customer=customer, amount=amount, version=version, terms=terms)


def total(use: dict[str, int]) -> int:
    """Add up what counts against a limit."""
    owed = ("authorized", "open_delivery", "open_item", "note_receivable")
    return sum(use[category] for category in owed) - use["prepayment"]


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
