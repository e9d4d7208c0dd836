"""Merged records: what one of them was given, and documents that speak of both."""

from typing import Any

import pytest

from app.domain.money import Money
from app.store.database import Database
from app.usecases.limits import LimitAsk
from app.usecases.segments import SegmentChange
from tests.server import Clock
from tests.usecases.test_groups import merge
from tests.usecases.town import ADMIN, Town, seeing


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    return Town.found(database, clock)


@pytest.mark.parametrize(
    ("source", "target", "withheld"),
    [
        pytest.param("never", "never", False, id="neither"),
        pytest.param(100, "never", True, id="of-the-one-that-goes"),
        pytest.param(None, "never", True, id="null"),
        pytest.param("never", 100, False, id="of-the-one-that-stays"),
        pytest.param(100, 50, False, id="of-both"),
    ],
)
def test_a_group_does_not_lose_its_limit_by_a_merge(
    town: Town, source: str | int | None, target: str | int | None, withheld: bool
) -> None:
    for name, limit in (("S", source), ("T", target)):
        town.put(name)
        if limit is None:
            town.propose(name, LimitAsk("base", "main", None, valid_from=town.today))
        elif limit != "never":
            town.limit(name, int(limit))
    merge(town, "S", "T")
    assert town.account("T").limit_withheld is withheld
    town.exact()
    town.put("U")
    merge(town, "T", "U")
    assert town.account("U").has_limit is (source != "never" or target != "never")
    town.exact()
    town.limit("U", 10)
    assert not town.account("U").limit_withheld
    town.exact()


@pytest.mark.parametrize("other", ["T", "S", "V"])
@pytest.mark.parametrize(
    ("line", "left"),
    [
        pytest.param({"order_id": "O-1", "amount": 30}, 60, id="of-the-order"),
        pytest.param({"order_id": "O-1", "amount": 30, "final": True}, 50, id="final"),
        pytest.param({"delivery_id": "D-2", "amount": 40}, 50, id="of-the-delivery"),
    ],
)
def test_a_delivery_over_two_orders_is_joined(
    town: Town, other: str, line: dict[str, Any], left: int
) -> None:
    """The invoice of one record bills an order of the other, whose delivery has another order's."""
    for name in ("S", "T", "V"):
        town.put(name)
    for payer, order_id, amount in (("T", "O-1", 40), (other, "O-3", 30)):
        town.fact("order", payer, order_id=order_id, amount=100, status="OPEN")
        town.fact("delivery", payer, order_id=order_id, delivery_id="D-2", amount=amount)
    town.fact("delivery", other, order_id="O-3", delivery_id="D-3", amount=20)
    dates = {"issue_date": "2026-06-01", "due_date": "2026-07-01"}
    town.fact("invoice", "S", invoice_id="I-1", amount=line["amount"], lines=[line], **dates)
    town.exact()
    merge(town, "S", "T")
    town.exact()
    use = town.position("T").open_delivery + town.position("V").open_delivery
    assert use == left


def test_the_zone_of_a_segment_changes_no_limit_that_was_ended(town: Town) -> None:
    """On the day on which it began: in another zone that was the day before, or the next."""
    town.put("S")
    limit = town.propose("S", LimitAsk("base", "main", Money(100, "CNY"))).record
    assert limit.valid_from == town.today
    town.parties.decide_limit(town.keyed(), ("S", limit.limit_id), "end", seeing([]))
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12", "Asia/Shanghai"):
        town.parties.put_segment(ADMIN, "main", SegmentChange("main", time_zone=zone))
        town.exact()


def test_what_was_ended_on_its_eve_was_never_given(town: Town) -> None:
    """Where it is still the day before while the zone of the clock has the limit's first day."""
    town.parties.put_segment(ADMIN, "main", SegmentChange("main", time_zone="Etc/GMT+12"))
    town.put("S")
    ask = LimitAsk("base", "main", Money(100, "CNY"), valid_from=town.clock().date())
    limit = town.propose("S", ask).record
    town.parties.decide_limit(town.keyed(), ("S", limit.limit_id), "end", seeing([]))
    assert not town.account("S").limit_withheld
    town.exact()
