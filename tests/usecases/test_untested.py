"""What facts recorded, raised or took back, and what began to count, is tested by the next ask."""

from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest

from app.domain.orders import Order, OrderUse
from app.store.database import Database
from app.usecases.expiry import ExpireAuthorizations
from tests.domain.situations import NOW, Desk, account, live, question
from tests.erp import Erp, money
from tests.server import Clock
from tests.usecases.test_horizons import DAY, FAR, count, exact, figures, horizon, tell


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    horizon(erp, 30)
    erp.customer("C-1")
    return erp


def leave(erp: Erp, order_id: str, amount: str, **more: object) -> tuple[str, list[str]]:
    """Ask whether the goods may leave; give the outcome with the codes of its reasons."""
    told = erp.ask(order_id, amount, check_point="GOODS_ISSUE", **more)
    return told["outcome"], [reason["code"] for reason in told["reasons"]]


HELD = ("HOLD", ["OVER_LIMIT"])
PASSES: tuple[str, list[str]] = ("APPROVE", [])


def deliver(erp: Erp, amount: str, version: int = 1) -> None:
    """Report the delivery D-1 of the order SO-1."""
    told = tell(erp, "delivery", "SO-1", amount, delivery_id="D-1", version=version)
    assert told == "applied"


def test_an_order_taken_elsewhere_is_tested_before_it_ships(erp: Erp, database: Database) -> None:
    assert tell(erp, "order", "SO-1", "150.00", status="OPEN") == "applied"
    assert tell(erp, "order", "SO-1", "149.00", status="OPEN", version=2) == "applied"
    assert leave(erp, "SO-1", "149.00", version=2) == HELD
    assert tell(erp, "order", "SO-2", "0.01", status="OPEN") == "applied"
    assert leave(erp, "SO-2", "0.01") == HELD
    assert tell(erp, "order", "SO-1", "99.99", status="OPEN", version=3) == "applied"
    assert (leave(erp, "SO-1", "99.99", version=3), leave(erp, "SO-2", "0.01")) == (PASSES, PASSES)
    assert figures(erp) == ("100.00", "0.00", "0.00")
    exact(database)


def test_what_a_fact_adds_to_an_order_is_tested(erp: Erp, database: Database) -> None:
    assert erp.ask("SO-1", "90.00", version=1)["outcome"] == "APPROVE"
    assert tell(erp, "order", "SO-1", "90.00", status="OPEN", version=1) == "applied"
    assert tell(erp, "order", "SO-1", "9000.00", status="OPEN", version=2) == "applied"
    assert leave(erp, "SO-1", "9000.00", version=2) == HELD
    exact(database)


def test_what_was_tested_is_not_again_for_a_fact_that_repeats_it(erp: Erp) -> None:
    erp.ask("SO-1", "90.00", version=1)
    erp.post("/v1/customers/C-1/limits", {"kind": "base", "limit": money("10.00")})
    tell(erp, "order", "SO-1", "90.00", status="OPEN", version=1)
    tell(erp, "order", "SO-1", "80.00", status="OPEN", version=2)
    assert leave(erp, "SO-1", "80.00", version=2) == PASSES


def test_what_was_carried_on_its_day_is_tested_when_it_comes_back(
    erp: Erp, database: Database
) -> None:
    erp.ask("SO-1", "150.00", ship_date=FAR, expires_in=None)
    deliver(erp, "150.00")
    assert count(database) == 1
    deliver(erp, "0.00", 2)
    assert leave(erp, "SO-1", "150.00") == HELD
    exact(database)


def test_what_ended_while_it_waited_is_tested_when_it_comes_back(
    erp: Erp, database: Database, clock: Clock
) -> None:
    erp.ask("SO-1", "100.00", expires_in=1)
    erp.ask("SO-1", "100.00", ship_date=FAR, expires_in=1)
    deliver(erp, "100.00")
    assert ExpireAuthorizations(database, 9, lambda _: clock() + DAY)().items == 1
    erp.post("/v1/customers/C-1/limits", {"kind": "base", "limit": money("99.00")})
    deliver(erp, "0.00", 2)
    assert leave(erp, "SO-1", "100.00") == HELD
    exact(database)


