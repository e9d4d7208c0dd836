"""A policy is a table: what fires, what is missing, and what is no policy at all."""

from typing import Any

import pytest

from app.domain.rules import read_rule_set
from app.domain.rules_names import NAMES
from app.domain.rules_standard import STANDARD
from app.texts import TEXTS


def row(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    told = {
        "id": "r",
        "reason": "R",
        "outcome": "HOLD",
        "when": [["account_overdue_days", ">", 30]],
    }
    return told | fields


def rules(*rows: dict[str, Any], tolerance: object = "0") -> Any:  # noqa: ANN401 - JSON
    return {"rows": rows, "tolerance_percent": tolerance}


@pytest.mark.parametrize(
    ("term", "seen", "fires"),
    [
        pytest.param(["account_overdue_days", ">", 30], 31, True, id="more"),
        pytest.param(["account_overdue_days", ">", 30], 30, False, id="not-more"),
        pytest.param(["account_overdue_days", ">=", 30], 30, True, id="at-least"),
        pytest.param(["account_overdue_days", "<", 30], 30, False, id="not-less"),
        pytest.param(["account_overdue_days", "<=", 30], 30, True, id="at-most"),
        pytest.param(["account_overdue_days", "==", 30], 30, True, id="equal"),
        pytest.param(["account_overdue_days", "!=", 30], 30, False, id="not-unequal"),
        pytest.param(["score_class", "in", ["D", "E"]], "E", True, id="one-of"),
        pytest.param(["score_class", "in", ["D", "E"]], "", False, id="none-of"),
    ],
)
def test_what_a_term_says(term: list[Any], seen: int | str, fires: bool) -> None:
    policy = read_rule_set(1, rules(row(when=[term], observed=term[0])))
    found = list(policy.fire({term[0]: seen}, "order"))
    assert [one.observed for one in found] == ([seen] if fires else [])
    if fires and term[1] != "in":
        assert found[0].threshold == term[2]


def test_all_terms_must_hold() -> None:
    both = [["account_overdue_days", ">", 7], ["account_overdue_share_percent", ">", 50]]
    policy = read_rule_set(1, rules(row(when=both)))
    for days, share, fires in ((8, 51, True), (7, 51, False), (8, 50, False)):
        context = {"account_overdue_days": days, "account_overdue_share_percent": share}
        assert bool(list(policy.fire(context, "order"))) is fires


@pytest.mark.parametrize("outcome", ["HOLD", "REJECT", "WARN"])
def test_a_name_that_is_missing_holds(outcome: str) -> None:
    """Also where another term already says no: nobody knows what the row would have said."""
    terms = [["account_overdue_days", ">", 7], ["account_overdue_minor", ">", 0]]
    policy = read_rule_set(1, rules(row(outcome=outcome, when=terms)))
    (found,) = policy.fire({"account_overdue_days": 0}, "order")
    assert (found.reason, found.outcome) == ("MISSING_INPUT", "HOLD")
    assert found.observed == "account_overdue_minor"


def test_a_row_is_asked_in_its_scope_only() -> None:
    policy = read_rule_set(1, rules(row(), row(id="p", scope="path")))
    context = {"account_overdue_days": 31}
    assert [one.row.rule_id for one in policy.fire(context, "order")] == ["r"]
    assert [(one.row.rule_id, one.account_id) for one in policy.fire(context, "path", 7)] == [
        ("p", 7)
    ]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(rules(row(), row()), id="two-rows-of-one-id"),
        pytest.param(rules(row(outcome="hold")), id="outcome-that-would-stop-nothing"),
        pytest.param(rules(row(outcome="APPROVE")), id="outcome-that-approves"),
        pytest.param(rules(row(scope="paths")), id="scope-that-nobody-asks"),
        pytest.param(rules(row(when=[])), id="no-terms"),
        pytest.param(rules(row(when=[["overdue", ">", 1]])), id="unknown-name"),
        pytest.param(rules(row(when=[["account_overdue_days", "~", 1]])), id="unknown-operation"),
        pytest.param(rules(row(when=[["account_overdue_days", ">", "1"]])), id="text-for-a-number"),
        pytest.param(rules(row(when=[["account_overdue_days", ">", 1.5]])), id="fraction"),
        pytest.param(rules(row(when=[["account_overdue_days", ">", True]])), id="truth-for-number"),
        pytest.param(rules(row(when=[["customer_active", "==", 1]])), id="number-for-truth"),
        pytest.param(rules(row(when=[["score_class", "in", ["E", 1]]])), id="mixed-list"),
        pytest.param(rules(row(), tolerance="-1"), id="tolerance-below-zero"),
        pytest.param(rules(row(), tolerance="100.01"), id="tolerance-above-a-hundred"),
        pytest.param(rules(row(), tolerance="NaN"), id="tolerance-no-number"),
        pytest.param(rules(row(), tolerance="5 %"), id="tolerance-with-a-sign"),
    ],
)
def test_what_is_no_policy(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="rule"):
        read_rule_set(1, data)


@pytest.mark.parametrize("tolerance", ["0", "100", "0.001", 5])
def test_which_tolerances_there_are(tolerance: object) -> None:
    assert str(read_rule_set(1, rules(row(), tolerance=tolerance)).tolerance_percent) == str(
        tolerance
    )


def test_the_standard_has_a_text_for_every_reason() -> None:
    policy = read_rule_set(1, STANDARD)
    assert {one.reason for one in policy.rows} <= {*TEXTS}
    assert "MISSING_INPUT" in TEXTS
    assert {name for one in policy.rows for name in one.names} <= {*NAMES}
