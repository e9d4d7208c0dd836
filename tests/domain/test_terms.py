"""Payment terms: what a class may have, what must be prepaid, and what being late costs."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.domain.accounts import Use
from app.domain.advice import Advice, Outlook, advise
from app.domain.decisions import Inputs, Question
from app.domain.money import Money
from app.domain.rules import read_rule_set
from app.domain.rules_standard import STANDARD
from app.domain.terms import ClassTerms, late_interest
from tests.domain.situations import SCORED, Desk, account, codes, question

TERMS = {"B": {"days": 60, "prepay_percent": "30"}, "N": 30}
RULES = read_rule_set(2, STANDARD | {"terms": TERMS})


def desk(use: Use = Use(), **fields: Any) -> Desk:  # noqa: B008, ANN401 - frozen; any field
    return Desk.of(account(1, 10_000_00, use=use), rules=RULES, **fields)


def agreed(days: int | None) -> Inputs:
    return replace(SCORED, more={"payment_terms_days": days})


@pytest.mark.parametrize(
    ("asked", "of_account", "held"),
    [
        pytest.param(60, None, False, id="as-long-as-allowed"),
        pytest.param(61, None, True, id="a-day-longer"),
        pytest.param(None, None, False, id="nothing-said-takes-those-of-the-class"),
        pytest.param(None, 61, True, id="what-was-agreed-is-too-long"),
        pytest.param(30, 61, False, id="what-is-asked-counts"),
    ],
)
def test_how_long_an_order_may_take(asked: int | None, of_account: int | None, held: bool) -> None:
    told = desk(Use(prepayment=10_00), inputs=agreed(of_account)).check(
        question(10_00 * 3, payment_terms_days=asked)
    )
    assert codes(told) == (["TERMS_TOO_LONG"] if held else [])
    if held:
        assert (told.reasons[0].observed, told.reasons[0].threshold) == (61, 60)


@pytest.mark.parametrize(
    ("use", "minor", "missing"),
    [
        pytest.param(Use(), 100_00, 30_00, id="nothing-paid"),
        pytest.param(Use(prepayment=29_99), 100_00, 1, id="a-cent-short"),
        pytest.param(Use(prepayment=30_00), 100_00, 0, id="the-share"),
        pytest.param(Use(prepayment=30_00, authorized=1), 100_00, 1, id="another-order-counts"),
        pytest.param(Use(prepayment=30_00, open_item=500_00), 100_00, 0, id="invoices-do-not"),
        pytest.param(Use(), 1, 1, id="rounded-up"),
    ],
)
def test_what_must_be_prepaid(use: Use, minor: int, missing: int) -> None:
    told = desk(use).check(question(minor))
    assert codes(told) == (["PREPAYMENT_TOO_LOW"] if missing else [])
    if missing:
        (row,) = told.reasons
        assert isinstance(row.threshold, int)
        assert isinstance(row.observed, int)
        assert row.threshold - row.observed == missing


def test_what_is_prepaid_in_full_has_no_terms() -> None:
    asked = question(100_00, payment_terms_days=365)
    assert codes(desk(Use(prepayment=100_00)).check(asked)) == []
    assert codes(desk(Use(prepayment=99_99)).check(asked)) == ["TERMS_TOO_LONG"]


def test_who_was_never_scored_has_the_terms_of_little_history() -> None:
    never = replace(SCORED, score=None)
    told = desk(inputs=never).check(question(payment_terms_days=31))
    assert codes(told) == ["TERMS_TOO_LONG"]


def test_a_class_that_the_table_leaves_out_is_no_free_pass() -> None:
    risky = replace(SCORED, score={**(SCORED.score or {}), "risk_class": "A"})
    told = desk(inputs=risky).check(question(payment_terms_days=1))
    assert codes(told) == ["MISSING_INPUT", "MISSING_INPUT"]


def test_without_a_table_no_terms_are_too_long() -> None:
    told = Desk.of(account(1, 10_000_00)).check(question(payment_terms_days=3650))
    assert codes(told) == []


def advice_on(world: Desk, asked: Question) -> list[Advice]:
    told = world.check(asked)
    outlook = Outlook((), {}, lambda _, __: None)
    return list(advise((asked, world.rules), world.situation(asked), told, outlook))


def test_advice_on_terms_is_shorter_ones_or_to_prepay() -> None:
    world, asked = desk(), question(100_00, payment_terms_days=90)
    assert codes(world.check(asked)) == ["TERMS_TOO_LONG", "PREPAYMENT_TOO_LOW"]
    prepay, shorter = advice_on(world, asked)
    assert prepay == Advice("PREPAY", Money(100_00, "CNY"), percent=Decimal("100.00"))
    assert prepay.suffices
    assert shorter == Advice("SHORTEN_TERMS", days=60)
    shorter_one = replace(asked, payment_terms_days=60)
    (share,) = advice_on(world, shorter_one)
    assert share == Advice("PREPAY", Money(30_00, "CNY"), percent=Decimal("30.00"))
    paid = desk(Use(prepayment=30_00))
    assert paid.ask(shorter_one).outcome == "APPROVE"


TODAY = date(2026, 6, 15)


@pytest.mark.parametrize(
    ("minor", "days", "percent", "interest"),
    [
        pytest.param(36_000_00, 1, "18", 18_00, id="five-in-ten-thousand-a-day"),
        pytest.param(36_000_00, 0, "18", 0, id="due-today"),
        pytest.param(36_000_00, -5, "18", 0, id="not-due"),
        pytest.param(1_00, 7, "18", 0, id="less-than-a-cent"),
        pytest.param(10_000_00, 45, "18.25", 228_12, id="rounded-down"),
        pytest.param(10_000_00, 45, "0", 0, id="none-agreed"),
        pytest.param(10**15, 3600, "100", 10**16, id="a-large-one"),
    ],
)
def test_late_interest(minor: int, days: int, percent: str, interest: int) -> None:
    terms = ClassTerms(30, Decimal(percent))
    assert late_interest(minor, TODAY - timedelta(days=days), TODAY, terms) == interest
