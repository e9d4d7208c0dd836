"""Cells of a workbook as people see them, and workbooks that hide rows or are damaged."""

import re
import zipfile
from datetime import date
from pathlib import Path

import pytest
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from app.cli.financial_rows import STATEMENT_COLUMNS
from app.cli.tables import open_table
from app.cli.tables_shape import Columns, TableRow
from app.domain.errors import FileRefusedError

COLUMNS = Columns(
    ("customer_id", "amount"), ("issue_date", "name", "margin"), ratios=frozenset({"margin"})
)
HEADER = ["customer_id", "amount", "issue_date", "name", "margin"]


def book_of(path: Path, *rows: list[object], formats: dict[str, str] | None = None) -> Path:
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    lines: list[list[object]] = [[*HEADER], *rows]
    for row in lines:
        sheet.append(row)
    for cell, told in (formats or {}).items():
        sheet[cell].number_format = told
    book.save(path)
    return path


def rewritten(path: Path, part: str, old: bytes, new: bytes) -> Path:
    changed = path.with_name("changed.xlsx")
    with zipfile.ZipFile(path) as parts, zipfile.ZipFile(changed, "w") as out:
        for name in parts.namelist():
            data = parts.read(name)
            out.writestr(name, re.sub(old, new, data) if name == part else data)
    return changed


def read(path: Path) -> list[TableRow]:
    return list(open_table(path, COLUMNS))


def refusal(path: Path) -> str:
    with pytest.raises(FileRefusedError) as caught:
        read(path)
    return caught.value.detail


@pytest.mark.parametrize(
    ("value", "told", "text"),
    [
        pytest.param(42, "0000_ ", "0042", id="zeros-and-a-blank"),
        pytest.param(42, "[$-804]0000", "0042", id="zeros-and-a-locale"),
        pytest.param(42, "0000;[Red]-0000", "0042", id="zeros-and-a-negative-form"),
        pytest.param(1001, "#,##0.00", "1001", id="as-an-amount"),
        pytest.param(123456789012, "0.00E+00", "123456789012", id="exponent"),
        pytest.param("C-1_x000D_\n", "General", "C-1", id="line-end-of-an-export"),
    ],
)
def test_an_id_is_what_is_meant(tmp_path: Path, value: object, told: str, text: str) -> None:
    (row,) = read(book_of(tmp_path / "t.xlsx", [value, 1], formats={"A2": told}))
    assert (row.cells["customer_id"], row.faults) == (text, ())


@pytest.mark.parametrize(
    ("value", "told", "said"),
    [
        pytest.param(42, '"C-"0000', "is 42, which the format", id="literal"),
        pytest.param(4200, "00-00", "is 4200, which the format", id="dash"),
        pytest.param(date(2026, 1, 1), "mmm-yy", "is 2026-01-01, which is no text", id="date"),
        pytest.param(True, "General", "is true, which is no text", id="truth"),
    ],
)
def test_what_a_spreadsheet_made_of_an_id_is_a_fault(
    tmp_path: Path, value: object, told: str, said: str
) -> None:
    (row,) = read(book_of(tmp_path / "t.xlsx", [value, 1], formats={"A2": told}))
    ((field, reason),) = [(fault.field, fault.reason) for fault in row.faults]
    assert field == "customer_id"
    assert said in reason


@pytest.mark.parametrize(
    ("value", "told"),
    [
        pytest.param(50, '0"万元"', id="ten-thousands"),
        pytest.param(50, "0.00万", id="ten-thousands-unquoted"),
        pytest.param(50, r"0\万", id="ten-thousands-escaped"),
        pytest.param(3, '#,##0.0"亿"', id="hundred-millions"),
        pytest.param(3, '0"百万"', id="millions"),
        pytest.param(123_456, '0.0,"万"', id="thousands-called-ten-thousands"),
        pytest.param(0.5, "0%", id="percent"),
        pytest.param(50, '0"%"', id="percent-sign"),
        pytest.param(5, "0‰", id="per-thousand"),
        pytest.param(50, '0"萬"', id="ten-thousands-traditional"),
        pytest.param(50, '[<10000]0;0"万"', id="by-condition"),
        pytest.param(-50, '0;-0"万"', id="negative-section"),
    ],
)
def test_an_amount_shown_in_units_is_a_fault(tmp_path: Path, value: float, told: str) -> None:
    (row,) = read(book_of(tmp_path / "t.xlsx", ["A", value], formats={"B2": told}))
    ((field, reason),) = [(fault.field, fault.reason) for fault in row.faults]
    assert field == "amount"
    assert reason.startswith(f"is {value}, which the format {told!r} shows otherwise")


