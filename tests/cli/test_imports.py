"""Files put in by the command line on a real database: exit code, one clear line, nothing half."""

import csv
import io
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest
import structlog
from openpyxl import Workbook, load_workbook
from sqlalchemy import text

from app.cli.failures import RefusedError
from app.cli.imports import LedgerPlan, import_ledger
from app.cli.ledger_rows import LEDGER_COLUMNS
from app.cli.ledger_totals import Expected
from app.cli.main import execute
from app.cli.tables import open_table
from app.composition import compose
from app.domain.errors import BusyError
from app.scoring.observing import ObservingError
from app.settings import Settings
from app.store.database import Database, Tx
from app.store.scores import Subject
from app.usecases.score_raters import RateByCard, Rated

PLAN = LedgerPlan("erp", "main", Expected())
HEADER = "customer_id,invoice_id,issue_date,due_date,amount,currency,paid_date,customer_name"
ROWS = [
    "C-1,I-1,2026-01-01,2026-01-31,100.00,CNY,2026-01-30,甲公司",
    "C-1,I-2,2026-02-01,2026-03-03,50.50,CNY,,甲公司",
    "C-2,I-3,2026-01-05,2026-02-04,7000,JPY,2026-02-20,乙公司",
]


@dataclass(frozen=True)
class Ran:
    """How a command ended; `told` is stderr without lines of progress."""

    code: int
    out: str
    told: list[str]


