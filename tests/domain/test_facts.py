"""What facts do to accounts, case by case; which version holds; when an event has to wait."""

from dataclasses import replace
from datetime import date

import pytest

from app.domain.facts import NO_ORDER, DisputeBody
from app.domain.money import Rate
from app.usecases.facts_events import parse_event
from tests.domain.facts_cases import CASES, Fact, delivery, invoice, of, order, pay, to
from tests.domain.facts_world import ANNA, BERT, GROUP, RATES, World, fact, line, money


@pytest.mark.parametrize("name", CASES)
def test_facts_add_up_to(name: str) -> None:
    facts, use = CASES[name]
    world = World()
    assert set(world.apply(*facts)) <= {"applied", "stale"}
    assert world.use() == use


@pytest.mark.parametrize("name", CASES)
def test_facts_add_up_the_same_in_reverse_and_twice(name: str) -> None:
    facts, use = CASES[name]
    world = World()
    world.apply(*reversed(facts), *facts)
    assert world.use() == use


def test_a_group_pools_what_its_members_use() -> None:
    world = World()
    world.apply(order(), delivery(), invoice("I", "3", of("O", "3"), customer_id="bert"))
    assert world.use(ANNA) == {"authorized": 6000, "open_delivery": 4000}
    assert world.use(BERT) == {"open_item": 62}  # 3 CNY at 0.0487, rounded up to whole yen
    assert world.use(GROUP) == {"authorized": 6000, "open_delivery": 4000, "open_item": 300}


def test_what_came_back_to_zero_is_worth_zero() -> None:
    world = World()
    told = money("100.01", "USD")
    part = line("100.01", "USD", invoice_id="I")
    world.apply(fact("invoice", "I", amount=told, customer_id="bert"))
    world.apply(fact("payment", "P", amount=told, allocations=[part], customer_id="bert"))
    assert world.positions() == {}


def test_each_changed_account_has_one_journal_entry_an_event() -> None:
    world = World()
    world.apply(order(), delivery(), delivery())
    refs = [(entry.account.account_id, entry.ref) for entry in world.clerk.balances.entries]
    assert refs == [
        (ANNA, "order:O"),
        (GROUP, "order:O"),
        (ANNA, "delivery:D"),
        (GROUP, "delivery:D"),
    ]


EDGES = {
    "limit-exactly-used": ("100", []),
    "one-cent-over": ("100.01", [("anna", 1), ("group", 1)]),
}


@pytest.mark.parametrize("name", EDGES)
def test_a_fact_passes_the_limit_and_says_where(name: str) -> None:
    amount, over = EDGES[name]
    world = World(limit=10000)
    result = world.tell(parse_event(invoice("I", amount)))
    assert result.result == "applied"
    assert [(one.customer_id, one.excess) for one in result.over_limit] == over
    assert world.clerk.balances.accounts[ANNA].forced == (1 if over else 0)


def test_coming_down_but_not_under_is_not_passing_the_limit() -> None:
    world = World(limit=10000)
    world.apply(invoice("I", "150"))
    result = world.tell(parse_event(pay("P", "20", to("I", "20"))))
    assert result.over_limit == ()
    assert world.clerk.balances.accounts[ANNA].forced == 3000