def test_an_ask_that_needs_nothing_tests_nothing(erp: Erp, database: Database) -> None:
    erp.ask("SO-1", "150.00", ship_date=FAR, expires_in=None)
    assert count(database) == 1
    assert leave(erp, "SO-1", "150.00") == HELD
    deliver(erp, "150.00")
    assert erp.ask("SO-1", "150.00", check_point="INVOICE")["outcome"] == "APPROVE"
    deliver(erp, "0.00", 2)
    assert leave(erp, "SO-1", "150.00") == HELD
    exact(database)


def test_what_was_delivered_above_the_order_is_tested_when_it_comes_back(
    erp: Erp, database: Database
) -> None:
    erp.ask("SO-1", "100.00")
    deliver(erp, "150.00")
    assert erp.ask("SO-1", "150.00", check_point="INVOICE")["outcome"] == "APPROVE"
    deliver(erp, "0.00", 2)
    assert leave(erp, "SO-1", "150.00") == HELD
    exact(database)


SEEN = live(0, 100_00)


@pytest.mark.parametrize(
    ("before", "amount", "untested"),
    [
        pytest.param(None, 60_00, True, id="never-asked-for"),
        pytest.param(SEEN, 60_00, False, id="asked-for"),
        pytest.param(SEEN, 80_00, False, id="asked-for-and-needed-now"),
        pytest.param(replace(SEEN, authorized=50_00), 60_00, True, id="asked-for-less"),
        pytest.param(replace(SEEN, untested=True), 60_00, True, id="untested-before"),
        pytest.param(replace(SEEN, untested=True), 80_00, False, id="needed-now"),
        pytest.param(replace(SEEN, state="RELEASED"), 60_00, True, id="given-back-since"),
        pytest.param(replace(SEEN, account_id=2), 60_00, True, id="for-another-payer"),
        pytest.param(replace(SEEN, released_max=60_00), 60_00, False, id="released"),
        pytest.param(
            replace(SEEN, released_max=60_00, released_until=NOW - timedelta(microseconds=1)),
            60_00,
            True,
            id="release-ended",
        ),
    ],
)
def test_what_a_grant_leaves_untested(before: Order | None, amount: int, untested: bool) -> None:
    """Facts carry 70 of the order."""
    desk = Desk.of(account(1), account(2))
    desk.uses["SO-1", 1, "CNY"] = OrderUse(delivered=70_00)
    if before is not None:
        desk.orders["SO-1"] = before
    assert desk.ask(question(amount)).outcome == "APPROVE"
    assert desk.orders["SO-1"].untested is untested


def bill(erp: Erp, order_id: str, amount: str, *, final: bool = False) -> None:
    """Report an invoice before anything of its order is delivered."""
    days = {"issue_date": "2026-06-15", "due_date": "2026-08-15"}
    lines = [{"order_id": order_id, "amount": money(amount), "final": final}]
    fields = {"invoice_id": f"I-{order_id}", "lines": lines, **days}
    event = {
        "source": "erp",
        "event_id": f"I-{order_id}",
        "type": "invoice",
        "version": 1,
        "customer_id": "C-1",
        "occurred_at": "2026-06-15T04:00:00Z",
        "amount": money(amount),
    }
    answer = erp.post("/v1/ledger-events", {"events": [event | fields]})
    assert answer.json()["results"][0]["result"] == "applied"


