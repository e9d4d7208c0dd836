"""Table files of every format, as people really save them, and what is refused."""

import csv
import gzip
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from openpyxl.worksheet.formula import ArrayFormula
from openpyxl.worksheet.worksheet import Worksheet

from app.cli.tables import open_table
from app.cli.tables_csv import MAX_LINE_BYTES
from app.cli.tables_rejects import Reject, RejectWriter, reject_path
from app.cli.tables_shape import CellFault, Columns, TableRow, plain_number
from app.domain.errors import FileRefusedError
from app.sheets.cells import bare, safe

COLUMNS = Columns(("id", "amount"), ("day", "name"), {"编号": "id", "金额": "amount"})
PLAIN = "id,amount,name\nA,1.50,甲公司\nB,2,乙\n"


def read(path: Path) -> list[TableRow]:
    return list(open_table(path, COLUMNS))


def cells(path: Path) -> list[dict[str, str]]:
    return [row.cells for row in read(path)]


def refusal(path: Path) -> str:
    with pytest.raises(FileRefusedError) as caught:
        read(path)
    assert caught.value.detail.startswith(path.name)
    return caught.value.detail


def write(folder: Path, content: bytes | str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def workbook(folder: Path, rows: list[list[object]], change: Callable[[Worksheet], None]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    for row in rows:
        sheet.append(row)
    change(sheet)
    path = folder / "t.xlsx"
    book.save(path)
    return path


def add_sheet(beside: Worksheet, name: str) -> Worksheet:
    assert beside.parent is not None
    sheet = beside.parent.create_sheet(name)
    assert isinstance(sheet, Worksheet)
    return sheet


def nothing(_: Worksheet) -> None:
    return None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(PLAIN.encode(), id="utf-8"),
        pytest.param(PLAIN.encode("utf-8-sig"), id="utf-8-with-bom"),
        pytest.param(PLAIN.encode("gb18030"), id="gb18030"),
        pytest.param(f"\ufeff{PLAIN}".encode("gb18030"), id="gb18030-with-bom"),
        pytest.param(f'\ufeff"id"{PLAIN[2:]}'.encode("gb18030"), id="gb18030-with-bom-and-quote"),
        pytest.param(gzip.compress(PLAIN.encode()), id="gzip"),
        pytest.param(gzip.compress(PLAIN.encode("gb18030")), id="gzip-gb18030"),
        pytest.param(PLAIN.replace(",", ";").encode(), id="semicolon"),
        pytest.param(PLAIN.replace(",", "\t").encode(), id="tab"),
        pytest.param(PLAIN.replace("\n", "\r\n").encode(), id="crlf"),
        pytest.param(PLAIN.rstrip("\n").encode(), id="no-last-line-end"),
        pytest.param(PLAIN.replace("\n", ",,,\n").encode(), id="padded-with-separators"),
    ],
)
def test_csv_however_it_was_saved(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, content)
    assert cells(path) == [
        {"id": "A", "amount": "1.50", "name": "甲公司"},
        {"id": "B", "amount": "2", "name": "乙"},
    ]


def test_gb18030_is_taken_only_when_utf8_fails_however_late(tmp_path: Path) -> None:
    late = ("id,amount\n" + "A,1\n" * 600_000).encode() + "名,1\n".encode("gb18030")
    table = open_table(write(tmp_path, late), COLUMNS)
    last = ""
    for row in table:
        last = row.cells["id"]
    assert last == "名"


def test_header_names_in_chinese_and_in_other_spelling(tmp_path: Path) -> None:
    assert cells(write(tmp_path, "编号, Amount ,DAY\nA,1,2026-01-31\n")) == [
        {"id": "A", "amount": "1", "day": "2026-01-31"}
    ]


def test_unknown_columns_are_named_and_not_used(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, "id,Remark,amount,\nA,x,1,\n"), COLUMNS)
    assert table.unknown == ("Remark",)
    assert table.columns == ("id", "amount")
    assert [row.cells for row in table] == [{"id": "A", "amount": "1"}]
    assert [row.original for row in table] == [("A", "x", "1")]


def test_quoted_line_ends_keep_the_line_numbers_right(tmp_path: Path) -> None:
    path = write(tmp_path, 'id,amount,name\n\nA,1,"two\nlines"\n,,\nB,2,x\n')
    assert [(row.line, row.cells.get("name")) for row in read(path)] == [
        (3, "two\nlines"),
        (6, "x"),
    ]


