"""How far PROVISIONAL money counts: less its haircut, as prepayment, until it expires."""

from datetime import timedelta

import pytest

from tests.domain.facts_cases import Fact, invoice, pay, to
from tests.domain.facts_world import AT, World, money


def provisional(amount: str = "40", version: int = 1, **fields: object) -> Fact:
    return pay("P", amount, version=version, status="PROVISIONAL", **fields)


AMOUNTS = {
    "all-of-it": (0, "40", 4000),
    "half": (50, "40", 2000),
    "rounded-down": (33, "0.02", 1),
    "one-percent": (99, "40", 40),
    "too-small-to-count": (99, "0.99", 0),
    "none-of-it": (100, "40", 0),
}


@pytest.mark.parametrize("name", AMOUNTS)
def test_what_counts_of_an_amount(name: str) -> None:
    haircut, amount, counted = AMOUNTS[name]
    world = World(haircut_percent=haircut)
    assert world.apply(provisional(amount)) == ["applied"]
    assert world.use() == ({"prepayment": counted} if counted else {})


def test_it_settles_no_invoice_whatever_it_is_meant_for() -> None:
    world = World(haircut_percent=50)
    told = pay("P", "40", to(), status="PROVISIONAL")
    world.apply(invoice(), told)
    assert world.use() == {"open_item": 4000, "prepayment": 2000}


def test_final_replaces_it() -> None:
    world = World(haircut_percent=50)
    world.apply(invoice(), provisional(), pay("P", "40", to(), version=2))
    assert world.use() == {}


def test_what_is_taken_back_counts_nothing() -> None:
    world = World(haircut_percent=0)
    world.apply(provisional(), provisional("0", 2))
    assert world.use() == {}


def test_a_bill_that_is_only_announced_counts_nothing() -> None:
    world = World(haircut_percent=0)
    note = {"note_id": "N", "kind": "BANK", "due_date": "2026-09-30"}
    world.apply(invoice(), provisional(note=note))
    assert world.use() == {"open_item": 4000}


ENDS = {
    "a-moment-later": (timedelta(microseconds=1), 4000),
    "at-that-moment": (timedelta(0), 0),
    "a-moment-before": (timedelta(microseconds=-1), 0),
}


@pytest.mark.parametrize("name", ENDS)
def test_it_counts_until_it_expires_exclusive(name: str) -> None:
    step, counted = ENDS[name]
    world = World(haircut_percent=0)
    assert world.apply(provisional(expires_at=(AT + step).isoformat())) == ["applied"]
    assert world.use() == ({"prepayment": counted} if counted else {})


def test_it_keeps_the_haircut_it_came_under_whatever_comes_later() -> None:
    world = World(haircut_percent=50)
    told = pay("P", "40", to(), status="PROVISIONAL")
    world.apply(told)
    world.clerk.haircut_percent = 0
    assert world.apply(told, invoice()) == ["duplicate", "applied"]
    assert world.use() == {"open_item": 4000, "prepayment": 2000}


def test_a_newer_version_comes_under_the_haircut_of_its_day() -> None:
    world = World(haircut_percent=50)
    world.apply(provisional())
    world.clerk.haircut_percent = 25
    world.apply(provisional("40", 2))
    assert world.use() == {"prepayment": 3000}


def test_in_another_currency_it_needs_a_rate_as_all_money_does() -> None:
    told = {**provisional(), "amount": money("40", "USD")}
    assert World(haircut_percent=0, rates=()).apply(told) == ["quarantined"]
    assert World(haircut_percent=100, rates=()).apply(told) == ["applied"]
