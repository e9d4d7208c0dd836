"""Outcomes at every boundary: what goes, what is held, and which figures say so."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.accounts import Use, force
from app.domain.decisions import Inputs, Mode, Overdue
from app.domain.errors import FieldError, OrderClosedError, OrderVersionStaleError
from app.domain.money import MAX_MINOR
from app.domain.orders import OrderUse
from app.domain.rules import RuleSet
from tests.domain.situations import (
    SCORED,
    USD,
    Desk,
    account,
    codes,
    holding,
    known,
    live,
    policy,
    question,
    unlimited,
    warned,
    with_tolerance,
)


@pytest.mark.parametrize(
    ("limit", "exposure", "minor", "outcome"),
    [
        pytest.param(100_00, Use(), 100_00, "APPROVE", id="limit-exactly-used"),
        pytest.param(100_00, Use(), 100_01, "OVER_LIMIT", id="one-cent-over"),
        pytest.param(100_00, Use(open_item=40_00), 60_00, "APPROVE", id="open-item-counts"),
        pytest.param(100_00, Use(open_delivery=40_00), 60_01, "OVER_LIMIT", id="delivery-counts"),
        pytest.param(100_00, Use(note_receivable=40_00), 60_01, "OVER_LIMIT", id="note-counts"),
        pytest.param(100_00, Use(authorized=40_00), 60_01, "OVER_LIMIT", id="reservations-count"),
        pytest.param(100_00, Use(prepayment=5_00), 105_00, "APPROVE", id="prepayment-adds-room"),
        pytest.param(100_00, Use(prepayment=5_00), 105_01, "OVER_LIMIT", id="no-more-than-paid"),
        pytest.param(0, Use(prepayment=5_00), 5_00, "APPROVE", id="zero-limit-paid-ahead"),
        pytest.param(0, Use(prepayment=5_00), 5_01, "OVER_LIMIT", id="zero-limit-a-cent-short"),
        pytest.param(0, Use(), 1, "OVER_LIMIT", id="zero-limit-grants-nothing"),
        pytest.param(None, Use(prepayment=5_00), 5_00, "APPROVE", id="no-limit-paid-ahead"),
        pytest.param(None, Use(prepayment=5_00), 5_01, "NO_LIMIT", id="no-limit-a-cent-short"),
        pytest.param(None, Use(), 1, "NO_LIMIT", id="no-limit-grants-nothing"),
        pytest.param(100_00, Use(open_item=100_01), 1, "OVER_LIMIT", id="forced-no-new-grant"),
        pytest.param(100_00, Use(open_item=100_00), 1, "OVER_LIMIT", id="full"),
        pytest.param(MAX_MINOR, Use(), MAX_MINOR, "APPROVE", id="largest-amount"),
        pytest.param(MAX_MINOR - 1, Use(), MAX_MINOR, "OVER_LIMIT", id="largest-amount-one-over"),
    ],
)
def test_where_a_limit_ends(limit: int | None, exposure: Use, minor: int, outcome: str) -> None:
    desk = Desk.of(force(account(1, limit), "CNY", exposure, None))
    told = desk.ask(question(minor))
    assert (codes(told) or [told.outcome]) == [outcome]


def test_an_expired_limit_says_so() -> None:
    desk = Desk.of(account(1, None, limit_expired=True))
    assert codes(desk.ask(question(1))) == ["LIMIT_EXPIRED"]


def test_nothing_limits_an_unlimited_account_but_what_a_column_holds() -> None:
    desk = Desk.of(unlimited(1, use=Use(authorized=10**18 - MAX_MINOR)))
    assert desk.ask(question(MAX_MINOR)).outcome == "APPROVE"
    with pytest.raises(FieldError, match=r"10\^18"):
        desk.ask(question(1, "SO-2"))


@pytest.mark.parametrize(
    ("rules", "minor", "outcome"),
    [
        pytest.param(with_tolerance("5"), 105_00, "APPROVE", id="tolerance-exactly"),
        pytest.param(with_tolerance("5"), 105_01, "HOLD", id="one-cent-over-tolerance"),
        pytest.param(with_tolerance("0.004"), 100_01, "HOLD", id="tolerance-rounds-down"),
        pytest.param(with_tolerance("100"), 200_00, "APPROVE", id="twice-the-limit"),
    ],
)
def test_how_much_a_tolerance_lets_pass(rules: RuleSet, minor: int, outcome: str) -> None:
    desk = Desk.of(account(1), rules=rules)
    assert desk.ask(question(minor)).outcome == outcome
    assert desk.accounts[1].forced == (max(0, minor - 100_00) if outcome == "APPROVE" else 0)
    assert desk.ask(question(1, "SO-2")).outcome == ("HOLD" if outcome == "APPROVE" else "APPROVE")


@pytest.mark.parametrize(
    ("own", "above", "minor", "held_by"),
    [
        pytest.param(50_00, (80_00,), 50_00, [], id="fits-both"),
        pytest.param(50_00, (80_00,), 50_01, [1], id="own-limit-first"),
        pytest.param(80_00, (50_00,), 50_01, [8], id="group-limit-first"),
        pytest.param(50_00, (50_00,), 50_01, [1, 8], id="both-are-named"),
        pytest.param(80_00, (90_00, 50_00), 50_01, [9], id="top-group"),
        pytest.param(80_00, (None, 50_00), 50_01, [9], id="group-without-limit-is-passed-by"),
        pytest.param(None, (90_00,), 1, [1], id="own-limit-is-needed"),
        pytest.param(80_00, (0,), 1, [8], id="group-with-a-limit-of-zero"),
    ],
)
def test_every_limit_of_the_path_holds(
    own: int | None, above: tuple[int | None, ...], minor: int, held_by: list[int]
) -> None:
    groups = tuple(range(8, 8 + len(above)))
    desk = Desk.of(
        account(1, own, groups=groups),
        *(account(key, limit) for key, limit in zip(groups, above, strict=True)),
    )
    told = desk.ask(question(minor))
    assert [row.account_id for row in told.reasons] == held_by
    if held_by:
        assert told.binding.account.account_id == held_by[0]


def test_an_expired_group_limit_holds_too() -> None:
    desk = Desk.of(account(1, groups=(9,)), account(9, None, limit_expired=True))
    assert codes(desk.ask(question(1))) == ["LIMIT_EXPIRED"]


def test_a_withheld_group_limit_holds_too() -> None:
    desk = Desk.of(account(1, groups=(9,)), account(9, None, limit_withheld=True))
    told = desk.ask(question(1))
    assert codes(told) == ["NO_LIMIT"]
    assert told.binding.account.account_id == 9


def test_the_tightest_is_who_is_over_most_in_the_orders_currency() -> None:
    """Both have no room; 10 CNY over is less than 2 USD over, whatever the numbers say."""
    group = account(9, 0, currency="USD", use=Use(open_item=2_00))
    desk = Desk.of(
        account(1, 0, groups=(9,), use=Use(open_item=10_00)),
        group,
        rates={("CNY", "USD"): USD},
    )
    assert desk.check(question(1)).binding.account is group


@pytest.mark.parametrize(
    ("reserved", "minor", "outcome"),
    [
        pytest.param(60_00, 60_00, "APPROVE", id="what-is-reserved"),
        pytest.param(60_00, 59_99, "APPROVE", id="less"),
        pytest.param(60_00, 60_01, "HOLD", id="one-cent-more"),
    ],
)
def test_what_is_reserved_is_not_tested_again(reserved: int, minor: int, outcome: str) -> None:
    desk = holding(Desk.of(account(1, 10_00)), live(reserved))
    told = desk.ask(question(minor))
    assert told.outcome == outcome
    kept = desk.orders["SO-1"].reserved
    assert kept == (minor if outcome == "APPROVE" else reserved)
    assert desk.accounts[1].use.authorized == kept
    if outcome == "HOLD":
        assert told.ship_up_to == reserved


@pytest.mark.parametrize(
    ("use", "minor", "needed"),
    [
        pytest.param(OrderUse(delivered=40_00), 60_00, 20_00, id="delivered-needs-no-more"),
        pytest.param(OrderUse(invoiced=40_00), 60_00, 20_00, id="nor-invoiced"),
        pytest.param(OrderUse(40_00, 50_00), 60_00, 10_00, id="the-larger-of-both"),
        pytest.param(OrderUse(delivered=60_00), 60_00, 0, id="all-delivered"),
        pytest.param(OrderUse(delivered=60_00), 59_99, 0, id="more-than-asked"),
    ],
)
def test_what_facts_carry_is_not_reserved(use: OrderUse, minor: int, needed: int) -> None:
    desk = Desk.of(account(1), uses={("SO-1", 1, "CNY"): use})
    assert desk.ask(question(minor)).outcome == "APPROVE"
    assert desk.orders["SO-1"].reserved == desk.accounts[1].use.authorized == needed


@pytest.mark.parametrize(
    ("asked", "seen", "closed", "trouble"),
    [
        pytest.param(3, 3, None, None, id="same-version"),
        pytest.param(4, 3, None, None, id="newer"),
        pytest.param(2, 3, None, OrderVersionStaleError, id="older"),
        pytest.param(None, 3, None, None, id="no-version"),
        pytest.param(0, None, None, None, id="first-version"),
        pytest.param(3, 3, 3, OrderClosedError, id="closed-with-it"),
        pytest.param(2, 3, 3, OrderClosedError, id="older-than-closed"),
        pytest.param(4, 3, 3, None, id="newer-than-closed"),
        pytest.param(None, 3, 3, OrderClosedError, id="no-version-of-a-closed-one"),
        pytest.param(None, 4, 3, None, id="no-version-of-one-opened-again"),
        pytest.param(3, 4, 3, OrderClosedError, id="the-closed-version-of-one-opened-again"),
        pytest.param(None, 0, 0, OrderClosedError, id="closed-with-version-zero"),
    ],
)
def test_which_versions_are_judged(
    asked: int | None, seen: int | None, closed: int | None, trouble: type[Exception] | None
) -> None:
    desk = Desk.of(account(1))
    desk.orders["SO-1"] = known(version=seen, closed_version=closed)
    if trouble is not None:
        with pytest.raises(trouble):
            desk.check(question(version=asked))
        return
    newest = max((one for one in (asked, seen) if one is not None), default=None)
    assert desk.ask(question(version=asked)).outcome == "APPROVE"
    assert desk.orders["SO-1"].version == newest
    assert desk.orders["SO-1"].closed_version == closed


def test_a_hold_moves_the_version_too() -> None:
    desk = Desk.of(account(1, 0))
    desk.ask(question(version=7))
    with pytest.raises(OrderVersionStaleError):
        desk.ask(question(version=6))


@pytest.mark.parametrize("order_type", ["return", "internal"])
def test_what_is_no_sale_goes_and_reserves_nothing(order_type: str) -> None:
    """Not even a rate is needed, and what is reserved for the order stays."""
    desk = holding(Desk.of(account(1, 0, quarantined=1)), live(60_00))
    before = dict(desk.accounts)
    stopped = Inputs(1, active=False, score=None)
    desk.inputs = stopped
    for currency in ("CNY", "USD"):
        told = desk.ask(question(90_00, currency=currency, order_type=order_type))
        assert (told.outcome, told.order, told.after) == ("APPROVE", None, ())
        assert told.degraded == ("LEDGER_QUARANTINE",)
    assert desk.accounts == before


@pytest.mark.parametrize(
    ("minor", "outcome", "up_to"),
    [
        pytest.param(60_00, "APPROVE", 60_00, id="all-of-what-left"),
        pytest.param(59_99, "APPROVE", 59_99, id="part-of-what-left"),
        pytest.param(60_01, "REJECT", 60_00, id="one-cent-that-did-not-leave"),
    ],
)
def test_delivered_goods_are_never_held_at_invoice(minor: int, outcome: str, up_to: int) -> None:
    desk = Desk.of(
        account(1, 0, status="STOPPED"),
        uses={("SO-1", 1, "CNY"): OrderUse(60_00, 70_00)},
        inputs=Inputs(1, active=False, score=None),
    )
    told = desk.check(question(minor, check_point="INVOICE"))
    assert (told.outcome, told.ship_up_to) == (outcome, up_to)
    assert {"CUSTOMER_INACTIVE", "ACCOUNT_STOPPED"} <= {*codes(told), *warned(told)}


def test_what_is_invoiced_but_has_not_left_is_held() -> None:
    desk = Desk.of(
        account(1, status="STOPPED"), uses={("SO-1", 1, "CNY"): OrderUse(invoiced=60_00)}
    )
    assert desk.check(question(60_00, check_point="INVOICE")).outcome == "HOLD"


@pytest.mark.parametrize(
    ("mode", "judged", "reasons", "warnings"),
    [
        pytest.param("OFF", "APPROVE", [], [], id="off-judges-nothing"),
        pytest.param("SHADOW", "HOLD", ["OVER_LIMIT"], [], id="shadow-says-it"),
        pytest.param("WARN", "HOLD", ["OVER_LIMIT"], ["OVER_LIMIT"], id="warn-warns"),
    ],
)
def test_modes_that_stop_nothing(
    mode: Mode,
    judged: str,
    reasons: list[str],
    warnings: list[str],
) -> None:
    desk = Desk.of(account(1), mode=mode)
    desk.orders["SO-1"] = known(hold_id="H", hold_kind="FORCED")
    told = desk.ask(question(150_00))
    assert (told.outcome, told.judged) == ("APPROVE", judged)
    assert [code for code in codes(told) if code != "FORCED_HOLD"] == reasons
    assert [code for code in warned(told) if code != "FORCED_HOLD"] == warnings
    assert desk.accounts[1].forced == 50_00
    assert desk.orders["SO-1"].hold_kind == "FORCED"  # a person's hold waits for a person


@pytest.mark.parametrize("mode", ["OFF", "SHADOW", "WARN"])
def test_a_mode_that_stops_nothing_goes_without_a_rate_and_reserves_nothing(mode: Mode) -> None:
    desk = Desk.of(account(1), mode=mode)
    told = desk.ask(question(1_00, currency="USD"))
    assert (told.outcome, told.lets_pass, told.after) == ("APPROVE", False, ())


def test_a_rate_that_is_missing_holds_and_says_so_under_any_policy() -> None:
    anything = policy(
        {"id": "x", "reason": "X", "outcome": "WARN", "when": [["score_class", "==", ""]]}
    )
    for desk in (Desk.of(account(1)), Desk.of(unlimited(1)), Desk.of(account(1), rules=anything)):
        told = desk.ask(question(1_00, currency="USD"))
        assert (told.outcome, codes(told)) == ("HOLD", ["FX_RATE_MISSING"])
        assert told.degraded == ("FX_RATE_MISSING",)


def test_a_group_that_cannot_value_the_order_holds_it_though_it_has_no_limit() -> None:
    desk = Desk.of(account(1, groups=(9,)), account(9, None, currency="USD"))
    assert codes(desk.ask(question(1_00))) == ["FX_RATE_MISSING"]


def test_no_rate_is_needed_where_nothing_is_to_be_reserved() -> None:
    desk = Desk.of(account(1), uses={("SO-1", 1, "USD"): OrderUse(delivered=60_00)})
    told = desk.check(question(60_01, currency="USD"))
    assert (codes(told), told.ship_up_to) == (["FX_RATE_MISSING"], 60_00)
    assert desk.ask(question(60_00, currency="USD")).outcome == "APPROVE"


def test_no_policy_lets_an_order_pass_a_limit() -> None:
    """A row that only warns of it would have the engine refuse what was approved."""
    only_warns = policy(
        {
            "id": "limit",
            "reason": "OVER_LIMIT",
            "outcome": "WARN",
            "scope": "path",
            "when": [["limit_excess_minor", ">", 0]],
        }
    )
    told = Desk.of(account(1), rules=only_warns).ask(question(100_01))
    assert (codes(told), warned(told)) == (["OVER_LIMIT"], ["OVER_LIMIT"])


def test_quarantined_facts_degrade_whatever_the_policy_says() -> None:
    silent = policy(
        {"id": "x", "reason": "X", "outcome": "WARN", "when": [["score_class", "==", "A"]]}
    )
    for desk in (
        Desk.of(account(1, quarantined=1), rules=silent),
        Desk.of(account(1, quarantined=1), mode="OFF"),
    ):
        told = desk.ask(question())
        assert (told.outcome, told.degraded) == ("APPROVE", ("LEDGER_QUARANTINE",))


@pytest.mark.parametrize(
    ("change", "reason", "outcome"),
    [
        pytest.param(
            {"inputs": replace(SCORED, active=False)}, "CUSTOMER_INACTIVE", "REJECT", id="inactive"
        ),
        pytest.param(
            {"overdue": Overdue({"CNY": 1}, {"CNY": 100}, 31)},
            "OVERDUE_DAYS",
            "HOLD",
            id="31-days-late",
        ),
        pytest.param(
            {"overdue": Overdue({"CNY": 1}, {"CNY": 100}, 30)}, None, "APPROVE", id="30-days-late"
        ),
        pytest.param(
            {"overdue": Overdue({"CNY": 51}, {"CNY": 100}, 8)},
            "OVERDUE_SHARE",
            "HOLD",
            id="share-51-of-8-days",
        ),
        pytest.param(
            {"overdue": Overdue({"CNY": 50}, {"CNY": 100}, 8)}, None, "APPROVE", id="share-50"
        ),
        pytest.param(
            {"overdue": Overdue({"CNY": 501}, {"CNY": 1000}, 8)},
            "OVERDUE_SHARE",
            "HOLD",
            id="share-rounds-up",
        ),
        pytest.param(
            {"overdue": Overdue({"CNY": 51}, {"CNY": 100}, 7)},
            None,
            "APPROVE",
            id="share-of-7-days",
        ),
        pytest.param(
            {"overdue": Overdue({"USD": 1}, {"USD": 9}, 9)},
            "MISSING_INPUT",
            "HOLD",
            id="overdue-without-rate",
        ),
    ],
)
def test_rules_about_the_payer(change: dict[str, Any], reason: str | None, outcome: str) -> None:
    told = Desk.of(account(1), **change).ask(question())
    assert (codes(told), told.outcome) == ([reason] if reason else [], outcome)


def test_a_stop_of_the_group_stops_its_members() -> None:
    desk = Desk.of(account(1, groups=(9,)), account(9, None, status="STOPPED"))
    assert codes(desk.ask(question())) == ["ACCOUNT_STOPPED"]


def test_a_part_may_not_ship_where_more_than_a_limit_is_in_the_way() -> None:
    for status, up_to in (("OPEN", 5_00), ("STOPPED", 0)):
        told = Desk.of(account(1, 5_00, status=status)).check(question(10_00))
        assert (told.outcome, told.ship_up_to) == ("HOLD", up_to)


def test_reasons_come_in_the_order_of_the_policy() -> None:
    desk = Desk.of(
        account(1, 0, status="STOPPED", groups=(9,)),
        account(9, 0),
        overdue=Overdue({"CNY": 1}, {"CNY": 1}, 99),
        inputs=replace(SCORED, active=False),
    )
    told = desk.ask(question())
    assert codes(told) == [
        "CUSTOMER_INACTIVE",
        "ACCOUNT_STOPPED",
        "OVER_LIMIT",
        "OVER_LIMIT",
        "OVERDUE_DAYS",
        "OVERDUE_SHARE",
    ]
    assert (told.outcome, told.ship_up_to) == ("REJECT", 0)
