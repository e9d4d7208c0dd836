"""Adjustments: once a drift, exact on every account of the path, and giving way to facts."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.domain.adjustments import Adjustment
from app.domain.callers import Caller
from app.domain.errors import (
    AdjustmentStateError,
    BadRequestError,
    CreditError,
    DriftStateError,
    ForbiddenError,
    NotFoundError,
)
from app.domain.exposure import Category, share
from app.store.database import Database
from app.usecases.exposure import FigurePage
from app.usecases.facts_lapse import LapseProvisional
from app.usecases.segments import SegmentChange
from tests.faults.ledgers import money, random_events, report
from tests.server import Clock
from tests.usecases.figures_town import CLERK, Nightly
from tests.usecases.town import ADMIN, Town, at_once

_A_THOUSAND_ENTRIES = text("""
WITH last AS (UPDATE account SET seq = 1000 WHERE customer_id = 'C-1' RETURNING account_id)
INSERT INTO journal SELECT copy.*
FROM last JOIN journal j USING (account_id), generate_series(2, 1000) AS n,
    jsonb_populate_record(j, jsonb_build_object('seq', n)) AS copy
""")


@pytest.fixture
def night(database: Database, clock: Clock) -> Nightly:
    town = Town.found(database, clock)
    town.put("TOP")
    town.put("G", parent_id="TOP")
    town.put("C-1", parent_id="G")
    town.put("C-2", parent_id="G", currency="USD")
    return Nightly(town)


def entries(night: Nightly, customer_id: str) -> list[tuple[str, int]]:
    query = text(
        "SELECT j.kind, j.open_item_minor FROM journal j JOIN account a USING (account_id)"
        " WHERE a.customer_id = :name ORDER BY j.seq"
    )
    with night.town.database.read() as tx:
        return [(row[0], row[1]) for row in tx.execute(query, {"name": customer_id})]


def listed(night: Nightly, customer_id: str, category: Category) -> list[tuple[str, int]]:
    page = FigurePage("main", category, None, 500)
    view = night.figures.list_exposure(CLERK, customer_id, page)
    return [(one.document_type, one.amount.minor) for one, _ in view.documents]


def pay(night: Nightly, invoice_id: str, minor: int) -> None:
    number = night.town.next()
    parts = [{"invoice_id": invoice_id, "amount": minor}]
    paid = {"paid_date": night.town.today.isoformat(), "allocations": parts}
    night.town.fact("payment", "C-1", payment_id=f"P-{number}", amount=minor, **paid)


def bill(night: Nightly, invoice_id: str, minor: int, customer_id: str = "C-1") -> None:
    day = night.town.today.isoformat()
    fields: dict[str, Any] = {"invoice_id": invoice_id, "issue_date": day, "due_date": day}
    night.town.fact("invoice", customer_id, amount=minor, **fields)


@pytest.mark.parametrize(
    ("category", "ours", "theirs"),
    [
        pytest.param("OPEN_ITEM", 100, 130, id="they-have-more"),
        pytest.param("OPEN_ITEM", 100, 70, id="they-have-less"),
        pytest.param("OPEN_ITEM", 100, 0, id="they-have-nothing"),
        pytest.param("OPEN_DELIVERY", 0, 9, id="deliveries"),
        pytest.param("NOTE_RECEIVABLE", 0, 9, id="notes"),
        pytest.param("PREPAYMENT", 0, 9, id="prepayment"),
    ],
)
def test_an_adjustment_brings_the_whole_path_to_their_figure(
    night: Nightly, category: Category, ours: int, theirs: int
) -> None:
    bill(night, "I-1", 100)
    made = night.set_to("C-1", category, theirs)
    assert (made.amount.minor, made.actor, made.client) == (theirs - ours, "li.na", "erp")
    for name in ("C-1", "G", "TOP"):
        assert share(night.town.position(name), category) == theirs
        assert entries(night, name)[-1][0] == "ADJUSTMENT"
    assert ("adjustment", theirs - ours) in listed(night, "TOP", category)
    assert sum(minor for _, minor in listed(night, "TOP", category)) == theirs
    assert night.drifts() == []
    assert night.compare(night.told("C-1", category, theirs)).matched == 1
    night.town.exact()


def test_it_gives_way_to_provisional_money_that_lapses(night: Nightly, clock: Clock) -> None:
    """Without that the account's own prepayment would fall below 0."""
    half = SegmentChange("main", provisional_haircut_percent=50)
    night.town.parties.put_segment(ADMIN, "main", half)
    ends = clock() + timedelta(hours=1)
    day = night.town.today.isoformat()
    told = {"status": "PROVISIONAL", "expires_at": ends.isoformat(), "paid_date": day}
    night.town.fact("payment", "C-1", payment_id="P-1", amount=40, **told)
    night.set_to("C-1", "PREPAYMENT", 5)
    assert night.town.position("C-1").prepayment == 5
    assert LapseProvisional(night.town.database)(ends, 10) == 1
    for name in ("C-1", "G", "TOP"):
        assert night.town.position(name).prepayment == 0
    night.town.exact()


