"""What holds for any accounts, currencies and sequence of asks."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.decisions import Question
from app.domain.money import Money
from tests.domain.situations import (
    Desk,
    rate,
)
from tests.domain.worlds import desks, questions, reserved

USD = rate("USD", "CNY", "7")


@given(desks(), st.lists(questions, max_size=12))
def test_never_over_a_ceiling_and_every_counter_is_the_sum_of_its_reservations(
    desk: Desk, asked: list[Question]
) -> None:
    opened = dict(desk.accounts)
    for one in asked:
        told = desk.ask(one)
        if told.outcome == "HOLD":
            assert told.after == ()
    for key, held in desk.accounts.items():
        limit = held.limit_minor or 0
        assert held.unlimited or held.use.total <= limit + held.forced
        assert held.forced == held.excess
        most = max(desk.ceiling(key), opened[key].use.total)
        if not held.unlimited and (held.has_limit or key in {1, 2, 3}):
            assert held.use.total <= most
        for currency in ("CNY", "USD", "JPY"):
            assert held.position(currency).authorized == reserved(desk, key, currency)


@given(desks(), st.lists(questions, max_size=6), questions)
def test_up_to_what_may_ship_passes_and_nothing_above(
    desk: Desk, before: list[Question], asked: Question
) -> None:
    for one in before:
        desk.ask(one)
    told = desk.check(asked)
    if told.outcome == "APPROVE":
        assert told.ship_up_to == asked.amount.minor
        return
    assert 0 <= told.ship_up_to < asked.amount.minor
    more = replace(asked, amount=Money(told.ship_up_to + 1, asked.amount.currency))
    assert desk.check(more).outcome == "HOLD"
    if told.ship_up_to:
        fits = replace(asked, amount=Money(told.ship_up_to, asked.amount.currency))
        assert desk.ask(fits).outcome == "APPROVE"


@given(desks(), st.lists(questions, max_size=6, unique_by=lambda one: one.order_id), st.randoms())
def test_the_order_of_asks_that_all_fit_changes_nothing(
    desk: Desk,
    asked: list[Question],
    random: Any,  # noqa: ANN401 - hypothesis' own Random
) -> None:
    other = replace(desk, accounts=dict(desk.accounts), orders={})
    shuffled = list(asked)
    random.shuffle(shuffled)
    first = {one.order_id: desk.ask(one).outcome for one in asked}
    second = {one.order_id: other.ask(one).outcome for one in shuffled}
    if {*first.values(), *second.values()} == {"APPROVE"}:
        assert desk.accounts == other.accounts
        assert desk.orders == other.orders


@given(desks(), st.lists(questions, max_size=5), questions)
def test_what_is_checked_is_what_is_decided(
    desk: Desk, before: list[Question], asked: Question
) -> None:
    for one in before:
        desk.ask(one)
    told, decided = desk.check(asked), desk.ask(asked)
    assert (told.outcome, told.reasons, told.binding) == (
        decided.outcome,
        decided.reasons,
        decided.binding,
    )
