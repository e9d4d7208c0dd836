"""What placing, releasing, rejecting and cancelling holds change, and never twice or by halves."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.store.checker import check_ledger
from app.store.database import Database
from tests.erp import Erp, assert_exact, money, refused, together
from tests.server import Clock

ROUNDS = 6
"""How often a race is run; each is lost by a missing lock more often than not."""


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1")
    return erp


def test_a_release_authorizes_above_the_limit(erp: Erp, database: Database) -> None:
    hold_id = erp.held("SO-1", "150.00")
    told = erp.decide(hold_id, "release", note="called").json()
    assert (told["status"], told["kind"]) == ("RELEASED", "AUTOMATIC")
    assert [row["code"] for row in told["reasons"]] == ["OVER_LIMIT"]
    assert [line["action"] for line in told["history"]] == ["open", "release"]
    assert told["history"][1]["note"] == "called"
    account = erp.account()
    assert account["authorized"] == money("150.00")
    assert account["forced"] == money("50.00")
    authorization = erp.client.get(f"/v1/authorizations/{told['authorization_id']}").json()
    assert (authorization["status"], authorization["remaining"]) == ("OPEN", money("150.00"))
    assert_exact(database)


@pytest.mark.parametrize(
    ("most", "then", "authorized", "outcome"),
    [
        pytest.param(None, "150.00", "150.00", "APPROVE", id="what-was-held"),
        pytest.param(None, "150.01", "150.00", "HOLD", id="one-cent-over-what-was-held"),
        pytest.param("200.00", "200.00", "200.00", "APPROVE", id="up-to-the-most"),
        pytest.param("200.00", "200.01", "150.00", "HOLD", id="one-cent-over-the-most"),
        pytest.param("120.00", "120.00", "120.00", "APPROVE", id="less-than-was-held"),
        pytest.param("120.00", "120.01", "120.00", "HOLD", id="one-cent-over-less"),
    ],
)
def test_up_to_where_a_released_order_passes(
    erp: Erp, most: str | None, then: str, authorized: str, outcome: str
) -> None:
    fields: dict[str, Any] = {} if most is None else {"max_amount": money(most)}
    hold_id = erp.held("SO-1", "150.00")
    assert erp.hold(hold_id)["authorized_amount"] is None
    told = erp.decide(hold_id, "release", **fields).json()
    assert (told["status"], told["amount"]) == ("RELEASED", money("150.00"))
    assert told["authorized_amount"] == money("120.00" if most == "120.00" else "150.00")
    assert erp.ask("SO-1", then, check_point="GOODS_ISSUE")["outcome"] == outcome
    assert erp.authorized() == authorized
    shown = erp.client.get("/v1/order-holds", params={"status": "RELEASED"}).json()["items"]
    assert [one["authorized_amount"] for one in shown] == [money(authorized)]
    erp.post(f"/v1/authorizations/{told['authorization_id']}/release", {})
    assert erp.hold(hold_id)["authorized_amount"] is None


def test_a_release_ends_when_it_said(erp: Erp, clock: Clock) -> None:
    until = "2026-06-15T05:00:00Z"
    erp.decide(erp.held("SO-1", "150.00"), "release", max_amount=money("200.00"), valid_until=until)
    clock.advance(hours=1)
    assert erp.ask("SO-1", "160.00")["outcome"] == "APPROVE"  # inclusive
    clock.advance(seconds=1)
    assert erp.ask("SO-1", "170.00")["outcome"] == "HOLD"


@pytest.mark.parametrize("until", ["2026-06-15T05:00:00Z", None])
def test_what_a_release_reserved_is_tested_once_it_has_ended(
    erp: Erp, clock: Clock, database: Database, until: str | None
) -> None:
    """Without an end of its own it ends with its authorization, though no sweeper came by yet."""
    ends = {"expires_in": 3600} if until is None else {}
    erp.decide(erp.held("SO-1", "150.00", **ends), "release", valid_until=until)
    clock.advance(hours=1)
    ship = erp.ask("SO-1", "150.00", check_point="GOODS_ISSUE", **ends)
    assert ship["outcome"] == "APPROVE"  # inclusive, and an expiry that is put off
    clock.advance(hours=1, seconds=1)
    ship = erp.ask("SO-1", "150.00", check_point="GOODS_ISSUE")
    assert (ship["outcome"], ship["ship_up_to"]) == ("HOLD", money("100.00"))
    assert erp.authorized() == "150.00"
    # what fits is granted anew, and does not bring the release back
    assert erp.ask("SO-1", "90.00")["outcome"] == "APPROVE"
    assert erp.ask("SO-1", "150.00")["outcome"] == "HOLD"
    assert_exact(database)


def checked(database: Database) -> None:
    """Let the independent checker look at everything."""
    report = check_ledger(database.url)
    assert report.clean, str(report)


@pytest.mark.parametrize("longer", [7200, None], ids=["longer", "for-ever"])
def test_who_asks_again_prolongs_the_authorization_but_no_release(
    erp: Erp, clock: Clock, database: Database, longer: int | None
) -> None:
    erp.decide(erp.held("SO-1", "150.00", expires_in=3600), "release", max_amount=money("180.00"))
    clock.advance(minutes=30)
    assert erp.ask("SO-1", "160.00", expires_in=1800)["outcome"] == "APPROVE"  # not put off
    assert erp.ask("SO-1", "170.00", expires_in=longer)["outcome"] == "APPROVE"
    clock.advance(minutes=30)
    assert erp.ask("SO-1", "180.00", expires_in=longer)["outcome"] == "APPROVE"  # inclusive
    checked(database)
    clock.advance(seconds=1)
    ship = erp.ask("SO-1", "180.00", check_point="GOODS_ISSUE")
    assert (ship["outcome"], ship["ship_up_to"]) == ("HOLD", money("100.00"))
    assert erp.authorized() == "180.00"
    # a release of it now is one for as long as the authorization lasts by now
    hold_id = ship["order_hold_id"]
    assert erp.decide(hold_id, "release").status_code == 200
    assert erp.ask("SO-1", "180.00", check_point="GOODS_ISSUE")["outcome"] == "APPROVE"
    checked(database)


def test_a_release_that_an_older_program_prolonged_ends_as_the_authorization_would_by_now(
    erp: Erp, clock: Clock, database: Database
) -> None:
    erp.decide(erp.held("SO-1", "150.00", expires_in=3600), "release")
    assert erp.ask("SO-1", "150.00", expires_in=7200)["outcome"] == "APPROVE"
    with database.begin() as tx:
        tx.execute(text("UPDATE credit_order SET released_until = NULL"))
    assert erp.ask("SO-1", "150.00", expires_in=9000)["outcome"] == "APPROVE"
    checked(database)
    clock.advance(hours=2)
    assert erp.ask("SO-1", "150.00")["outcome"] == "APPROVE"  # inclusive
    clock.advance(seconds=1)
    assert erp.ask("SO-1", "150.00")["outcome"] == "HOLD"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param(
            {"max_amount": money("200.00", "USD")}, "max_amount.currency", id="another-currency"
        ),
        pytest.param(
            {"max_amount": money("99.99")}, "max_amount.amount", id="below-what-is-authorized"
        ),
        pytest.param({"max_amount": money("0.00")}, "max_amount.amount", id="nothing"),
        pytest.param({"valid_until": "2026-06-15T04:00:00Z"}, "valid_until", id="now"),
        pytest.param({"reason_code": ""}, "reason_code", id="no-reason"),
    ],
)
def test_what_a_release_may_not_say(erp: Erp, fields: dict[str, Any], field: str) -> None:
    erp.ask("SO-1", "100.00")
    hold_id = erp.held("SO-1", "150.00")
    refused(erp.decide(hold_id, "release", **fields), 422, "invalid_field", field)
    assert erp.hold(hold_id)["status"] == "OPEN"


def test_a_repeated_release_is_answered_byte_for_byte(erp: Erp, database: Database) -> None:
    hold_id = erp.held("SO-1", "150.00")
    first = erp.decide(hold_id, "release", "K")
    erp.client.put("/v1/customers/C-1", json={"name": "C-1", "owner": "somebody else"})
    again = erp.decide(hold_id, "release", "K")
    assert again.content == first.content
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert "idempotent-replayed" not in first.headers
    refused(erp.decide(hold_id, "release", "K", note="other"), 422, "idempotency_key_reused")
    refused(erp.decide(hold_id, "release"), 409, "hold_not_open")
    with database.begin() as tx:  # as if the service had died before it stored the hold
        tx.execute(text("UPDATE request_key SET status = NULL, answer = NULL WHERE key = 'K'"))
    late = [erp.decide(hold_id, "release", "K") for _ in range(2)]
    assert late[0].json()["status"] == "RELEASED"
    assert late[0].content == late[1].content
    assert_exact(database)


def test_a_stopped_account_is_not_released_and_the_key_stays_free(erp: Erp) -> None:
    hold_id = erp.held("SO-1", "150.00")
    stop = erp.place(order_id=None).json()
    refused(erp.decide(hold_id, "release", "K"), 409, "account_stopped")
    assert erp.hold(hold_id)["status"] == "OPEN"
    erp.decide(stop["order_hold_id"], "release")
    assert erp.decide(hold_id, "release", "K").status_code == 200


def test_a_forced_hold_stays_whatever_is_asked(erp: Erp, database: Database) -> None:
    placed = erp.place(order_id="SO-1")
    assert placed.status_code == 201
    hold_id = placed.json()["order_hold_id"]
    for point in ("ORDER", "DELIVERY", "GOODS_ISSUE", "INVOICE"):
        told = erp.ask("SO-1", "10.00", check_point=point)
        assert (told["outcome"], told["order_hold_id"]) == ("HOLD", hold_id)
        assert [row["code"] for row in told["reasons"]] == ["FORCED_HOLD"]
    told = erp.decide(hold_id, "release").json()  # it was asked about, so it is authorized
    assert told["authorization_id"] is not None
    assert erp.authorized() == "10.00"
    assert_exact(database)


def test_a_forced_hold_nobody_asked_about_is_only_lifted(erp: Erp, database: Database) -> None:
    hold_id = erp.place(order_id="SO-1").json()["order_hold_id"]
    refused(
        erp.decide(hold_id, "release", max_amount=money("1.00")),
        422,
        "invalid_field",
        "max_amount",
    )
    told = erp.decide(hold_id, "release").json()
    assert (told["status"], told["authorization_id"]) == ("RELEASED", None)
    assert erp.authorized() == "0.00"
    assert erp.ask("SO-1", "10.00")["outcome"] == "APPROVE"
    assert_exact(database)


def test_an_automatic_hold_becomes_the_forced_one(erp: Erp, database: Database) -> None:
    hold_id = erp.held("SO-1", "150.00")
    forced = erp.place(order_id="SO-1", reason_code="FRAUD")
    told = forced.json()
    assert (forced.status_code, told["order_hold_id"], told["kind"]) == (200, hold_id, "FORCED")
    assert [row["code"] for row in told["reasons"]] == ["FORCED_HOLD", "OVER_LIMIT"]
    assert told["reason_code"] == "FRAUD"
    again = erp.place(order_id="SO-1", reason_code="OTHER").json()
    assert (again["order_hold_id"], again["reason_code"]) == (hold_id, "FRAUD")
    assert [line["action"] for line in again["history"]] == ["open", "force", "update"]
    # a smaller order would pass, but for the forced hold
    assert erp.ask("SO-1", "10.00")["order_hold_id"] == hold_id
    assert_exact(database)


def test_a_forced_hold_outweighs_an_earlier_release(erp: Erp) -> None:
    erp.decide(erp.held("SO-1", "150.00"), "release")
    erp.place(order_id="SO-1")
    told = erp.ask("SO-1", "150.00")
    assert [row["code"] for row in told["reasons"]] == ["FORCED_HOLD"]


def test_a_rejected_order_frees_its_reservation_for_good(erp: Erp, database: Database) -> None:
    erp.decide(
        erp.held("SO-1", "150.00"),
        "release",
        max_amount=money("200.00"),
        valid_until="2027-01-01T00:00:00Z",
    )
    hold_id = erp.held("SO-1", "250.00")
    told = erp.decide(hold_id, "reject").json()
    assert (told["status"], told["history"][-1]["action"]) == ("REJECTED", "reject")
    account = erp.account()
    assert (account["authorized"], account["forced"]) == (money("0.00"), money("0.00"))
    again = erp.ask("SO-1", "1.00")  # what was released before counts no more
    assert again["outcome"] == "REJECT"
    assert [row["code"] for row in again["reasons"]] == ["ORDER_REJECTED"]
    assert erp.ask("SO-2", "100.00")["outcome"] == "APPROVE"
    assert_exact(database)


def test_a_cancelled_order_frees_its_reservation_and_may_come_back(
    erp: Erp, database: Database
) -> None:
    erp.ask("SO-1", "100.00")
    told = erp.decide(erp.held("SO-1", "150.00"), "cancel").json()
    assert (told["status"], told["history"][-1]["action"]) == ("CANCELLED", "cancel")
    assert erp.authorized() == "0.00"
    (ended,) = erp.client.get("/v1/authorizations", params={"order_id": "SO-1"}).json()["items"]
    assert (ended["status"], ended["remaining"]) == ("RELEASED", money("0.00"))
    assert erp.ask("SO-1", "100.00")["outcome"] == "APPROVE"
    assert_exact(database)


@pytest.mark.parametrize("before", ["held-again", "forced"])
def test_a_cancelled_order_keeps_no_earlier_release(erp: Erp, before: str) -> None:
    until = "2027-01-01T00:00:00Z"
    erp.decide(erp.held("SO-1", "150.00"), "release", valid_until=until)
    if before == "forced":
        hold_id = str(erp.place(order_id="SO-1").json()["order_hold_id"])
    else:
        hold_id = erp.held("SO-1", "160.00")
    erp.decide(hold_id, "cancel")
    outcomes = [erp.ask("SO-1", amount)["outcome"] for amount in ("150.00", "50.00", "150.00")]
    assert outcomes == ["HOLD", "APPROVE", "HOLD"]  # a new grant does not revive it either


def test_a_reservation_is_freed_on_the_whole_path(erp: Erp, database: Database) -> None:
    erp.customer("G", "120.00")
    erp.customer("C-2", parent_id="G")
    erp.ask("SO-1", "60.00", customer_id="C-2")
    hold_id = erp.held("SO-1", "160.00", customer_id="C-2")
    assert erp.authorized("G") == "60.00"
    erp.decide(hold_id, "reject")
    assert (erp.authorized("C-2"), erp.authorized("G")) == ("0.00", "0.00")
    assert_exact(database)


@pytest.mark.parametrize("action", ["release", "reject", "cancel"])
@pytest.mark.parametrize("before", ["release", "reject", "cancel"])
def test_a_closed_hold_is_decided(erp: Erp, before: str, action: str) -> None:
    hold_id = erp.held("SO-1", "150.00")
    assert erp.decide(hold_id, before).status_code == 200
    closed = erp.hold(hold_id)
    refused(erp.decide(hold_id, action), 409, "hold_not_open")
    assert erp.hold(hold_id) == closed


def test_a_stop_stops_the_group_and_leaves_reservations(erp: Erp, database: Database) -> None:
    erp.customer("G", None)
    erp.customer("C-2", parent_id="G")
    erp.ask("SO-1", "60.00", customer_id="C-2")
    stop = erp.place(customer_id="G").json()
    assert (stop["kind"], stop["segment"], stop["order_id"]) == ("STOP", None, None)
    told = erp.ask("SO-1", "60.00", customer_id="C-2")
    assert [row["code"] for row in told["reasons"]] == ["ACCOUNT_STOPPED"]
    assert erp.authorized("C-2") == "60.00"
    assert erp.account("G")["status"] == "STOPPED"
    erp.decide(stop["order_hold_id"], "release")
    assert erp.account("G")["status"] == "OPEN"
    assert erp.ask("SO-1", "60.00", customer_id="C-2")["outcome"] == "APPROVE"
    assert_exact(database)


def test_an_account_opens_when_its_last_stop_is_lifted(erp: Erp) -> None:
    erp.client.put("/v1/segments/east", json={"name": "East"})
    everywhere = erp.place()
    here = erp.place(segment="main")
    again = erp.place(segment="main")
    assert (everywhere.status_code, here.status_code, again.status_code) == (201, 201, 200)
    assert again.json()["order_hold_id"] == here.json()["order_hold_id"]
    made = erp.client.put("/v1/customers/C-1/accounts/east", json={})
    assert made.status_code == 201, made.text
    assert erp.account(segment="east")["status"] == "STOPPED"  # made while all is stopped
    erp.decide(everywhere.json()["order_hold_id"], "release")
    assert (erp.account()["status"], erp.account(segment="east")["status"]) == ("STOPPED", "OPEN")
    erp.decide(here.json()["order_hold_id"], "release")
    assert erp.account()["status"] == "OPEN"


def test_release_or_cancel_but_not_both(erp: Erp, database: Database) -> None:
    for number in range(ROUNDS):
        hold_id = erp.held(f"SO-{number}", "150.00")
        told = together(
            lambda: erp.decide(hold_id, "release"),  # noqa: B023 - runs before the next round
            lambda: erp.decide(hold_id, "cancel"),  # noqa: B023
        )
        assert sorted(one.status_code for one in told) == [200, 409], [one.text for one in told]
        assert_exact(database)


def test_two_releases_at_once_are_one(erp: Erp, database: Database) -> None:
    for number in range(ROUNDS):
        hold_id = erp.held(f"SO-{number}", "150.00")
        told = together(*[lambda: erp.decide(hold_id, "release")] * 3)  # noqa: B023 - as above
        assert sorted(one.status_code for one in told) == [200, 409, 409]
        same = erp.held(f"SO-S{number}", "150.00")
        told = together(*[lambda: erp.decide(same, "release", f"K-{same}")] * 3)  # noqa: B023
        assert {one.status_code for one in told} == {200}
        assert len({one.content for one in told}) == 1
        assert [one.headers.get("idempotent-replayed") for one in told].count(None) == 1
    assert erp.authorized() == f"{ROUNDS * 300}.00"
    assert_exact(database)


def test_a_cancel_and_a_new_authorization_of_the_order(erp: Erp, database: Database) -> None:
    for number in range(ROUNDS):
        order_id = f"SO-{number}"
        erp.ask(order_id, "5.00")
        hold_id = erp.held(order_id, "150.00")
        body = {
            "customer_id": "C-1",
            "check_point": "ORDER",
            "order": {"id": order_id},
            "amount": money("7.00"),
        }
        told = together(
            lambda: erp.decide(hold_id, "cancel"),  # noqa: B023 - as above
            lambda: erp.post("/v1/authorizations", body),  # noqa: B023
        )
        assert told[0].status_code in {200, 409}, told[0].text
        assert told[1].status_code in {200, 201}, told[1].text
        assert_exact(database)
        erp.ask(order_id, "0.01")


def test_a_forced_hold_and_the_first_ask_of_an_order(erp: Erp, database: Database) -> None:
    for number in range(ROUNDS):
        order_id = f"SO-{number}"
        body = {
            "customer_id": "C-1",
            "check_point": "ORDER",
            "order": {"id": order_id},
            "amount": money("1.00"),
        }
        placed, asked = together(
            lambda: erp.place(order_id=order_id),  # noqa: B023 - as above
            lambda: erp.post("/v1/authorizations", body),  # noqa: B023
        )
        assert (placed.status_code, asked.status_code) == (201, 201), placed.text + asked.text
        assert_exact(database)
        assert erp.ask(order_id, "1.00")["outcome"] == "HOLD"


def test_two_places_at_once_are_one_hold(erp: Erp, database: Database) -> None:
    for fields in ({"order_id": "SO-1"}, {}, {"segment": "main"}):
        told = together(*[lambda: erp.place(**fields)] * 3)  # noqa: B023 - as above
        assert sorted(one.status_code for one in told) == [200, 200, 201]
        assert len({one.json()["order_hold_id"] for one in told}) == 1
    assert_exact(database)


def test_after_a_stop_nothing_passes(erp: Erp) -> None:
    for number in range(ROUNDS):
        body = {
            "customer_id": "C-1",
            "check_point": "ORDER",
            "order": {"id": f"SO-{number}"},
            "amount": money("1.00"),
        }
        stop, _ = together(erp.place, lambda: erp.post("/v1/authorizations", body))  # noqa: B023
        assert erp.ask(f"SO-{number}", "1.00")["outcome"] == "HOLD"
        erp.decide(stop.json()["order_hold_id"], "release")
        assert erp.ask(f"SO-{number}", "1.00")["outcome"] == "APPROVE"
