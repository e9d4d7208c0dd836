"""What is no rule set is refused, every fault with its row, its column and its rule."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.rules import RuleSetError, read_rule_set
from app.domain.rules_lint import lint
from app.domain.rules_read import SET_KEYS
from app.domain.rules_row import ROW_KEYS
from app.domain.terms import ClassTerms

ROW: dict[str, Any] = {
    "id": "late",
    "zh": "逾期",
    "en": "late",
    "when": "account_overdue_days > days",
    "parameters": {"days": 30},
    "reason": "OVERDUE_DAYS",
    "outcome": "HOLD",
}


def rule_set(*rows: object, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    return {"format": 2, "name": "test", "rows": list(rows), **fields}


def with_row(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    """Change the row; None takes a field away."""
    return rule_set({key: one for key, one in (ROW | fields).items() if one is not None})


def exempt(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    told = {"outcome": "APPROVE", "reason": "VIP", "lifts": ["OVERDUE_DAYS"]}
    return with_row(**(told | fields))


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown-form": ({**rule_set(), "format": 3}, "format", "none of 1, 2"),
    "unknown-field": (rule_set(rules=[]), "rules", "not a known field"),
    "rows-no-list": (rule_set() | {"rows": {}}, "rows", "must be a list"),
    "too-many-rows": (rule_set(*[ROW] * 1_001), "rows", "at most 1000"),
    "row-no-object": (rule_set("x"), "rows[0]", "must be an object"),
    "two-rules-of-one-id": (rule_set(ROW, ROW), "rows[1].id", "that of rows[0] too"),
    "no-id": (with_row(id=None), "rows[0].id", "must be 1 to 64"),
    "look-alike-id": (with_row(id="l\u0430te"), "rows[0].id", "must be 1 to 64"),
    "no-name-zh": (with_row(zh=None), "rows[0].zh", "both languages"),
    "no-name-en": (with_row(en=" "), "rows[0].en", "both languages"),
    "unknown-column": (with_row(then="x"), "rows[0].then", "not a known field"),
    "unknown-outcome": (with_row(outcome="hold"), "rows[0].outcome", "one of APPROVE"),
    "no-outcome": (with_row(outcome=None), "rows[0].outcome", "one of APPROVE"),
    "no-reason": (with_row(reason=None), "rows[0].reason", "must be a code"),
    "reason-in-small": (with_row(reason="late"), "rows[0].reason", "must be a code"),
    "no-condition": (with_row(when=None), "rows[0].when", "is required"),
    "condition-no-text": (with_row(when=[["a", ">", 1]]), "rows[0].when", "is required"),
    "broken-condition": (with_row(when="days >"), "rows[0].when", "column 7"),
    "unknown-name": (with_row(when="overdue > days"), "rows[0].when", "overdue is no name"),
    "division-by-zero": (with_row(when="1/0 > days"), "rows[0].when", "division by zero"),
    "by-a-parameter-of-zero": (
        with_row(when="account_overdue_days / days > 1", parameters={"days": 0}),
        "rows[0].when",
        "division by zero",
    ),
    "ten-thousand-nodes": (with_row(when="days>1||" * 9_999), "rows[0].when", "longer than"),
    "regex-bomb": (with_row(when="'a'.matches('(a+)+$')"), "rows[0].when", "expected the end"),
    "name-of-an-account": (
        with_row(when="limit_excess_minor > days"),
        "rows[0].when",
        "`path` alone",
    ),
    "shows-what-is-no-name": (with_row(observed="days"), "rows[0].observed", "name of the schema"),
    "on-missing-passes": (with_row(on_missing="APPROVE"), "rows[0].on_missing", "one of HOLD"),
    "parameter-not-used": (
        with_row(parameters={"days": 1, "x": 2}),
        "rows[0].parameters.x",
        "not used",
    ),
    "parameter-hides-a-name": (
        with_row(parameters={"days": 1, "score_class": "E"}),
        "rows[0].parameters.score_class",
        "name of the schema already",
    ),
    "parameter-hides-an-attribute": (
        with_row(parameters={"days": 1, "attribute_x": "E"}),
        "rows[0].parameters.attribute_x",
        "name of the schema already",
    ),
    "parameter-fraction": (
        with_row(parameters={"days": 1.5}),
        "rows[0].parameters.days",
        "whole number",
    ),
    "parameter-mixed": (
        with_row(parameters={"days": [1, "x"]}),
        "rows[0].parameters.days",
        "one kind",
    ),
    "unknown-check-point": (with_row(check_points=["PICK"]), "rows[0].check_points", "none of"),
    "no-check-point": (with_row(check_points=[]), "rows[0].check_points", "at least one"),
    "unknown-dimension": (with_row(scope={"city": ["x"]}), "rows[0].scope.city", "not a known"),
    "unknown-class": (with_row(scope={"classes": ["F"]}), "rows[0].scope.classes", "none of"),
    "scope-no-list": (with_row(scope={"classes": "A"}), "rows[0].scope.classes", "list of texts"),
    "unknown-action": (with_row(action="PRAY"), "rows[0].action", "one of ACTIVATE_CUSTOMER"),
    "auto-release-text": (with_row(auto_release="no"), "rows[0].auto_release", "true or false"),
    "precedence-negative": (with_row(precedence=-1), "rows[0].precedence", "0 to 100"),
    "hold-that-lifts": (with_row(lifts=["X"]), "rows[0].lifts", "outcome is APPROVE"),
    "exempts-from-nothing": (exempt(lifts=None), "rows[0].lifts", "is required"),
    "exempts-from-a-stop": (exempt(lifts=["ACCOUNT_STOPPED"]), "rows[0].lifts", "no policy lifts"),
    "exempts-in-the-name-of-a-hold": (exempt(reason="FORCED_HOLD"), "rows[0].reason", "of a hold"),
    "exempts-from-a-limit": (
        exempt(asks="path", when="limit_excess_minor > days"),
        "rows[0].asks",
        "no policy lets an order pass a limit",
    ),
    "tolerance": (rule_set(tolerance_percent="101"), "tolerance_percent", "0 to 100"),
    "terms-of-no-class": (rule_set(terms={"F": 1}), "terms.F", "none of"),
    "terms-without-days": (rule_set(terms={"A": {}}), "terms.A", "days"),
    "terms-unknown": (rule_set(terms={"A": {"days": 1, "x": 1}}), "terms.A", "not known"),
    "terms-share": (
        rule_set(terms={"A": {"days": 1, "prepay_percent": "100.1"}}),
        "terms.A",
        "prepay_percent",
    ),
    "terms-float": (
        rule_set(terms={"A": {"days": 1, "late_interest_percent": 5}}),
        "terms.A",
        "late_interest_percent",
    ),
    "terms-too-long": (rule_set(terms={"A": 3_651}), "terms.A", "whole days"),
    "text-of-no-code": (rule_set(texts={"late": {}}), "texts", "no reason code"),
    "text-in-one-language": (rule_set(texts={"R": {"zh": "x"}}), "texts.R", "zh and en"),
    "text-with-a-strange-place": (
        rule_set(texts={"R": {"zh": "{x.__class__}", "en": "x"}}),
        "texts.R",
        "{observed} and {threshold}",
    ),
    "two-clauses-of-one-number": (
        rule_set(clauses=[{"id": "1", "zh": "一", "en": "one"}] * 2),
        "clauses[1].id",
        "two clauses",
    ),
    "clause-without-text": (rule_set(clauses=[{"id": "1"}]), "clauses[0]", "zh and en"),
    "examples-no-list": (rule_set(examples={}), "examples", "list of objects"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_fault_is_told_with_its_place(case: tuple[dict[str, Any], str, str]) -> None:
    data, field, told = case
    with pytest.raises(RuleSetError, match="rule set 9") as refused:
        read_rule_set(9, data)
    faults = {one.field: one for one in refused.value.faults}
    assert field in faults
    assert told in faults[field].message
    if field.startswith("rows[") and field != "rows[0].id" and "." in field:
        assert faults[field].rule_id == "late"


def test_all_faults_are_told_at_once() -> None:
    data = rule_set(ROW | {"when": "nope > 1", "outcome": "x"}, ROW | {"id": "b", "reason": "y"})
    with pytest.raises(RuleSetError, match="rule set 9") as refused:
        read_rule_set(9, data)
    assert [one.field for one in refused.value.faults] == [
        "rows[0].outcome",
        "rows[0].when",
        "rows[1].reason",
    ]


def test_a_rule_set_is_read_with_all_it_has() -> None:
    data = with_row(threshold="days", observed="account_overdue_days", owner="credit", clause="1")
    more = {
        "clauses": [{"id": "1", "zh": "一", "en": "one"}],
        "terms": {
            "A": 90,
            "D": {"days": 30, "late_interest_percent": "18.25", "prepay_percent": "30"},
        },
        "texts": {"OVERDUE_DAYS": {"zh": "已逾期 {observed} 天", "en": "{observed} days late"}},
        "tolerance_percent": "2.5",
    }
    rules = read_rule_set(9, data | more)
    (row,) = rules.rows
    (found,) = rules.fire({"account_overdue_days": 31}, "order")
    assert (found.observed, found.threshold) == (31, 30)
    assert row.says == ("已逾期 {observed} 天", "{observed} days late")
    assert (row.clause, row.owner, row.auto_release) == ("1", "credit", True)
    assert rules.terms == {
        "A": ClassTerms(90),
        "D": ClassTerms(30, Decimal("18.25"), Decimal(30)),
    }
    assert rules.ceiling(1_000) == 1_025


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@settings(max_examples=200)
@given(
    st.sampled_from(sorted(ROW_KEYS)), st.sampled_from(sorted(SET_KEYS - {"format"})), JSON, JSON
)
def test_any_json_is_a_rule_set_or_refused(
    column: str, part: str, cell: object, whole: object
) -> None:
    for data in (rule_set(ROW | {column: cell}), rule_set(ROW) | {part: whole}, rule_set(cell)):
        try:
            rules = read_rule_set(1, data)
        except RuleSetError:
            continue
        lint(rules, ())
