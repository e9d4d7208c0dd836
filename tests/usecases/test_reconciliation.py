"""Snapshots: compared exactly with an account's own documents, told twice, out of order."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
import structlog
from prometheus_client import REGISTRY

from app.domain.callers import Caller
from app.domain.errors import (
    CreditError,
    CustomerUnknownError,
    DriftStateError,
    FieldError,
    ForbiddenError,
    NotFoundError,
    SegmentUnknownError,
    SnapshotConflictError,
)
from app.domain.exposure import CATEGORIES, share
from app.domain.money import Money
from app.store import moves
from app.store.database import Database
from app.store.reconciliations import DriftFilter, Stored
from app.usecases.facts_lapse import LapseProvisional
from app.usecases.segments import SegmentChange
from tests.faults.ledgers import random_events, report
from tests.server import Clock
from tests.usecases.figures_town import CLERK, Nightly
from tests.usecases.town import ADMIN, Town, at_once


@pytest.fixture
def night(database: Database, clock: Clock) -> Nightly:
    town = Town.found(database, clock)
    town.put("G")
    town.put("C-1", parent_id="G", aliases=["ALIAS"])
    town.put("C-2", parent_id="G", currency="USD")
    return Nightly(town)


def metric(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_figures_that_match_and_drift(night: Nightly) -> None:
    night.town.invoice("C-1", 100)
    stored = night.compare(
        night.told("C-1", "OPEN_ITEM", 100),
        night.told("C-1", "PREPAYMENT", 0),
        night.told("ALIAS", "OPEN_DELIVERY", 7),
        night.told("NOBODY", "OPEN_ITEM", 1),
    )
    assert (stored.matched, stored.drifted, stored.unknown) == (2, 1, 1)
    match, nothing, drift, nobody = stored.results
    assert (match["status"], match["ours"], match["drift"]) == (
        "MATCH",
        {"amount": "1.00", "currency": "CNY"},
        {"amount": "0.00", "currency": "CNY"},
    )
    assert (nothing["status"], drift["status"]) == ("MATCH", "DRIFT")
    assert (drift["customer_id"], drift["drift"]["amount"]) == ("ALIAS", "0.07")
    assert (nobody["status"], nobody["ours"], nobody["drift"]) == ("UNKNOWN_CUSTOMER", None, None)
    (held,) = night.drifts()
    assert (held.customer_id, held.amount.minor, held.status) == ("C-1", 7, "OPEN")
    assert metric("aval_snapshot_drift_accounts", category="OPEN_DELIVERY") == 1
    assert metric("aval_snapshot_drift_accounts", category="OPEN_ITEM") == 0
    assert metric("aval_snapshot_drift_amount", currency="CNY") == 0.07
    assert metric("aval_snapshot_timestamp_seconds") == night.town.clock().timestamp()


@pytest.mark.usefixtures("every_line")
def test_what_came_since_its_moment_is_no_drift_that_counts(night: Nightly) -> None:
    """An invoice between its moment and our comparison is in our figure, and not in theirs."""
    night.town.invoice("C-1", 100)
    as_of = night.town.clock() + timedelta(minutes=10)
    night.town.clock.advance(minutes=11)
    night.town.invoice("C-2", 50)
    told = [night.told("C-1", "OPEN_ITEM", 93), night.told("C-2", "OPEN_ITEM", 0)]
    with structlog.testing.capture_logs() as lines:
        stored = night.compare(*told, night.told("C-2", "PREPAYMENT", 0), as_of=as_of)
    assert [one["status"] for one in stored.results] == ["DRIFT", "DRIFT", "MATCH"]
    assert [one["moved"] for one in stored.results] == [False, True, False]
    assert {one.customer_id: one.moved for one in night.drifts()} == {"C-1": False, "C-2": True}
    (line,) = [one for one in lines if one["event"] == "snapshot_compared"]
    assert (line["drifted"], line["moved"]) == (2, 1)
    assert counted() == (1, 0.07, 1)
    night.compare(*told)  # of this moment: now nothing explains it
    assert {one.moved for one in night.drifts()} == {False}
    assert counted() == (2, 0.57, 0)


def test_what_comes_while_it_is_compared_has_not_moved_it(night: Nightly) -> None:
    """It is in neither figure: the account moved up to the entry that was compared, or not."""
    since = night.ago(hours=1)
    night.town.limit("C-1", 500)
    before = night.town.account("C-1")
    night.town.invoice("C-1", 100)
    after = night.town.account("C-1")
    with night.town.database.read() as tx:
        assert moves.moved_since(tx, {before.account_id: before.seq}, since) == set()
        assert moves.moved_since(tx, {after.account_id: after.seq}, since) == {after.account_id}


def test_an_adjustment_is_counted_at_once(night: Nightly) -> None:
    night.town.invoice("C-1", 100)
    first = night.drift("C-1", "OPEN_ITEM", 93)
    night.drift("C-2", "OPEN_ITEM", 50)
    assert counted() == (2, 0.57, 0)
    night.adjust(first)
    assert counted() == (1, 0.50, 0)


def counted() -> tuple[float | None, ...]:
    return (
        metric("aval_snapshot_drift_accounts", category="OPEN_ITEM"),
        metric("aval_snapshot_drift_amount", currency="CNY"),
        metric("aval_snapshot_moved_accounts", category="OPEN_ITEM"),
    )


def test_nothing_of_ours_is_written_over(night: Nightly) -> None:
    night.town.invoice("C-1", 100)
    before = night.town.account("C-1")
    night.compare(night.told("C-1", "OPEN_ITEM", 99))
    assert night.town.account("C-1") == before
    night.town.exact()


def test_a_group_is_compared_by_its_own_documents(night: Nightly) -> None:
    night.town.invoice("C-1", 100)
    night.town.invoice("G", 5)
    stored = night.compare(night.told("G", "OPEN_ITEM", 5))
    assert (stored.matched, night.town.position("G").open_item) == (1, 105)


@pytest.mark.parametrize("seed", range(2))
def test_a_random_ledger_matches_itself(night: Nightly, seed: int) -> None:
    report(night.town.database, random_events(seed, 150))
    told = [
        night.told(name, category, share(held.position(code), category), code)
        for name in ("C-1", "C-2")
        for held in [night.town.account(name)]
        for code in ("CNY", "USD")
        for category in CATEGORIES
    ]
    assert sum(one.amount.minor > 0 for one in told) > 8
    stored = night.compare(*told)
    assert (stored.matched, stored.drifted, stored.unknown) == (20, 0, 0)


def test_a_snapshot_is_compared_once(night: Nightly) -> None:
    snapshot = night.snapshot(night.told("C-1", "OPEN_ITEM", 5), name="N-1")
    first, fresh = night.figures.compare_snapshot(CLERK, snapshot)
    night.town.invoice("C-1", 5)
    again, made = night.figures.compare_snapshot(CLERK, snapshot)
    assert (fresh, made, again) == (True, False, first)
    assert night.figures.read_snapshot(CLERK, first.reconciliation_id) == first
    assert len(night.drifts()) == 1
    other = night.snapshot(night.told("C-1", "OPEN_ITEM", 6), name="N-1")
    with pytest.raises(SnapshotConflictError, match="other content"):
        night.figures.compare_snapshot(CLERK, other)


def test_equal_snapshots_at_once_are_one(night: Nightly) -> None:
    night.compare(night.told("C-2", "OPEN_ITEM", 0))
    snapshot = night.snapshot(night.told("C-1", "OPEN_ITEM", 5))
    ends = at_once(*[partial(night.figures.compare_snapshot, CLERK, snapshot)] * 4)
    found = [end for end in ends if not isinstance(end, CreditError)]
    assert len(found) == 4, ends
    assert sorted(fresh for _, fresh in found) == [False, False, False, True]
    assert len({stored.reconciliation_id for stored, _ in found}) == 1
    assert len(night.drifts()) == 1


def test_a_newer_snapshot_closes_what_it_tells_anew(night: Nightly) -> None:
    first = night.drift("C-1", "OPEN_ITEM", 5)
    other = night.drift("C-1", "PREPAYMENT", 6)
    assert [one.drift_id for one in night.drifts()] == [first.drift_id, other.drift_id]
    second = night.drift("C-1", "OPEN_ITEM", 4)
    assert [one.drift_id for one in night.drifts()] == [other.drift_id, second.drift_id]
    night.compare(night.told("C-1", "OPEN_ITEM", 0))
    assert [one.drift_id for one in night.drifts()] == [other.drift_id]


def test_sources_do_not_answer_for_each_other(night: Nightly) -> None:
    night.compare(night.told("C-1", "OPEN_ITEM", 5))
    night.compare(night.told("C-1", "OPEN_ITEM", 0), source="other")
    assert len(night.drifts()) == 1
    old = night.ago(days=1)
    assert night.compare(night.told("C-2", "OPEN_ITEM", 0), source="third", as_of=old).matched


def test_clients_do_not_take_each_others_names(night: Nightly) -> None:
    good = night.told("C-1", "OPEN_ITEM", 5)
    stranger = replace(CLERK, client="stranger")
    ahead = night.snapshot(replace(good, amount=Money(6, "CNY")), name="N-1",
                           as_of=night.ago(minutes=-4))  # fmt: skip
    night.figures.compare_snapshot(stranger, ahead)
    stored, fresh = night.figures.compare_snapshot(CLERK, night.snapshot(good, name="N-1"))
    assert (fresh, stored.client) == (True, CLERK.client)
    assert [one.amount.minor for one in night.drifts()] == [5]
    _, fresh = night.figures.compare_snapshot(stranger, ahead)
    assert not fresh


def test_clients_that_tell_one_figure_at_once_leave_one_drift(night: Nightly) -> None:
    snapshot = night.snapshot(night.told("C-1", "OPEN_ITEM", 5))
    callers = [replace(CLERK, client=f"erp-{number}") for number in range(4)]
    ends = at_once(*[partial(night.figures.compare_snapshot, one, snapshot) for one in callers])
    found = [end for end in ends if not isinstance(end, CreditError)]
    assert [fresh for _, fresh in found] == [True] * 4, ends
    assert len(night.drifts()) == 1


def test_an_older_snapshot_is_refused(night: Nightly) -> None:
    night.compare(night.told("C-1", "OPEN_ITEM", 5))
    with pytest.raises(SnapshotConflictError, match="has told of"):
        night.compare(night.told("C-1", "OPEN_ITEM", 6), as_of=night.ago(hours=1))
    assert [one.amount.minor for one in night.drifts()] == [5]


def test_batches_of_one_night_have_one_moment(night: Nightly) -> None:
    at = night.town.clock()
    night.compare(night.told("C-1", "OPEN_ITEM", 5), as_of=at)
    night.compare(night.told("C-2", "OPEN_ITEM", 5), as_of=at)
    assert len(night.drifts()) == 2


def test_bad_snapshots_change_nothing(night: Nightly) -> None:
    good = night.told("C-1", "OPEN_ITEM", 5)
    with pytest.raises(FieldError, match="same figure as items") as twice:
        night.compare(good, night.told("ALIAS", "OPEN_ITEM", 6))
    assert twice.value.field == "items[1]"
    with pytest.raises(FieldError, match="no segment") as nowhere:
        night.compare(good, replace(good, segment_id="moon"))
    assert nowhere.value.field == "items[1].segment"
    with pytest.raises(FieldError, match="future"):
        night.compare(good, as_of=night.ago(minutes=-20))
    with pytest.raises(ForbiddenError):
        night.figures.compare_snapshot(
            Caller("x", frozenset({"ledger:read"})), night.snapshot(good)
        )
    assert night.drifts() == []
    assert night.compare(good, as_of=night.ago(days=2)).drifted == 1


def test_what_is_out_of_sight(night: Nightly) -> None:
    night.town.parties.put_segment(ADMIN, "other", SegmentChange("other"))
    stored = night.compare(night.told("C-1", "OPEN_ITEM", 5))
    elsewhere = Caller("b", frozenset({"ledger:write", "ledger:read"}), frozenset({"other"}))
    snapshot = night.snapshot(night.told("C-1", "OPEN_ITEM", 5))
    with pytest.raises(FieldError, match="no segment"):
        night.figures.compare_snapshot(elsewhere, snapshot)
    with pytest.raises(NotFoundError):
        night.figures.read_snapshot(elsewhere, stored.reconciliation_id)
    assert night.figures.list_drifts(elsewhere, DriftFilter(5)) == []
    with pytest.raises(SegmentUnknownError):
        night.figures.list_drifts(elsewhere, DriftFilter(5, segment_id="main"))
    with pytest.raises(CustomerUnknownError):
        night.drifts(customer_id="NOBODY")
    with pytest.raises(NotFoundError):
        night.figures.read_snapshot(CLERK, "no-id")


def test_drifts_are_filtered_and_paged(night: Nightly) -> None:
    night.compare(
        night.told("C-1", "OPEN_ITEM", 5),
        night.told("C-1", "PREPAYMENT", 5),
        night.told("C-2", "OPEN_ITEM", 5, "USD"),
    )
    assert [one.customer_id for one in night.drifts(category="OPEN_ITEM")] == ["C-1", "C-2"]
    assert [one.category for one in night.drifts(customer_id="ALIAS")] == [
        "OPEN_ITEM",
        "PREPAYMENT",
    ]
    first = night.drifts()[0].drift_id
    assert len(night.drifts(after=first)) == 2


def test_a_large_snapshot(night: Nightly) -> None:
    items = [night.told(f"N-{number}", "OPEN_ITEM", number) for number in range(4_999)]
    stored: Stored = night.compare(*items, night.told("C-1", "OPEN_ITEM", 0))
    assert (stored.matched, stored.unknown) == (1, 4_999)


def test_drifts_of_a_merged_record_are_closed_by_the_next_snapshot(night: Nightly) -> None:
    night.compare(night.told("C-1", "OPEN_ITEM", 5))
    night.town.parties.merge_customers(ADMIN, "C-1", "C-2")
    night.compare(night.told("G", "OPEN_ITEM", 0))
    assert night.drifts() == []


@pytest.mark.parametrize(
    ("haircut", "theirs", "fits"),
    [
        pytest.param(100, 40, False, id="counts-nothing-yet"),
        pytest.param(50, 40, False, id="counts-half-yet"),
        pytest.param(50, 10, True, id="lowers"),
        pytest.param(0, 60, True, id="counts-in-full"),
    ],
)
def test_money_on_its_way_is_not_adjusted_in(
    night: Nightly, clock: Clock, haircut: int, theirs: int, fits: bool
) -> None:
    """It would count twice once it is FINAL, and what lets more pass gives way to nothing."""
    change = SegmentChange("main", provisional_haircut_percent=haircut)
    night.town.parties.put_segment(ADMIN, "main", change)
    ends = (clock() + timedelta(hours=1)).isoformat()
    day = {"paid_date": night.town.today.isoformat(), "payment_id": "P"}
    night.town.fact("payment", "C-1", amount=40, status="PROVISIONAL", expires_at=ends, **day)
    clock.advance(minutes=30)
    drift = night.drift("C-1", "PREPAYMENT", theirs)
    if fits:
        night.adjust(drift)
        return
    with pytest.raises(DriftStateError, match="payment P is PROVISIONAL"):
        night.adjust(drift)
    night.town.fact("payment", "C-1", amount=40, version=2, **day)
    clock.advance(minutes=30)
    assert night.compare(night.told("C-1", "PREPAYMENT", 40)).matched == 1


@pytest.mark.parametrize("ends", [None, timedelta(minutes=3)], ids=["without-an-end", "lapsed"])
def test_money_that_may_still_come_is_not_adjusted_in(
    night: Nightly, clock: Clock, ends: timedelta | None
) -> None:
    day = {"paid_date": night.town.today.isoformat(), "payment_id": "P"}
    until = {} if ends is None else {"expires_at": (clock() + ends).isoformat()}
    night.town.fact("payment", "C-1", amount=40, status="PROVISIONAL", **until, **day)
    clock.advance(minutes=30)
    lapsed = LapseProvisional(night.town.database)(clock(), 10)
    assert lapsed == (0 if ends is None else 1)
    drift = night.drift("C-1", "PREPAYMENT", 40)
    with pytest.raises(DriftStateError, match="tell it FINAL, or with amount 0"):
        night.adjust(drift)
    night.town.fact("payment", "C-1", amount=0, version=2, **day)
    clock.advance(minutes=30)
    night.adjust(night.drift("C-1", "PREPAYMENT", 40))


@pytest.mark.parametrize("haircut", [100, 0])
@pytest.mark.parametrize("payer", ["C-1", "C-2"])
def test_what_money_on_its_way_will_settle_is_not_adjusted_away(
    night: Nightly, clock: Clock, payer: str, haircut: int
) -> None:
    """Counted in full it lowers the exposure already."""
    change = SegmentChange("main", provisional_haircut_percent=haircut)
    night.town.parties.put_segment(ADMIN, "main", change)
    day = night.town.today.isoformat()
    for name in ("I-1", "I-2"):
        dates = {"issue_date": day, "due_date": day}
        night.town.fact("invoice", "C-1", invoice_id=name, amount=100, **dates)
    paid = {"paid_date": day, "payment_id": "P", "amount": 100}
    paid["allocations"] = [{"invoice_id": "I-1", "amount": 100}]
    night.town.fact("payment", payer, status="PROVISIONAL", **paid)
    clock.advance(minutes=30)
    with pytest.raises(DriftStateError, match="payment P is PROVISIONAL"):
        night.adjust(night.drift("C-1", "OPEN_ITEM", 100))
    clock.advance(minutes=30)
    night.adjust(night.drift("C-1", "OPEN_ITEM", 210))  # what raises it is another matter
    night.town.fact("payment", payer, version=2, **paid)
    assert night.town.position("C-1").open_item == 110
