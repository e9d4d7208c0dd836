"""A rule set survives its way through a workbook and through CSV; bad files are told by cell."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

from app.domain.errors import FileRefusedError
from app.domain.rules import read_rule_set
from app.domain.rules_diff import RowChange, diff_rules
from app.domain.rules_standard import STANDARD
from app.sheets.rules import read_rules, write_rules
from app.sheets.rules_csv import read_rules_csv, write_rules_csv
from app.sheets.sheet import MAX_ROWS

FULL: dict[str, Any] = {
    **STANDARD,
    "terms": {
        "A": {"days": 90, "late_interest_percent": "4.35"},
        "D": {"days": 0, "prepay_percent": "50"},
    },
    "texts": {"LATE_D": {"zh": "逾期 {observed} 天", "en": "=overdue {observed} days"}},
    "rows": [
        *STANDARD["rows"],
        {
            "id": "late-d",
            "zh": "=1+1",
            "en": "'quoted",
            "outcome": "HOLD",
            "reason": "LATE_D",
            "when": "account_overdue_days > days",
            "parameters": {"days": 11, "among": ["x", "y,z"]},
            "check_points": ["ORDER", "DELIVERY"],
            "scope": {"classes": ["D", "E"], "customers": ["C,1", "C-2"]},
            "except": {"countries": ["CN"]},
            "observed": "account_overdue_days",
            "threshold": "days",
            "precedence": 3,
            "auto_release": False,
            "on_missing": "REJECT",
        },
    ],
}
del FULL["rows"][-1]["parameters"]["among"]


TERMS = b"class,days,late_interest_percent,prepay_percent\r\n"


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return read_rule_set(1, one) == read_rule_set(1, other)


@pytest.mark.parametrize("data", [STANDARD, FULL], ids=["standard", "full"])
def test_a_rule_set_goes_out_and_comes_back(data: dict[str, Any]) -> None:
    assert same(read_rules(write_rules(data)), data)
    assert same(read_rules_csv(write_rules_csv(data)), data)
    assert diff_rules(data, read_rules(write_rules(data))).is_empty
    assert diff_rules(data, read_rules_csv(write_rules_csv(data))).is_empty


IDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x4E50, categories=["L", "N", "P", "S"]),
    min_size=1,
    max_size=8,
)
NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1).filter(str.strip)


@settings(max_examples=30, deadline=None)
@given(st.lists(IDS, max_size=3, unique=True), NAMES)
def test_ids_and_names_of_any_shape_come_back(customers: list[str], name: str) -> None:
    row = {**FULL["rows"][-1], "en": name, "scope": {"customers": customers}}
    if not customers:
        del row["scope"]
    data = {**FULL, "rows": [row]}
    assert same(read_rules(write_rules(data)), data)
    assert same(read_rules_csv(write_rules_csv(data)), data)


def test_nothing_runs_as_a_formula() -> None:
    book = load_workbook(io.BytesIO(write_rules(FULL)))
    assert {cell.data_type for sheet in book for row in sheet for cell in row} <= {"s", "n"}
    for file in write_rules_csv(FULL).values():
        cells = file.decode("utf-8-sig").replace("\r\n", ",").split(",")
        assert [cell for cell in cells if cell.strip('"')[:1] in {"=", "+", "-", "@"}] == []


def test_fixed_words_are_chosen_from_a_list() -> None:
    sheet = load_workbook(io.BytesIO(write_rules(STANDARD)))["rules"]
    offered = {one.formula1 for one in sheet.data_validations.dataValidation}
    assert '"APPROVE,HOLD,REJECT,WARN"' in offered


def changed(change: Callable[[Workbook], object]) -> bytes:
    book = load_workbook(io.BytesIO(write_rules(STANDARD)))
    change(book)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def column(book: Workbook, name: str) -> str:
    (cell,) = [one for one in book["rules"][1] if one.value == name]
    return str(cell.column_letter)


def put(name: str, value: str | float, row: int = 2) -> Callable[[Workbook], object]:
    return lambda book: book["rules"].__setitem__(f"{column(book, name)}{row}", value)


def hide_column(book: Workbook) -> None:
    book["rules"].column_dimensions["B"].hidden = True


def many_rows(book: Workbook) -> None:
    book["rules"].cell(MAX_ROWS + 2, 1, "x")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (put("when", "nope > 1"), "nope is no name of the schema"),
        (put("when", "account_overdue_days / 0 > 1"), "division by zero"),
        (put("id", "order-rejected"), "is that of rows[0] too"),
        (put("outcome", "SHIP"), "must be one of"),
        (put("auto_release", "maybe"), "must be yes or no"),
        (put("parameters", "days: 3"), "is not `name = constant`"),
        (put("parameters", "most = 3\nmost = 30"), "'most' is there twice"),
        (put("customers", "C-1，C-2"), "is separated by commas"),
        (put("except_groups", "C-1;C-2"), "(,), or has a value a line"),
        (put("customers", "C-1, C-2,\nC-3"), "has commas and lines"),
        (put("customers", " , "), "has no value"),
        (put("when", "=1+1"), "a formula"),
        (put("precedence", 1.5), "rules!AE2: must be a whole number, 0 to 100"),
        (lambda book: book["rules"].merge_cells("B2:B4"), "merged cells"),
        (hide_column, "rules!B:B: a hidden column"),
        (many_rows, "more than 1000 rows"),
        (lambda book: book.remove(book["clauses"]), "clauses: the sheet is missing"),
    ],
)
def test_a_fault_names_its_cell(change: Callable[[Workbook], object], told: str) -> None:
    with pytest.raises(FileRefusedError) as refused:
        read_rules(changed(change))
    assert told in refused.value.detail
    assert any(sheet in refused.value.detail for sheet in ("rules!", "rules:", "clauses:"))


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"rules": b"id\n1,2\n"}, "must be there once"),
        ({"rules": b"\xff\xfe\x00"}, "no CSV file in UTF-8"),
        ({"secrets": b""}, "secrets is none of"),
        ({"terms": TERMS + b"A,x,,\r\n"}, "terms: line 2, days: must be a whole number"),
        ({"terms": TERMS + b"A\r\n"}, "1 cells under 4 columns"),
        ({"terms": TERMS + b"A,1,,\r\n" * 1001}, "more than 1000 rows"),
    ],
    ids=["columns", "bytes", "unknown", "number", "ragged", "long"],
)
def test_bad_csv_is_refused(files: dict[str, bytes], told: str) -> None:
    whole = {**write_rules_csv(STANDARD), **files}
    with pytest.raises(FileRefusedError) as refused:
        read_rules_csv(whole)
    assert told in refused.value.detail


def test_a_diff_says_which_rows_and_columns() -> None:
    new = json.loads(json.dumps(STANDARD))
    new["rows"][0]["outcome"] = "HOLD"
    gone = new["rows"].pop(3)["id"]
    new["rows"].append({**STANDARD["rows"][0], "id": "own"})
    new["tolerance_percent"] = "5"
    found = diff_rules(STANDARD, new)
    assert found.rows == (
        RowChange("REMOVED", gone),
        RowChange("CHANGED", STANDARD["rows"][0]["id"], ("outcome",)),
        RowChange("ADDED", "own"),
    )
    assert found.parts == ("tolerance_percent",)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (b"<row><c><v>1</v></c></row>", "more than 1000 rows"),
        (b'<row><c t="inlineStr"><is><t>overdue</t></is></c></row>', "unpacks to more than"),
    ],
    ids=["small", "large"],
)
def test_a_hundred_thousand_rows_are_refused(row: bytes, told: str) -> None:
    """Written into the file's own XML: by the library it would take minutes."""
    source, file = io.BytesIO(write_rules(STANDARD)), io.BytesIO()
    with zipfile.ZipFile(source) as book, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for name in book.namelist():
            content = book.read(name)
            if name.endswith("sheet1.xml"):
                content = content.replace(b"</sheetData>", row * 100_000 + b"</sheetData>")
            out.writestr(name, content)
    with pytest.raises(FileRefusedError, match=told):
        read_rules(file.getvalue())


@pytest.mark.parametrize("name", ["rules", "terms", "settings"])
def test_no_file_may_be_missing(name: str) -> None:
    """An empty table is another policy."""
    files = write_rules_csv(STANDARD)
    del files[name]
    with pytest.raises(FileRefusedError, match=f"{name}.csv is missing"):
        read_rules_csv(files)


def test_as_many_rows_as_there_may_be_come_back() -> None:
    row = {**STANDARD["rows"][0]}
    data = {**STANDARD, "rows": [row | {"id": f"r-{place}"} for place in range(MAX_ROWS)]}
    assert len(read_rules(write_rules(data))["rows"]) == MAX_ROWS


def test_a_hundred_thousand_lines_are_refused() -> None:
    files = {**write_rules_csv(STANDARD), "terms": TERMS + b"A,1,,\r\n" * 100_000}
    with pytest.raises(FileRefusedError, match="more than 1000 rows"):
        read_rules_csv(files)