def test_nothing_is_adjusted_while_facts_wait(night: Nightly) -> None:
    """What waits may be just what the ERP has and we have not: it would count twice."""
    bill(night, "I-1", 100)
    day = night.town.today.isoformat()
    fields = {"invoice_id": "I-2", "issue_date": day, "due_date": day, "currency": "EUR"}
    assert night.town.fact("invoice", "C-1", amount=50, **fields) == "quarantined"
    with pytest.raises(DriftStateError, match="quarantine"):
        night.set_to("C-1", "OPEN_ITEM", 130)
    assert night.town.position("C-1").open_item == 100


def test_what_it_puts_over_the_limit_is_forced(night: Nightly) -> None:
    night.town.limit("C-1", 100)
    night.set_to("C-1", "OPEN_ITEM", 130)
    assert night.town.account("C-1").forced == 30
    night.town.exact()


def test_a_foreign_figure(night: Nightly) -> None:
    night.set_to("C-1", "OPEN_ITEM", 11, "USD")
    assert night.town.position("C-1", "USD").open_item == 11
    assert night.town.account("G").use.open_item == 77
    assert night.set_to("C-1", "OPEN_ITEM", 4, "USD").amount.minor == -7
    night.town.exact()


def test_a_customer_without_an_account_gets_one(night: Nightly) -> None:
    night.town.parties.put_segment(ADMIN, "late", SegmentChange("late"))
    night.compare(replace(night.told("C-1", "OPEN_ITEM", 5), segment_id="late"))
    night.adjust(night.drifts(segment_id="late")[0])
    assert night.town.account("C-1", "late").use.open_item == 5
    night.town.exact()


def test_a_drift_is_adjusted_once(night: Nightly) -> None:
    drift = night.drift("C-1", "OPEN_ITEM", 5)
    ends = at_once(*[partial(night.adjust, drift)] * 4)
    refused = [end for end in ends if isinstance(end, CreditError)]
    assert [type(one) for one in refused] == [DriftStateError] * 3
    assert night.town.position("C-1").open_item == 5
    with pytest.raises(DriftStateError, match="ADJUSTED"):
        night.adjust(drift)
    night.town.exact()


def test_an_account_that_moved_is_not_adjusted(night: Nightly) -> None:
    drift = night.drift("C-1", "OPEN_ITEM", 5)
    bill(night, "I-1", 5)
    before = night.town.account("C-1")
    with pytest.raises(DriftStateError, match="has moved"):
        night.adjust(drift)
    assert night.town.account("C-1") == before
    night.town.exact()


def test_what_the_erp_did_not_know_yet_is_not_adjusted_away(night: Nightly) -> None:
    """An invoice between its moment and our comparison is in our figure and not in theirs."""
    as_of = night.town.clock()
    night.town.clock.advance(seconds=60)
    bill(night, "I-1", 100)
    night.compare(night.told("C-1", "OPEN_ITEM", 0), as_of=as_of)
    with pytest.raises(DriftStateError, match="as_of"):
        night.adjust(night.drifts()[0])
    assert night.town.position("C-1").open_item == 100


@pytest.mark.parametrize(("minutes", "fits"), [(4, False), (5, True)])
def test_the_clock_of_the_erp_may_be_ahead(night: Nightly, minutes: int, fits: bool) -> None:
    """What it says of twelve o'clock may be what it had at five to twelve."""
    bill(night, "I-1", 100)
    as_of = night.town.clock() + timedelta(minutes=minutes)
    night.compare(night.told("C-1", "OPEN_ITEM", 0), as_of=as_of)
    with nullcontext() if fits else pytest.raises(DriftStateError, match="as_of"):
        night.adjust(night.drifts()[0])


