"""Any order and any number of repeats of the same facts give the same state, and the right one."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.facts_world import World, expected, fact, line, money

Fact = Mapping[str, Any]

CURRENCIES = st.sampled_from(["CNY", "CNY", "USD", "JPY", "BHD"])
AMOUNTS = st.sampled_from(["0", "1", "2", "3", "5", "8"])
ORDERS = st.sampled_from(["O1", "O2", None])
DELIVERIES = st.sampled_from(["D1", "D2", None])
INVOICES = st.sampled_from(["I1", "I2", "I3"])
KINDS = ("order", "delivery", "invoice", "payment", "note", "credit_note", "write_off", "dispute")
NOTES = st.sampled_from(["N1", "N2"])
HAIRCUTS = st.sampled_from([0, 1, 33, 100])


@st.composite
def bodies(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Draw the fields of a type; the same payers and currencies meet often enough."""
    currency = draw(CURRENCIES)
    if kind == "note":
        status = draw(st.sampled_from(["PAID", "DISCOUNTED", "ENDORSED", "DISHONOURED"]))
        return {"status": status, "recourse": draw(st.booleans())}
    if kind == "dispute":
        return {"open": draw(st.booleans())}
    amount = draw(AMOUNTS)
    told: dict[str, Any] = {"amount": money(amount, currency)}
    if kind == "order":
        told["status"] = draw(st.sampled_from(["OPEN", "OPEN", "CLOSED"]))
    elif kind == "invoice":
        told["lines"] = draw(_lines(int(amount), currency))
    elif kind == "payment":
        told |= draw(_payments(int(amount), currency))
    elif kind in {"credit_note", "write_off"} and draw(st.booleans()):
        told["invoice_id"] = draw(INVOICES)
    return told


@st.composite
def _lines(draw: st.DrawFn, most: int, currency: str) -> list[dict[str, Any]]:
    found = []
    for _ in range(draw(st.integers(0, 3))):
        amount = draw(st.integers(0, most))
        most -= amount
        names = {"order_id": draw(ORDERS), "delivery_id": draw(DELIVERIES)}
        told = {name: value for name, value in names.items() if value}
        found.append(line(str(amount), currency, final=draw(st.booleans()), **told))
    return found


@st.composite
def _payments(draw: st.DrawFn, most: int, currency: str) -> dict[str, Any]:
    told: dict[str, Any] = {"status": draw(st.sampled_from(["FINAL", "FINAL", "PROVISIONAL"]))}
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        amount = draw(st.integers(0, most))
        most -= amount
        discount = money(str(draw(st.integers(0, 1))), currency)
        parts.append(line(str(amount), currency, invoice_id=draw(INVOICES), discount=discount))
    told["allocations"] = parts
    if draw(st.booleans()):
        kind = draw(st.sampled_from(["BANK", "COMMERCIAL", "VOUCHER"]))
        told["note"] = {"note_id": draw(NOTES), "kind": kind, "due_date": "2026-09-30"}
    return told


@st.composite
def ledgers(draw: st.DrawFn) -> list[Fact]:
    """Draw documents in up to three versions each, every version once."""
    kinds = st.sampled_from([*KINDS, "invoice", "payment"])
    names = {"order": "O", "delivery": "D", "invoice": "I", "note": "N", "dispute": "I"}
    found: dict[tuple[Any, ...], Fact] = {}
    for _ in range(draw(st.integers(1, 14))):
        kind = draw(kinds)
        name = f"{names.get(kind, 'X')}{draw(st.integers(1, 3))}"
        version = draw(st.integers(0, 2))
        told = draw(bodies(kind))
        order_id = draw(ORDERS) if kind == "delivery" else None
        if order_id:
            told["order_id"] = order_id
        told["customer_id"] = draw(st.sampled_from(["anna", "anna", "bert", "chie"]))
        found[kind, name, order_id, version] = fact(kind, name, version, **told)
    return list(found.values())


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_neither_order_nor_repeats_can_be_seen(data: st.DataObject) -> None:
    facts = data.draw(ledgers())
    again = data.draw(st.lists(st.sampled_from(facts), max_size=5))
    haircut = data.draw(HAIRCUTS)
    straight, shuffled = World(500, haircut_percent=haircut), World(500, haircut_percent=haircut)
    assert "quarantined" not in straight.apply(*facts)
    assert "quarantined" not in shuffled.apply(*data.draw(st.permutations([*facts, *again])))
    assert shuffled.state() == straight.state()


@settings(max_examples=200, deadline=None)
@given(ledgers(), HAIRCUTS)
def test_accounts_and_their_groups_hold_what_documents_say(facts: list[Fact], haircut: int) -> None:
    world = World(500, haircut_percent=haircut)
    world.apply(*facts)
    assert world.positions() == expected(facts, haircut)


@settings(max_examples=100, deadline=None)
@given(ledgers())
def test_the_journal_has_no_holes_and_ends_where_the_account_stands(facts: list[Fact]) -> None:
    world = World(limit=500)
    world.apply(*facts)
    seen: dict[int, int] = {}
    for entry in world.clerk.balances.entries:
        account = entry.account
        assert account.seq == seen.get(account.account_id, 0) + 1
        assert account.forced == account.excess
        seen[account.account_id] = account.seq
    for key, account in world.clerk.balances.accounts.items():
        assert account.seq == seen.get(key, 0)