VERDICTS: dict[str, tuple[list[Fact], list[str]]] = {
    "same-version-same-content": ([invoice(), invoice()], ["applied", "duplicate"]),
    "same-amount-in-other-words": (
        [invoice("I", "40"), invoice("I", "40.00")],
        ["applied", "duplicate"],
    ),
    "same-version-other-amount": ([invoice(), invoice("I", "41")], ["applied", "quarantined"]),
    "same-version-other-payer": (
        [invoice(), invoice(customer_id="bert")],
        ["applied", "quarantined"],
    ),
    "same-version-other-line": (
        [invoice(), invoice("I", "40", of())],
        ["applied", "quarantined"],
    ),
    "older-version": ([invoice(version=2), invoice(version=1)], ["applied", "stale"]),
    "version-zero-is-a-version": (
        [invoice(version=0), invoice(version=0)],
        ["applied", "duplicate"],
    ),
    "paid-before-and-then-version-zero": (
        [pay("P", "40", to()), invoice(version=0)],
        ["applied", "applied"],
    ),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_versions_decide(name: str) -> None:
    facts, words = VERDICTS[name]
    assert World().apply(*facts) == words


def test_a_conflict_names_its_document() -> None:
    world = World()
    world.apply(invoice())
    problem = world.tell(parse_event(invoice("I", "41"))).problem
    assert problem is not None
    assert (problem.code, problem.field) == ("version_conflict", "version")
    assert problem.cause == "doc:main:invoice:I"


NO_USD = [rate for rate in RATES if "USD" not in {rate.base, rate.quote}]
OLD = Rate("USD", "CNY", RATES[0].rate, "2026-06-07", "test")
LAST = Rate("USD", "CNY", RATES[0].rate, "2026-06-08", "test")


@pytest.mark.parametrize(
    ("rates", "word"),
    [
        pytest.param(NO_USD, "quarantined", id="none"),
        pytest.param([OLD], "quarantined", id="eight-days-old"),
        pytest.param([LAST], "applied", id="seven-days-old"),
    ],
)
def test_a_foreign_fact_needs_a_rate(rates: list[Rate], word: str) -> None:
    world = World(rates=rates)
    before = world.state()
    assert world.apply(fact("invoice", "I", amount=money("10", "USD"))) == [word]
    assert (world.state() == before) == (word == "quarantined")


def test_a_rate_may_be_missing_for_the_group_alone() -> None:
    world = World(rates=NO_USD)
    event = parse_event(fact("invoice", "I", amount="10", customer_id="bert"))
    world.clerk.balances.find = lambda _source, _target: None
    problem = world.tell(event).problem
    assert problem is not None
    assert (problem.code, problem.cause) == ("fx_rate_missing", "rate:CNY:JPY")


def test_what_only_goes_down_needs_no_new_rate() -> None:
    world = World()
    world.apply(fact("invoice", "I", amount=money("10", "USD")))
    world.clerk.balances.find = lambda _source, _target: None
    part = line("10", "USD", invoice_id="I")
    assert world.apply(fact("payment", "P", amount=money("10", "USD"), allocations=[part])) == [
        "applied"
    ]
    assert world.use() == {}


def test_a_newer_rate_is_journalled_before_the_fact() -> None:
    world = World()
    world.apply(fact("invoice", "I", amount=money("10", "USD")))
    newer = Rate("USD", "CNY", RATES[0].rate + 1, "2026-06-15", "test")
    world.clerk.balances.find = lambda _source, _target: newer
    world.apply(invoice("J", "1"))
    entries = world.clerk.balances.entries[-4:]
    stated = f"fx_revaluation:USD/CNY {newer.rate} of 2026-06-15"
    assert [(one.account.account_id, one.kind, one.ref) for one in entries] == [
        (ANNA, "FX_REVALUATION", stated),
        (ANNA, "FACT", "invoice:J"),
        (GROUP, "FX_REVALUATION", stated),
        (GROUP, "FACT", "invoice:J"),
    ]
    assert world.use() == {"open_item": 8124 + 100}


LARGEST = "10000000000000.00"


def test_a_total_beyond_the_bound_is_refused_and_leaves_no_trace() -> None:
    world = World()
    told = [invoice(f"I{number}", LARGEST) for number in range(1000)]
    assert set(world.apply(*told)) == {"applied"}
    before = world.state()
    problem = world.tell(parse_event(invoice("J", "0.01", of("O", "0.01")))).problem
    assert problem is not None
    assert (problem.code, problem.cause) == ("amount_out_of_range", "doc:main:invoice:J")
    assert world.state() == before
    assert "J" not in world.clerk.book.invoices


def test_equal_reports_without_a_day_keep_the_earliest() -> None:
    event = parse_event(fact("dispute", "I", open=True))
    days = [date(2026, 6, 11), date(2026, 6, 9), date(2026, 6, 10)]
    world = World()
    for day in days:
        world.tell(replace(event, body=DisputeBody(open=True, since=day)))
    assert world.clerk.book.disputes["I"].body.since == min(days)


def test_a_lone_delivery_has_a_stand_in_order_that_no_id_can_be() -> None:
    world = World()
    world.apply(delivery("D", "40", ""))
    assert list(world.clerk.book.uses) == [(f"{NO_ORDER}D", ANNA, "CNY")]
    assert not NO_ORDER[0].isprintable()