def test_what_is_billed_ahead_is_tested_before_it_leaves(erp: Erp, database: Database) -> None:
    assert erp.ask("SO-0", "30.00")["outcome"] == "APPROVE"
    bill(erp, "SO-0", "35.00")
    bill(erp, "SO-1", "150.00")  # nobody asked
    told = erp.ask("SO-1", "150.00", check_point="GOODS_ISSUE")
    assert (told["outcome"], told["ship_up_to"]) == ("HOLD", money("0.00"))
    assert leave(erp, "SO-1", "40.00") == HELD  # it fits, but what is owed does not
    assert leave(erp, "SO-0", "30.00") == PASSES  # was tested before
    told = erp.ask("SO-0", "35.00", check_point="GOODS_ISSUE")
    assert (told["outcome"], told["ship_up_to"]) == ("HOLD", money("30.00"))
    deliver(erp, "60.00")
    assert leave(erp, "SO-1", "60.00") == PASSES  # has left
    assert erp.ask("SO-1", "150.00", check_point="GOODS_ISSUE")["ship_up_to"] == money("60.00")
    assert figures(erp) == ("0.00", "185.00", "85.00")
    exact(database)


def test_what_was_billed_ahead_and_fits_is_tested_once(erp: Erp, database: Database) -> None:
    bill(erp, "SO-1", "60.00")
    assert leave(erp, "SO-1", "60.00") == PASSES
    assert tell(erp, "order", "SO-2", "50.00", status="OPEN") == "applied"
    assert leave(erp, "SO-1", "60.00") == PASSES
    assert leave(erp, "SO-1", "60.01") == HELD
    exact(database)


@pytest.mark.parametrize("delivered", [False, True])
def test_what_has_expired_is_tested_swept_or_not(
    erp: Erp, database: Database, clock: Clock, delivered: bool
) -> None:
    assert erp.ask("SO-1", "90.00", expires_in=3600)["outcome"] == "APPROVE"
    if delivered:  # a sweeper leaves alone what reserves nothing
        deliver(erp, "90.00")
        deliver(erp, "0.00", version=2)
    assert tell(erp, "order", "SO-2", "50.00", status="OPEN") == "applied"
    clock.advance(hours=1)
    assert leave(erp, "SO-1", "90.00", expires_in=1) == PASSES  # inclusive
    clock.advance(seconds=1, microseconds=1)
    assert leave(erp, "SO-1", "90.00") == HELD
    assert leave(erp, "SO-1", "50.00") == PASSES
    assert figures(erp) == ("100.00", "0.00", "0.00")
    exact(database)


@pytest.mark.parametrize("mode", ["OFF", "SHADOW", "WARN"])
def test_what_a_mode_lets_pass_is_tested_once_it_stops_again(erp: Erp, mode: str) -> None:
    assert tell(erp, "order", "SO-1", "150.00", status="OPEN") == "applied"
    put_mode(erp, mode)
    for order_id in ("SO-1", "SO-2"):
        assert leave(erp, order_id, "150.00")[0] == "APPROVE"
    put_mode(erp, "ENFORCE")
    for order_id in ("SO-1", "SO-2"):
        assert leave(erp, order_id, "150.00") == HELD


def put_mode(erp: Erp, mode: str) -> None:
    body = {"name": "main", "credit_horizon_days": 30, "mode": mode}
    assert erp.client.put("/v1/segments/main", json=body).status_code == 200


@pytest.mark.parametrize("point", ["GOODS_ISSUE", "INVOICE"])
def test_a_bill_for_all_of_an_order_lets_nothing_go_that_has_not_left(
    erp: Erp, database: Database, point: str
) -> None:
    bill(erp, "SO-0", "100.00")
    hold_id = erp.held("SO-1", "500.00")
    bill(erp, "SO-1", "500.00", final=True)
    told = erp.ask("SO-1", "500.00", check_point=point)
    assert (told["outcome"], told["order_hold_id"]) == ("HOLD", hold_id)
    assert erp.post("/v1/order-holds/re-evaluate", {}).status_code == 200
    assert erp.client.get(f"/v1/order-holds/{hold_id}").json()["status"] == "OPEN"
    deliver(erp, "60.00")
    assert leave(erp, "SO-1", "60.00") == PASSES  # has left
    assert leave(erp, "SO-1", "60.01") == HELD
    deliver(erp, "501.00", version=2)
    assert leave(erp, "SO-1", "500.00") == PASSES
    assert figures(erp) == ("0.00", "600.00", "500.00")  # none of it waits for a bill
    exact(database)
