"""A fact that waits for a rate goes by itself once nobody needs the rate any more."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from app.domain.money import Money, Rate
from app.store import rates
from app.store.database import Database
from app.usecases.facts_requeue import RequeueFacts
from app.usecases.limits import LimitAsk
from app.usecases.segments import SegmentChange
from tests.server import Clock
from tests.usecases.test_groups import merge, move
from tests.usecases.town import ADMIN, Town

DATES = {"issue_date": "2026-06-01", "due_date": "2026-07-01"}


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    town = Town.found(database, clock)
    town.put("OF-EUR", currency="EUR")
    town.put("ALONE")
    town.put("MEMBER", parent_id="OF-EUR")
    return town


CHANGES: dict[str, tuple[str, str, Callable[[Town], object]]] = {
    "its-own-currency": ("ALONE", "EUR", lambda town: town.put("ALONE", currency="EUR")),
    "its-first-limit": (
        "ALONE",
        "EUR",
        lambda town: town.propose("ALONE", LimitAsk("base", "main", Money(1000, "EUR"))),
    ),
    "its-segments-currency": (
        "ALONE",
        "EUR",
        lambda town: town.parties.put_segment(ADMIN, "main", SegmentChange("main", "EUR")),
    ),
    "merged": ("ALONE", "EUR", lambda town: merge(town, "ALONE", "OF-EUR")),
    "out-of-its-group": ("MEMBER", "CNY", lambda town: move(town, "MEMBER", None)),
    "its-groups-currency": ("MEMBER", "CNY", lambda town: town.put("OF-EUR", currency="CNY")),
}


def pass_by(town: Town) -> int:
    """Let the background look for what can go; returns how many facts wait no more."""
    background = RequeueFacts(town.database, 100, lambda _: town.clock())
    portion = background(None)
    done = portion.items
    while portion.after is not None:
        portion = background(portion.after)
        done += portion.items
    return done


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_tried_again_when_its_account_has_changed(town: Town, change: str) -> None:
    payer, currency, do = CHANGES[change]
    told = {"invoice_id": "I-1", "amount": 100, "currency": currency, **DATES}
    assert town.fact("invoice", payer, **told) == "quarantined"
    assert pass_by(town) == 0
    do(town)
    assert pass_by(town) == 1
    heir = "OF-EUR" if change == "merged" else payer
    assert town.account(heir).quarantined == 0
    assert town.position(heir, currency).open_item == 100
    town.exact()


def test_one_that_needs_a_rate_still_goes_on_waiting_for_it(town: Town) -> None:
    told = {"invoice_id": "I-1", "amount": 100, "currency": "EUR", **DATES}
    assert town.fact("invoice", "ALONE", **told) == "quarantined"
    town.put("ALONE", currency="USD")
    assert pass_by(town) == 0
    assert town.account("ALONE").quarantined == 1
    assert pass_by(town) == 0
    with town.database.begin() as tx:
        rates.add(tx, Rate("EUR", "USD", Decimal("1.1"), town.today.isoformat(), "test"))
    assert pass_by(town) == 1
    town.exact()
