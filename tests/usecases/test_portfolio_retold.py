"""What was told otherwise later: features of the days before stay what they were."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sqlalchemy import text

from app.domain.money import Rate
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.scoring.features_bills import background_of, settle
from app.scoring.scorecard_file import standard_scorecard
from app.store import portfolio, rates, scores
from app.store.database import Database
from app.usecases.portfolio import TabulateFeatures, read_ledger
from app.usecases.portfolio_scores import RateByCardInBulk
from app.usecases.score_raters import RateByCard
from app.usecases.seeds import SeedDatabase
from tests.conftest import Server
from tests.server import Clock
from tests.usecases.town import Town

PAYERS = ["C-1", "C-2", "C-3", "GROUP"]
FIRST = date(2025, 9, 1)


def table(town: Town, day: date) -> pl.DataFrame:
    return pl.concat(TabulateFeatures(town.database)(day))


def noon(day: date) -> str:
    return datetime.combine(day, datetime.min.time(), UTC).replace(hour=3).isoformat()


Fact = dict[str, Any]


@dataclass
class Ledger:
    """The newest that was told of each document, and ways to tell something else."""

    town: Town
    draw: Random
    told: dict[tuple[str, str], Fact] = field(default_factory=dict)
    queue: list[Fact] = field(default_factory=list)

    def tell(self, kind: str, name: str, on: date | None = None, **fields: Any) -> None:  # noqa: ANN401 - any field
        """Tell a document anew: a version above all before, on a day (default: today)."""
        before = self.told.get((kind, name), {"version": 0, "customer_id": "C-1"})
        fact = before | fields | {"version": before["version"] + self.draw.randrange(1, 4)}
        self.told[kind, name] = fact
        key = {"dispute": "invoice_id"}.get(kind, f"{kind}_id")
        at = noon(on or self.town.today)
        self.queue.append(self.town.written(kind, **fact, **{key: name, "occurred_at": at}))

    def send(self) -> None:
        """Report what was told, in three batches."""
        third = len(self.queue) // 3 + 1
        for batch in batched(self.queue, third):
            assert set(self.town.report(batch)) == {"applied"}
        self.queue.clear()

    def names(self, kind: str) -> list[str]:
        return sorted(name for held, name in self.told if held == kind)

    def parts(self, amount: int) -> list[Fact]:
        """Settle one or two invoices."""
        ids = self.draw.sample(self.names("invoice"), self.draw.choice([1, 1, 2]))
        return [{"invoice_id": name, "amount": amount // len(ids)} for name in ids]

    def sell(self, payer: str, issued: date) -> None:
        days = {"issue_date": issued.isoformat()}
        days["due_date"] = (issued + timedelta(days=self.draw.choice([10, 30]))).isoformat()
        name = f"I{self.town.next()}"
        currency = self.draw.choice(["CNY", "CNY", "CNY", "USD"])
        self.tell("invoice", name, customer_id=payer, amount=10_000, currency=currency, **days)

    def pay(self, paid: date) -> None:
        """Pay something, by money or by a bill, or credit it."""
        name = f"P{self.town.next()}"
        amount = self.draw.choice([10_000, 10_000, 6_000, 16_000])
        if self.draw.random() < 0.25:
            kind = self.draw.choice(["credit_note", "write_off"])
            on = {"invoice_id": self.draw.choice(self.names("invoice")), "date": paid.isoformat()}
            self.tell(kind, name, amount=amount // 2, currency="CNY", **on)
            return
        told: Fact = {"amount": amount, "currency": "CNY", "paid_date": paid.isoformat()}
        if self.draw.random() < 0.3:
            bill = self.draw.choice([f"N{name}", f"N{self.draw.randrange(3)}"])
            told["note"] = {"note_id": bill, "kind": "BANK", "due_date": "2026-09-30"}
        self.tell("payment", name, allocations=self.parts(amount), **told)

    def retell(self, after: date) -> None:
        """Tell something else of anything, on days after one, in every way there is."""
        days = (self.town.today - after).days
        for _ in range(40):
            on = after + timedelta(days=self.draw.randrange(1, days + 1))
            self.draw.choice(
                [self._payment, self._payment, self._note, self._credit, self._invoice]
            )(on)
        for _ in range(6):
            self.pay(after + timedelta(days=self.draw.randrange(1, days + 1)))
            self.sell(self.draw.choice(PAYERS), after + timedelta(days=1))
        for name in self.draw.sample(self.names("invoice"), 6):
            self.tell("dispute", name, open=self.draw.random() < 0.6)
        self.send()

    def _payment(self, on: date) -> None:
        amount = self.draw.choice([0, 6_000, 10_000, 20_000])
        parts = self.parts(amount) if amount else []
        what: Fact = self.draw.choice(
            [
                {"amount": 0, "allocations": []},
                {"amount": amount, "allocations": parts},
                {"status": "PROVISIONAL"},
                {"status": "FINAL"},
                {"paid_date": self._day().isoformat()},
                {"currency": self.draw.choice(["CNY", "USD"])},
                {"note": {"note_id": "N0", "kind": "BANK", "due_date": "2026-09-30"}},
                {},
            ]
        )
        self.tell("payment", self.draw.choice(self.names("payment")), on, **what)

    def _note(self, on: date) -> None:
        bills = [one["note"]["note_id"] for one in self.told.values() if one.get("note")]
        status = self.draw.choice(["DISHONOURED", "DISHONOURED", "PAID", "ENDORSED"])
        self.tell("note", self.draw.choice(bills), on, status=status)

    def _credit(self, on: date) -> None:
        kind = self.draw.choice(["credit_note", "write_off"])
        what: Fact = self.draw.choice(
            [
                {"amount": self.draw.choice([0, 1_000, 9_000])},
                {"invoice_id": self.draw.choice(self.names("invoice"))},
                {"date": self._day().isoformat()},
            ]
        )
        if names := self.names(kind):
            self.tell(kind, self.draw.choice(names), on, **what)

    def _invoice(self, on: date) -> None:
        issued = self._day()
        what: Fact = self.draw.choice(
            [
                {"amount": self.draw.choice([0, 6_000, 14_000, 10_000])},
                {"customer_id": self.draw.choice(PAYERS)},
                {"currency": self.draw.choice(["CNY", "USD"])},
                {
                    "issue_date": issued.isoformat(),
                    "due_date": (issued + timedelta(days=20)).isoformat(),
                },
            ]
        )
        self.tell("invoice", self.draw.choice(self.names("invoice")), on, **what)

    def _day(self) -> date:
        return FIRST + timedelta(days=self.draw.randrange((self.town.today - FIRST).days))


def found(database: Database, clock: Clock, seed: int) -> Ledger:
    """Found a town with a year of invoices and payments, each told on its day or later."""
    town = Town.found(database, clock)
    town.put("GROUP")
    for name in PAYERS[:-1]:
        town.put(name, parent_id="GROUP" if name != "C-3" else None)
    town.limit("C-1", 50_000)
    ledger = Ledger(town, Random(seed))
    for number in range(30):
        ledger.sell(ledger.draw.choice(PAYERS), FIRST + timedelta(days=number * 9))
    for number in range(30):
        ledger.pay(FIRST + timedelta(days=20 + number * 8))
    ledger.send()
    return ledger


def batched(facts: list[Fact], size: int) -> Iterator[list[Fact]]:
    return (facts[place : place + size] for place in range(0, len(facts), size))


def later(town: Town, days: int) -> None:
    """Let days pass, with the rate of the new day."""
    town.clock.advance(days=days)
    with town.database.begin() as tx:
        rates.add(tx, Rate("USD", "CNY", Decimal(7), town.today.isoformat(), "tests"))


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_told_later_changes_no_table_of_a_day_before(
    database: Database, clock: Clock, seed: int
) -> None:
    ledger = found(database, clock, seed)
    town = ledger.town
    days = [town.today - timedelta(days=ago) for ago in (100, 0)]
    tables = {day: table(town, day) for day in days}
    for _ in range(2):
        last = town.today
        later(town, 21)
        ledger.retell(last)
        between = [last + timedelta(days=step) for step in (9, 21)]
        tables |= {day: table(town, day) for day in between}
        for day, before in tables.items():
            assert_frame_equal(before, table(town, day), check_exact=True)
        assert not tables[last].drop("as_of").equals(tables[town.today].drop("as_of"))
    town.exact()


@pytest.fixture(scope="module")
def retold(server: Server) -> Iterator[Town]:
    """Found a town in whose ledger much was told otherwise over two months; tests only read it."""
    name = "aval_test_retold"
    url, clock = server.create(name, server.template), Clock()
    try:
        with closing(Database(url)) as database:
            SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
            ledger = found(database, clock, 3)
            for _ in range(2):
                last = ledger.town.today
                later(ledger.town, 30)
                ledger.retell(last)
            yield ledger.town
    finally:
        server.drop(name)


@pytest.mark.parametrize("ago", [0, 10, 30, 45, 60, 200])
def test_the_rates_of_all_on_a_day_are_those_known_by_then(retold: Town, ago: int) -> None:
    day = retold.today - timedelta(days=ago)
    with retold.database.read() as tx:
        counted = portfolio.count_outcomes(tx, day)
        rates_by_day = background_of(settle(read_ledger(tx, PAYERS, None)))
    expected = rates_by_day.filter(pl.col("day") <= day).row(-1, named=True)
    assert asdict(counted) == {**expected, "day": day}


def test_today_is_what_the_newest_versions_say(retold: Town) -> None:
    with retold.database.begin() as tx:
        subjects = scores.lock(tx, PAYERS)
        newest = RateByCard()(tx, subjects, retold.clock())
        in_bulk = RateByCardInBulk()(tx, subjects, retold.clock())
    for name in PAYERS:
        one, other = dict(newest[name].features), dict(in_bulk[name].features)
        for features in (one, other):  # of the newest version, and of the first report
            features.pop("disputed_share")
        assert other == pytest.approx(one), name


PAID: dict[str, Fact] = {
    "paid": {"amount": 100, "allocations": [{"invoice_id": "I", "amount": 100}]},
    "taken-back": {"amount": 0, "allocations": []},
    "not-final": {"status": "PROVISIONAL"},
    "elsewhere": {"allocations": [{"invoice_id": "J", "amount": 100}]},
    "in-part": {"amount": 40, "allocations": [{"invoice_id": "I", "amount": 40}]},
}
BILL = {"note": {"note_id": "N", "kind": "BANK", "due_date": "2026-09-30"}}
Telling = tuple[str, str, str, Fact]
"""Day of 2026, kind, id, and what differs from the telling before."""

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
        at = {"occurred_at": f"2026-{day}T03:00:00Z", f"{kind}_id": name}
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
    "shuffled": lambda facts, draw: draw.sample(facts, len(facts)),
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
