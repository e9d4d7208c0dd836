"""Ledger rows: what is refused and why, the events they stand for, totals, batches."""

import csv
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cli.ledger_batches import LedgerBatch, ledger_batches
from app.cli.ledger_rows import (
    LEDGER_COLUMNS,
    LedgerRow,
    new_customer,
    parse_ledger_row,
    payment_id,
    row_events,
)
from app.cli.ledger_totals import Expected, count_totals, parse_expected
from app.cli.tables import open_table
from app.cli.tables_fields import RowRefusedError, rewritten
from app.cli.tables_rejects import RejectWriter, reject_path
from app.cli.tables_shape import CellFault, TableRow
from app.domain.errors import FieldError, FileRefusedError
from app.domain.money import DIGITS, Money
from app.sheets.cells import safe

GOOD = {
    "customer_id": "C-1",
    "invoice_id": "INV-1",
    "issue_date": "2026-01-31",
    "due_date": "2026-03-02",
    "amount": "97.60",
    "currency": "CNY",
    "paid_date": "",
}
HEADER = ",".join(GOOD)


def faults(**changes: str) -> dict[str | None, str]:
    with pytest.raises(RowRefusedError) as caught:
        parse_ledger_row(GOOD | changes)
    return {error.field: error.detail for error in caught.value.errors}


def events(**changes: str) -> list[dict[str, Any]]:
    return row_events(parse_ledger_row(GOOD | changes), source="ERP", segment="main")


def write(folder: Path, lines: list[str]) -> Path:
    path = folder / "ledger.csv"
    path.write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")
    return path


def rows_of(*changes: Mapping[str, str]) -> list[TableRow]:
    return [TableRow(line, GOOD | dict(change), ()) for line, change in enumerate(changes, start=2)]


def test_a_row_and_its_defaults() -> None:
    assert parse_ledger_row(GOOD) == LedgerRow(
        "C-1", "INV-1", date(2026, 1, 31), date(2026, 3, 2), Money(9760, "CNY")
    )


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        pytest.param({"customer_id": " "}, "customer_id", "is empty", id="no-customer"),
        pytest.param({"invoice_id": "x" * 65}, "invoice_id", "at most 64", id="id-of-65"),
        pytest.param({"customer_id": "a\tb"}, "customer_id", "cannot be printed", id="tab-in-id"),
        pytest.param({"order_id": "x" * 65}, "order_id", "at most 64", id="order-id-of-65"),
        pytest.param({"issue_date": "31.01.2026"}, "issue_date", "not a date", id="german-date"),
        pytest.param({"issue_date": "01/02/2026"}, "issue_date", "not a date", id="us-date"),
        pytest.param({"issue_date": "46053"}, "issue_date", "not a date", id="excel-serial"),
        pytest.param({"issue_date": "2026-02-29"}, "issue_date", "the calendar", id="no-leap-year"),
        pytest.param(
            {"issue_date": "2026-01-31T14:30:00"}, "issue_date", "not a", id="time-of-day"
        ),
        pytest.param({"issue_date": "1969-12-31"}, "issue_date", "not within", id="before-1970"),
        pytest.param({"due_date": "2101-01-01"}, "due_date", "not within", id="after-2100"),
        pytest.param({"due_date": "2026-01-30"}, "due_date", "is before", id="due-a-day-early"),
        pytest.param({"paid_date": "2026-01-30"}, "paid_date", "is before", id="paid-a-day-early"),
        pytest.param({"amount": "0"}, "amount", "more than 0", id="nothing"),
        pytest.param({"amount": "-0.01"}, "amount", "more than 0", id="one-cent-below"),
        pytest.param({"amount": "97.600"}, "amount", "3 fraction digits", id="one-digit-over"),
        pytest.param({"amount": "1,000.00"}, "amount", "not a decimal", id="thousands"),
        pytest.param({"amount": "1e3"}, "amount", "not a decimal", id="exponent"),
        pytest.param({"amount": "１"}, "amount", "not a decimal", id="wide-digit"),
        pytest.param({"amount": "10000000000000.01"}, "amount", "10^15", id="one-cent-over"),
        pytest.param({"amount": "97.6", "currency": "JPY"}, "amount", "JPY has 0", id="half-yen"),
        pytest.param({"amount": ""}, "amount", "is empty", id="no-amount"),
        pytest.param({"currency": "RMB"}, "currency", "ISO 4217", id="no-currency-code"),
        pytest.param({"currency": ""}, "currency", "is empty", id="no-currency"),
        pytest.param({"disputed": "maybe"}, "disputed", "none of true", id="disputed-maybe"),
        pytest.param({"country": "x" * 65}, "country", "at most 64", id="country-of-65"),
        pytest.param({"customer_name": "a\nb"}, "customer_name", "printed", id="name-in-two-lines"),
        pytest.param({"version": "0"}, "version", "whole number from 1", id="version-0"),
        pytest.param({"version": "1.0"}, "version", "whole number from 1", id="version-1.0"),
    ],
)
def test_what_is_refused(changes: dict[str, str], field: str, said: str) -> None:
    found = faults(**changes)
    assert list(found) == [field]
    assert said in found[field]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"issue_date": "2026/1/31"}, {}, id="slashes"),
        pytest.param({"issue_date": "20260131"}, {}, id="digits"),
        pytest.param({"issue_date": "2026年1月31日"}, {}, id="chinese"),
        pytest.param({"issue_date": "2026-01-31 00:00:00"}, {}, id="midnight"),
        pytest.param({"issue_date": " 2026-01-31 "}, {}, id="blanks"),
        pytest.param({"amount": "97.6"}, {}, id="fewer-digits"),
        pytest.param({"due_date": "2026-01-31"}, {"due_date": date(2026, 1, 31)}, id="due-at-once"),
        pytest.param(
            {"paid_date": "2026-01-31"}, {"paid_date": date(2026, 1, 31)}, id="paid-at-once"
        ),
        pytest.param({"disputed": "是"}, {"disputed": True}, id="disputed-in-chinese"),
        pytest.param({"disputed": "TRUE"}, {"disputed": True}, id="disputed-in-capitals"),
        pytest.param({"disputed": "0"}, {"disputed": False}, id="not-disputed"),
        pytest.param({"version": "7"}, {"version": 7}, id="version"),
        pytest.param({"customer_id": "x" * 64}, {"customer_id": "x" * 64}, id="id-of-64"),
    ],
)
def test_what_is_taken(changes: dict[str, str], expected: dict[str, Any]) -> None:
    row = parse_ledger_row(GOOD | changes)
    plain = parse_ledger_row(GOOD)
    for name in LedgerRow.__slots__:
        assert getattr(row, name) == expected.get(name, getattr(plain, name))


