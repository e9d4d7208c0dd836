"""The page of the policy that ships is what its rows say, in both languages."""

from pathlib import Path
from typing import get_args

import pytest

from app.domain.rules import read_rule_set
from app.domain.rules_names import NAMES
from app.domain.rules_standard import STANDARD
from app.texts import TEXTS
from app.usecases.rules_page import Language, policy_page

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("language", get_args(Language))
def test_the_page_is_what_the_rows_say(language: Language) -> None:
    """`docs/policy.*.md` are written by `policy_page()`."""
    page = (DOCS / f"policy.{language}.md").read_text(encoding="utf-8")
    assert page == policy_page(read_rule_set(1, STANDARD), language)


def test_every_rule_of_the_standard_has_its_clause_and_every_name_its_text() -> None:
    standard = read_rule_set(1, STANDARD)
    assert {row.clause for row in standard.rows} == {*standard.clauses}
    assert {f"RULE_NAME_{name}" for name in NAMES} <= {*TEXTS}