def test_a_row_of_another_width_is_a_fault_of_that_row(tmp_path: Path) -> None:
    rows = read(write(tmp_path, "id,amount\nA\nB,1,extra\nC,3\n"))
    assert [row.faults for row in rows] == [
        (CellFault(None, "1 cells, but the header has 2"),),
        (CellFault(None, "3 cells, but the header has 2"),),
        (),
    ]


def test_a_bad_quote_within_a_line_costs_that_line_only(tmp_path: Path) -> None:
    rows = read(write(tmp_path, 'id,amount,name\nA,1,"Acme "Best""\nB,2,x\n'))
    assert [row.line for row in rows] == [2, 3]
    assert rows[0].faults[0].reason.startswith("quoting:")
    assert rows[0].original == ('A,1,"Acme "Best""',)
    assert not rows[1].faults


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(b"\n\n", "no header", id="blank-lines-only"),
        pytest.param(
            b"id,name\nA,x\n", "missing column amount; the first row has: id, name", id="m"
        ),
        pytest.param(b"id,amount,\xe9\xe9\xb1\n", "GB18030 (at offset", id="neither-encoding"),
        pytest.param(b"id,amount\nA,\xff1\n", "UTF-8 (first bad byte at offset 12)", id="offset"),
        pytest.param(b"id,amount\nA,\x001\n", "NUL byte at offset 12", id="nul"),
        pytest.param("id,amount\n".encode("utf-16"), "is UTF-16", id="utf-16"),
        pytest.param("编号,id,amount\n".encode(), "more than one column means id", id="twice"),
        pytest.param(b'id,amount\n"A,1\nB,2\n', "line 2: a quote", id="quote-never-closed"),
        pytest.param(b'"id,amount\nA,1\nB,2\n', "line 1: a quote", id="quote-in-the-header"),
        pytest.param(b'id,amount\n"A,1\nB,2"x\n', "line 2: a quote", id="quote-over-two-lines"),
        pytest.param(b"id,amount\n" + b"A" * (MAX_LINE_BYTES + 1), "is longer", id="endless-line"),
        pytest.param(gzip.compress(PLAIN.encode())[:-6], "damaged gzip", id="cut-gzip"),
        pytest.param(b"\xd0\xcf\x11\xe0" + bytes(600), "old .xls", id="old-xls"),
        pytest.param(b"PK\x03\x04" + bytes(600), "a damaged .xlsx", id="broken-zip"),
        pytest.param(b"PAR1" + bytes(600), "not a readable Parquet", id="broken-parquet"),
    ],
)
def test_files_refused_as_a_whole(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in refusal(write(tmp_path, content))


def test_the_longest_line_taken(tmp_path: Path) -> None:
    head = "id,amount,x\nA,1,"
    # Many fields, because one field has a bound of its own.
    line = ("y" * 999 + ",") * 2000
    path = write(tmp_path, head + line[: MAX_LINE_BYTES - len("A,1,")] + "\nB,2,z\n")
    assert [row.cells["id"] for row in read(path)] == ["A", "B"]


def test_bad_byte_offset_behind_a_character_cut_by_a_chunk(tmp_path: Path) -> None:
    head = ("id,amount\n" + "A,1\n" * 262_141).encode()
    content = head + b"\n" * ((1 << 20) - len(head) - 1) + b"\xe4\xff"
    assert f"offset {(1 << 20) - 1})" in refusal(write(tmp_path, content))


def test_no_such_file_and_a_folder(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal(tmp_path / "absent.csv")
    assert "cannot be read: Is a directory" in refusal(tmp_path)


def test_read_twice_with_progress_and_no_change_between(tmp_path: Path) -> None:
    path = write(tmp_path, "id,amount\n" + "A,1\n" * 100_000)
    table = open_table(path, COLUMNS)
    assert table.progress() == 0
    seen = [table.progress() for _ in table]
    assert seen == sorted(seen)
    assert 0 < seen[0] < 0.5
    assert table.progress() == 1
    assert sum(1 for _ in table) == 100_000
    with path.open("a") as file:
        file.write("B,2\n")
    with pytest.raises(FileRefusedError, match="changed while it was read"):
        list(table)


def test_xlsx_cells_become_the_text_people_see(tmp_path: Path) -> None:
    def zero_filled(sheet: Worksheet) -> None:
        sheet["A6"].number_format = "00000"

    rows: list[list[object]] = [
        ["id", "amount", "day"],
        ["A", 97.6, date(2026, 1, 31)],
        [1001, 0.1 + 0.2, datetime(2026, 1, 31)],  # noqa: DTZ001 - a workbook has no zones
        [None, None, None],
        ["B", 1e-7, datetime(2026, 1, 31, 14, 30)],  # noqa: DTZ001
        [42, 12345678901.25, True],
    ]
    assert [
        (row.line, *row.cells.values()) for row in read(workbook(tmp_path, rows, zero_filled))
    ] == [
        (2, "A", "97.6", "2026-01-31"),
        (3, "1001", "0.3", "2026-01-31"),
        (5, "B", "0.0000001", "2026-01-31T14:30:00"),
        (6, "00042", "12345678901.25", "true"),
    ]


def test_xlsx_formula_and_error_cells_are_faults_of_their_row(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["id", "amount", "day", "Remark"],
        ["A", "=1+1", None, "=2+2"],
        ["B", ArrayFormula("B3", "=SUM(1,2)"), None, None],
        ["C", "#N/A", None, None],
        ["D", 10**15, None, None],
        ["E", 10**15 - 1, None, None],
    ]
    found = read(workbook(tmp_path, rows, nothing))
    assert [[(fault.field, fault.reason[:22]) for fault in row.faults] for row in found] == [
        [("amount", "is a formula; put its ")],
        [("amount", "is a formula; put its ")],
        [("amount", "is the error value #N/")],
        [("amount", "is a number of more th")],
        [],
    ]
    assert found[0].original == ("A", "=1+1", "", "=2+2")
    assert found[4].cells["amount"] == "999999999999999"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda s: s.merge_cells("A2:B2"), "cells A2:B2 are merged", id="merged"),
        pytest.param(
            lambda s: setattr(s.row_dimensions[2], "hidden", True), "row 2 is hidden", id="row"
        ),
        pytest.param(
            lambda s: setattr(s.column_dimensions["B"], "hidden", True),
            "column amount is hidden",
            id="column",
        ),
        pytest.param(
            lambda s: add_sheet(s, "Other").append(["x"]),
            "several sheets have rows (Sheet, Other)",
            id="two-sheets",
        ),
        pytest.param(lambda s: s.delete_rows(1, 2), "no sheet has rows", id="empty"),
    ],
)
def test_xlsx_trouble_that_nobody_would_see(
    tmp_path: Path, change: Callable[[Worksheet], None], said: str
) -> None:
    assert said in refusal(workbook(tmp_path, [["id", "amount"], ["A", 1]], change))


