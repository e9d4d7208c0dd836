"""Limits leave as a table and come back to the same effect; nothing in them is a formula."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from app.sheets.limits import COLUMNS, write_limits_csv
from tests.cli.conftest import Commands
from tests.erp import Erp, money
from tests.server import Clock


@pytest.mark.parametrize("name", ["limits.csv", "limits.xlsx"])
def test_limits_leave_and_come_back(
    client: httpx2.Client, run_aval: Commands, tmp_path: Path, name: str
) -> None:
    erp = Erp(client)
    erp.customer("C-1", "100.00")
    erp.customer("C-2", "250.50")
    file = tmp_path / name
    out = run_aval("export", "limits", str(file))
    assert (out.code, "2 limits" in out.out) == (0, True), out.err
    back = run_aval("import", "limits", str(file))
    assert "2 rows, 0 rejected" in back.out, back.err
    assert erp.account("C-1")["effective_limit"] == money("100.00")
    assert erp.account("C-2")["effective_limit"] == money("250.50")
    again = run_aval("export", "limits", str(file))
    assert (again.code, "already" in again.err) == (2, True)


def test_a_limit_that_was_replaced_and_ran_out_does_not_come_back(
    client: httpx2.Client, run_aval: Commands, tmp_path: Path, clock: Clock
) -> None:
    clock.at = datetime.now(UTC)  # as commands have it
    erp, today = Erp(client), clock.at.date()
    erp.customer("C-1", None)
    ends = str(today - timedelta(days=3))
    for days, amount, dates in ((-30, "50000.00", {}), (10, "100.00", {"valid_to": ends})):
        clock.at += timedelta(days=days)
        body = {"kind": "base", "limit": money(amount), **dates}
        assert erp.post("/v1/customers/C-1/limits", body).status_code == 201
    clock.advance(days=20)
    assert erp.account()["effective_limit"] is None
    file = tmp_path / "limits.csv"
    run_aval("export", "limits", str(file))
    run_aval("import", "limits", str(file))
    assert erp.account()["effective_limit"] is None


def test_a_text_is_never_a_formula() -> None:
    line = tuple("=1+1" for _ in COLUMNS)
    told = write_limits_csv([line]).decode("utf-8-sig").splitlines()
    assert told == [",".join(COLUMNS), ",".join("'=1+1" for _ in COLUMNS)]
