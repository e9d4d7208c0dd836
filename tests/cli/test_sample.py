"""The sample: repeatable, valid by the import's own rules, and like a ledger."""

from collections import Counter, defaultdict
from datetime import date, timedelta
from statistics import mean

import pytest

from app.cli.ledger_rows import LedgerRow, parse_ledger_row
from app.cli.master_rows import parse_customer_row, parse_limit_row
from app.cli.sample import sample_customers, sample_ledger, sample_limits

TODAY = date(2026, 3, 15)
Parsed = list[LedgerRow]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return list(sample_ledger(7, TODAY))


@pytest.fixture(scope="module")
def parsed(rows: list[dict[str, str]]) -> Parsed:
    return [parse_ledger_row(row) for row in rows]


def days_late(row: LedgerRow) -> int:
    return ((row.paid_date or TODAY) - row.due_date).days


def test_the_same_seed_gives_the_same_rows(rows: list[dict[str, str]]) -> None:
    assert list(sample_ledger(7, TODAY)) == rows
    assert list(sample_ledger(8, TODAY)) != rows
    assert list(sample_limits(7, TODAY, 50)) == list(sample_limits(7, TODAY, 50))
    assert list(sample_customers(7, 50)) == list(sample_customers(7, 50))


def test_size_order_and_span(rows: list[dict[str, str]], parsed: Parsed) -> None:
    assert 12_000 <= len(rows) <= 18_000
    assert len({row.invoice_id for row in parsed}) == len(parsed)
    issued = [row.issue_date for row in parsed]
    assert issued == sorted(issued)
    assert (TODAY - issued[0]).days > 700
    assert 0 < (TODAY - issued[-1]).days < 7
    assert all(row.paid_date is None or row.paid_date <= TODAY for row in parsed)


def test_it_looks_like_business_to_business(parsed: Parsed) -> None:
    currencies = Counter(row.amount.currency for row in parsed)
    assert currencies["CNY"] > 0.8 * len(parsed)
    assert set(currencies) == {"CNY", "USD", "JPY"}
    assert {(row.due_date - row.issue_date).days for row in parsed} == {30, 60, 90}
    open_rows = [row for row in parsed if row.paid_date is None]
    overdue = [row for row in open_rows if row.due_date < TODAY]
    assert len(open_rows) > 500
    assert 0.1 < len(overdue) / len(open_rows) < 0.6


def test_the_past_tells_something_of_the_future_but_not_all(parsed: Parsed) -> None:
    middle = date(2025, 8, 1)
    known: defaultdict[str, list[int]] = defaultdict(list)
    later: defaultdict[str, list[bool]] = defaultdict(list)
    for row in parsed:
        if middle - timedelta(days=150) <= row.due_date < middle:
            paid = min(row.paid_date or middle, middle)
            known[row.customer_id].append((paid - row.due_date).days)
        elif row.issue_date >= middle and row.due_date < TODAY - timedelta(days=30):
            later[row.customer_id].append(days_late(row) > 30)
    both = sorted(known.keys() & later.keys(), key=lambda c: mean(known[c]))
    third = len(both) // 3
    best, worst = (
        mean(is_late for customer in part for is_late in later[customer])
        for part in (both[:third], both[-third:])
    )
    assert 0 < 2 * best < worst < 0.5


def test_customers_are_plainly_made_up_and_parents_come_first(parsed: Parsed) -> None:
    seen: dict[str, str] = {}
    children = 0
    for cells in sample_customers(7):
        row = parse_customer_row(cells)
        assert "Sample Customer" in row.body["name"]
        parent = row.body.get("parent_id")
        if parent:
            children += 1
            assert seen[parent] == row.body["currency"]
        seen[row.customer_id] = row.body["currency"]
    assert 12 <= children <= 40
    assert {row.customer_id: row.amount.currency for row in parsed} == seen


def test_limits_fit_most_customers_and_not_all(parsed: Parsed) -> None:
    limits = {row.customer_id: row.body["limit"] for row in map(parse_limit_row, _limits())}
    owed: Counter[str] = Counter()
    for row in parsed:
        if row.paid_date is None:
            owed[row.customer_id] += row.amount.minor
    assert len(limits) == 300
    over = [c for c, limit in limits.items() if owed[c] > int(limit["amount"].replace(".", ""))]
    assert 3 <= len(over) <= 30


def test_a_few_customers_have_no_group() -> None:
    assert not any(row["parent_id"] for row in sample_customers(7, 3))
    assert {row["customer_id"] for row in sample_ledger(7, TODAY, 2)} == {"C-1001", "C-1002"}


def _limits() -> list[dict[str, str]]:
    return list(sample_limits(7, TODAY))
