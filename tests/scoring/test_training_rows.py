"""Which invoices are rows, what they are labelled, and on which side of a cut they stand."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from app.scoring.training_folds import (
    LEAST_CUSTOMERS,
    by_customer,
    default_cut,
    rolling,
    split_at,
)
from app.scoring.training_matrix import Matrix, TrainingError, only_numbers, without_constants
from app.scoring.training_rows import Observed, Target, observe
from tests.scoring.payers import TODAY, Bill, ledger, payers

DAY = date(2026, 1, 1)
"""The day on which the invoice of a table is issued; it is due on 31 January."""

PROBE = Bill("C-PROBE", date(2026, 5, 20), terms=0, paid=date(2026, 5, 20))
"""Says that the ledger knows of days until 20 May."""


def on(month: int, day: int) -> date:
    return date(2026, month, day)


def rows_of(bills: list[Bill], late_days: int = 30) -> Observed:
    return observe(ledger(bills), Target(late_days, 180), TODAY)


@pytest.mark.parametrize(
    ("paid", "late"),
    [
        (on(1, 20), 0),
        (on(3, 2), 0),
        (on(3, 3), 1),
        (on(5, 1), 1),
        (None, 1),
    ],
    ids=["early", "on-the-last-day", "one-day-over", "much-later", "never"],
)
def test_late_is_more_than_so_many_days(paid: date | None, late: int) -> None:
    found = rows_of([Bill("C-1", DAY, paid=paid), PROBE]).matrix
    assert found.labels[found.customers == "C-1"].tolist() == [late]


@pytest.mark.parametrize(
    ("until", "there"),
    [(on(3, 2), True), (on(3, 1), False)],
    ids=["window-closed-today", "window-closes-tomorrow"],
)
def test_a_window_that_is_open_is_no_row_even_where_it_is_paid(until: date, there: bool) -> None:
    """Of the windows still open only the punctual are known: counting them flatters everybody."""
    paid_early = Bill("C-1", DAY, paid=on(1, 3))
    probe = Bill("C-PROBE", until - timedelta(days=90), terms=0, paid=until)
    found = rows_of([paid_early, probe])
    assert ("C-1" in found.matrix.customers) is there
    assert found.left_out["window_open"] == (not there)
    assert found.until == until


def test_a_label_is_of_today_and_the_habit_of_before_is_what_was_known_then() -> None:
    bills = [
        Bill("C-1", DAY, paid=on(1, 20), gone_on=on(3, 1)),
        Bill("C-1", DAY, known_on=on(3, 1)),  # taken back
        Bill("C-1", on(2, 10), paid=on(3, 10)),
        Bill("C-1", on(4, 10), terms=20, paid=on(4, 29)),
    ]
    found = rows_of([*bills, PROBE], late_days=0).matrix
    own = found.customers == "C-1"
    assert found.days[own].astype(str).tolist() == ["2026-01-01", "2026-02-10", "2026-04-10"]
    assert found.labels[own].tolist() == [1, 0, 0]
    assert found.known[own].tolist() == [0, 1, 2]
    assert found.late[own].tolist() == [0, 0, 1]
    late = found.values[own, found.names.index("prior_late_rate")]
    assert late[2] > late[1]


def test_what_was_taken_back_is_no_fact_of_the_ledgers_last_day() -> None:
    gone = Bill("C-9", on(6, 1), paid=on(6, 2), gone_on=on(6, 5))
    assert rows_of([Bill("C-1", DAY), PROBE, gone]).until == on(5, 20)


def test_facts_after_today_are_not_known() -> None:
    later = Bill("C-2", on(3, 1), terms=0, paid=TODAY + timedelta(days=60))
    found = rows_of([Bill("C-1", DAY), PROBE, later])
    assert found.until <= TODAY


@pytest.mark.parametrize(("terms", "there"), [(148, True), (149, False)], ids=["just", "beyond"])
def test_terms_beyond_the_horizon_are_no_row(terms: int, there: bool) -> None:
    """Asked about as of day 0, issued on day 1: it is 31 days late on day 1 + 148 + 31."""
    old = Bill("C-1", date(2025, 1, 1), terms=terms)
    found = rows_of([old, Bill("C-2", DAY), PROBE])
    assert ("C-1" in found.matrix.customers) is there
    assert found.left_out["beyond_horizon"] == (not there)


def test_the_rule_knows_only_what_had_closed_before() -> None:
    first = Bill("C-1", DAY, paid=on(5, 1))  # late; its window closes on 2 March
    known = Bill("C-1", on(3, 3), paid=on(3, 10))
    unknown = Bill("C-1", on(3, 2), paid=on(3, 10))
    found = rows_of([first, known, unknown, PROBE]).matrix
    mine = found.customers == "C-1"
    assert found.days[mine].astype(str).tolist() == ["2026-01-01", "2026-03-02", "2026-03-03"]
    assert found.known[mine].tolist() == [0, 0, 1]
    assert found.late[mine].tolist() == [0, 0, 1]
    assert found.rule(0.2)[mine].tolist() == pytest.approx([0.2, 0.2, (1 + 5 * 0.2) / 6])


def test_the_newest_rows_are_kept_with_what_came_before_them() -> None:
    found = observe(ledger(payers()), Target(0, 180), TODAY, most_rows=50)
    whole = rows_of(payers(), 0)
    assert found.left_out["older"] == len(whole.matrix) - 50
    assert (
        found.matrix.digest() == whole.matrix.take(np.arange(-50, 0) + len(whole.matrix)).digest()
    )
    assert found.matrix.known.tolist() == whole.matrix.known[-50:].tolist()


def test_an_empty_ledger_and_open_windows_are_refused() -> None:
    with pytest.raises(TrainingError, match="no invoice"):
        rows_of([])
    with pytest.raises(TrainingError, match="no observation window has closed by 2026-01-01"):
        rows_of([Bill("C-1", DAY)])


@pytest.fixture(scope="module")
def whole() -> Matrix:
    return rows_of(payers(), 0).matrix


def test_the_past_of_every_row_by_brute_force(whole: Matrix) -> None:
    eve = whole.days - np.timedelta64(1, "D")
    for row in range(0, len(whole), 7):
        before = (whole.customers == whole.customers[row]) & (whole.closes <= eve[row])
        assert whole.known[row] == np.sum(before)
        assert whole.late[row] == np.sum(whole.labels[before])


def test_a_cut_learns_nothing_that_was_not_known_then(whole: Matrix) -> None:
    cut = default_cut(whole)
    fold = split_at(whole, cut)
    first = np.datetime64(cut, "D")
    assert np.max(whole.closes[fold.learn]) < first <= np.min(whole.days[fold.check])
    assert len(fold.learn) + len(fold.check) < len(whole)  # windows open at the cut are in neither


def test_every_step_of_the_backtest_looks_ahead(whole: Matrix) -> None:
    learn = whole.take(split_at(whole, default_cut(whole)).learn)
    folds = rolling(learn)
    assert len(folds) == 3
    for fold in folds:
        assert np.max(learn.closes[fold.learn]) < np.min(learn.days[fold.check])
    asked = np.concatenate([fold.check for fold in folds])
    assert len(set(asked.tolist())) == len(asked)


def test_without_time_customers_are_kept_apart(whole: Matrix) -> None:
    same_day = replace(whole, days=np.full_like(whole.days, whole.days[0]))
    for fold in rolling(same_day):
        assert not set(whole.customers[fold.learn]) & set(whole.customers[fold.check])


def few(customers: int) -> list[Bill]:
    names = {f"C-{number:03}" for number in range(customers)}
    return [bill for bill in payers() if bill.customer in names]


def all_late(bills: list[Bill]) -> list[Bill]:
    return [replace(bill, paid=bill.due + timedelta(days=3)) for bill in bills]


@pytest.mark.parametrize(
    ("bills", "cut", "says"),
    [
        (few(3), None, f"3 customers to learn from, {LEAST_CUSTOMERS} are needed"),
        (all_late(payers()), None, "0 punctual rows"),
        (payers(), date(2023, 1, 1), "no observation window had closed before 2023-01-01"),
        (payers(), date(2026, 1, 1), "the test window is empty"),
    ],
    ids=["three-customers", "one-class-only", "nothing-before", "test-window-empty"],
)
def test_too_little_is_refused_in_one_line(bills: list[Bill], cut: date | None, says: str) -> None:
    found = rows_of(bills, 0).matrix
    with pytest.raises(TrainingError, match=says) as refused:
        split_at(found, cut or default_cut(found))
    assert "\n" not in str(refused.value)


def test_one_class_has_no_folds(whole: Matrix) -> None:
    with pytest.raises(TrainingError, match="both late and punctual"):
        by_customer(replace(whole, labels=np.zeros(len(whole))))


def test_infinite_is_missing_and_bounds_hold(whole: Matrix) -> None:
    values = whole.values.copy()
    rate, days = whole.names.index("on_time_rate"), whole.names.index("mean_days_late")
    values[0, [rate, days]] = np.inf, -np.inf
    values[1, rate] = 1.5
    clean = only_numbers(replace(whole, values=values)).values
    assert np.isnan(clean[0, [rate, days]]).all()
    assert clean[1, rate] == 1


def test_a_column_that_never_changes_is_dropped_and_said(whole: Matrix) -> None:
    names, dropped = without_constants(whole)
    assert dropped["order_terms_days"] == "constant"
    assert dropped["utilization"] == "missing"
    assert "mean_days_late" in names
    assert not set(names) & set(dropped)


def test_the_digest_is_of_the_data(whole: Matrix) -> None:
    again = rows_of(payers(), 0).matrix
    assert again.digest() == whole.digest()
    other = replace(whole, labels=1 - whole.labels)
    assert other.digest() != whole.digest()