def test_all_faults_of_a_row_are_named_at_once() -> None:
    assert list(faults(customer_id="", amount="x", issue_date="x", paid_date="x")) == [
        "customer_id",
        "issue_date",
        "amount",
        "paid_date",
    ]


def test_the_events_of_a_paid_disputed_order() -> None:
    money = {"amount": "97.60", "currency": "CNY"}
    found = events(paid_date="2026-02-10", disputed="1", order_id="SO-1")
    shared = {"customer_id": "C-1", "source": "ERP", "segment": "main", "version": 1}
    ids = [event.pop("event_id") for event in found]
    assert len(set(ids)) == 3
    assert all(1 <= len(event_id) <= 64 for event_id in ids)
    assert found == [
        shared
        | {
            "type": "invoice",
            "occurred_at": "2026-01-31T00:00:00Z",
            "invoice_id": "INV-1",
            "amount": money,
            "issue_date": "2026-01-31",
            "due_date": "2026-03-02",
            "lines": [{"order_id": "SO-1", "amount": money}],
        },
        shared
        | {
            "type": "payment",
            "occurred_at": "2026-02-10T00:00:00Z",
            "payment_id": "paid:INV-1",
            "amount": money,
            "paid_date": "2026-02-10",
            "allocations": [{"invoice_id": "INV-1", "amount": money}],
        },
        shared
        | {
            "type": "dispute",
            "occurred_at": "2026-01-31T00:00:00Z",
            "invoice_id": "INV-1",
            "open": True,
        },
    ]


def test_a_row_paid_since_repeats_its_invoice_and_adds_a_payment() -> None:
    before, after = events(), events(paid_date="2026-02-10")
    assert after[:1] == before
    assert [event["type"] for event in after] == ["invoice", "payment"]


def test_name_country_and_dispute_do_not_change_the_invoice() -> None:
    assert events(customer_name="甲", country="CN", disputed="1")[0] == events()[0]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"amount": "97.61"}, id="one-cent-more"),
        pytest.param({"due_date": "2026-03-03"}, id="due-a-day-later"),
        pytest.param({"customer_id": "C-2"}, id="other-customer"),
        pytest.param({"order_id": "SO-1"}, id="order"),
        pytest.param({"version": "2"}, id="version"),
    ],
)
def test_a_changed_row_is_another_event_under_the_same_document(changes: dict[str, str]) -> None:
    before, after = events()[0], events(**changes)[0]
    assert before["event_id"] != after["event_id"]
    assert before["invoice_id"] == after["invoice_id"]


def test_source_and_segment_are_part_of_the_event_id() -> None:
    row = parse_ledger_row(GOOD)
    ids = {
        row_events(row, source=source, segment=segment)[0]["event_id"]
        for source in ("A", "B")
        for segment in ("main", "north")
    }
    assert len(ids) == 4