def test_xlsx_hidden_sheets_and_hidden_unknown_columns_do_no_harm(tmp_path: Path) -> None:
    def hide(sheet: Worksheet) -> None:
        other = add_sheet(sheet, "Lists")
        other.append(["x"])
        other.sheet_state = "hidden"
        sheet.column_dimensions["C"].hidden = True

    path = workbook(tmp_path, [["id", "amount", "Remark"], ["A", 1, "x"]], hide)
    assert cells(path) == [{"id": "A", "amount": "1"}]


def rewritten(folder: Path, old: bytes, new: bytes) -> Path:
    """Change the XML of a workbook that openpyxl would write rightly."""
    source = workbook(folder, [["id", "amount"], ["A", 1], ["B", 2]], nothing)
    path = folder / "changed.xlsx"
    with zipfile.ZipFile(source) as parts, zipfile.ZipFile(path, "w") as changed:
        for part in parts.namelist():
            changed.writestr(part, re.sub(old, new, parts.read(part)))
    return path


def test_xlsx_with_a_wrong_size_written_in_it_is_read_whole(tmp_path: Path) -> None:
    path = rewritten(tmp_path, rb'<dimension ref="[^"]*"', b'<dimension ref="A1:A1"')
    assert len(read(path)) == 2


def test_xlsx_row_numbers_beyond_what_a_sheet_can_have(tmp_path: Path) -> None:
    path = rewritten(tmp_path, rb'<row r="3"', b'<row r="999999999999"')
    assert "at most 1048576 rows" in refusal(path)


def test_xlsx_with_damaged_xml(tmp_path: Path) -> None:
    path = rewritten(tmp_path, rb'<row r="3"', b'<row r="3')
    assert "is damaged after row" in refusal(path)


