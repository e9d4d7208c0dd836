"""What a lint finds, and that it finds nothing where nothing is wrong."""

from cProfile import Profile
from typing import Any

import pytest

from app.domain.rules import read_rule_set
from app.domain.rules_examples import run_examples
from app.domain.rules_lint import Finding, lint
from app.domain.rules_standard import STANDARD
from app.texts import TEXTS, text

CLAUSES = [{"id": "1", "zh": "一", "en": "one"}]
EXAMPLE: dict[str, Any] = {"outcome": "APPROVE", "reasons": []}


def row(rule_id: str, when: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    told = {
        "id": rule_id,
        "zh": "规则",
        "en": "rule",
        "when": when,
        "reason": "OVERDUE_DAYS",
        "outcome": "HOLD",
        "clause": "1",
    }
    return told | fields


def look(*rows: dict[str, Any], **fields: Any) -> list[Finding]:  # noqa: ANN401 - any field
    told = {"format": 2, "name": "t", "clauses": CLAUSES, "examples": [EXAMPLE], "rows": rows}
    return lint(read_rule_set(1, told | fields), TEXTS)


DAYS = "account_overdue_days > 30"
FOUND: dict[str, tuple[list[Finding], list[tuple[str, str, str]]]] = {
    "nothing": (look(row("a", DAYS)), []),
    "never-holds": (
        look(row("a", DAYS), row("b", "score_value > 1000")),
        [("ERROR", "LINT_UNREACHABLE", "rows[1].when")],
    ),
    "never-holds-by-two-terms": (
        look(row("a", "score_class == 'A' && score_class in ['B', 'C']")),
        [("ERROR", "LINT_UNREACHABLE", "rows[0].when")],
    ),
    "always-holds": (
        look(row("a", "score_age_days >= 0"), examples=[EXAMPLE | {"outcome": "HOLD"}]),
        [
            ("ERROR", "LINT_EXAMPLE", "examples[0]"),
            ("WARNING", "LINT_ALWAYS", "rows[0].when"),
        ],
    ),
    "contradiction": (
        look(row("a", DAYS), row("b", "30 < account_overdue_days", outcome="REJECT")),
        [("ERROR", "LINT_CONTRADICTION", "rows[1].outcome")],
    ),
    "contradiction-at-other-check-points": (
        look(
            row("a", DAYS, check_points=["ORDER"]),
            row("b", DAYS, outcome="REJECT", check_points=["INVOICE"]),
        ),
        [],
    ),
    "twice": (
        look(row("a", DAYS), row("b", DAYS, reason="OVERDUE_SHARE")),
        [("WARNING", "LINT_TWICE", "rows[1].when")],
    ),
    "covered": (
        look(row("a", DAYS), row("b", "account_overdue_days > 60 && score_class == 'E'")),
        [("WARNING", "LINT_COVERED", "rows[1].when")],
    ),
    "stricter-inside": (
        look(row("a", DAYS), row("b", "account_overdue_days > 60", outcome="REJECT")),
        [],
    ),
    "overlap": (
        look(row("a", DAYS), row("b", "score_class == 'E'", outcome="REJECT")),
        [("WARNING", "LINT_OVERLAP", "rows[1].when")],
    ),
    "no-overlap-in-another-scope": (
        look(row("a", DAYS), row("b", "score_class == 'E'", scope={"groups": ["G"]})),
        [],
    ),
    "gap-between-bands": (
        look(
            row("a", "score_value < 300", outcome="REJECT"),
            row("b", "score_value > 310 && score_value <= 400"),
        ),
        [("WARNING", "LINT_GAP", "rows[1].when")],
    ),
    "bands-that-touch": (
        look(
            row("a", "score_value < 300", outcome="REJECT"),
            row("b", "score_value >= 300 && score_value <= 400"),
        ),
        [],
    ),
    "reason-without-text": (
        look(row("a", DAYS, reason="NOBODY_SAID")),
        [("ERROR", "LINT_NO_TEXT", "rows[0].reason")],
    ),
    "reason-with-its-own-text": (
        look(row("a", DAYS, reason="MINE"), texts={"MINE": {"zh": "我", "en": "mine"}}),
        [],
    ),
    "clause-without-a-rule": (
        look(row("a", DAYS), clauses=[*CLAUSES, {"id": "2", "zh": "二", "en": "two"}]),
        [("ERROR", "LINT_CLAUSE_UNUSED", "clauses[1]")],
    ),
    "rule-of-no-clause": (
        look(row("a", DAYS, clause="9"), row("b", "score_class == 'E'", clause=None)),
        [
            ("ERROR", "LINT_UNKNOWN_CLAUSE", "rows[0].clause"),
            ("ERROR", "LINT_CLAUSE_UNUSED", "clauses[0]"),
            ("WARNING", "LINT_NO_CLAUSE", "rows[1].clause"),
        ],
    ),
    "exempts-from-nothing": (
        look(
            row("a", DAYS),
            row(
                "b",
                "order_type == 'sale' && score_class == 'A'",
                outcome="APPROVE",
                reason="NOT_SCORED",
                lifts=["NOPE"],
            ),
        ),
        [("ERROR", "LINT_LIFTS_NOTHING", "rows[1].lifts")],
    ),
    "exempts-in-vain": (
        look(
            row("a", DAYS, precedence=9),
            row(
                "b",
                "score_class == 'A'",
                outcome="APPROVE",
                reason="NOT_SCORED",
                lifts=["OVERDUE_DAYS"],
            ),
        ),
        [("ERROR", "LINT_OUTRANKED", "rows[1].precedence")],
    ),
    "terms-with-a-gap": (
        look(row("a", DAYS), terms={"A": 90, "B": 60}),
        [("WARNING", "LINT_TERMS", "terms")],
    ),
    "no-example": (look(row("a", DAYS), examples=[]), [("WARNING", "LINT_NO_EXAMPLE", "examples")]),
    "example-that-fails": (
        look(row("a", DAYS), examples=[EXAMPLE | {"context": {"account_overdue_days": 31}}]),
        [("ERROR", "LINT_EXAMPLE", "examples[0]")],
    ),
    "example-of-nothing": (
        look(row("a", DAYS), examples=[EXAMPLE | {"context": {"nope": 31}}]),
        [("ERROR", "LINT_EXAMPLE", "examples[0]")],
    ),
    "example-of-a-wrong-type": (
        look(row("a", DAYS), examples=[EXAMPLE | {"context": {"account_overdue_days": "31"}}]),
        [("ERROR", "LINT_EXAMPLE", "examples[0]")],
    ),
}


@pytest.mark.parametrize("case", FOUND.values(), ids=FOUND)
def test_what_the_lint_finds(case: tuple[list[Finding], list[tuple[str, str, str]]]) -> None:
    found, expected = case
    assert [(one.severity, one.code, one.field) for one in found] == expected
    for one in found:
        said = text(one.code, one.values)
        assert said.zh
        assert said.en


def scores(first: int, most: int = 100) -> str:
    """Write a condition that is `most` boxes: every other score from the first one on."""
    return f"score_value in {list(range(first, first + 2 * most, 2))}"


def test_a_policy_is_compared_as_far_as_its_budget_goes() -> None:
    families = [
        row(f"{name}-{first}", scores(first), family=f"f{name}")
        for name in range(20)  # with 100 x 100 pairs of boxes each: 200,000
        for first in (0, 1)
    ]
    more = [row(f"last-{days}", f"account_overdue_days > {days}") for days in (30, 60)]
    codes = [{one.code for one in look(*rows)} for rows in (families, [*families, *more])]
    assert codes[1] - codes[0] == {"LINT_TOO_LARGE"}
    found = look(*more, *families)  # the same, a cheap pair first: what was compared is told
    said = [one for one in found if one.code in {"LINT_TOO_LARGE", "LINT_COVERED"}]
    assert [(one.severity, one.code, one.field) for one in said] == [
        ("WARNING", "LINT_COVERED", "rows[1].when"),
        ("WARNING", "LINT_TOO_LARGE", "rows"),
    ]
    told = text(said[1].code, said[1].values)
    assert "at most 300 rows of a family and 200000 pairs" in told.en
    assert "300" in told.zh


def test_comparing_ends_with_the_budget() -> None:
    outcomes = ("HOLD", "REJECT")
    rows = [row(f"r{one}", scores(one), outcome=outcomes[one % 2]) for one in range(40)]
    profile = Profile()
    found = profile.runcall(look, *rows)
    assert "LINT_TOO_LARGE" in {one.code for one in found}
    compared = sum(
        one.callcount
        for one in profile.getstats()
        if getattr(one.code, "co_name", None) in {"_inside", "meet"}
    )
    assert 0 < compared <= 3 * 200_000  # each way around, and whether both meet anywhere


@pytest.mark.parametrize(("count", "said"), [(300, False), (301, True)])
def test_rows_beyond_three_hundred_of_a_family_are_said_not_to_be_compared(
    count: int, said: bool
) -> None:
    found = look(*(row(f"r{days}", f"account_overdue_days == {days}") for days in range(count)))
    assert ("LINT_TOO_LARGE" in {one.code for one in found}) is said


def test_the_standard_has_nothing_to_find() -> None:
    standard = read_rule_set(1, STANDARD)
    assert lint(standard, TEXTS) == []
    assert [one.problem for one in run_examples(standard)] == [""] * len(standard.examples)


def test_examples_reach_whom_they_name() -> None:
    rules = read_rule_set(
        1,
        {
            "format": 2,
            "name": "t",
            "rows": [row("a", DAYS, scope={"customers": ["C-1"], "segments": ["east"]})],
            "examples": [
                {
                    "context": {"account_overdue_days": 31},
                    "segment": "east",
                    "customer": "C-1",
                    "outcome": "HOLD",
                    "reasons": ["OVERDUE_DAYS"],
                },
                {"context": {"account_overdue_days": 31}, "outcome": "APPROVE", "reasons": []},
                {"missing": ["account_overdue_days"], "outcome": "APPROVE", "reasons": []},
            ],
        },
    )
    assert [one.problem for one in run_examples(rules)] == ["", "", ""]


def wide(rule_id: str, step: int) -> dict[str, Any]:
    """Name 64 scores, none of them with a neighbour: as many boxes."""
    return row(rule_id, f"score_value in {[step + 7 * place for place in range(64)]}")


def test_a_lint_compares_so_many_ranges_and_no_more() -> None:
    """Ten rows have 45 pairs of 4,096 each; eleven have 55, of which 48 are compared."""
    within = look(*(wide(f"r-{place}", place) for place in range(10)))
    assert "LINT_TOO_LARGE" not in {one.code for one in within}
    beyond = look(*(wide(f"r-{place}", place) for place in range(11)))
    (told,) = [one for one in beyond if one.code == "LINT_TOO_LARGE"]
    assert (told.severity, told.field) == ("WARNING", "rows")
