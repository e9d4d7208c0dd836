"""Advice that works: who follows it gets the order through, and a cent less does not."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, event, given, settings

from app.domain.accounts import Use, force
from app.domain.advice import Advice, Outlook, advise, over_limit
from app.domain.advice_trials import Limits
from app.domain.decisions import Inputs, Overdue, Question
from app.domain.limits import CreditLimit
from app.domain.money import Money
from app.domain.payments import OpenInvoice
from tests.domain.situations import (
    SCORED,
    TODAY,
    USD,
    Desk,
    account,
    codes,
    policy,
    question,
    unlimited,
)
from tests.domain.worlds import book, indebted, overdue_of, pay

PAYABLE = {"OVER_LIMIT", "NO_LIMIT", "LIMIT_EXPIRED", "OVERDUE_DAYS", "OVERDUE_SHARE"}
DAY = timedelta(days=1)


def invoice(name: str, minor: int, days_late: int = 0, currency: str = "CNY") -> OpenInvoice:
    return OpenInvoice(name, TODAY - timedelta(days=days_late), Money(minor, currency))


def indebt(desk: Desk, *invoices: OpenInvoice) -> Desk:
    """Let C-1 owe invoices."""
    for one in invoices:
        held = desk.accounts[1]
        own = desk.rates.get((one.open.currency, held.currency))
        owed = Use(open_item=one.open.minor)
        desk.accounts[1] = force(held, one.open.currency, owed, own)
    desk.overdue = overdue_of(list(invoices))
    return desk


def advice_on(
    desk: Desk, asked: Question, invoices: Sequence[OpenInvoice] = (), limits: Limits | None = None
) -> list[Advice]:
    told = desk.check(asked)
    outlook = Outlook(invoices, limits or {}, lambda source, to: desk.rates.get((source, to)))
    return list(advise((asked, desk.rules), desk.situation(asked), told, outlook))


def actions(advice: Sequence[Advice]) -> list[str]:
    return [one.action for one in advice]


@pytest.mark.parametrize(
    ("invoices", "minor", "amount", "named"),
    [
        pytest.param((), 130_00, 30_00, (), id="ahead-where-nothing-is-open"),
        pytest.param((("a", 40_00, 0),), 70_00, 10_00, ("a",), id="one-invoice-in-part"),
        pytest.param((("a", 10_00, 0), ("b", 40_00, 0)), 60_00, 10_00, ("a",), id="one-exactly"),
        pytest.param(
            (("a", 10_00, 0), ("b", 40_00, 0)), 60_01, 10_01, ("a", "b"), id="a-cent-more"
        ),
        pytest.param((("a", 10_00, 0),), 120_00, 30_00, ("a",), id="more-than-is-open"),
        pytest.param((("a", 10_00, 31), ("b", 5_00, 1)), 50_00, 10_00, ("a",), id="late-only"),
        pytest.param((("a", 10_00, 31), ("b", 5_00, 31)), 50_00, 15_00, ("a", "b"), id="all-late"),
        pytest.param(
            (("a", 10_00, 31), ("b", 50_00, 0)), 60_00, 20_00, ("a", "b"), id="late-and-over"
        ),
        pytest.param((("a", 6_00, 8), ("b", 5_00, 0)), 50_00, 6_00, ("a",), id="share-of-overdue"),
    ],
)
def test_how_much_to_pay(
    invoices: tuple[tuple[str, int, int], ...], minor: int, amount: int, named: tuple[str, ...]
) -> None:
    open_ones = [invoice(*one) for one in invoices]
    desk = indebt(Desk.of(account(1)), *open_ones)
    (found,) = [one for one in advice_on(desk, question(minor), open_ones) if one.action == "PAY"]
    percent = Decimal("23.08") if not named else None
    assert found == Advice("PAY", Money(amount, "CNY"), named, percent=percent)


def test_a_payment_reaches_every_account_that_is_over() -> None:
    """Both are full, but the group is over by far more than its member."""
    desk = Desk.of(
        account(1, 10_00, groups=(9,), use=Use(open_item=10_00)),
        account(9, 20_00, use=Use(open_item=70_00)),
    )
    found = advice_on(desk, question(5_00))
    assert found[0] == Advice("PAY", Money(55_00, "CNY"))
    assert found[1:] == [
        Advice("RAISE_LIMIT", Money(15_00, "CNY"), subject="C-1"),
        Advice("RAISE_LIMIT", Money(75_00, "CNY"), subject="C-9"),
    ]


def test_a_payment_is_told_in_the_payers_currency() -> None:
    desk = Desk.of(
        unlimited(1, groups=(9,)),
        account(9, 1_00, currency="USD"),
        rates={("CNY", "USD"): USD},
    )
    found = advice_on(desk, question(14_01))
    assert found[0] == Advice(
        "PAY", Money(7_07, "CNY"), percent=Decimal("50.47")
    )  # a cent of USD is 7 of CNY


def test_an_advice_is_given_though_the_list_of_invoices_was_cut_off() -> None:
    listed, rest = [invoice("a", 10_00, 40)], invoice("b", 20_00, 35)
    desk = indebt(Desk.of(account(1)), *listed, rest)
    found = advice_on(desk, question(1_00), listed)
    assert found == [Advice("PAY", Money(30_00, "CNY"), ("a",))]


def limited(
    minor: int | None, starts: date, ends: date | None = None, order: int = 1
) -> CreditLimit:
    return CreditLimit(
        "base", minor, unlimited=False, valid_from=starts, valid_to=ends, order=order
    )


@pytest.mark.parametrize(
    ("limits", "until"),
    [
        pytest.param([limited(120_00, TODAY + DAY)], TODAY + DAY, id="exactly-enough-tomorrow"),
        pytest.param([limited(119_99, TODAY + DAY)], None, id="a-cent-short"),
        pytest.param([limited(120_00, TODAY)], None, id="not-what-is-in-force"),
        pytest.param(
            [limited(90_00, TODAY + DAY), limited(120_00, TODAY + 2 * DAY, order=2)],
            TODAY + 2 * DAY,
            id="the-second-change-is-enough",
        ),
        pytest.param(
            [
                limited(150_00, TODAY - DAY),
                replace(limited(10_00, TODAY - DAY, TODAY + DAY, 2), kind="temporary"),
            ],
            TODAY + 2 * DAY,
            id="a-cut-for-two-days-lapses",
        ),
        pytest.param([limited(None, TODAY + DAY)], None, id="no-credit-from-tomorrow"),
        pytest.param([], None, id="nothing-changes"),
    ],
)
def test_until_when_to_wait(limits: list[CreditLimit], until: date | None) -> None:
    found = advice_on(Desk.of(account(1)), question(120_00), (), {1: limits})
    assert [one.until for one in found if one.action == "WAIT_UNTIL"] == ([until] if until else [])


def test_waiting_is_no_advice_while_another_limit_is_in_the_way() -> None:
    desk = Desk.of(account(1, 0, groups=(9,)), account(9, 0))
    tomorrow = [limited(10_00, TODAY + DAY)]
    assert "WAIT_UNTIL" not in actions(advice_on(desk, question(), (), {1: tomorrow}))
    later = [limited(0, TODAY), limited(10_00, TODAY + 3 * DAY, order=2)]
    both = {1: tomorrow, 9: later}
    assert Advice("WAIT_UNTIL", until=TODAY + 3 * DAY) in advice_on(desk, question(), (), both)


def test_reasons_that_no_payment_removes() -> None:
    desk = Desk.of(account(1, 0, status="STOPPED", quarantined=1))
    desk.inputs = Inputs(1, active=False, score=SCORED.score)
    found = actions(advice_on(desk, question()))
    assert found == [
        "PAY",
        "RAISE_LIMIT",
        "ACTIVATE_CUSTOMER",
        "LIFT_STOP",
        "CLEAR_QUARANTINE",
    ]


def test_an_overdue_rule_without_a_rate_is_not_to_be_paid_away() -> None:
    desk = Desk.of(account(1), overdue=Overdue({"USD": 1}, {"USD": 9}, 9))
    assert actions(advice_on(desk, question())) == ["ASK_RELEASE"]


def test_a_limit_row_without_its_input_gives_no_figures() -> None:
    row = {
        "id": "ceiling",
        "reason": "CEILING",
        "outcome": "HOLD",
        "scope": "path",
        "when": [["limit_ceiling_minor", "<", 0]],
    }
    desk = Desk.of(unlimited(1), rules=policy(row))
    told = desk.check(question())
    assert codes(told) == ["MISSING_INPUT"]
    assert (over_limit(told), told.ship_up_to) == ([], 0)
    assert actions(advice_on(desk, question())) == ["ASK_RELEASE"]


def test_nothing_is_advised_on_what_goes() -> None:
    assert advice_on(Desk.of(account(1)), question()) == []


@settings(deadline=None)  # the machine may be busy
@given(indebted())
def test_who_pays_as_advised_gets_the_order_through(
    drawn: tuple[Desk, list[OpenInvoice], Question],
) -> None:
    desk, invoices, asked = drawn
    told = desk.check(asked)
    assume(told.outcome == "HOLD" and {*codes(told)} <= PAYABLE)
    (found,) = [one for one in advice_on(desk, asked, invoices) if one.action == "PAY"]
    event("named" if found.invoices else "ahead")
    assert found.amount is not None
    named = [one for one in invoices if one.invoice_id in found.invoices]
    assert [one.invoice_id for one in invoices[: len(named)]] == list(found.invoices)
    unpaid = pay(desk, found.amount.minor, invoices)
    desk.overdue = overdue_of(unpaid)
    assert desk.ask(asked).outcome == "APPROVE"


@settings(deadline=None)  # the machine may be busy
@given(indebted())
def test_who_raises_the_limits_as_advised_gets_the_order_through(
    drawn: tuple[Desk, list[OpenInvoice], Question],
) -> None:
    desk, invoices, asked = drawn
    desk.overdue = Overdue({}, {}, 0)
    told = desk.check(asked)
    assume(told.outcome == "HOLD")
    for one in advice_on(desk, asked, invoices):
        if one.action == "RAISE_LIMIT" and one.amount and one.subject:
            key = int(one.subject.removeprefix("C-"))
            limit = one.amount.minor
            desk.accounts[key] = replace(desk.accounts[key], limit_minor=limit, limit_expired=False)
    assert desk.ask(asked).outcome == "APPROVE"


def test_the_worlds_book_on_every_account_of_a_path() -> None:
    desk = Desk.of(account(1, groups=(9,)), account(9))
    book(desk, 1, "CNY", Use(open_item=5))
    assert [held.use.open_item for held in desk.path(1)] == [5, 5]
