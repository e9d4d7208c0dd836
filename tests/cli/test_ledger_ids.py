"""One odd row of a ledger costs that row; what is in by then is told."""

import csv
import io
import re
import zipfile
from pathlib import Path

import httpx2
import pytest
from openpyxl import Workbook
from sqlalchemy import text

from app.store.database import Database
from tests.cli.conftest import Commands
from tests.erp import Erp

HEADER = "customer_id,invoice_id,issue_date,due_date,amount,currency,paid_date"
GOOD = "C-1,I-1,2026-01-10,2026-02-09,100.00,CNY,"


@pytest.mark.parametrize(
    "odd", ["C\ufffd2", "#N/A", "1.23E+11", "1001.0", "2.41122e+19", '"1,23E+17"', '"1001,0"']
)
def test_an_odd_id_costs_its_row_alone(
    client: httpx2.Client, run_aval: Commands, tmp_path: Path, odd: str
) -> None:
    file = tmp_path / "l.csv"
    rows = [GOOD.replace("C-1", odd).replace("I-1", "I-2"), GOOD]
    file.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    ran = run_aval("import", "ledger", str(file), "--source", "erp")
    assert (ran.code, "2 rows, 1 rejected, 1 new customers" in ran.out) == (1, True), ran
    told = file.with_name("l.csv.rejects.csv").read_text(encoding="utf-8-sig")
    (reject,) = csv.DictReader(io.StringIO(told))
    assert (reject["reject_line"], reject["reject_field"]) == ("2", "customer_id")
    items = client.get("/v1/customers").json()["items"]
    assert [one["customer_id"] for one in items] == ["C-1"]


def test_what_is_in_is_told_where_the_rest_cannot_be_read(
    database: Database, run_aval: Commands, tmp_path: Path
) -> None:
    """A shared string that is not there is seen when its row is read."""
    book, file = Workbook(), tmp_path / "l.xlsx"
    sheet = book.active
    assert sheet is not None
    sheet.append(HEADER.split(","))
    for number in range(3500):
        sheet.append(GOOD.replace("I-1", f"I-{number}").split(","))
    book.save(tmp_path / "whole.xlsx")
    with zipfile.ZipFile(tmp_path / "whole.xlsx") as parts, zipfile.ZipFile(file, "w") as out:
        for name in parts.namelist():
            data = parts.read(name)
            broken = re.sub(rb'(<c r="A3501" t=)"inlineStr">', rb'\1"s"><v>7777</v>', data)
            out.writestr(name, broken if name.startswith("xl/worksheets/") else data)
    ran = run_aval("import", "ledger", str(file), "--source", "erp")
    assert ran.code == 1
    assert "sheet Sheet is damaged after row 3500" in ran.err
    found = re.search(r"; (\d+) rows before that were dealt with already", ran.err)
    assert found is not None, ran.err
    with database.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM invoice")).scalar_one() == int(found[1]) > 0


def test_a_reason_of_several_lines_leaves_and_comes_back(
    client: httpx2.Client, run_aval: Commands, tmp_path: Path
) -> None:
    erp, reason = Erp(client), "board of 3 May,\nsee the minutes\u3000第 4 页"
    erp.customer("C-1", None)
    body = {
        "kind": "base",
        "limit": {"amount": "500.00", "currency": "CNY"},
        "reason": reason,
    }
    assert erp.post("/v1/customers/C-1/limits", body).status_code == 201
    for name in ("limits.csv", "limits.xlsx"):
        file = tmp_path / name
        assert run_aval("export", "limits", str(file)).code == 0
        back = run_aval("import", "limits", str(file))
        assert (back.code, "0 rejected" in back.out) == (0, True), back
        newest = client.get("/v1/customers/C-1/limits").json()["items"][0]
        assert (newest["reason"], newest["proposed_by"]) == (reason, "aval-import")
