"""What rules read of an order and its payer, and that what cannot be known is left out."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from app.domain.decisions import Inputs
from app.domain.rules import read_rule_set
from app.domain.rules_context import FILLED_HERE, more_context, subject_of
from app.domain.rules_names import NAMES
from app.domain.rules_sets import ALWAYS_FILLED
from tests.domain.situations import TODAY, USD, Desk, account, question, unlimited

BEHAVIOUR = {
    "on_time_rate": 0.999,
    "mean_days_late": 3.2,
    "max_days_late": 12,
    "recent_trend": -1.5,
    "invoices_known": 48,
}
SCORE: dict[str, Any] = {
    "score": 742,
    "risk_class": "B",
    "probability_of_default": 0.0213,
    "scored_at": "2026-11-23T00:00:00+00:00",
    "features_as_of": "2026-11-20",
    "behaviour": BEHAVIOUR,
}
MASTER: dict[str, Any] = {
    "kind": "company",
    "country": "CN",
    "industry": "C34",
    "since": "2026-11-14",
    "payment_terms_days": 45,
}
KNOWN = Inputs(1, active=True, score=SCORE, more=MASTER)


def filled(desk: Desk, **asked: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    one = question(**asked)
    return dict(more_context(FILLED_HERE | {"attribute_plant"}, one, desk.situation(one)))


def test_every_name_is_filled_somewhere() -> None:
    assert {*NAMES} == FILLED_HERE | ALWAYS_FILLED


def test_what_is_known_is_filled() -> None:
    desk = Desk.of(account(1, 400_00), inputs=KNOWN)
    desk.ask(question(99_00, "SO-0"))
    told = filled(desk, minor=10_00, attributes={"plant": "P1"}, ship_date=date(2026, 12, 1))
    assert told == {
        "check_point": "ORDER",
        "order_amount_minor": 10_00,
        "order_currency": "CNY",
        "order_type": "sale",
        "payment_terms_days": 45,
        "ship_in_days": (date(2026, 12, 1) - TODAY).days,
        "account_limit_minor": 400_00,
        "account_exposure_minor": 0,
        "account_headroom_minor": 301_00,
        "account_utilization_percent": 25,
        "customer_kind": "company",
        "customer_country": "CN",
        "customer_industry": "C34",
        "customer_tenure_days": 10,
        "score_value": 742,
        "score_pd_ppm": 21_300,
        "payment_on_time_percent": 99,
        "payment_days_late_mean": 4,
        "payment_days_late_max": 12,
        "payment_trend_days": -1,
        "payment_invoices": 48,
        "fx_age_days": 0,
        "payment_age_days": 4,
        "attribute_plant": "P1",
    }
    for name, value in told.items():
        kind = NAMES[name].kind if name in NAMES else None
        assert kind is None or type(value) is kind.type


def test_the_terms_asked_for_go_before_those_agreed() -> None:
    desk = Desk.of(account(1), inputs=KNOWN)
    assert filled(desk, payment_terms_days=0)["payment_terms_days"] == 0


def test_an_order_in_another_currency_is_valued() -> None:
    desk = Desk.of(
        account(1), inputs=KNOWN, rates={("USD", "CNY"): replace(USD, rate_date="2026-11-22")}
    )
    told = filled(desk, minor=10_00, currency="USD")
    assert (told["order_amount_minor"], told["fx_age_days"]) == (70_00, 2)
    bare = filled(Desk.of(account(1), inputs=KNOWN), currency="USD")
    assert not {"order_amount_minor", "fx_age_days"} & {*bare}


@pytest.mark.parametrize("limit", [None, 0])
def test_use_of_no_limit_is_unknown(limit: int | None) -> None:
    told = filled(Desk.of(account(1, limit), inputs=KNOWN))
    assert "account_utilization_percent" not in told
    assert told["account_headroom_minor"] == 0


def test_what_is_not_known_is_left_out() -> None:
    told = filled(Desk.of(unlimited(1), inputs=Inputs(1, active=True, score=None)))
    assert {*told} == {
        "check_point",
        "order_amount_minor",
        "order_currency",
        "order_type",
        "account_exposure_minor",
        "fx_age_days",
    }


def test_whom_a_question_is_about() -> None:
    desk = Desk.of(account(1, groups=(2,)), account(2), inputs=KNOWN)
    one = question(check_point="DELIVERY")
    assert subject_of(one, desk.situation(one)) == (
        "DELIVERY",
        "main",
        "C-1",
        ("C-1", "C-2"),
        "B",
        "CN",
        "C34",
    )


ROW: dict[str, Any] = {"id": "r", "zh": "规则", "en": "rule", "reason": "OVERDUE_DAYS"}


def desk_of(*rows: dict[str, Any], **fields: Any) -> Desk:  # noqa: ANN401 - any field
    rules = read_rule_set(2, {"format": 2, "name": "t", "rows": [ROW | one for one in rows]})
    return Desk.of(account(1), account(2, None), rules=rules, inputs=KNOWN, **fields)


def test_a_judgement_reads_what_the_rules_name() -> None:
    desk = desk_of({"when": "order_amount_minor > 5000", "outcome": "HOLD"})
    assert desk.check(question(50_00)).outcome == "APPROVE"
    (reason,) = desk.check(question(50_01)).reasons
    assert reason.reason == "OVERDUE_DAYS"


def test_a_row_of_an_account_reads_the_order_too() -> None:
    when = "limit_needed_minor > 5000 && payment_terms_days > 30"
    desk = desk_of({"when": when, "outcome": "HOLD", "asks": "path"})
    assert desk.check(question(50_01, payment_terms_days=30)).outcome == "APPROVE"
    assert desk.check(question(50_01)).outcome == "HOLD"


def test_an_exemption_lets_pass_and_says_so() -> None:
    late = {"when": "order_amount_minor > 0", "outcome": "HOLD"}
    vip = {"id": "vip", "reason": "NOT_SCORED", "outcome": "APPROVE", "lifts": ["OVERDUE_DAYS"]}
    desk = desk_of(late, vip | {"when": "customer_country == 'CN'"})
    told = desk.check(question(50_00))
    assert (told.outcome, [one.reason for one in told.warnings]) == (
        "APPROVE",
        ["OVERDUE_DAYS", "NOT_SCORED"],
    )
    assert desk.check(question(100_01)).outcome == "HOLD"  # no exemption from a limit