def test_only_a_higher_version_closes_a_dispute() -> None:
    assert [event["type"] for event in events(disputed="0")] == ["invoice"]
    assert [event["type"] for event in events(version="2")] == ["invoice"]
    closed = events(disputed="0", version="2")[-1]
    assert (closed["type"], closed["open"], closed["version"]) == ("dispute", False, 2)


def test_payment_ids_fit_and_stay_apart() -> None:
    assert payment_id("x" * 59) == "paid:" + "x" * 59
    long = {payment_id("x" * 59 + tail) for tail in "abc"}
    assert len(long) == 3
    assert all(len(text) <= 64 for text in long)


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({}, {"name": "C-1", "currency": "CNY"}),
        ({"customer_name": "甲", "country": "391"}, {"name": "甲", "currency": "CNY"}),
        ({"country": "CN"}, {"name": "C-1", "currency": "CNY", "country": "CN"}),
    ],
    ids=["no-name", "own-country-code", "iso-country"],
)
def test_new_customer(changes: dict[str, str], body: dict[str, str]) -> None:
    assert new_customer(parse_ledger_row(GOOD | changes)) == body


def test_totals_count_what_the_sender_counted() -> None:
    totals = count_totals(
        rows_of(
            {},
            {"amount": "0.40", "due_date": "nonsense"},
            {"amount": "-8.00"},
            {"amount": "500", "currency": "JPY"},
            {"amount": "x"},
        )
    )
    assert (totals.rows, totals.unreadable) == (5, 1)
    assert totals.sums_minor == {"CNY": 9000, "JPY": 500}


def test_a_formula_adds_nothing_to_the_totals() -> None:
    row = TableRow(2, GOOD, (), (CellFault("amount", "is a formula"),))
    assert count_totals([row]).sums_minor == {}


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        pytest.param(Expected(rows=1), "1 rows expected, 2 found", id="a-row-missing"),
        pytest.param(
            Expected(sums_minor={"CNY": 19519}),
            "195.19 CNY expected, 195.20 CNY found",
            id="one-cent-over",
        ),
        pytest.param(
            Expected(sums_minor={"USD": 1}), "0.01 USD expected, 0.00 USD found", id="absent"
        ),
    ],
)
def test_wrong_totals_refuse_the_file(expected: Expected, said: str) -> None:
    totals = count_totals(rows_of({}, {"invoice_id": "INV-2"}))
    with pytest.raises(FileRefusedError, match="nothing was applied") as caught:
        totals.verify(expected, "ledger.csv")
    assert said in caught.value.detail


def test_right_totals_and_currencies_not_spoken_of_pass() -> None:
    totals = count_totals(rows_of({}, {"currency": "JPY", "amount": "5"}))
    totals.verify(parse_expected(2, ["CNY=97.60"]), "ledger.csv")
    totals.verify(parse_expected(None, []), "ledger.csv")


@pytest.mark.parametrize(
    ("rows", "totals", "option"),
    [
        pytest.param(-1, [], "--expect-rows", id="negative"),
        pytest.param(None, ["CNY"], "--expect-total", id="no-amount"),
        pytest.param(None, ["XXX=1"], "--expect-total", id="unknown-currency"),
        pytest.param(None, ["CNY=1.005"], "--expect-total", id="too-many-digits"),
        pytest.param(None, ["CNY=1", "CNY=2"], "--expect-total", id="twice"),
    ],
)
def test_options_that_make_no_sense(rows: int | None, totals: list[str], option: str) -> None:
    with pytest.raises(FieldError) as caught:
        parse_expected(rows, totals)
    assert caught.value.field == option


def test_a_thousand_bad_lines_among_good_ones(tmp_path: Path) -> None:
    good = [f"C-1,G-{n},2026-01-31,2026-03-02,1.00,CNY,2026-02-01" for n in range(1000)]
    bad = [f"C-1,B-{n},2026-01-31,2026-01-02,-1.00,CNY," for n in range(1000)]
    path = write(tmp_path, [line for pair in zip(good, bad, strict=True) for line in pair])
    table = open_table(path, LEDGER_COLUMNS)
    batches = list(ledger_batches(table, source="ERP", segment="main", most_events=300))
    assert sum(len(batch.rows) for batch in batches) == 1000
    assert sum(batch.size for batch in batches) == 2000
    assert max(len(batch.events) for batch in batches) <= 300
    with RejectWriter(reject_path(path), table.headers) as writer:
        for batch in batches:
            for reject in batch.rejects:
                writer.write(reject)
    assert writer.count == 1000
    with reject_path(path).open(encoding="utf-8-sig", newline="") as file:
        written = list(csv.reader(file))
    assert written[0] == ["reject_line", "reject_field", "reject_reason", *GOOD]
    assert written[1][:2] == ["3", "amount; due_date"]
    assert written[1][3:] == ["C-1", "B-0", "2026-01-31", "2026-01-02", "'-1.00", "CNY", ""]