def test_a_limit_since_its_moment_does_not_hinder(night: Nightly) -> None:
    as_of = night.town.clock()
    night.town.clock.advance(seconds=60)
    night.town.limit("C-1", 100)
    night.compare(night.told("C-1", "OPEN_ITEM", 7), as_of=as_of)
    assert night.adjust(night.drifts()[0]).amount.minor == 7


def test_a_limit_since_it_was_compared_does_not_hinder(night: Nightly) -> None:
    """Limits lapse at midnight by themselves, and move no figure that was compared."""
    night.compare(night.told("C-1", "OPEN_ITEM", 7))
    night.town.limit("C-1", 100)
    assert night.adjust(night.drifts()[0]).amount.minor == 7


def test_a_busy_account_counts_as_moved(night: Nightly) -> None:
    """Its entries are not all read under its lock."""
    as_of = night.town.clock()
    night.town.clock.advance(seconds=60)
    night.town.limit("C-1", 100)
    with night.town.database.begin() as tx:
        tx.execute(_A_THOUSAND_ENTRIES)
    night.compare(night.told("C-1", "OPEN_ITEM", 7), as_of=as_of)
    with pytest.raises(DriftStateError, match="as_of"):
        night.adjust(night.drifts()[0])


def test_an_adjustment_of_one_figure_moves_the_account_for_another(night: Nightly) -> None:
    first, second = night.drift("C-1", "OPEN_ITEM", 5), night.drift("C-1", "PREPAYMENT", 5)
    night.adjust(first)
    with pytest.raises(DriftStateError, match="has moved"):
        night.adjust(second)


def test_a_merged_record_is_not_adjusted(night: Nightly) -> None:
    drift = night.drift("C-1", "OPEN_ITEM", 5)
    night.town.parties.merge_customers(ADMIN, "C-1", "C-2")
    with pytest.raises(DriftStateError, match="has moved"):
        night.adjust(drift)


def test_an_old_drift_is_not_adjusted(night: Nightly) -> None:
    drift = night.drift("C-1", "OPEN_ITEM", 5)
    night.compare(night.told("C-1", "OPEN_ITEM", 0))
    with pytest.raises(DriftStateError, match="SUPERSEDED"):
        night.adjust(drift)


def test_who_may_adjust_what(night: Nightly) -> None:
    reserved = night.drift("C-1", "AUTHORIZED", 5)
    with pytest.raises(DriftStateError, match="release it"):
        night.adjust(reserved)
    drift = night.drift("C-1", "OPEN_ITEM", 5)
    with pytest.raises(BadRequestError, match="author"):
        night.adjust(drift, Caller("erp", frozenset({"ledger:write"})))
    with pytest.raises(ForbiddenError):
        night.adjust(drift, Caller("erp", frozenset({"ledger:read"}), actor="li.na"))
    elsewhere = replace(CLERK, segments=frozenset({"other"}))
    with pytest.raises(NotFoundError):
        night.adjust(drift, elsewhere)
    assert night.town.account("C-1").seq == 0


def test_a_reversal_takes_it_back_once(night: Nightly) -> None:
    bill(night, "I-1", 100)
    made = night.set_to("C-1", "OPEN_ITEM", 70)
    back = night.reverse(made)
    assert (back.amount.minor, back.kind, back.reverses) == (30, "REVERSAL", made.adjustment_id)
    assert night.town.position("TOP").open_item == 100
    with pytest.raises(AdjustmentStateError, match="nothing"):
        night.reverse(made)
    with pytest.raises(AdjustmentStateError, match="only the adjustment of a drift"):
        night.reverse(back)
    with pytest.raises(NotFoundError):
        night.figures.reverse_adjustment(
            night.town.keyed(CLERK), "no-id", "x", lambda _: pytest.fail("answered")
        )
    assert listed(night, "C-1", "OPEN_ITEM")[0] == ("invoice", 100)
    night.town.exact()


def test_reversals_at_once_are_one(night: Nightly) -> None:
    made = night.set_to("C-1", "OPEN_ITEM", 70)
    ends = at_once(*[partial(night.reverse, made)] * 3)
    assert sum(isinstance(end, Adjustment) for end in ends) == 1, ends
    assert night.town.position("C-1").open_item == 0
    night.town.exact()


