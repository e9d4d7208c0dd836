"""How long an authorization lasts that counts only from a later day on."""

from typing import Any

import httpx2
import pytest

from app.store.database import Database
from app.usecases.expiry import ExpireAuthorizations
from app.usecases.portions import Portion
from tests.erp import Erp, money
from tests.server import Clock
from tests.usecases.test_horizons import (
    DAY,
    FAR,
    FROM,
    LIST,
    TODAY,
    count,
    exact,
    figures,
    horizon,
)

NEAR = (TODAY + 30 * DAY).isoformat()
"""The last day within the horizon."""


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    horizon(erp, 30)
    erp.customer("C-1")
    return erp


def test_what_has_expired_by_its_day_never_counts(erp: Erp, database: Database) -> None:
    erp.ask("SO-1", "150.00", ship_date=FAR, expires_in=86_400)
    assert count(database) == 0  # though no pass has ended it yet
    assert figures(erp) == ("0.00", "0.00", "0.00")


def test_a_term_that_nobody_said_begins_on_the_day_from_which_it_counts(
    erp: Erp, database: Database, clock: Clock
) -> None:
    """Ninety days from the ask would have ended it before its day, without a word."""
    told = erp.ask("SO-1", "150.00", ship_date=(TODAY + 200 * DAY).isoformat())
    assert told["counts_from"] == (TODAY + 170 * DAY).isoformat()
    assert told["expires_at"] == ends(clock, 170 + 90)
    day = clock() + 170 * DAY
    assert ExpireAuthorizations(database, 9, lambda _: day)() == Portion(0)
    assert count(database, day) == 1
    assert figures(erp) == ("150.00", "0.00", "50.00")
    later = clock() + 260 * DAY
    assert ExpireAuthorizations(database, 9, lambda _: later)() == Portion(1)
    assert figures(erp) == ("0.00", "0.00", "0.00")
    exact(database)


@pytest.mark.parametrize(
    ("fields", "days"),
    [
        pytest.param({"ship_date": FAR, "expires_in": 7_776_000}, 90, id="said"),
        pytest.param({"ship_date": NEAR}, 90, id="within-the-horizon"),
        pytest.param({}, 90, id="no-ship-date"),
        pytest.param({"ship_date": FAR, "check_point": "DELIVERY"}, 3, id="delivery"),
        pytest.param({"ship_date": FAR}, 70 + 90, id="beyond-the-horizon"),
    ],
)
def test_how_long_an_authorization_lasts(
    erp: Erp, clock: Clock, fields: dict[str, Any], days: int
) -> None:
    told = erp.ask("SO-1", "50.00", **fields)
    assert told["expires_at"] == ends(clock, days)
    asked = {"customer_id": "C-1", "order": {"id": "SO-1"}, "amount": money("50.00")}
    body = {"check_point": "ORDER", **asked, **fields}
    (one,) = erp.post(
        "/v1/authorizations/batch", {"items": [{**body, "idempotency_key": "k"}]}
    ).json()["results"]
    assert one["decision"]["expires_at"] == ends(clock, days)
    clock.advance(days=1)
    again = erp.ask("SO-1", "60.00", ship_date=NEAR)  # nearer, and never sooner over
    assert again["expires_at"] == ends(clock, max(days - 1, 90))


def test_what_is_released_later_lasts_from_the_same_day(
    erp: Erp, database: Database, clock: Clock
) -> None:
    erp.place(order_id="SO-1")
    hold_id = erp.held("SO-1", "150.00", ship_date=FAR)
    clock.advance(days=10)
    assert erp.decide(hold_id, "release").json()["status"] == "RELEASED"
    (held,) = erp.client.get(LIST, params={"order_id": "SO-1"}).json()["items"]
    assert (held["expires_at"], held["counts_from"]) == (ends(clock, 60 + 90), FROM.isoformat())
    exact(database)


def test_what_ends_between_its_day_and_its_shipping_counts_meanwhile(
    erp: Erp, database: Database, clock: Clock
) -> None:
    erp.ask("SO-1", "80.00", ship_date=FAR, expires_in=80 * 86_400)
    assert count(database) == 1
    assert figures(erp) == ("80.00", "0.00", "0.00")
    over = clock() + 80 * DAY
    assert ExpireAuthorizations(database, 9, lambda _: over)() == Portion(1)
    assert figures(erp) == ("0.00", "0.00", "0.00")
    exact(database)


def ends(clock: Clock, days: int) -> str:
    """Write the moment so many days from now."""
    return (clock() + days * DAY).isoformat().replace("+00:00", "Z")
