"""The main job, end to end over HTTP: orders, deliveries, invoices and payments in time order.

Where IBM's ledger lies beside the project (its licence forbids shipping it) that is what is
replayed, its first months in every run and all of it at night; elsewhere a generated one of the
same shape. All are whole runs of the same job.
"""

import csv
from datetime import UTC, date, datetime
from pathlib import Path

import httpx2
import pytest

from app.cli.sample import sample_ledger
from app.store.checker import check_ledger
from app.store.database import Database
from app.usecases.decisions import ReplayDecisions
from tests.replay_ledger import Line, Replay, exposures, read_ledger
from tests.server import Clock

REAL = Path(__file__).parents[2] / "shared" / "data" / "ledger_ibm.csv"
INVOICES = 300


@pytest.fixture
def lines() -> list[Line]:
    if REAL.exists():
        with REAL.open(encoding="utf-8", newline="") as file:
            return read_ledger(csv.DictReader(file))
    rows = sample_ledger(7, date(2013, 12, 31), 100)
    return [line for line in read_ledger(rows) if line.currency == "CNY"]


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2012, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "most",
    [INVOICES, pytest.param(None, marks=[pytest.mark.nightly, pytest.mark.timeout(600)])],
    ids=["begin", "whole"],
)
def test_a_ledger_in_time_order(
    lines: list[Line], most: int | None, client: httpx2.Client, clock: Clock, database: Database
) -> None:
    lines = lines[:most]
    tally = Replay(client, clock).run(lines).counts
    assert tally["fact applied"] == 3 * len(lines)
    assert tally["authorization APPROVE"] + tally["authorization HOLD"] == len(lines)
    # a check right before the order says what the order is told
    assert tally["check APPROVE"] == tally["authorization APPROVE"]
    assert tally["authorization APPROVE"] > len(lines) / 4
    assert tally["authorization HOLD"] > 0

    replayed = list(ReplayDecisions(database)(datetime(2012, 1, 1, tzinfo=UTC)))
    assert len(replayed) == 2 * len(lines) + tally["release"]
    assert [one for one in replayed if one[1]] == []

    report = check_ledger(database.url)
    assert report.clean, str(report)
    assert [one for one in exposures(client) if one[1:] != ("0.00", "0.00")] == []
