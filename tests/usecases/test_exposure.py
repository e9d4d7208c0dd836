"""Every figure of an account is the sum of the documents that are listed for it."""

from collections import Counter
from datetime import timedelta
from fractions import Fraction

import pytest
from sqlalchemy import text

from app.domain.callers import Caller
from app.domain.errors import CustomerUnknownError, NotFoundError, SegmentUnknownError
from app.domain.exposure import CATEGORIES, Category, Document, Figure, share
from app.domain.money import Money
from app.store.database import Database
from app.store.exposure import documents as list_documents
from app.usecases.exposure import FigurePage, FigureView, ListExposure
from app.usecases.segments import SegmentChange
from tests.faults.ledgers import random_events, report
from tests.server import Clock
from tests.usecases.town import ADMIN, Town

FIGURES: tuple[Figure, ...] = (*CATEGORIES, "OVERDUE")
NAMES = ("TOP", "G", "C-1", "C-2", "C-3")


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    town = Town.found(database, clock)
    town.put("TOP")
    town.put("G", parent_id="TOP", currency="USD")
    town.put("C-1", parent_id="G")
    town.put("C-2", parent_id="G", currency="USD")
    town.put("C-3", currency="CNY")
    return town


def pages(town: Town, ref: str, figure: Figure, most: int = 3) -> list[FigureView]:
    """Read a whole figure, a few documents at a time."""
    read = ListExposure(town.database, town.clock)
    found = [read(ADMIN, ref, FigurePage("main", figure, None, most))]
    while found[-1].after is not None:
        found.append(read(ADMIN, ref, FigurePage("main", figure, found[-1].after, most)))
    return found


def documents(town: Town, ref: str, figure: Figure, most: int = 3) -> list[Document]:
    return [one for view in pages(town, ref, figure, most) for one, _ in view.documents]