def test_a_reversal_that_would_lead_below_zero_is_refused(night: Nightly) -> None:
    up = night.set_to("C-1", "OPEN_ITEM", 50)
    night.set_to("C-1", "OPEN_ITEM", 20)
    with pytest.raises(AdjustmentStateError, match="below 0"):
        night.reverse(up)
    night.town.exact()


def test_what_lowers_gives_way_to_the_fact_that_it_stood_for(night: Nightly) -> None:
    bill(night, "I-1", 100)
    made = night.set_to("C-1", "OPEN_ITEM", 70)
    pay(night, "I-1", 60)
    assert night.town.position("C-1").open_item == 10
    pay(night, "I-1", 40)
    assert night.town.position("TOP").open_item == 0
    assert entries(night, "TOP")[-2:] == [("ADJUSTMENT", 40), ("FACT", 0)]
    assert sorted(listed(night, "C-1", "OPEN_ITEM")) == [("adjustment", -30), ("adjustment", 30)]
    with pytest.raises(AdjustmentStateError, match="nothing"):
        night.reverse(made)
    bill(night, "I-2", 7)
    assert night.town.position("C-1").open_item == 7
    night.town.exact()


@pytest.mark.parametrize(("versions", "left"), [((1, 2), 95), ((2, 1), 90)])
def test_what_gave_way_does_not_come_back(
    night: Nightly, versions: tuple[int, ...], left: int
) -> None:
    """A payment is taken back: seen before that, it has used half of what lowered."""
    bill(night, "I-1", 100)
    night.set_to("C-1", "OPEN_ITEM", 90)
    for version in versions:
        parts = [{"invoice_id": "I-1", "amount": 95 if version == 1 else 0}]
        fields = {"amount": parts[0]["amount"], "allocations": parts, "version": version}
        night.town.fact(
            "payment", "C-1", payment_id="P", paid_date=night.town.today.isoformat(), **fields
        )
    assert night.town.position("C-1").open_item == left
    night.town.exact()


def test_a_reversal_takes_back_what_has_not_given_way(night: Nightly) -> None:
    bill(night, "I-1", 100)
    made = night.set_to("C-1", "OPEN_ITEM", 70)
    pay(night, "I-1", 80)
    assert night.town.position("C-1").open_item == 0
    assert night.reverse(made).amount.minor == 20
    assert night.town.position("C-1").open_item == 20
    night.town.exact()


def test_a_foreign_figure_gives_way(night: Nightly) -> None:
    day = night.town.today.isoformat()
    bill = {"invoice_id": "I-1", "issue_date": day, "due_date": day, "currency": "USD"}
    night.town.fact("invoice", "C-1", amount=100, **bill)
    night.set_to("C-1", "OPEN_ITEM", 0, "USD")
    assert night.town.account("TOP").foreign == {}
    night.town.fact("invoice", "C-1", amount=40, version=2, **bill)
    assert night.town.account("TOP").foreign == {}
    night.town.exact()
    night.town.fact("invoice", "C-1", amount=50, version=3, **bill)
    assert night.town.position("TOP", "USD").open_item == 10
    assert night.town.account("TOP").use.open_item == 70
    night.town.exact()


def test_members_do_not_hide_what_must_give_way(night: Nightly) -> None:
    """A pool above 0 is not enough: when the member leaves its group, it takes only its own."""
    bill(night, "I-1", 100)
    bill(night, "I-2", 500, "G")
    night.set_to("C-1", "OPEN_ITEM", 70)
    pay(night, "I-1", 100)
    assert night.town.position("C-1").open_item == 0
    assert night.town.position("G").open_item == 500
    night.town.put("C-1", parent_id=None)
    assert night.town.position("G").open_item == 500
    night.town.exact()


def test_a_regrouped_customer_carries_its_adjustments(night: Nightly) -> None:
    night.set_to("C-1", "OPEN_ITEM", 70)
    night.town.put("C-1", parent_id="TOP")
    assert (night.town.position("G").open_item, night.town.position("TOP").open_item) == (0, 70)
    night.town.exact()


def test_a_merged_record_hands_its_adjustments_over(night: Nightly) -> None:
    bill(night, "I-1", 100)
    made = night.set_to("C-1", "OPEN_ITEM", 70)
    night.town.put("H")
    night.town.parties.merge_customers(ADMIN, "C-1", "H")
    assert night.town.position("H").open_item == 70
    assert sorted(listed(night, "H", "OPEN_ITEM")) == [("adjustment", -30), ("invoice", 100)]
    night.town.exact()
    assert night.reverse(made).amount.minor == 30
    assert night.town.position("H").open_item == 100
    night.town.exact()


