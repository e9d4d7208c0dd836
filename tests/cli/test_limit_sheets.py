"""Limits leave as a table and come back to the same effect; nothing in them is a formula."""

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from app.sheets.limits import COLUMNS, write_limits_csv
from tests.erp import Erp, money

AVAL = Path(sys.executable).with_name("aval")


def aval(database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AVAL_DATABASE_URL": database_url}
    return subprocess.run(
        [AVAL, *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["limits.csv", "limits.xlsx"])
def test_limits_leave_and_come_back(
    client: httpx2.Client, database_url: str, tmp_path: Path, name: str
) -> None:
    erp = Erp(client)
    erp.customer("C-1", "100.00")
    erp.customer("C-2", "250.50")
    file = tmp_path / name
    out = aval(database_url, "export", "limits", str(file))
    assert (out.returncode, "2 limits" in out.stdout) == (0, True), out.stderr
    back = aval(database_url, "import", "limits", str(file))
    assert "2 rows, 0 rejected" in back.stdout, back.stderr
    assert erp.account("C-1")["effective_limit"] == money("100.00")
    assert erp.account("C-2")["effective_limit"] == money("250.50")
    again = aval(database_url, "export", "limits", str(file))
    assert (again.returncode, "already" in again.stderr) == (2, True)


def test_a_text_is_never_a_formula() -> None:
    line = tuple("=1+1" for _ in COLUMNS)
    told = write_limits_csv([line]).decode("utf-8-sig").splitlines()
    assert told == [",".join(COLUMNS), ",".join("'=1+1" for _ in COLUMNS)]