def sums(found: list[Document]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in found:
        total[one.amount.currency] += one.amount.minor
    return {code: minor for code, minor in total.items() if minor}


def positions(town: Town, ref: str, category: Category) -> dict[str, int]:
    held = town.account(ref)
    found = {code: share(held.position(code), category) for code in (held.currency, *held.foreign)}
    return {code: minor for code, minor in found.items() if minor}


def assert_all_figures_add_up(town: Town) -> int:
    """Compare every figure of every account; returns how many documents there are."""
    seen = 0
    for name in NAMES:
        for category in CATEGORIES:
            found = documents(town, name, category)
            assert len({one.place for one in found}) == len(found)
            assert sums(found) == positions(town, name, category), (name, category)
            for view in pages(town, name, category, 50):
                told = {one.currency: one.minor for one in view.totals if one.minor}
                assert told == sums(found)
            seen += len(found)
        late = pages(town, name, "OVERDUE", 2)
        totals = {one.currency: one.minor for one in late[0].totals if one.minor}
        assert sums([one for view in late for one, _ in view.documents]) == totals
    return seen


@pytest.mark.parametrize("seed", range(4))
def test_documents_of_a_random_ledger_add_up_to_its_figures(town: Town, seed: int) -> None:
    events = random_events(seed, 160)
    town.limit("C-3", 10_000)
    report(town.database, [{**one, "customer_id": "C-3"} for one in random_events(seed + 9, 20)])
    for first in range(0, 160, 20):
        report(town.database, events[first : first + 20])
    assert assert_all_figures_add_up(town) > 40
    town.clock.advance(days=1)
    assert_all_figures_add_up(town)
    town.exact()


def test_each_kind_of_document(town: Town) -> None:
    issued, due = "2026-05-01", "2026-06-14"
    line = {"order_id": "SO-1", "delivery_id": "D-1", "amount": 300}
    town.fact("order", "C-3", order_id="SO-1", amount=1000, status="OPEN")
    town.fact("delivery", "C-3", delivery_id="D-1", order_id="SO-1", amount=500)
    town.fact("delivery", "C-3", delivery_id="D-2", amount=40)
    town.fact(
        "invoice", "C-3", invoice_id="I-1", amount=300, issue_date=issued, due_date=due,
        lines=[line],
    )  # fmt: skip
    note = {"note_id": "N-1", "kind": "BANK", "due_date": "2026-09-01"}
    paid = {"paid_date": "2026-06-01"}
    parts = [{"invoice_id": "I-1", "amount": 100}]
    town.fact("payment", "C-3", payment_id="P-1", amount=100, note=note, allocations=parts, **paid)
    town.fact("payment", "C-3", payment_id="P-2", amount=7, **paid)
    town.fact("credit_note", "C-3", credit_note_id="R-1", amount=5)
    town.fact("write_off", "C-3", write_off_id="R-1", amount=3)
    told = {
        figure: [
            (one.document_type, one.document_id, one.order_id, one.amount.minor)
            for one in documents(town, "C-3", figure)
        ]
        for figure in FIGURES
    }
    assert told == {
        "AUTHORIZED": [("order", "SO-1", "SO-1", 500)],
        "OPEN_DELIVERY": [("delivery", "D-2", None, 40), ("order", "SO-1", "SO-1", 200)],
        "OPEN_ITEM": [("invoice", "I-1", "SO-1", 200)],
        "NOTE_RECEIVABLE": [("payment", "P-1", None, 100)],
        "PREPAYMENT": [
            ("payment", "P-2", None, 7),
            ("credit_note", "R-1", None, 5),
            ("write_off", "R-1", None, 3),
        ],
        "OVERDUE": [("invoice", "I-1", "SO-1", 200)],
    }
    (noted,) = documents(town, "C-3", "NOTE_RECEIVABLE")
    assert (noted.note_id, str(noted.due_date)) == ("N-1", "2026-09-01")
    assert str(documents(town, "C-3", "OPEN_ITEM")[0].due_date) == due


def test_a_worth_takes_the_rate_of_the_position(town: Town) -> None:
    town.invoice("C-3", 101, "USD")
    town.invoice("C-3", 5)
    worths = [
        (one.amount, worth)
        for view in pages(town, "C-3", "OPEN_ITEM")
        for one, worth in view.documents
    ]
    held = town.account("C-3")
    factor = held.foreign["USD"].rate.factor("USD", "CNY")
    assert factor == Fraction(7)
    assert worths == [
        (Money(101, "USD"), Money(707, "CNY")),
        (Money(5, "CNY"), Money(5, "CNY")),
    ]


def test_a_document_that_comes_in_between_moves_no_page(town: Town) -> None:
    for number in range(6):
        town.invoice("C-3", 100 + number, due=f"2026-07-{10 + number}")
    read = ListExposure(town.database, town.clock)
    first = read(ADMIN, "C-3", FigurePage("main", "OPEN_ITEM", None, 3))
    town.invoice("C-3", 1, due="2026-07-01")
    rest = read(ADMIN, "C-3", FigurePage("main", "OPEN_ITEM", first.after, 10))
    amounts = [one.amount.minor for view in (first, rest) for one, _ in view.documents]
    assert amounts == [100, 101, 102, 103, 104, 105]


def test_overdue_is_what_was_due_before_today(town: Town) -> None:
    town.invoice("C-3", 1, due=(town.today - timedelta(days=1)).isoformat())
    town.invoice("C-3", 2, due=town.today.isoformat())
    assert [one.amount.minor for one in documents(town, "C-3", "OVERDUE")] == [1]
    assert [one.amount.minor for one in documents(town, "C-3", "OPEN_ITEM")] == [1, 2]


def test_documents_of_a_merged_record_are_its_heirs(town: Town) -> None:
    town.put("C-4")
    town.invoice("C-4", 11)
    town.parties.merge_customers(ADMIN, "C-4", "C-3")
    (found,) = documents(town, "C-4", "OPEN_ITEM")
    assert (found.customer_id, found.amount.minor) == ("C-3", 11)


def test_what_is_out_of_sight(town: Town) -> None:
    read = ListExposure(town.database, town.clock)
    page = FigurePage("main", "OPEN_ITEM", None, 5)
    with pytest.raises(CustomerUnknownError):
        read(ADMIN, "NOBODY", page)
    town.parties.put_segment(ADMIN, "empty", SegmentChange("empty"))
    with pytest.raises(NotFoundError):
        read(ADMIN, "C-3", FigurePage("empty", "OPEN_ITEM", None, 5))
    elsewhere = Caller("b", frozenset({"ledger:read"}), frozenset({"other"}))
    with pytest.raises(SegmentUnknownError):
        read(elsewhere, "C-3", page)


@pytest.mark.parametrize("figure", FIGURES)
def test_a_page_reads_no_table_as_a_whole(town: Town, figure: Figure) -> None:
    town.invoice("C-3", 1)
    statement = text("SET LOCAL enable_seqscan = off")
    watched = text("SELECT sum(seq_scan) FROM pg_stat_xact_user_tables WHERE relname = ANY(:names)")
    names = ["credit_order", "order_use", "invoice", "payment", "credit", "adjustment"]
    with town.database.begin() as tx:
        tx.execute(statement)
        from_here = tx.execute(watched, {"names": names}).scalar_one()
        list_documents(tx, [town.account("C-3").account_id], figure, town.today, (None, 10))
        assert tx.execute(watched, {"names": names}).scalar_one() == from_here
