"""Made-up ledgers for features: every kind of row, drawn from a seed, and ways to rewrite them."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random
from typing import Any

import polars as pl

from app.domain.financials import ITEMS
from app.domain.signals import SignalKind, SignalRole
from app.scoring.frames import FINANCIALS, INVOICES, LIMITS, PAYMENTS, SIGNALS, Ledger

START = date(2024, 1, 1)
DAYS = 800

Row = dict[str, Any]


def day(offset: int) -> date:
    """Count from the first day there is."""
    return START + timedelta(days=offset)


@dataclass(frozen=True)
class World:
    """Rows of each frame, as dictionaries."""

    customers: list[Row]
    invoices: list[Row]
    payments: list[Row]
    limits: list[Row]
    financials: list[Row]
    signals: list[Row]
    extra: dict[str, Any] = field(default_factory=dict)

    def ledger(self) -> Ledger:
        """Make frames of the rows."""
        return Ledger.of(
            {
                "customers": pl.DataFrame(self.customers),
                "invoices": pl.DataFrame(self.invoices, schema=INVOICES),
                "payments": pl.DataFrame(self.payments, schema=PAYMENTS),
                "limits": pl.DataFrame(self.limits, schema=LIMITS),
                "financials": pl.DataFrame(self.financials, schema=FINANCIALS),
                "signals": pl.DataFrame(self.signals, schema=SIGNALS),
            }
        )


def make(seed: int, customers: int = 8, invoices: int = 14) -> World:
    """Draw a world; some customers have no invoice, some are a group, some use two currencies."""
    draw = Random(seed)
    ids = [f"C{number}" for number in range(customers)]
    masters = [
        {
            "customer_id": name,
            "currency": draw.choice(["CNY", "CNY", "USD"]),
            "since": draw.choice([None, day(draw.randrange(DAYS))]),
            "parent_id": draw.choice([None, "C0", "C1"]) if name not in {"C0", "C1"} else None,
        }
        for name in ids
    ]
    bills: list[Row] = []
    payments: list[Row] = []
    for name in ids[:-1]:
        terms = draw.choice([10, 30, 60])
        for _ in range(draw.randrange(invoices)):
            for bill in _retold(draw, _bill(draw, name, len(bills), terms), ids):
                bills.append(bill)
                payments += pay(draw, bill)
    return World(
        masters,
        bills,
        payments,
        [_limit(draw, draw.choice(ids), order) for order in range(customers * 2)],
        [
            row
            for year in (0, 1, 2)
            for _ in ids
            for row in _told_again(draw, _statement(draw, draw.choice(ids), year))
        ],
        [_signal(draw, draw.choice(ids[:5])) for _ in range(customers * 2)],
    )


def _bill(draw: Random, name: str, number: int, terms: int) -> Row:
    issued = draw.randrange(DAYS)
    return {
        "customer_id": name,
        "invoice": number,
        "issue_date": day(issued),
        "due_date": day(issued + draw.choice([terms, terms, 0, 45])),
        "amount_minor": draw.choice([0, 100, 100, 250, 999, 10_000]),
        "currency": draw.choice(["CNY", "CNY", "CNY", "USD"]),
        "disputed_on": draw.choice([None, None, None, day(issued + draw.randrange(90))]),
    }


def _retold(draw: Random, bill: Row, names: list[str]) -> list[Row]:
    """Cut a bill up to three times, or not, at any day: each time it is told otherwise."""
    found = [bill | {"known_on": None, "gone_on": None}]
    for _ in range(draw.choice([0, 0, 0, 1, 2, 3])):
        last = found[-1]
        when = (last["known_on"] or bill["issue_date"]) + timedelta(days=draw.randrange(-10, 90))
        if last["known_on"] is None or when > last["known_on"]:
            last["gone_on"] = when
            found.append(_told_otherwise(draw, last, names))
    return found


def _told_otherwise(draw: Random, bill: Row, names: list[str]) -> Row:
    """Tell something else of a bill, or the same of it and only of what was paid."""
    issued = bill["issue_date"] + timedelta(days=draw.randrange(-20, 20))
    what: Row = draw.choice(
        [
            {},
            {},
            {"amount_minor": draw.choice([0, 100, 500])},
            {"customer_id": draw.choice(names)},
            {"issue_date": issued, "due_date": issued + timedelta(days=draw.choice([0, 30]))},
            {"currency": draw.choice(["CNY", "USD"])},
        ]
    )
    next_one = {"invoice": bill["invoice"] + 1, "known_on": bill["gone_on"], "gone_on": None}
    return bill | what | next_one


def pay(draw: Random, bill: Row, earliest: date | None = None) -> list[Row]:
    """Pay an invoice at once, in parts, too much, not quite, or not at all."""
    amount, due = bill["amount_minor"], bill["due_date"]
    shares = draw.choice(
        [[], [amount], [amount], [amount // 2, amount - amount // 2], [amount - 1]]
    )
    first = bill["issue_date"] - timedelta(days=draw.choice([0, 0, 5]))
    when = [max(first, due + timedelta(days=draw.randrange(-20, 60))) for _ in shares]
    if earliest is not None:
        when = [max(earliest, one) + timedelta(days=draw.randrange(30)) for one in when]
    return [
        {"invoice": bill["invoice"], "paid_date": one, "amount_minor": share}
        for one, share in zip(when, shares, strict=True)
    ]


def _limit(draw: Random, name: str, order: int) -> Row:
    begin = draw.randrange(DAYS)
    return {
        "customer_id": name,
        "kind": draw.choice(["base", "base", "temporary", "cover"]),
        "known_on": day(begin + draw.choice([0, 0, 20, -20, 150])),
        "ended_on": draw.choice([None, None, day(begin + 200)]),
        "valid_from": day(begin),
        "valid_to": draw.choice([None, day(begin + draw.randrange(300))]),
        "limit_minor": draw.choice([None, 0, 500, 2_000, 20_000]),
        "order": order,
    }


def _statement(draw: Random, name: str, year: int) -> Row:
    end = draw.randrange(20) + year * 365
    lines = {item: draw.choice([None, 0.0, -5.0, 10.0, 80.0, 1000.0]) for item in ITEMS}
    known = day(end + draw.randrange(200))
    currency = draw.choice([None, *["CNY"] * 8, "USD"])
    told = {"customer_id": name, "period_end": day(end), "known_on": known, "currency": currency}
    return told | lines


def _told_again(draw: Random, told: Row) -> list[Row]:
    """Correct a statement, or not: known from the same day, an earlier or a later one."""
    if draw.randrange(3):
        return [told]
    end, known = told["period_end"], told["known_on"] + timedelta(days=draw.choice([0, 0, -30, 30]))
    other = _statement(draw, told["customer_id"], 0)
    return [told, other | {"period_end": end, "known_on": max(known, end)}]


def _signal(draw: Random, name: str) -> Row:
    known = draw.randrange(DAYS)
    return {
        "customer_id": name,
        "known_on": day(known),
        "kind": draw.choice([None, *(kind.value for kind in SignalKind)]),
        "role": draw.choice([None, *(role.value for role in SignalRole)]),
        "ended_on": draw.choice([None, None, day(known + draw.randrange(300))]),
    }


def rewrite(world: World, after: date, seed: int) -> World:
    """Change at random all that became known after a day, and nothing else."""
    draw = Random(seed)
    later = after + timedelta(days=1)
    known = [row for row in world.payments if row["paid_date"] <= after]
    names = [row["customer_id"] for row in world.customers]
    old = [bill for row in world.invoices for bill in _retell(draw, row, after, names)]
    numbers = range(10_000, 10_000 + draw.randrange(20))
    new = [
        bill | {"issue_date": later + timedelta(days=5), "due_date": later + timedelta(days=40)}
        for bill in (_bill(draw, f"C{number % 7}", number, 30) for number in numbers)
    ]
    bills = [_redispute(draw, row, after) for row in old] + new
    paid = known + [row for bill in bills for row in pay(draw, bill, later)]
    others = make(seed)
    return replace(
        world,
        invoices=bills,
        payments=paid,
        limits=_known(world.limits, after, draw) + _from(others.limits, later, order=1_000),
        financials=_known(world.financials, after, draw) + _from(others.financials, later),
        signals=_known(world.signals, after, draw) + _from(others.signals, later),
    )


def _retell(draw: Random, bill: Row, after: date, names: list[str]) -> list[Row]:
    """Keep a bill if it was issued and told by a day, and tell it otherwise later, or not."""
    if bill["issue_date"] > after or (bill["known_on"] is not None and bill["known_on"] > after):
        return []
    if bill["gone_on"] is not None and bill["gone_on"] <= after:
        return [bill]
    gone = draw.choice([None, after + timedelta(days=draw.randrange(1, 40))])
    bill = bill | {"gone_on": gone}
    if gone is None:
        return [bill]
    later = _told_otherwise(draw, bill, names)
    return [bill, later | {"invoice": 20_000 + bill["invoice"]}]


def _redispute(draw: Random, bill: Row, after: date) -> Row:
    disputed = bill["disputed_on"]
    if disputed is not None and disputed <= after:
        return bill
    return bill | {"disputed_on": draw.choice([None, after + timedelta(days=3)])}


def _known(rows: list[Row], after: date, draw: Random) -> list[Row]:
    """Keep what was known; what ended later ends on another day or never."""
    kept = [row for row in rows if row["known_on"] <= after]
    ends = [None, after + timedelta(days=draw.randrange(1, 99))]
    return [
        row | {"ended_on": draw.choice(ends)}
        if "ended_on" in row and (row["ended_on"] is None or row["ended_on"] > after)
        else row
        for row in kept
    ]


def _from(rows: list[Row], later: date, order: int = 0) -> list[Row]:
    return [
        row
        | {"known_on": later + timedelta(days=number)}
        | ({"order": order + number} if "order" in row else {})
        for number, row in enumerate(rows)
    ]


def ask(world: World, seed: int, count: int, until: int = DAYS + 60) -> list[Row]:
    """Draw questions about customers, some of them about an order, some with counters."""
    draw = Random(seed)
    names = [row["customer_id"] for row in world.customers] + ["nobody"]
    return [
        {
            "customer_id": draw.choice(names),
            "as_of": day(draw.randrange(until)),
            "order_amount_minor": draw.choice([None, 300, 9_000]),
            "order_terms_days": draw.choice([None, 30, 45]),
            "used_minor": draw.choice([None, None, 700]),
            "limit_minor": draw.choice([None, 0, 1_000]),
            "currency": draw.choice([None, None, "CNY", "USD"]),
        }
        for _ in range(count)
    ]
