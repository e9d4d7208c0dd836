"""A stored decision is judged again exactly: what goes through JSON comes back the same."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.accounts import Use
from app.domain.decisions import Overdue, Question, Situation
from app.domain.judging import judge
from app.domain.orders import OrderUse
from app.domain.snapshots import (
    question_from_json,
    question_to_json,
    situation_from_json,
    situation_to_json,
)
from tests.domain.situations import NOW, USD, Desk, account, holding, known, live, question
from tests.domain.worlds import desks, questions


def through_json(data: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    return json.loads(json.dumps(data))


def again(asked: Question, situation: Situation) -> tuple[Question, Situation]:
    read = situation_from_json(through_json(situation_to_json(situation)), situation.inputs)
    return question_from_json(through_json(question_to_json(asked))), read


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(question(), id="plain"),
        pytest.param(question(version=0, expires_in=None), id="zero-and-null"),
        pytest.param(
            question(
                10**15,
                currency="BHD",
                version=2**53 - 1,
                order_type="internal",
                attributes={"plant": "上海", "x": ""},
                delivery_id="DN-1",
                payment_terms_days=0,
                ship_date=date(2026, 12, 1),
            ),
            id="everything",
        ),
    ],
)
def test_a_question_comes_back(asked: Question) -> None:
    assert question_from_json(through_json(question_to_json(asked))) == asked


@pytest.mark.parametrize(
    "desk",
    [
        pytest.param(Desk.of(account(1, 0)), id="limit-of-zero"),
        pytest.param(Desk.of(account(1, None)), id="no-limit"),
        pytest.param(Desk.of(account(1, None, limit_expired=True)), id="expired-limit"),
        pytest.param(Desk.of(account(1, None, limit_withheld=True)), id="withheld-limit"),
        pytest.param(Desk.of(account(1, limit_changes_on=date(2026, 12, 1))), id="limit-to-change"),
        pytest.param(Desk.of(account(1, status="STOPPED", quarantined=2, forced=3)), id="troubled"),
        pytest.param(Desk.of(account(1, use=Use(1, 2, 3, 4, 5))), id="every-category"),
        pytest.param(
            Desk.of(account(1), rates={("USD", "CNY"): USD}, mode="WARN"), id="rate-and-mode"
        ),
        pytest.param(
            Desk.of(account(1), overdue=Overdue({"USD": 1}, {"USD": 2, "CNY": 3}, 4)), id="overdue"
        ),
        pytest.param(
            Desk.of(account(1), uses={("SO-1", 1, "CNY"): OrderUse(5, 6)}), id="delivered"
        ),
        pytest.param(
            holding(Desk.of(account(1)), live(0, version=0, closed_version=0)), id="version-zero"
        ),
        pytest.param(
            holding(
                Desk.of(account(1)),
                live(
                    7,
                    9,
                    expires_at=NOW,
                    authorized_at=NOW - timedelta(microseconds=1),
                    released_max=0,
                    released_until=NOW,
                    hold_id="H",
                    hold_kind="FORCED",
                ),
            ),
            id="order-with-everything",
        ),
        pytest.param(holding(Desk.of(account(1)), known(rejected=True)), id="rejected"),
    ],
)
def test_a_situation_comes_back(desk: Desk) -> None:
    asked = question(currency="USD" if desk.rates else "CNY")
    for situation in (desk.situation(asked), replace(desk.situation(asked), releasing=True)):
        assert again(asked, situation) == (asked, situation)


def test_a_situation_with_another_payers_reservation_comes_back() -> None:
    desk = holding(Desk.of(account(1), account(2), rates={("USD", "CNY"): USD}), live(60_00))
    asked = question(payer=2)
    situation = desk.situation(asked)
    assert situation.freed
    assert again(asked, situation) == (asked, situation)


@given(desks(), st.lists(questions, max_size=5), questions, st.integers(0, 60_000))
def test_a_decision_is_judged_the_same_again(
    desk: Desk, before: list[Question], asked: Question, delivered: int
) -> None:
    for one in before:
        desk.ask(one)
    key = asked.order_id, int(asked.customer_id.removeprefix("C-")), asked.amount.currency
    desk.uses[key] = OrderUse(delivered)
    situation = desk.situation(asked)
    then = judge(asked, situation, desk.rules, "A")
    read_question, read_situation = again(asked, situation)
    assert judge(read_question, read_situation, desk.rules, "A") == then