@pytest.mark.parametrize(
    ("column", "value", "told", "text"),
    [
        pytest.param("amount", 1234567, "#,##0.00", "1234567", id="thousands"),
        pytest.param("amount", 1234567, "#,##0,", "1234567", id="in-thousands"),
        pytest.param("amount", 1234567, '0.0,"千元"', "1234567", id="in-thousands-named"),
        pytest.param("amount", 123000, '0!.0,"万元"', "123000", id="in-ten-thousands"),
        pytest.param("amount", 123456, r'0\.0000"万"', "123456", id="by-a-moved-point"),
        pytest.param("amount", 50, '[$¥-804]#,##0"元"', "50", id="currency"),
        pytest.param("amount", 50, '0;[Red]-0"万"', "50", id="units-of-another-section"),
        pytest.param("amount", 50, "_(* #,##0.00_%_)", "50", id="blank-as-wide-as-percent"),
        pytest.param("margin", 0.125, "0.0%", "0.125", id="ratio-in-percent"),
    ],
)
def test_a_number_is_that_in_its_cell(
    tmp_path: Path, column: str, value: float, told: str, text: str
) -> None:
    line: list[object] = ["A", 1, None, None, 1]
    line[HEADER.index(column)] = value
    cell = f"{'ABCDE'[HEADER.index(column)]}2"
    (row,) = read(book_of(tmp_path / "t.xlsx", line, formats={cell: told}))
    assert (row.cells[column], row.faults) == (text, ())


def test_ratios_of_statements_may_be_in_percent_and_figures_may_not(tmp_path: Path) -> None:
    book, path = Workbook(), tmp_path / "t.xlsx"
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.append(["customer_id", "period_end", "net_margin", "sales"])
    sheet.append(["A", "2025-12-31", 0.125, 0.5])
    for cell in ("C2", "D2"):
        sheet[cell].number_format = "0.0%"
    book.save(path)
    (row,) = open_table(path, STATEMENT_COLUMNS)
    assert row.cells["net_margin"] == "0.125"
    assert [fault.field for fault in row.faults] == ["sales"]


@pytest.mark.parametrize("number", [27, 31, 36, 50, 57, 58])
def test_dates_in_the_formats_of_a_chinese_excel(tmp_path: Path, number: int) -> None:
    """They are named by number alone, without a format of that number in the file."""
    path = book_of(tmp_path / "t.xlsx", ["A", 1, date(2026, 1, 31)])
    bare = rewritten(path, "xl/styles.xml", rb"(?s)<numFmts.*?</numFmts>", b"")
    path = rewritten(
        bare.rename(tmp_path / "bare.xlsx"),
        "xl/styles.xml",
        rb'numFmtId="164"',
        b'numFmtId="%d"' % number,
    )
    assert [row.cells["issue_date"] for row in read(path)] == ["2026-01-31"]


def test_a_row_number_told_twice_loses_no_row_in_silence(tmp_path: Path) -> None:
    path = book_of(tmp_path / "t.xlsx", ["A", 1], ["B", 2], ["C", 3])
    told = refusal(rewritten(path, "xl/worksheets/sheet1.xml", rb'<row r="3"', b'<row r="2"'))
    assert "sheet Sheet: row 2 stands below row 2" in told


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml"])
def test_damaged_data_is_the_files_fault(tmp_path: Path, part: str) -> None:
    path = book_of(tmp_path / "t.xlsx", *([f"C-{n}", n] for n in range(300)))
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as parts:
        one = parts.getinfo(part)
    start = one.header_offset + 30 + len(part)
    raw[start : start + one.compress_size] = b"\xff" * one.compress_size
    path.write_bytes(raw)
    assert "Error -3 while decompressing" in refusal(path)


def test_a_zip_with_a_password(tmp_path: Path) -> None:
    path = book_of(tmp_path / "t.xlsx", ["A", 1])
    raw = path.read_bytes()
    for head in (rb"(?s)(PK\x01\x02.{4}).", rb"(?s)(PK\x03\x04..)."):
        raw = re.sub(head, lambda found: found[1] + b"\x01", raw)  # the bit that says so
    path.write_bytes(raw)
    assert "is encrypted, password required" in refusal(path)


def test_a_sheet_of_one_endless_text(tmp_path: Path) -> None:
    path = book_of(tmp_path / "t.xlsx", ["A", 1])
    text = b"x" * (3 << 20)
    told = refusal(rewritten(path, "xl/worksheets/sheet1.xml", b"<sheetData>", text))
    assert "not a sheet of cells" in told
