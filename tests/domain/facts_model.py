"""What facts say, once more and in the plainest way: the newest documents, added up.

It reads the contract's words from the facts themselves and shares no code with the program.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

Fact = Mapping[str, Any]
Whose = tuple[str, str]
"""(customer, currency)."""

Sums = dict[Whose, Counter[str]]

DIGITS: Final = {"CNY": 2, "USD": 2, "JPY": 0, "BHD": 3}
_NO_MONEY: Final = {"amount": "0", "currency": "CNY"}


def minor(money: Mapping[str, str] | None) -> int:
    """Minor units of whole amounts."""
    told = money or _NO_MONEY
    return int(told["amount"]) * int(10 ** DIGITS[told["currency"]])


def key_of(fact: Fact) -> tuple[str, str, str]:
    """Name a document: type, id, and the order of a delivery."""
    name = "invoice_id" if fact["type"] == "dispute" else f"{fact['type']}_id"
    return fact["type"], fact[name], fact.get("order_id", "") if name == "delivery_id" else ""


def whose(fact: Fact) -> Whose:
    """Give the payer and the currency."""
    return fact["customer_id"], fact["amount"]["currency"]


def add_up(facts: Iterable[Fact], haircut_percent: int = 100) -> Sums:
    """Add up what the newest documents say by customer, currency and category; zeros included."""
    by_kind, sums = _newest(facts), Sums()
    _Money(by_kind, sums, haircut_percent).run()
    _Orders(by_kind, sums).run()
    return sums


def carried(facts: Iterable[Fact], order_id: str, place: Whose) -> tuple[int, int]:
    """Give what was delivered of an order and what was invoiced; the larger is not reserved."""
    orders = _Orders(_newest(facts), Sums())
    orders.run()
    return orders.carried((order_id, place))


def _newest(facts: Iterable[Fact]) -> dict[str, dict[str, Fact]]:
    held: dict[tuple[str, str, str], Fact] = {}
    for fact in facts:
        key = key_of(fact)
        if key not in held or held[key]["version"] < fact["version"]:
            held[key] = fact
    by_kind: dict[str, dict[str, Fact]] = {}
    for (kind, name, order_id), fact in held.items():
        by_kind.setdefault(kind, {})[f"{name}/{order_id}" if order_id else name] = fact
    return by_kind


def _add(sums: Sums, place: Whose, category: str, amount: int) -> None:
    sums.setdefault(place, Counter())[category] += amount


class _Money:
    """Invoices, payments and credits."""

    def __init__(
        self, held: Mapping[str, Mapping[str, Fact]], sums: Sums, haircut_percent: int
    ) -> None:
        self.held, self.sums, self.haircut_percent = held, sums, haircut_percent
        self.invoices = {
            name: one for name, one in held.get("invoice", {}).items() if minor(one["amount"])
        }
        self.cash: Counter[str] = Counter()
        self.reductions: Counter[str] = Counter()

    def is_here(self, invoice_id: str | None, fact: Fact) -> bool:
        found = self.invoices.get(invoice_id or "")
        return found is not None and whose(found)[1] == whose(fact)[1]

    def run(self) -> None:
        for one in self.held.get("payment", {}).values():
            self.pay(one)
        for kind, sums in (("credit_note", self.cash), ("write_off", self.reductions)):
            for one in self.held.get(kind, {}).values():
                invoice_id = one.get("invoice_id")
                if self.is_here(invoice_id, one):
                    sums[str(invoice_id)] += minor(one["amount"])
                elif kind == "credit_note" or not invoice_id:
                    _add(self.sums, whose(one), "prepayment", minor(one["amount"]))
        for name, one in self.invoices.items():
            left = minor(one["amount"]) - self.cash[name] - self.reductions[name]
            _add(self.sums, whose(one), "open_item", max(0, left))
            _add(self.sums, whose(one), "prepayment", min(self.cash[name], max(0, -left)))

    def pay(self, fact: Fact) -> None:
        terms = fact.get("note")
        note = self.held.get("note", {}).get(terms["note_id"]) if terms else None
        if fact.get("status") == "PROVISIONAL":
            if not terms:
                part = minor(fact["amount"]) * (100 - self.haircut_percent) // 100
                _add(self.sums, whose(fact), "prepayment", part)
            return
        if note and note["status"] == "DISHONOURED":
            return
        amount = minor(fact["amount"])
        rest = amount
        for part in fact.get("allocations", ()) if amount else ():
            if self.is_here(part["invoice_id"], fact):
                rest -= minor(part["amount"])
                self.cash[part["invoice_id"]] += minor(part["amount"])
                self.reductions[part["invoice_id"]] += minor(part.get("discount"))
        _add(self.sums, whose(fact), "prepayment", rest)
        if terms and (note is None or (note["status"] != "PAID" and note.get("recourse", True))):
            _add(self.sums, whose(fact), "note_receivable", amount)


OrderKey = tuple[str, Whose]


class _Orders:
    """Deliveries, the invoice lines that bill them, and what stays reserved."""

    def __init__(self, held: Mapping[str, Mapping[str, Fact]], sums: Sums) -> None:
        self.held, self.sums = held, sums
        self.deliveries = list(held.get("delivery", {}).values())
        self.lines: dict[OrderKey, list[Fact]] = {}
        self.alone: set[tuple[str | None, Whose]] = set()

    def run(self) -> None:
        for one in self.held.get("invoice", {}).values():
            for part in one.get("lines", ()) if minor(one["amount"]) else ():
                self.bill(part, whose(one))
        shipped = {(self.order_of(one), whose(one)) for one in self.deliveries}
        for key in shipped | {*self.lines}:
            delivered, invoiced = self.carried(key)
            _add(self.sums, key[1], "open_delivery", max(0, delivered - invoiced))
        for name, one in self.held.get("order", {}).items():
            if one["status"] == "OPEN":
                left = minor(one["amount"]) - max(self.carried((name, whose(one))))
                _add(self.sums, whose(one), "authorized", max(0, left))

    @staticmethod
    def order_of(delivery: Fact) -> str:
        return str(delivery.get("order_id") or f"#{delivery['delivery_id']}")

    def bill(self, part: Fact, place: Whose) -> None:
        order_id, delivery_id = part.get("order_id"), part.get("delivery_id")
        if not order_id and not delivery_id:
            return
        same = [
            (not minor(one["amount"]), not one.get("order_id"), one.get("order_id") or "")
            for one in self.deliveries
            if one["delivery_id"] == delivery_id and whose(one) == place
        ]
        home = order_id or (min(same)[2] if same else "") or f"#{delivery_id}"
        self.lines.setdefault((home, place), []).append(part)
        if part.get("final") and not order_id:
            self.alone.add((delivery_id, place))

    def carried(self, key: OrderKey) -> tuple[int, int]:
        """Give what was delivered and what was invoiced."""
        lines = self.lines.get(key, [])
        invoiced = sum(minor(part["amount"]) for part in lines)
        if any(part.get("final") and "delivery_id" not in part for part in lines):
            left = sum(minor(one["amount"]) for one in self.of_order(key))
            return min(left, invoiced), invoiced
        delivered = 0
        for one in self.of_order(key):
            name = one["delivery_id"]
            of_it = [part for part in lines if part.get("delivery_id") == name]
            is_final = any(part.get("final") for part in of_it) or (name, key[1]) in self.alone
            billed = sum(minor(part["amount"]) for part in of_it)
            delivered += billed if is_final else minor(one["amount"])
        return delivered, invoiced

    def of_order(self, key: OrderKey) -> list[Fact]:
        return [
            one
            for one in self.deliveries
            if (self.order_of(one), whose(one)) == key and minor(one["amount"])
        ]
