"""A scorecard survives its way through CSV files, and bad files are refused by line and column."""

import io
from dataclasses import replace

import pytest
from hypothesis import given, settings
from openpyxl import load_workbook

from app.domain.errors import FileRefusedError
from app.domain.scorecard import Scorecard
from app.scoring.scorecard_file import standard_scorecard
from app.sheets.scorecard import read_scorecard_csv, write_scorecard, write_scorecard_csv
from app.texts import PLACEHOLDERS
from tests.domain.cards import TEXTS, scorecards

STANDARD = write_scorecard_csv(standard_scorecard())


def test_standard_scorecard_and_back_is_exact() -> None:
    assert read_scorecard_csv(STANDARD, PLACEHOLDERS) == standard_scorecard()


@settings(max_examples=50)
@given(scorecards())
def test_files_and_back_are_exact(card: Scorecard) -> None:
    assert read_scorecard_csv(write_scorecard_csv(card), TEXTS) == card


@pytest.mark.parametrize("name", ["=1+1", "#REF!", "'7", "2026", "标准 2026"])
def test_a_name_is_a_text_and_never_a_formula(name: str) -> None:
    card = replace(standard_scorecard(), name=name)
    files = write_scorecard_csv(card)
    assert read_scorecard_csv(files, PLACEHOLDERS) == card
    assert b",=" not in files["settings"]


def changed(table: str, old: bytes, new: bytes) -> dict[str, bytes]:
    file = STANDARD[table]
    assert old in file
    return {**STANDARD, table: file.replace(old, new, 1)}


REFUSED: dict[str, tuple[dict[str, bytes], str]] = {
    "unknown-file": ({**STANDARD, "rules": b""}, "rules is none of scorecard, settings, classes"),
    "column": (changed("scorecard", b"points", b"point"), "the column 'points' must be there once"),
    "ragged": (changed("classes", b"class,A,850", b"class,A"), "classes: line 2: 2 cells under 3"),
    "not-utf-8": ({**STANDARD, "classes": b"\xff\xfe"}, "classes: is no CSV file in UTF-8"),
    "points-as-text": (changed("classes", b"850", b"many"), "line 2, from: must be a whole number"),
    "half-a-point": (changed("classes", b"850", b"850.5"), "line 2, from: must be a whole number"),
    "not-a-number": (
        changed("settings", b",180", b",NaN"),
        "line 4, value: horizon_days",
    ),
    "endless": (changed("settings", b",180", b",1e300"), "line 4, value: horizon_days"),
    "setting-gone": (
        changed("settings", b"late_days,30\r\n", b""),
        "late_days is missing",
    ),
    "class-of-no-kind": (changed("classes", b"class,A", b"grade,A"), "line 2, kind: must be class"),
    "no-classes": ({**STANDARD, "classes": b"kind,code,from\r\n"}, "classes"),
    "long": ({**STANDARD, "classes": b"kind,code,from\r\n" * 1002}, "more than 1000 rows"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_fault_names_file_line_and_rule(name: str) -> None:
    files, said = REFUSED[name]
    with pytest.raises(FileRefusedError) as refused:
        read_scorecard_csv(files, PLACEHOLDERS)
    assert said in refused.value.detail


def test_fixed_words_are_chosen_from_a_list() -> None:
    book = load_workbook(io.BytesIO(write_scorecard(standard_scorecard())))
    sheets = [book[name] for name in book.sheetnames]
    offered = {one.formula1 for sheet in sheets for one in sheet.data_validations.dataValidation}
    assert offered == {'"value,missing"', '"class,light"', '"A,B,C,D,E,GREEN,YELLOW,RED"'}
