"""What a person placed holds an order whatever the policy, the mode and the figures say."""

from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from app.domain.decisions import CheckPoint, Mode
from app.domain.judging import judge
from app.domain.orders import Order
from app.domain.rules import read_rule_set
from app.domain.rules_standard import STANDARD
from tests.domain.situations import Desk, account, codes, live, question, unlimited

ROWS = st.lists(st.sampled_from(STANDARD["rows"]), unique_by=lambda row: row["id"])
OUTCOMES = st.sampled_from(["HOLD", "WARN", "REJECT"])
AUTO = st.booleans()
FAMILY = st.sampled_from([None, "PLACED"])
EXEMPT = {
    "id": "friend",
    "zh": "豁免",
    "en": "Exempt",
    "when": "customer_active || !customer_active",
    "outcome": "APPROVE",
    "reason": "EXEMPT",
    "lifts": ["CUSTOMER_INACTIVE", "PLACED", "SCORE_CLASS"],
    "precedence": 100,
}
POINTS = st.sampled_from([one for one in get_args(CheckPoint) if one != "INVOICE"])
AMOUNTS = st.integers(1, 300_00)


@st.composite
def policies(draw: st.DrawFn) -> Any:  # noqa: ANN401 - a rule set
    """Draw a policy without some of the rows that ship, others with another outcome.

    Some have an exemption that lifts all it may.
    """
    rows = [
        {**row, "outcome": draw(OUTCOMES), "auto_release": draw(AUTO), "family": draw(FAMILY)}
        for row in draw(ROWS)
    ]
    rows += draw(st.lists(st.just(EXEMPT), max_size=1))
    return read_rule_set(2, {**STANDARD, "rows": rows})


def held(kind: str, **fields: Any) -> Order:  # noqa: ANN401 - fields of an order
    """Make an order on hold that was let pass before, up to any amount."""
    placed: dict[str, Any] = {"hold_id": "H", "hold_kind": kind}
    return live(reserved=10_00, released_max=10**9, **placed, **fields)


@given(policies(), POINTS, AMOUNTS, st.sampled_from(get_args(Mode)), st.booleans())
def test_a_forced_hold_is_lifted_by_no_judgement(
    rules: Any,  # noqa: ANN401 - a rule set
    point: CheckPoint,
    minor: int,
    mode: Mode,
    wide: bool,
) -> None:
    payer = unlimited(1) if wide else account(1)
    desk = Desk.of(payer)
    desk.orders["SO-1"] = held("FORCED")
    desk.mode, desk.rules = mode, rules
    situation = desk.situation(question(minor, check_point=point))
    told = judge(question(minor, check_point=point), situation, rules, "A")
    if mode == "ENFORCE":
        assert told.outcome != "APPROVE"
        assert "FORCED_HOLD" in codes(told)
    after = told.order
    assert after is not None
    assert (after.hold_id, after.hold_kind) == ("H", "FORCED")


@given(policies(), POINTS, AMOUNTS, st.booleans())
def test_a_stop_and_a_rejection_hold_whatever_the_policy(
    rules: Any,  # noqa: ANN401 - a rule set
    point: CheckPoint,
    minor: int,
    stopped: bool,
) -> None:
    desk = Desk.of(unlimited(1, status="STOPPED" if stopped else "OPEN"))
    desk.orders["SO-1"] = held("AUTOMATIC", rejected=not stopped)
    desk.rules = rules
    asked = question(minor, check_point=point)
    told = judge(asked, desk.situation(asked), rules, "A")
    assert told.outcome != "APPROVE"
    assert ("ACCOUNT_STOPPED" if stopped else "ORDER_REJECTED") in codes(told)
