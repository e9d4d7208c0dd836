"""A scorecard survives its way through a workbook, and a bad workbook is refused by its cell."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from openpyxl import Workbook, load_workbook

from app.domain.errors import FileRefusedError
from app.domain.scorecard import Scorecard
from app.scoring.scorecard_file import standard_scorecard
from app.sheets.scorecard import read_scorecard, write_scorecard
from app.sheets.sheet import MAX_FILE_BYTES
from app.texts import PLACEHOLDERS
from tests.domain.cards import TEXTS, scorecards

STANDARD = write_scorecard(standard_scorecard())


def test_standard_scorecard_and_back_is_exact() -> None:
    assert read_scorecard(STANDARD, PLACEHOLDERS) == standard_scorecard()


@settings(max_examples=25)
@given(scorecards())
def test_workbook_and_back_is_exact(card: Scorecard) -> None:
    assert read_scorecard(write_scorecard(card), TEXTS) == card


@pytest.mark.parametrize("name", ["=1+1", "#REF!", "'7", "标准 2026"])
def test_a_name_is_never_a_formula(name: str) -> None:
    card = replace(standard_scorecard(), name=name)
    assert read_scorecard(write_scorecard(card), PLACEHOLDERS) == card


def changed(change: Callable[[Workbook], object]) -> bytes:
    book = load_workbook(io.BytesIO(STANDARD))
    change(book)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def put(cell: str, value: str | float | None) -> Callable[[Workbook], object]:
    sheet, _, place = cell.partition("!")
    return lambda book: book[sheet].__setitem__(place, value)


def merge(book: Workbook) -> None:
    book["scorecard"].merge_cells("B2:B4")


def rename_column(book: Workbook) -> None:
    book["scorecard"]["F1"] = "point"


def repeat_column(book: Workbook) -> None:
    book["scorecard"]["H1"] = "points"


def drop_sheet(book: Workbook) -> None:
    del book["classes"]


def drop_setting(book: Workbook) -> None:
    book["settings"].delete_rows(3)


def drop_bin(book: Workbook) -> None:
    book["scorecard"].delete_rows(4)


def drop_missing(book: Workbook) -> None:
    book["scorecard"].delete_rows(13)


def far_cell(book: Workbook) -> None:
    book["settings"].cell(5000, 1, "x")


REFUSED: dict[str, tuple[Callable[[Workbook], object], str]] = {
    "formula": (put("scorecard!F3", "=1+1"), "scorecard!F3: a formula"),
    "formula-in-a-column-of-no-interest": (put("scorecard!J9", "=A1"), "scorecard!J9: a formula"),
    "error": (put("scorecard!F3", "#REF!"), "scorecard!F3: a formula or an error"),
    "merged": (merge, "scorecard!B2:B4: merged cells"),
    "column-missing": (rename_column, "scorecard!1:1: the column 'points' must be there once"),
    "column-twice": (repeat_column, "'points' must be there once, it is there 2 times"),
    "sheet-missing": (drop_sheet, "classes: the sheet is missing"),
    "too-many-rows": (far_cell, "settings: more than 1000 rows"),
    "feature-empty": (put("scorecard!A3", None), "scorecard!A3: must be text"),
    "points-as-text": (put("scorecard!F3", "-290"), "scorecard!F3: must be a whole number"),
    "half-a-point": (put("scorecard!F3", -0.5), "scorecard!F3: must be a whole number"),
    "points-empty": (put("scorecard!F3", None), "scorecard!F3: must be a whole number"),
    "points-true": (put("scorecard!F3", value=True), "scorecard!F3: must be a whole number"),
    "points-endless": (put("scorecard!F3", 10**16), "scorecard!F3: must be a whole number"),
    "bound-as-text": (put("scorecard!D3", "0.2"), "scorecard!D3: must be a number or empty"),
    "bound-endless": (put("scorecard!D3", 1e300), "scorecard!D3: must be a number or empty"),
    "kind-of-bin": (put("scorecard!C3", "range"), "scorecard!C3: must be value or missing"),
    "missing-with-bounds": (put("scorecard!D13", 1), "scorecard!D13: a missing value has no"),
    "missing-row-missing": (drop_missing, "scorecard!A2: on_time_rate needs one row `missing`"),
    "two-reasons": (put("scorecard!B3", "TENURE_SHORT"), "scorecard!B3: on_time_rate has two"),
    "unknown-feature": (put("scorecard!A3", "zodiac"), "scorecard!A3: zodiac needs one row"),
    "gap": (drop_bin, "scorecard!D4: on_time_rate, row 3: gap: no bin from 0.3 to 0.4"),
    "overlap": (put("scorecard!D3", 0.1), "scorecard!D3: on_time_rate, row 2: overlap"),
    "no-text": (put("scorecard!B13", "X"), "scorecard!B13: on_time_rate, row 12: the reason 'X'"),
    "worse-is-better": (put("scorecard!F2", 5), "scorecard!F3: on_time_rate, row 2: 5 points"),
    "setting-unknown": (put("settings!A2", "nme"), "settings!A2: unknown setting 'nme'"),
    "setting-twice": (put("settings!A3", "name"), "settings!A3: 'name' is there twice"),
    "setting-missing": (drop_setting, "settings!A1: version is missing"),
    "setting-of-other-type": (put("settings!B3", "one"), "settings!B3: version must be a number"),
    "setting-beyond": (put("settings!B4", 0), "settings!B4: horizon_days: 0 is not from 1"),
    "odds-beyond": (put("settings!B9", 0), "settings!B9: anchor_odds: 0 is not from 0.001"),
    "band-kind": (put("classes!A2", "grade"), "classes!A2: must be class or light"),
    "band-unknown": (put("classes!B2", "AA"), "classes!B2: classes.0.risk_class must be one of"),
    "band-twice": (put("classes!B3", "A"), "classes!A1: classes: must be A, B, C, D, E"),
    "bands-do-not-reach-0": (put("classes!C6", 1), "classes!C6: classes, row 5: starts at 1"),
    "light-not-below": (put("classes!C8", 700), "classes!C8: lights, row 2: starts at 700"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_fault_names_sheet_cell_and_rule(name: str) -> None:
    change, said = REFUSED[name]
    with pytest.raises(FileRefusedError) as refused:
        read_scorecard(changed(change), PLACEHOLDERS)
    assert said in refused.value.detail


def test_all_rows_of_an_unknown_feature_are_one_fault() -> None:
    def rename(book: Workbook) -> None:
        for row in range(2, 14):
            book["scorecard"].cell(row, 1, "zodiac")

    with pytest.raises(FileRefusedError, match=r"scorecard!A2: zodiac: unknown feature") as refused:
        read_scorecard(changed(rename), PLACEHOLDERS)
    assert refused.value.detail.count("scorecard!") == 1


def test_twenty_faults_are_told_and_the_rest_counted() -> None:
    def empty(book: Workbook) -> None:
        for row in range(2, 32):
            book["scorecard"].cell(row, 6).value = None

    with pytest.raises(FileRefusedError, match="; 30 in all") as refused:
        read_scorecard(changed(empty), PLACEHOLDERS)
    assert refused.value.detail.count("must be") == 20


def test_notes_and_empty_rows_of_the_manager_are_left_alone() -> None:
    def annotate(book: Workbook) -> None:
        book.create_sheet("说明")["A1"] = "=1+1"
        book["scorecard"]["G1"] = "备注"
        book["scorecard"]["G2"] = "与销售部商定"
        book["scorecard"].insert_rows(5)

    assert read_scorecard(changed(annotate), PLACEHOLDERS) == standard_scorecard()


def packed(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def with_huge_merge() -> bytes:
    """Say in the file's own XML what openpyxl would take hours to write."""
    file = io.BytesIO()
    book = zipfile.ZipFile(io.BytesIO(changed(merge)))
    with book, zipfile.ZipFile(file, "w") as archive:
        for name in book.namelist():
            archive.writestr(name, book.read(name).replace(b'"B2:B4"', b'"B2:XFD1048576"'))
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"", "not an XLSX workbook", id="empty"),
        pytest.param(b"feature,reason\n", "not an XLSX workbook", id="csv"),
        pytest.param(packed("a.txt", b"x"), "cannot be read as an XLSX", id="other-zip"),
        pytest.param(STANDARD[:-100], "not an XLSX workbook", id="cut-off"),
        pytest.param(bytes(MAX_FILE_BYTES + 1), "larger than 1048576 bytes", id="one-byte-over"),
        pytest.param(packed("a.xml", bytes((4 << 20) + 1)), "unpacks to more than", id="bomb"),
        pytest.param(with_huge_merge(), "merged cells B2:XFD1048576", id="huge-merge"),
    ],
)
def test_not_a_workbook(data: bytes, said: str) -> None:
    with pytest.raises(FileRefusedError, match=said):
        read_scorecard(data, PLACEHOLDERS)