@dataclass(frozen=True)
class Terminal:
    """Runs `aval` in this process, in a folder of its own, on the test's database."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Ran:
        code = execute(arguments)
        said = self.capture.readouterr()
        lines = [
            line
            for line in said.err.splitlines()
            if not line.startswith(("aval: import: ", "aval: scoring: "))
        ]
        return Ran(code, said.out, lines)

    def ledger(self, file: Path, *options: str) -> Ran:
        return self("import", "ledger", str(file), "--source", "erp", *options)

    def write(self, lines: Iterable[str], encoding: str = "utf-8", name: str = "l.csv") -> Path:
        file = self.folder / name
        file.write_text("\n".join(lines) + "\n", encoding=encoding)
        return file


@pytest.fixture
def aval(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Terminal]:
    monkeypatch.setenv("AVAL_DATABASE_URL", database_url)
    monkeypatch.setenv("AVAL_STATE_DIR", str(tmp_path))
    root, log = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    yield Terminal(tmp_path, capsys)
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**log)


TABLES = ("customer", "account", "account_input", "invoice", "payment", "journal", "score")


def content(database: Database) -> dict[str, int]:
    """Count what an import writes."""
    with database.read() as tx:
        return {
            name: tx.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608
            for name in TABLES
        }


def rejects(file: Path) -> list[dict[str, str]]:
    text_read = file.with_name(f"{file.name}.rejects.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text_read)))


def test_ledger_goes_in_once(aval: Terminal, database: Database) -> None:
    file = aval.write([HEADER, *ROWS])
    totals = ("--expect-rows", "3", "--expect-total", "CNY=150.50", "--expect-total", "JPY=7000")
    first = aval.ledger(file, *totals)
    assert (first.code, first.told) == (0, [])
    assert first.out.splitlines() == [
        "3 rows, 0 rejected, 2 new customers",
        "events: 5 applied, 0 duplicate, 0 stale, 0 quarantined",
        "total CNY 150.50",
        "total JPY 7000",
        "2 customers scored",
    ]
    before = content(database)
    assert before["score"] == 2
    second = aval.ledger(file, *totals)
    assert second.code == 0
    assert "events: 0 applied, 5 duplicate, 0 stale, 0 quarantined" in second.out
    assert content(database) == before
    with database.read() as tx:
        query = "SELECT customer_id, currency, currency_source FROM account ORDER BY 1"
        found = [tuple(row) for row in tx.execute(text(query))]
    assert found == [("C-1", "CNY", "LEDGER"), ("C-2", "JPY", "LEDGER")]
    assert not file.with_name("l.csv.rejects.csv").exists()


def test_row_paid_since_adds_its_payment(aval: Terminal, database: Database) -> None:
    aval.ledger(aval.write([HEADER, *ROWS]))
    later = [row.replace(",CNY,,", ",CNY,2026-03-01,") for row in ROWS]
    ran = aval.ledger(aval.write([HEADER, *later]))
    assert ran.code == 0
    assert "events: 1 applied, 5 duplicate" in ran.out
    assert "1 customers scored" in ran.out
    with database.read() as tx:
        assert tx.execute(text("SELECT sum(open_minor) FROM invoice")).scalar_one() == 0


REFUSED: dict[str, tuple[list[str], tuple[str, ...], str]] = {
    "missing-column": ([HEADER.replace("due_date,", ""), ROWS[0]], (), "missing column due_date"),
    "wrong-total": (
        [HEADER, *ROWS],
        ("--expect-total", "CNY=150.49"),
        "150.49 CNY expected, 150.50 CNY found",
    ),
    "wrong-rows": ([HEADER, *ROWS], ("--expect-rows", "4"), "4 rows expected, 3 found"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_file_refused_as_a_whole_changes_nothing(
    aval: Terminal, database: Database, case: str
) -> None:
    lines, options, said = REFUSED[case]
    ran = aval.ledger(aval.write(lines), *options)
    assert (ran.code, len(ran.told)) == (1, 1), ran
    assert said in ran.told[0]
    assert set(content(database).values()) == {0}


WRONG: dict[str, tuple[str, ...]] = {
    "no-source": ("import", "ledger", "FILE"),
    "no-file": ("import", "ledger", "/nowhere/l.csv", "--source", "erp"),
    "long-source": ("import", "ledger", "FILE", "--source", "s" * 65),
    "total-without-amount": ("import", "ledger", "FILE", "--source", "e", "--expect-total", "CNY"),
    "unknown-segment": ("import", "ledger", "FILE", "--source", "e", "--segment", "nope"),
    "score-without-all": ("score",),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use(aval: Terminal, database: Database, case: str) -> None:
    file = aval.write([HEADER, *ROWS])
    ran = aval(*(str(file) if one == "FILE" else one for one in WRONG[case]))
    assert (ran.code, len(ran.told)) == (2, 1), ran
    assert set(content(database).values()) == {0}


def test_formula_is_named_and_the_other_rows_go_in(aval: Terminal, database: Database) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for line in [HEADER, *ROWS]:
        sheet.append(line.split(","))
    sheet["E3"] = "=25.25*2"
    file = aval.folder / "l.xlsx"
    book.save(file)
    ran = aval.ledger(file)
    assert (ran.code, len(ran.told)) == (1, 1), ran
    assert "1 of 3 rows were not taken" in ran.told[0]
    (reject,) = rejects(file)
    assert (reject["reject_line"], reject["reject_field"]) == ("3", "amount")
    assert "formula" in reject["reject_reason"]
    assert content(database)["invoice"] == 2


def test_thousand_bad_lines_are_listed_and_the_good_ones_go_in(
    aval: Terminal, database: Database
) -> None:
    bad = [f"C-1,B-{number},2026-01-01,2026-01-31,-1,CNY,,x" for number in range(1000)]
    file = aval.write([HEADER, *bad[:500], *ROWS, *bad[500:]])
    ran = aval.ledger(file)
    assert (ran.code, len(ran.told)) == (1, 1), ran
    assert "1000 of 1003 rows were not taken" in ran.told[0]
    found = rejects(file)
    assert len(found) == 1000
    assert {row["reject_field"] for row in found} == {"amount"}
    assert (found[0]["reject_line"], found[-1]["reject_line"]) == ("2", "1004")
    assert content(database)["invoice"] == 3


def test_gb18030_is_read(aval: Terminal, database: Database) -> None:
    ran = aval.ledger(aval.write([HEADER, *ROWS], "gb18030"))
    assert ran.code == 0, ran
    with database.read() as tx:
        names = list(tx.execute(text("SELECT name FROM customer")).scalars())
    assert sorted(names) == sorted(["甲公司", "乙公司"])


def test_changed_invoice_of_the_same_version_is_quarantined(aval: Terminal) -> None:
    aval.ledger(aval.write([HEADER, *ROWS]))
    changed = [ROWS[0].replace("100.00", "101.00"), *ROWS[1:]]
    file = aval.write([HEADER, *changed])
    ran = aval.ledger(file)
    assert (ran.code, len(ran.told)) == (1, 1), ran
    (reject,) = rejects(file)
    assert reject["reject_line"] == "2"
    assert reject["reject_reason"].startswith("invoice: ")


CUSTOMERS = [
    "customer_id,name,parent_id,since,aliases,currency",
    "C-1,甲公司,G-1,2015-01-01,CRM-1|CRM-2,CNY",
    "G-1,集团,,,,CNY",
    "C-2,乙公司,NOBODY,,,CNY",
    "C-3,丙公司,,,,XXX",
]


def test_customers_and_limits(aval: Terminal, database: Database) -> None:
    file = aval.write(CUSTOMERS, name="c.csv")
    ran = aval("import", "customers", str(file))
    assert (ran.code, len(ran.told)) == (1, 1), ran
    assert ran.out == "4 rows, 2 rejected, 2 new\n"
    found = [(row["reject_line"], row["reject_field"]) for row in rejects(file)]
    assert sorted(found) == [("4", "parent_id"), ("5", "currency")]
    before = content(database)
    assert aval("import", "customers", str(file)).out == "4 rows, 2 rejected, 2 known\n"
    assert content(database) == before

    limits = ["customer_id,limit,currency", "CRM-2,500.00,CNY", "C-9,1.00,CNY", "G-1,0,CNY"]
    file = aval.write(limits, name="limits.csv")
    ran = aval("import", "limits", str(file))
    assert (ran.code, len(ran.told)) == (1, 1), ran
    assert ran.out == "3 rows, 1 rejected, 2 approved\n"
    assert [(row["reject_line"], row["reject_field"]) for row in rejects(file)] == [
        ("3", "customer_id")
    ]
    before = content(database)
    assert aval("import", "limits", str(file)).out == "3 rows, 1 rejected, 2 duplicate\n"
    assert content(database) == before


def test_scorecard_goes_out_and_comes_in_as_the_next_version(
    aval: Terminal, database: Database
) -> None:
    file = aval.folder / "card.xlsx"
    assert aval("export", "scorecard", str(file)).code == 0
    assert aval("export", "scorecard", str(file)).code == 2
    assert "version 1, was in use already" in aval("import", "scorecard", str(file)).out
    book = load_workbook(file)
    for row in book["settings"].iter_rows(min_row=2):
        if row[0].value == "late_days":
            row[1].value = 45
    book.save(file)
    assert "no fault" in aval("import", "scorecard", str(file), "--check").out
    assert versions(database) == [(1, True)]
    assert "version 2, is in use now" in aval("import", "scorecard", str(file)).out
    assert versions(database) == [(1, False), (2, True)]
    book["settings"]["B2"] = "=1+1"
    book.save(file)
    ran = aval("import", "scorecard", str(file))
    assert (ran.code, len(ran.told)) == (1, 1), ran
    assert "settings!B2" in ran.told[0]
    assert versions(database) == [(1, False), (2, True)]


def versions(database: Database) -> list[tuple[int, bool]]:
    with database.read() as tx:
        rows = tx.execute(text("SELECT version, active FROM scorecard ORDER BY version"))
        return [(row.version, row.active) for row in rows]


@dataclass(frozen=True)
class Poisoned(RateByCard):
    """A rater that one customer's data crash."""

    trouble: type[BusyError] = ObservingError

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> Mapping[str, Rated]:
        if "C-2" in {one.customer_id for one in subjects}:
            raise self.trouble("crashed")
        return RateByCard.__call__(self, tx, subjects, at)