def test_rejects_mended_and_imported_again(tmp_path: Path) -> None:
    path = write(tmp_path, ["C-1,INV-1,2026-01-31,2026-03-02,97.600,CNY,"])
    table = open_table(path, LEDGER_COLUMNS)
    [batch] = ledger_batches(table, source="ERP", segment="main")
    with RejectWriter(reject_path(path), table.headers) as writer:
        writer.write(batch.rejects[0])
    again = reject_path(path)
    again.write_bytes(again.read_bytes().replace(b",97.600,", b",97.60,"))
    [mended] = ledger_batches(open_table(again, LEDGER_COLUMNS), source="ERP", segment="main")
    assert mended.events == events()


def test_a_quarantined_event_leads_back_to_its_line() -> None:
    found = rows_of({"paid_date": "2026-02-10"}, {"invoice_id": "INV-2"})
    [batch] = ledger_batches(found, source="ERP", segment="main")
    assert [event["type"] for event in batch.events] == ["invoice", "payment", "invoice"]
    reject = batch.quarantined(1, "version", "same version with other content")
    assert (reject.line, reject.field) == (2, "version")
    assert reject.reason == "payment: same version with other content"
    assert batch.quarantined(2, None, "x").line == 3


def test_batches_never_outgrow_their_bound_nor_lose_a_row() -> None:
    found = rows_of(
        *[{"invoice_id": f"I-{n}", "paid_date": "2026-02-10", "disputed": "1"} for n in range(50)]
    )
    for most in (3, 4, 7, 150):
        batches: list[LedgerBatch] = list(
            ledger_batches(found, source="E", segment="main", most_events=most)
        )
        assert max(len(batch.events) for batch in batches) <= most
        assert sum(batch.size for batch in batches) == 50


def test_faults_of_the_format_are_rejects() -> None:
    row = TableRow(9, GOOD, ("=1",), (CellFault("amount", "is a formula"), CellFault(None, "w")))
    [batch] = ledger_batches([row], source="E", segment="main")
    assert [(r.line, r.field, r.reason) for r in batch.rejects] == [
        (9, "amount", "amount: is a formula; w")
    ]


PRINTABLE = st.characters(exclude_categories=["C", "Z"], codec="utf-8")
IDS_OR_NONE = st.text(PRINTABLE, max_size=64).filter(lambda text: not rewritten(text))
IDS = IDS_OR_NONE.filter(bool)
DAYS = st.dates(date(1970, 1, 1), date(2100, 12, 31))


@st.composite
def ledger_rows(draw: st.DrawFn) -> LedgerRow:
    issue, due, paid = sorted([draw(DAYS), draw(DAYS), draw(DAYS)])
    currency = draw(st.sampled_from(sorted(DIGITS)))
    return LedgerRow(
        customer_id=draw(IDS),
        invoice_id=draw(IDS),
        issue_date=issue,
        due_date=due,
        amount=Money(draw(st.integers(1, 10**15)), currency),
        paid_date=draw(st.sampled_from([None, paid])),
        disputed=draw(st.sampled_from([None, True, False])),
        customer_name=draw(st.text(PRINTABLE, max_size=80)),
        country=draw(st.text(PRINTABLE, max_size=64)),
        order_id=draw(IDS_OR_NONE),
        version=draw(st.integers(1, 2**31 - 1)),
    )


def as_cells(row: LedgerRow) -> dict[str, str]:
    return {
        "customer_id": row.customer_id,
        "invoice_id": row.invoice_id,
        "issue_date": str(row.issue_date),
        "due_date": str(row.due_date),
        "amount": row.amount.text,
        "currency": row.amount.currency,
        "paid_date": str(row.paid_date or ""),
        "customer_name": row.customer_name,
        "country": row.country,
        "disputed": "" if row.disputed is None else str(row.disputed),
        "order_id": row.order_id,
        "version": str(row.version),
    }


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(ledger_rows(), min_size=1, max_size=5),
    separator=st.sampled_from([",", ";", "\t"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]),
)
def test_any_valid_rows_come_back_from_a_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[LedgerRow], separator: str, encoding: str
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(as_cells(rows[0])), delimiter=separator)
        writer.writeheader()
        writer.writerows({name: safe(cell) for name, cell in as_cells(row).items()} for row in rows)
    if encoding == "gb18030" and not _only_gb18030(path):
        return
    table = open_table(path, LEDGER_COLUMNS)
    assert [parse_ledger_row(row.cells) for row in table] == rows
    assert [row.faults for row in table] == [()] * len(rows)


def _only_gb18030(path: Path) -> bool:
    """Few bytes of GB18030 may by chance be UTF-8 too; then nobody can tell which was meant."""
    raw = path.read_bytes()
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return raw.isascii()
