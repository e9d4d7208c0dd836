"""Limit checks that meet a limit which began or lapsed by the day alone are no differences.

What they wrote down is not what the journal says at their seq, and right all the same.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.store.checker import check_ledger
from app.store.database import Database
from tests.faults.ledgers import TODAY, Desk, money, open_desk

TOMORROW = "2026-06-16"


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    with open_desk(database.url, tmp_path) as desk:
        yield desk


def checks(desk: Desk, asked: str, outcome: str, limit: str | None) -> None:
    """Check an order of C-1: it meets that limit, and the ledger is clean."""
    told = desk.check("C-1", "SO-2", money(asked))
    found = told["effective_limit"] and told["effective_limit"]["amount"]
    assert (told["outcome"], found) == (outcome, limit)
    report = check_ledger(desk.database.url)
    assert report.clean, str(report)


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "UTC", "Pacific/Kiritimati"])
def test_a_limit_that_began_and_lapsed_between_two_entries(desk: Desk, zone: str) -> None:
    """In the west the entry before it is of the same day in UTC; in the east of the day before."""
    desk.send("PUT", "/v1/segments/main", {"name": "main", "time_zone": zone})
    desk.customer("C-1")
    desk.limit("C-1", "100.00")
    first = TOMORROW if zone != "America/Los_Angeles" else TODAY
    desk.limit("C-1", "500.00", kind="temporary", valid_from=first, valid_to=first)
    if zone == "Pacific/Kiritimati":
        desk.clock.advance(hours=5)  # 23:00 there
    assert desk.ask("C-1", "SO-1", money("10.00"))["outcome"] == "APPROVE"
    checks(desk, "300.00", "HOLD", "100.00")
    desk.clock.advance(hours=24 if zone == "UTC" else 12)
    checks(desk, "300.00", "APPROVE", "500.00")
    desk.clock.advance(hours=24)
    checks(desk, "300.00", "HOLD", "100.00")
    assert desk.ask("C-1", "SO-1", money("20.00"))["outcome"] == "APPROVE"
    checks(desk, "300.00", "HOLD", "100.00")


def test_a_limit_that_an_account_without_any_entry_waits_for(desk: Desk) -> None:
    desk.customer("C-1")
    desk.limit("C-1", "100.00", valid_from=TOMORROW)
    checks(desk, "10.00", "HOLD", None)
    desk.clock.advance(days=1)
    checks(desk, "10.00", "APPROVE", "100.00")


def test_a_limit_that_a_change_of_currency_left_unwritten(desk: Desk) -> None:
    desk.customer("C-1")
    free = {"kind": "base", "unlimited": True, "valid_from": TOMORROW, "reason": "test"}
    desk.send("POST", "/v1/customers/C-1/limits", free)
    desk.clock.advance(days=3)
    desk.send("PUT", "/v1/segments/main", {"name": "main", "currency": "USD"})
    told = desk.check("C-1", "SO-2", money("10.00", "USD"))
    assert (told["outcome"], told["effective_limit"]) == ("APPROVE", None)
    report = check_ledger(desk.database.url)
    assert report.clean, str(report)
