"""What a day knows of documents that were told otherwise, case by case, in any order of reports."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from app.scoring.training_rows import Target, observe
from app.store.database import Database
from app.usecases.portfolio import read_ledger
from tests.conftest import Server
from tests.server import Clock
from tests.usecases.retold_ledger import Fact, batched, table
from tests.usecases.town import ADMIN, Town

PAID: dict[str, Fact] = {
    "paid": {"amount": 100, "allocations": [{"invoice_id": "I", "amount": 100}]},
    "taken-back": {"amount": 0, "allocations": []},
    "not-final": {"status": "PROVISIONAL"},
    "elsewhere": {"allocations": [{"invoice_id": "J", "amount": 100}]},
    "in-part": {"amount": 40, "allocations": [{"invoice_id": "I", "amount": 40}]},
}
BILL = {"note": {"note_id": "N", "kind": "BANK", "due_date": "2026-09-30"}}
Telling = tuple[str, str, str, Fact]
"""Day of 2026 (or moment), kind, id, and what differs from the telling before."""

FIRST_TOLD: list[Telling] = [
    ("04-01", "invoice", "I", {"amount": 100, "due_date": "2026-05-01"}),
    ("05-03", "payment", "P", {"paid_date": "2026-05-03", **PAID["paid"]}),
]


CASES: dict[str, tuple[list[Telling], list[tuple[float | None, float | None]]]] = {
    # (open, mean days late) at the end of 05-20, 06-15 and 07-10
    "as-it-was-told-first": ([], [(0, 2), (0, 2), (0, 2)]),
    "taken-back-and-paid-again": (
        [("06-10", "payment", "P", PAID["taken-back"]), ("07-01", "payment", "P", PAID["paid"])],
        [(0, 2), (100, 45), (0, 2)],
    ),
    "said-again-is-nothing-new": (
        [("06-10", "payment", "P", {}), ("07-01", "payment", "P", {})],
        [(0, 2), (0, 2), (0, 2)],
    ),
    "made-provisional": (
        [("06-10", "payment", "P", PAID["not-final"])],
        [(0, 2), (100, 45), (100, 70)],
    ),
    "allocated-elsewhere": (
        [("06-10", "payment", "P", PAID["elsewhere"])],
        [(0, 2), (100, 45), (100, 70)],
    ),
    "lowered": ([("06-10", "payment", "P", PAID["in-part"])], [(0, 2), (60, 45), (60, 70)]),
    "the-bill-is-dishonoured-and-honoured-after-all": (
        [
            ("05-03", "payment", "P", BILL),
            ("06-10", "note", "N", {"status": "DISHONOURED"}),
            ("07-01", "note", "N", {"status": "PAID"}),
        ],
        [(0, 2), (100, 45), (0, 2)],
    ),
    "the-payment-comes-after-its-bill-was-dishonoured": (
        [
            ("06-10", "note", "N", {"status": "DISHONOURED"}),
            ("06-30", "payment", "Q", {"paid_date": "2026-05-02", **PAID["paid"], **BILL}),
            ("05-03", "payment", "P", {"version": 0, **PAID["taken-back"]}),
            ("05-04", "payment", "P", {"version": 9, **PAID["taken-back"]}),
        ],
        [(0, 1), (100, 45), (100, 70)],
    ),
    "the-bill-was-honoured-again-before-its-payment-came": (
        [
            ("06-10", "note", "N", {"status": "DISHONOURED"}),
            ("06-20", "note", "N", {"status": "PAID"}),
            ("06-30", "payment", "Q", {"paid_date": "2026-05-02", **PAID["paid"], **BILL}),
            ("05-04", "payment", "P", PAID["taken-back"]),
        ],
        [(0, 1), (100, 45), (0, 1)],
    ),
    "corrected-up": (
        [("06-10", "invoice", "I", {"amount": 130})],
        [(0, 2), (30, 45), (30, 70)],
    ),
    "corrected-down": (
        [("05-03", "payment", "P", PAID["in-part"]), ("06-10", "invoice", "I", {"amount": 30})],
        [(60, 19), (0, 2), (0, 2)],
    ),
    "cancelled": ([("06-10", "invoice", "I", {"amount": 0})], [(0, 2), (0, None), (0, None)]),
    "due-later": (
        [("06-10", "invoice", "I", {"due_date": "2026-05-03"})],
        [(0, 2), (0, 0), (0, 0)],
    ),
    "billed-to-somebody-else": (
        [("06-10", "invoice", "I", {"customer_id": "OTHER"})],
        [(0, 2), (0, None), (0, None)],
    ),
    "billed-to-him-at-last": (
        [
            ("03-01", "invoice", "I", {"customer_id": "OTHER", "version": 0}),
            ("06-10", "invoice", "I", {"version": 2, "customer_id": "C"}),
        ],
        [(0, 2), (0, 2), (0, 2)],
    ),
    "a-credit-grows-and-goes": (
        [
            ("05-03", "payment", "P", PAID["in-part"]),
            ("05-04", "credit_note", "R", {"amount": 20, "invoice_id": "I", "date": "2026-05-04"}),
            ("06-10", "credit_note", "R", {"amount": 60}),
            ("07-01", "credit_note", "R", {"amount": 0}),
        ],
        [(40, 19), (0, 3), (60, 70)],
    ),
    "a-write-off-without-a-day-of-its-own": (
        [
            ("05-03", "payment", "P", PAID["in-part"]),
            ("05-04", "write_off", "W", {"amount": 60, "invoice_id": "I"}),
            ("06-10", "write_off", "W", {}),
        ],
        [(0, 3), (0, 40), (0, 40)],
    ),
    "told-late-it-counts-from-its-own-day": (
        [("06-30", "payment", "Q", {"paid_date": "2026-05-02", **PAID["paid"]})],
        [(0, 1), (0, 1), (0, 1)],
    ),
    "an-older-version-that-comes-late-is-nothing": (
        [("06-10", "payment", "P", {"version": 0, **PAID["taken-back"]})],
        [(0, 2), (0, 2), (0, 2)],
    ),
    "an-older-version-that-was-told-later-never-stood": (
        [
            ("05-04", "payment", "P", PAID["taken-back"]),
            ("06-01", "payment", "Q", {"version": 2, "paid_date": "2026-05-02", **PAID["paid"]}),
            ("06-10", "payment", "Q", {"version": 1, **PAID["in-part"]}),
        ],
        [(0, 1), (0, 1), (0, 1)],
    ),
    "an-older-version-that-was-told-before": (
        [
            ("05-01", "payment", "P", {"version": 0, **PAID["in-part"]}),
            ("06-10", "payment", "P", {"version": 2, **PAID["taken-back"]}),
        ],
        [(0, 2), (100, 45), (100, 70)],
    ),
    "two-on-one-day-are-one": (
        [("06-10", "payment", "P", PAID["taken-back"]), ("06-10", "payment", "P", PAID["paid"])],
        [(0, 2), (0, 2), (0, 2)],
    ),
    "a-write-off-repeated-for-an-earlier-day": (
        [
            ("05-03", "payment", "P", PAID["in-part"]),
            ("05-06", "write_off", "W", {"amount": 60, "invoice_id": "I"}),
            ("05-06", "write_off", "W", {}),
            ("05-04", "write_off", "W", {"version": 2}),
        ],
        [(0, 3), (0, 3), (0, 3)],
    ),
    "in-the-evening-of-utc-it-is-tomorrow-there": (
        [("06-15T17:00:00Z", "payment", "P", PAID["taken-back"])],
        [(0, 2), (0, 2), (100, 70)],
    ),
    "said-to-be-of-tomorrow-it-counts-from-when-it-came": (
        [("12-31", "payment", "P", PAID["taken-back"])],
        [(0, 2), (0, 2), (100, 70)],
    ),
}


def tell_case(town: Town, who: str, tellings: Sequence[Telling]) -> list[Fact]:
    """Write a case's facts with ids of its own, each document's versions from 1 on."""
    told: dict[tuple[str, str], Fact] = {}
    found = []
    for day, kind, name, what in tellings:
        before = told.get((kind, name), {"version": 0, "customer_id": "C"})
        told[kind, name] = fact = {**before, "version": before["version"] + 1, **what}
        moment = day if "T" in day else f"{day}T03:00:00Z"
        at = {"occurred_at": f"2026-{moment}", f"{kind}_id": name}
        issued = {"issue_date": "2026-04-01"} if kind == "invoice" else {}
        written = town.written(kind, **issued, **fact, **at)
        found.append(_of(who, written))
    return found


def _of(who: str, fact: Any) -> Any:  # noqa: ANN401 - any JSON
    """Let all ids of a fact be those of one case."""
    if isinstance(fact, list):
        return [_of(who, one) for one in fact]
    if not isinstance(fact, dict):
        return fact
    names = {name for name in fact if name.endswith("_id") and name != "event_id"}
    return {
        name: f"{who}-{value}" if name in names and value != "OTHER" else _of(who, value)
        for name, value in fact.items()
    }


ORDERS: dict[str, Callable[[list[Fact], Random], list[Fact]]] = {
    "as-told": lambda facts, _: facts,
    "backwards": lambda facts, _: facts[::-1],
    "repeated": lambda facts, draw: draw.sample(again(facts, draw), 2 * len(facts)),
}
DAYS = [date(2026, 5, 20), date(2026, 6, 15), date(2026, 7, 10)]


def again(facts: list[Fact], draw: Random) -> list[Fact]:
    """Report everything twice, once on a later day."""
    days = [datetime.fromisoformat(one["occurred_at"]) for one in facts]
    return facts + [
        {
            **one,
            "event_id": f"{one['event_id']}-again",
            "occurred_at": (day + timedelta(days=draw.randrange(1, 40))).isoformat(),
        }
        for one, day in zip(facts, days, strict=True)
    ]


@pytest.fixture(scope="module")
def cases(server: Server) -> Iterator[Town]:
    """Tell every case in every order, each to a payer of its own; tests only read it."""
    name = "aval_test_cases"
    url, clock = server.create(name, server.template), Clock(datetime(2026, 7, 10, 4, tzinfo=UTC))
    try:
        with closing(Database(url)) as database:
            town, draw = Town.found(database, clock), Random(5)
            town.put("OTHER")
            for case, (tellings, _) in CASES.items():
                for order, arrange in ORDERS.items():
                    who = f"{case}/{order}"
                    town.put(f"{who}-C")
                    facts = arrange(tell_case(town, who, [*FIRST_TOLD, *tellings]), draw)
                    for batch in batched(facts, draw.choice([1, 2, 9])):
                        assert set(town.report(batch)) <= {"applied", "stale", "duplicate"}
            yield town
    finally:
        server.drop(name)


def test_a_day_knows_what_was_told_by_then(cases: Town) -> None:
    tables = [table(cases, day) for day in DAYS]
    columns = ["customer_id", "open_amount_minor", "mean_days_late"]
    found = [{row[0]: row[1:] for row in one.select(columns).iter_rows()} for one in tables]
    for case, (_, expected) in CASES.items():
        for order in ORDERS:
            assert [day[f"{case}/{order}-C"] for day in found] == expected, (case, order)
    cases.exact()


@pytest.mark.parametrize("what", ["past_version", "retold"])
def test_any_order_keeps_the_same(cases: Town, what: str) -> None:
    with cases.database.read() as tx:
        rows = tx.execute(text(f"SELECT * FROM {what}")).mappings().all()  # noqa: S608 - a constant
    kept: dict[str, set[str]] = {}
    for row in rows:
        who = row["document_id"].rpartition("-")[0]
        told = {**row, "account_id": 0} if "account_id" in row else {**row}
        kept.setdefault(who, set()).add(repr(told).replace(f"{who}-", ""))
    by_case: dict[str, set[frozenset[str]]] = {}
    for case in CASES:
        for order in ORDERS:
            of_order = frozenset(kept.get(f"{case}/{order}", ()))
            by_case.setdefault(case, set()).add(of_order)
    assert {case for case, found in by_case.items() if len(found) > 1} == set()
    assert sum(bool(found) for found in kept.values()) > 40


def test_what_is_said_again_is_read_as_before(cases: Town) -> None:
    with cases.database.read() as tx:
        found = tx.execute(text("SELECT DISTINCT invoice_id FROM retold")).scalars().all()
    assert [one for one in found if one.startswith("said-again")] == []


def test_labels_are_what_is_known_today_and_features_what_was_known_then(cases: Town) -> None:
    who = "taken-back-and-paid-again/as-told-C"
    later_on = [
        cases.written(
            "invoice",
            who,
            invoice_id=f"{who}-{day}",
            amount=100,
            issue_date=f"2026-{day}",
            due_date=f"2026-{day}",
        )
        for day in ("05-21", "06-16")
    ]
    assert cases.report(later_on) == {"applied": 2}
    with cases.database.read() as tx:
        found = observe(read_ledger(tx, [who], None), Target(0, 90), date(2026, 7, 10)).matrix
    names = found.names
    rows = {
        str(day): dict(zip(names, row, strict=True))
        for day, row in zip(found.days, found.values, strict=True)
    }
    assert len(found.days) == 3
    assert dict(zip(map(str, found.days), found.labels, strict=True)) == {
        "2026-04-01": 1,  # paid on 3 May, two days late: taken back meanwhile, which is over
        "2026-05-21": 1,
        "2026-06-16": 1,
    }
    assert [rows[day]["mean_days_late"] for day in ("2026-05-21", "2026-06-16")] == [2, 35]


def test_an_invoice_is_read_with_the_payer_it_was_with(cases: Town) -> None:
    who = "billed-to-somebody-else/as-told-C"
    with cases.database.read() as tx:
        mine, theirs = (read_ledger(tx, [one], None).invoices for one in (who, "OTHER"))
    assert mine.select("customer_id", "gone_on").rows() == [(who, date(2026, 6, 10))]
    assert set(theirs["customer_id"]) == {"OTHER"}


def test_what_was_known_of_a_record_is_known_of_its_heir(cases: Town) -> None:
    for name in ("HEIR", "GONE"):
        cases.put(name)
    told = [
        *FIRST_TOLD,
        ("06-10", "payment", "P", PAID["taken-back"]),
        ("04-01", "invoice", "J", {"amount": 50, "due_date": "2026-05-01", "customer_id": "GONE"}),
        ("06-10", "invoice", "J", {"customer_id": "OTHER"}),
    ]
    facts = tell_case(cases, "GONE", told)
    for fact in facts:
        fact["customer_id"] = "OTHER" if fact["customer_id"] == "OTHER" else "GONE"
    assert cases.report(facts) == {"applied": len(facts)}
    cases.parties.merge_customers(ADMIN, "GONE", "HEIR")
    found = [
        table(cases, day).filter(customer_id="HEIR")["open_amount_minor"].item() for day in DAYS
    ]
    assert found == [50, 100, 100]
    cases.exact()
