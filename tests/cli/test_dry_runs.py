"""What a file would change is told before anything is saved: limits and scorecards."""

from pathlib import Path

import httpx2
import orjson
import pytest
from sqlalchemy import text

from app.store.database import Database
from tests.cli.conftest import Commands
from tests.erp import Erp, money

TABLES = ("credit_limit", "journal", "request_key", "account", "scorecard", "account_input")


def content(database: Database) -> dict[str, int]:
    with database.read() as tx:
        return {
            name: tx.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608
            for name in TABLES
        }


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1", "100.00")
    erp.customer("C-2", "250.50")
    erp.customer("C-3", None)
    return erp


ROWS = """customer_id,limit,currency,unlimited
C-1,150.00,CNY,
C-2,50.25,CNY,
C-3,,,true
C-9,1.00,CNY,
C-1,1.005,CNY,
"""


def test_limits_are_tried_before_they_are_set(
    erp: Erp, database: Database, run_aval: Commands, tmp_path: Path
) -> None:
    file = tmp_path / "limits.csv"
    file.write_text(ROWS)
    before = content(database)
    tried = run_aval("import", "limits", str(file), "--dry-run")
    assert (tried.code, "2 of 5 rows would not be taken" in tried.err) == (1, True)
    lines = tried.out.splitlines()
    assert [line.split("\t")[3:] for line in lines[:3]] == [
        ["100.00 CNY -> 150.00 CNY", "approved"],
        ["250.50 CNY -> 50.25 CNY", "approved"],
        ["none -> unlimited", "approved"],
    ]
    assert [line.split(":")[:2] for line in lines[3:5]] == [
        ["line 5", " customer_id"],
        ["line 6", " limit"],
    ]
    assert lines[5:] == [
        "5 rows, 2 rejected, 3 approved; nothing was saved",
        "3 effective limits would change",
        "CNY 50.00 more, 200.25 less",
    ]
    assert content(database) == before
    assert erp.account("C-1")["effective_limit"] == money("100.00")
    assert [one.name for one in tmp_path.iterdir()] == ["limits.csv"]


def test_what_was_imported_before_would_set_nothing_again(
    erp: Erp, run_aval: Commands, tmp_path: Path
) -> None:
    file = tmp_path / "limits.csv"
    file.write_text("".join(ROWS.splitlines(keepends=True)[:2]))
    assert run_aval("import", "limits", str(file)).code == 0
    assert erp.account("C-1")["effective_limit"] == money("150.00")
    tried = run_aval("import", "limits", str(file), "--dry-run")
    assert tried.code == 0, tried.err
    assert tried.out.splitlines() == [
        "1 rows, 0 rejected, 1 duplicate; nothing was saved",
        "0 effective limits would change",
    ]


@pytest.mark.parametrize("name", ["card", "card.xlsx"])
def test_a_scorecard_leaves_is_tried_and_comes_back(
    erp: Erp, database: Database, run_aval: Commands, tmp_path: Path, name: str
) -> None:
    """Of customers that it rates it says how many would be of another class."""
    erp.post("/v1/customers/C-1/score", {})
    path = tmp_path / name
    assert run_aval("export", "scorecard", str(path)).code == 0
    assert run_aval("export", "scorecard", str(path)).code == 2
    same = run_aval("import", "scorecard", str(path), "--dry-run")
    told = orjson.loads(same.out)
    assert (told["characteristics"], told["parts"]) == ([], [])
    counted = {"rated": 1, "other_score": 0, "other_class": 0, "other_light": 0, "moves": []}
    assert told["customers"] == counted
    if path.is_dir():
        file = path / "settings.csv"
        file.write_bytes(file.read_bytes().replace(b"late_days,30", b"late_days,45"))
        before = content(database)
        tried = run_aval("import", "scorecard", str(path), "--dry-run")
        told = orjson.loads(tried.out)
        assert (told["base_version"], told["parts"]) == (1, ["late_days"])
        assert content(database) == before
        back = run_aval("import", "scorecard", str(path))
        assert "version 2, is in use now" in back.out, back.err
        file.write_bytes(b"\xff")
        bad = run_aval("import", "scorecard", str(path))
        assert (bad.code, "settings: is no CSV file" in bad.err) == (1, True)