def test_orders_counted_anew_by_a_merge_let_adjustments_give_way(night: Nightly) -> None:
    """The bill of one record covers the delivery of the other: less is delivered than before."""
    for name in ("H", "K"):
        night.town.put(name)
    night.town.fact("delivery", "H", delivery_id="D-1", order_id="SO-1", amount=100)
    night.set_to("H", "OPEN_DELIVERY", 30)
    day = night.town.today.isoformat()
    night.town.fact(
        "invoice", "K", invoice_id="I-9", amount=90, issue_date=day, due_date=day,
        lines=[{"order_id": "SO-1", "amount": 90}],
    )  # fmt: skip
    night.town.parties.merge_customers(ADMIN, "K", "H")
    assert night.town.position("H").open_delivery == 0
    assert sorted(listed(night, "H", "OPEN_DELIVERY")) == [
        ("adjustment", -70),
        ("adjustment", 60),
        ("order", 10),
    ]
    night.town.exact()


@pytest.mark.parametrize("seed", range(4))
def test_facts_in_any_order_and_adjustments_between_them_stay_exact(
    night: Nightly, seed: int
) -> None:
    events = random_events(seed, 140)
    made: list[Adjustment] = []
    for first in range(0, 140, 10):
        report(night.town.database, events[first : first + 10])
        made += _lower(night, first)
        if len(made) > 3 and first % 40 == 0:
            _reverse_some(night, made)
    assert len(made) > 2
    assert any(kind == "ADJUSTMENT" for kind, _ in entries(night, "TOP"))
    night.town.exact()


def _lower(night: Nightly, place: int) -> list[Adjustment]:
    """Adjust some figure of C-1 to a third of what it is."""
    category: Category = ("OPEN_ITEM", "OPEN_DELIVERY", "PREPAYMENT", "NOTE_RECEIVABLE")[
        place // 10 % 4
    ]
    view = night.figures.list_exposure(CLERK, "C-1", FigurePage("main", category, None, 500))
    own = sum(one.amount.minor for one, _ in view.documents if one.amount.currency == "CNY")
    try:
        return [night.set_to("C-1", category, own // 3)] if own else []
    except DriftStateError:  # some of its facts wait in quarantine
        return []


def _reverse_some(night: Nightly, made: list[Adjustment]) -> None:
    for one in made[::2]:
        try:
            night.reverse(one)
        except AdjustmentStateError:
            continue


_STEPS = st.lists(
    st.tuples(st.sampled_from(["bill", "pay", "set", "reverse"]), st.integers(0, 40)),
    min_size=1,
    max_size=12,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=_STEPS)
def test_no_figure_falls_below_zero(night: Nightly, steps: list[tuple[str, int]]) -> None:
    name = f"P-{night.town.next()}"
    night.town.put(name, parent_id="G")
    before = night.town.position("TOP").open_item
    made: list[Adjustment] = []
    billed = paid = 0
    for step, minor in steps:
        if step == "bill":
            billed += minor
            _whole(night, name, "invoice", billed)
        elif step == "pay":
            paid += minor
            _whole(night, name, "payment", paid)
        elif step == "set" and night.town.position(name).open_item != minor:
            made.append(night.set_to(name, "OPEN_ITEM", minor))
        elif step == "reverse" and made:
            _reverse_some(night, [made.pop(0)])
        own = night.town.position(name).open_item
        assert own >= 0
        assert night.town.position("TOP").open_item == before + own
        assert sum(one for _, one in listed(night, name, "OPEN_ITEM")) == own
    night.town.exact()


def _whole(night: Nightly, name: str, kind: str, total: int) -> None:
    """Report a customer's one invoice, or the one payment of it, with its newest total."""
    day = night.town.today.isoformat()
    parts = [{"invoice_id": f"I-{name}", "amount": money(f"{total / 100:.2f}")}]
    fields: dict[str, dict[str, Any]] = {
        "invoice": {"invoice_id": f"I-{name}", "issue_date": day, "due_date": day},
        "payment": {"payment_id": f"P-{name}", "paid_date": day, "allocations": parts},
    }
    version = night.town.next() + 2
    if not total:
        fields["payment"].pop("allocations")
    night.town.fact(kind, name, amount=total, version=version, **fields[kind])