def test_xlsx_that_unpacks_to_too_much(tmp_path: Path) -> None:
    path = workbook(tmp_path, [["id", "amount"]], nothing)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\x01\x02") + 24  # the unpacked size in the first directory entry
    raw[at : at + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(raw)
    assert "unpacks to" in refusal(path)


def test_a_zip_that_is_no_workbook(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    with zipfile.ZipFile(path, "w") as parts:
        parts.writestr("readme.txt", "no workbook")
    assert "not an .xlsx workbook" in refusal(path)


def test_xlsx_progress_goes_by_rows(tmp_path: Path) -> None:
    table = open_table(workbook(tmp_path, [["id", "amount"], ["A", 1], ["B", 2]], nothing), COLUMNS)
    assert [table.progress() for _ in table] == [2 / 3, 1.0]


def test_parquet_decimals_dates_strings_and_nulls(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame(
        {
            "id": ["A", "B", "C"],
            "amount": pl.Series([Decimal("97.6"), Decimal(100), None], dtype=pl.Decimal(18, 4)),
            "day": [date(2026, 1, 31), None, None],
            "name": pl.Series([97.6, float("nan"), 0.1 + 0.2]),
            "list": [[1], [2], [3]],
        }
    ).write_parquet(path)
    table = open_table(path, COLUMNS)
    assert table.unknown == ("list",)
    assert [tuple(row.cells.values()) for row in table] == [
        ("A", "97.6", "2026-01-31", "97.6"),
        ("B", "100", "", "nan"),
        ("C", "", "", "0.3"),
    ]
    assert [row.line for row in table] == [1, 2, 3]
    assert [len(row.faults) for row in table] == [0, 1, 0]
    assert table.progress() == 1


@pytest.mark.parametrize(
    "series",
    [
        pytest.param(pl.Series([1.5], dtype=pl.Float32), id="float32-cannot-hold-cents"),
        pytest.param(pl.Series([[1]]), id="list"),
        pytest.param(pl.Series([b"1"]), id="binary"),
    ],
)
def test_parquet_columns_of_a_kind_not_taken(tmp_path: Path, series: pl.Series) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"id": ["A"], "amount": series}).write_parquet(path)
    assert "column amount is of type" in refusal(path)


def test_parquet_moments_keep_what_is_no_date(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    days = [datetime(2026, 1, 31, tzinfo=UTC)]
    pl.DataFrame({"id": [7], "amount": [True], "day": days}).write_parquet(path)
    assert cells(path) == [{"id": "7", "amount": "true", "day": "2026-01-31T00:00:00+00:00"}]


@pytest.mark.parametrize(
    ("value", "text"),
    [(97.6, "97.6"), (0.1 + 0.2, "0.3"), (1e15, "1000000000000000"), (-0.5, "-0.5")],
)
def test_plain_number(value: float, text: str) -> None:
    assert plain_number(value) == text


def test_reject_file_is_safe_in_a_spreadsheet_and_can_be_read_again(tmp_path: Path) -> None:
    path = reject_path(tmp_path / "ledger.csv")
    assert path.name == "ledger.csv.rejects.csv"
    with RejectWriter(path, ("编号", "金额", "@x")) as writer:
        writer.write(Reject(3, "amount", "'-1' is wrong", ("=cmd|' /C calc'!A0", "-1", "+1")))
        assert not path.exists()
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert list(csv.reader(raw.decode("utf-8-sig").splitlines())) == [
        ["reject_line", "reject_field", "reject_reason", "编号", "金额", "'@x"],
        ["3", "amount", "''-1' is wrong", "'=cmd|' /C calc'!A0", "'-1", "'+1"],
    ]
    assert open_table(path, COLUMNS).unknown == ("'@x",)
    (row,) = cells(path)  # as they were before they were kept from being run
    assert {"=cmd|' /C calc'!A0", "-1"} <= set(row.values())


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_what_starts_like_a_formula_is_marked(start: str) -> None:
    assert safe(f"{start}1") == f"'{start}1"
    assert safe(f"1{start}") == f"1{start}"
    assert [bare(safe(cell)) for cell in (f"{start}1", f"'{start}1", "'1")] == [
        f"{start}1",
        f"'{start}1",
        "'1",
    ]


def test_no_rejects_leave_no_file_and_a_folder_not_there_is_refused_early(tmp_path: Path) -> None:
    with RejectWriter(tmp_path / "r.csv", ("id",)):
        pass
    assert list(tmp_path.iterdir()) == []
    absent = RejectWriter(tmp_path / "absent" / "r.csv", ("id",))
    with pytest.raises(FileRefusedError, match="cannot be written"):
        absent.__enter__()