@pytest.mark.parametrize("bad_rows", [0, 1])
def test_who_cannot_be_scored_costs_an_import_nothing_else(
    aval: Terminal, database: Database, bad_rows: int
) -> None:
    bad = ["C-3,I-4,yesterday,2026-01-31,1.00,CNY,,丙公司"] * bad_rows
    parts = compose(Settings(state_dir=aval.folder), database.url)
    parts.prepare()
    rating = replace(parts.desk.scores.score_customers, rater=Poisoned())
    scores = replace(parts.desk.scores, score_customers=rating)
    parts = replace(parts, desk=replace(parts.desk, scores=scores))
    table = open_table(aval.write([HEADER, *ROWS, *bad]), LEDGER_COLUMNS)
    unscored = "1 could not be scored (C-2): crashed; they stay due"
    with closing(parts.database), pytest.raises(RefusedError) as refused:
        import_ledger(parts, table, PLAN)
    said = aval.capture.readouterr()
    assert said.out.endswith("\n1 customers scored\n")
    if bad_rows:
        assert str(refused.value).startswith("1 of 4 rows were not taken, the others were; see ")
        assert f"aval: {unscored}\n" in said.err
    else:
        assert str(refused.value) == unscored
    assert (content(database)["invoice"], content(database)["score"]) == (3, 1)
    with database.read() as tx:
        due = tx.execute(text("SELECT DISTINCT customer_id FROM score_due")).scalars()
        assert list(due) == ["C-2"]


def test_score_all(aval: Terminal, database: Database) -> None:
    aval.ledger(aval.write([HEADER, *ROWS]))
    before = content(database)
    ran = aval("score", "--all")
    assert (ran.code, ran.out, ran.told) == (0, "2 customers scored\n", [])
    assert content(database) == before  # nothing changed within the day
