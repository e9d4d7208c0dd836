"""Every code speaks both languages and is filled with the same values in both."""

import re

import pytest

from app.domain.features import FEATURES
from app.domain.scorecard import TOO_LITTLE_HISTORY
from app.scoring.scorecard_file import standard_scorecard
from app.texts import PLACEHOLDERS, TEXTS, Text, placeholders, read_texts, text

HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("code", TEXTS)
def test_a_sentence_is_in_both_languages(code: str) -> None:
    found = TEXTS[code]
    assert HAN.search(found.zh)
    assert not HAN.search(found.en)
    zh = {name.removesuffix("_zh") for name in placeholders(found.zh)}
    assert zh == {name.removesuffix("_en") for name in placeholders(found.en)}


def test_values_fill_their_places_and_others_are_left_out() -> None:
    found = text("OVERDUE_OLD", {"value": "12", "more": "x"})
    assert found.zh == "目前有逾期未付款项，最早一笔已逾期 12 天。"
    assert found.en == "There are unpaid invoices past due; the oldest is 12 days overdue."


def test_values_are_not_templates() -> None:
    assert "{value}" in text("OVERDUE_OLD", {"value": "{value}"}).zh


@pytest.mark.parametrize(("code", "values"), [("NO_SUCH_CODE", {}), ("OVERDUE_OLD", {})])
def test_unknown_code_and_missing_value_are_bugs(code: str, values: dict[str, str]) -> None:
    with pytest.raises(KeyError):
        text(code, values)


def test_every_reason_of_the_standard_scorecard_can_be_told() -> None:
    codes = {one.reason for one in standard_scorecard().characteristics}
    assert codes <= set(TEXTS)
    assert PLACEHOLDERS[TOO_LITTLE_HISTORY] == {"known", "needed"}


def test_every_feature_has_a_reason_to_choose() -> None:
    single = [code for code, names in PLACEHOLDERS.items() if names == {"value"}]
    assert len(single) >= len(FEATURES)


GOOD = '[A]\nzh = "好 {n}"\nen = "good {n}"\n'


def test_files_are_joined() -> None:
    other = GOOD.replace("[A]", "[B]")
    assert read_texts([("1", GOOD), ("2", other)]) == dict.fromkeys(
        "AB", Text("好 {n}", "good {n}")
    )


def test_words_differ_by_language() -> None:
    worded = GOOD.replace("好 {n}", "好 {n_zh}").replace("good {n}", "good {n_en}")
    assert read_texts([("1", worded)])["A"] == Text("好 {n_zh}", "good {n_en}")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        pytest.param([GOOD, GOOD], "1.toml: A has a text already", id="code-twice"),
        pytest.param([GOOD.replace("en =", "de =")], "A must have zh and en", id="language-gone"),
        pytest.param([GOOD.replace("good {n}", " ")], "A must have zh and en", id="empty"),
        pytest.param([GOOD + 'de = "gut"\n'], "A must have zh and en", id="third-language"),
        pytest.param(['A = "good"'], "A must have zh and en", id="not-a-table"),
        pytest.param([GOOD.replace("good {n}", "good {m}")], "different placeholders", id="other"),
        pytest.param([GOOD.replace("good {n}", "good {n_zh}")], "different", id="other-language"),
        pytest.param([GOOD.replace("{n}", "{n.real}")], "not a plain", id="attribute"),
        pytest.param([GOOD.replace("{n}", "{n[0]}")], "not a plain", id="index"),
        pytest.param([GOOD.replace("{n}", "{}")], "not a plain", id="position"),
        pytest.param([GOOD.replace("{n}", "{n:>9999}")], "not a plain", id="format"),
        pytest.param([GOOD.replace("{n}", "{n!r}")], "not a plain", id="conversion"),
        pytest.param([GOOD.replace("{n}", "{n")], "expected '}'", id="unclosed"),
        pytest.param(["[A"], "Expected", id="not-toml"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(files: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read_texts([(f"{number}.toml", content) for number, content in enumerate(files)])
