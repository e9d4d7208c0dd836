"""Authorizations are found and given back: all of it, on every account, and once."""

import uuid

import httpx2
import pytest
from sqlalchemy import text

from app.store.database import Database
from tests.erp import Erp, assert_exact, money, refused, together
from tests.server import Clock

ROUNDS = 6
LIST = "/v1/authorizations"


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1", aliases=["CRM-1"])
    return erp


def found(erp: Erp, **query: str | int) -> list[str]:
    """List orders with their status, newest first, over as many pages as it takes."""
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = erp.client.get(LIST, params={**query, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        seen += [f"{one['order_id']} {one['status']}" for one in page["items"]]
        if page["next_cursor"] is None:
            return seen
        cursor = {"cursor": page["next_cursor"]}


def test_what_is_left_is_given_back_once(erp: Erp, database: Database) -> None:
    told = erp.ask("SO-1", "60.00")
    path = f"{LIST}/{told['authorization_id']}"
    assert erp.client.get(path).json() == {
        "authorization_id": told["authorization_id"],
        "customer_id": "C-1",
        "segment": "main",
        "order_id": "SO-1",
        "status": "OPEN",
        "amount": money("60.00"),
        "remaining": money("60.00"),
        "expires_at": told["expires_at"],
        "authorized_at": "2026-06-15T04:00:00Z",
        "counts_from": None,
    }
    first = erp.post(f"{path}/release", key="K")
    assert first.status_code == 200, first.text
    assert (first.json()["status"], first.json()["remaining"]) == ("RELEASED", money("0.00"))
    assert erp.authorized() == "0.00"
    replayed = erp.post(f"{path}/release", key="K")
    assert (replayed.content, replayed.headers["idempotent-replayed"]) == (first.content, "true")
    seq = erp.account()["seq"]
    assert erp.post(f"{path}/release").json() == first.json()
    by_order = {"customer_id": "CRM-1", "order_id": "SO-1"}
    assert erp.post(f"{LIST}/release", by_order).json() == first.json()
    assert erp.account()["seq"] == seq
    assert_exact(database)


def test_an_order_gives_back_by_its_own_id(erp: Erp, database: Database) -> None:
    erp.ask("SO-1", "60.00")
    body = {"customer_id": "CRM-1", "segment": "main", "order_id": "SO-1"}
    assert erp.post(f"{LIST}/release", body).json()["status"] == "RELEASED"
    assert erp.authorized() == "0.00"
    assert erp.ask("SO-1", "100.00")["outcome"] == "APPROVE"
    assert_exact(database)


def test_what_facts_carry_is_not_given_back(erp: Erp, database: Database) -> None:
    told = erp.ask("SO-1", "60.00")
    with database.begin() as tx:  # as a delivery of all would leave it
        tx.execute(text("UPDATE credit_order SET reserved_minor = 0"))
    path = f"{LIST}/{told['authorization_id']}"
    assert erp.client.get(path).json()["status"] == "CONSUMED"
    seq = erp.account()["seq"]
    assert erp.post(f"{path}/release").json()["status"] == "RELEASED"
    assert erp.account()["seq"] == seq


def test_another_payer_leaves_a_past_authorization(erp: Erp, database: Database) -> None:
    erp.customer("C-2")
    old = erp.ask("SO-1", "60.00")["authorization_id"]
    new = erp.ask("SO-1", "50.00", customer_id="C-2")["authorization_id"]
    past = erp.client.get(f"{LIST}/{old}").json()
    assert (past["customer_id"], past["status"]) == ("C-1", "RELEASED")
    assert (past["amount"], past["remaining"]) == (money("60.00"), money("0.00"))
    assert erp.post(f"{LIST}/{old}/release").json() == past
    of_old = {"customer_id": "C-1", "order_id": "SO-1"}
    assert erp.post(f"{LIST}/release", of_old).json() == past
    assert erp.authorized("C-2") == "50.00"
    of_new = {"customer_id": "C-2", "order_id": "SO-1"}
    assert erp.post(f"{LIST}/release", of_new).json()["authorization_id"] == new
    assert erp.authorized("C-2") == "0.00"
    assert_exact(database)


def test_a_group_gets_back_what_its_member_does(erp: Erp, database: Database) -> None:
    erp.customer("G", "120.00")
    erp.customer("C-2", parent_id="G")
    told = erp.ask("SO-1", "60.00", customer_id="C-2")
    erp.post(f"{LIST}/{told['authorization_id']}/release")
    assert (erp.authorized("C-2"), erp.authorized("G")) == ("0.00", "0.00")
    assert_exact(database)


def test_another_currency_is_given_back_to_the_cent(erp: Erp) -> None:
    rate = {
        "base": "KRW",
        "quote": "CNY",
        "rate": "0.0052",
        "rate_date": "2026-06-15",
        "source": "test",
    }
    assert erp.post("/v1/fx-rates", rate).status_code == 201
    told = [erp.ask(f"SO-{n}", "333", currency="KRW") for n in range(3)]
    assert erp.authorized() == "5.20"  # 5.1948, the position as a whole rounded up
    for one in told:
        erp.post(f"{LIST}/{one['authorization_id']}/release")
    assert erp.authorized() == "0.00"


def test_a_release_by_a_person_ends_with_its_authorization(erp: Erp) -> None:
    told = erp.decide(erp.held("SO-1", "150.00"), "release").json()
    erp.post(f"{LIST}/{told['authorization_id']}/release")
    assert erp.ask("SO-1", "150.00")["outcome"] == "HOLD"
    assert erp.ask("SO-1", "50.00")["outcome"] == "APPROVE"
    assert erp.ask("SO-1", "150.00")["outcome"] == "HOLD"  # the new one does not revive it


def test_a_release_by_a_person_with_an_end_lasts_until_then(erp: Erp, clock: Clock) -> None:
    until = "2026-06-16T04:00:00Z"
    told = erp.decide(erp.held("SO-1", "150.00"), "release", valid_until=until).json()
    erp.post(f"{LIST}/{told['authorization_id']}/release")
    assert erp.ask("SO-1", "150.00")["outcome"] == "APPROVE"
    erp.post(f"{LIST}/release", {"customer_id": "C-1", "order_id": "SO-1"})
    clock.advance(days=1, seconds=1)
    assert erp.ask("SO-1", "150.00")["outcome"] == "HOLD"


def test_lists_are_filtered_and_paged(erp: Erp) -> None:
    erp.customer("C-2")
    erp.ask("SO-1", "10.00")
    erp.ask("SO-2", "20.00", customer_id="C-2")
    erp.ask("SO-2", "20.00")  # C-1 takes it over
    erp.post(f"{LIST}/release", {"customer_id": "C-1", "order_id": "SO-1"})
    erp.ask("SO-3", "5.00")
    everything = ["SO-3 OPEN", "SO-2 OPEN", "SO-2 RELEASED", "SO-1 RELEASED"]
    assert found(erp) == found(erp, limit=1) == found(erp, limit=3) == everything
    assert found(erp, customer_id="CRM-1") == ["SO-3 OPEN", "SO-2 OPEN", "SO-1 RELEASED"]
    assert found(erp, customer_id="C-2") == ["SO-2 RELEASED"]
    assert found(erp, order_id="SO-2", limit=1) == ["SO-2 OPEN", "SO-2 RELEASED"]
    assert found(erp, status="OPEN") == ["SO-3 OPEN", "SO-2 OPEN"]
    assert found(erp, status="RELEASED", segment="main") == everything[2:]
    assert found(erp, status="EXPIRED") == found(erp, status="CONSUMED") == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        pytest.param({"customer_id": "C-9"}, 404, "customer_unknown", id="customer"),
        pytest.param({"segment": "moon"}, 404, "segment_unknown", id="segment"),
        pytest.param({"status": "open"}, 422, "invalid_field", id="status"),
        pytest.param({"cursor": "WyJ4Il0"}, 422, "invalid_field", id="cursor-of-no-id"),
        pytest.param({"color": "red"}, 422, "invalid_field", id="unknown"),
    ],
)
def test_what_a_list_refuses(erp: Erp, query: dict[str, str], status: int, code: str) -> None:
    refused(erp.client.get(LIST, params=query), status, code)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"customer_id": "C-1", "order_id": "SO-9"}, id="order"),
        pytest.param({"customer_id": "C-2", "order_id": "SO-1"}, id="order-of-another"),
        pytest.param({"customer_id": "C-9", "order_id": "SO-1"}, id="customer"),
        pytest.param({"customer_id": "C-1", "order_id": "SO-1", "segment": "moon"}, id="segment"),
    ],
)
def test_what_was_never_reserved_is_not_found(erp: Erp, body: dict[str, str]) -> None:
    erp.customer("C-2")
    erp.ask("SO-1", "10.00")
    assert erp.post(f"{LIST}/release", body).status_code == 404
    assert erp.authorized() == "10.00"


@pytest.mark.parametrize("shape", ["{}", "x{}", "{{{}}}", "upper"])
def test_an_id_is_never_interpreted(erp: Erp, shape: str) -> None:
    told = str(erp.ask("SO-1", "10.00")["authorization_id"])
    named = told.upper() if shape == "upper" else shape.format(told)
    expected = 200 if named == told else 404
    assert erp.client.get(f"{LIST}/{named}").status_code == expected
    assert erp.post(f"{LIST}/{named}/release").status_code == expected
    assert erp.client.get(f"{LIST}/{uuid.uuid4()}").status_code == 404


def test_giving_back_and_asking_at_once(erp: Erp, database: Database) -> None:
    for number in range(ROUNDS):
        order_id = f"SO-{number}"
        told = erp.ask(order_id, "5.00")
        path = f"{LIST}/{told['authorization_id']}/release"
        body = {
            "customer_id": "C-1",
            "check_point": "ORDER",
            "order": {"id": order_id},
            "amount": money("7.00"),
        }
        answers = together(
            lambda: erp.post(path),  # noqa: B023 - runs before the next round
            lambda: erp.post(path),  # noqa: B023
            lambda: erp.post(LIST, body),  # noqa: B023
        )
        assert all(one.is_success for one in answers), [one.text for one in answers]
        assert_exact(database)


def test_by_order_the_current_one_is_given_back_whatever_ids_say(
    erp: Erp, database: Database
) -> None:
    """Asks have their ids from their arrival, and may overtake each other till they are judged."""
    rate = {"base": "USD", "quote": "CNY", "rate": "7", "rate_date": "2026-06-15", "source": "x"}
    erp.post("/v1/fx-rates", rate)
    erp.ask("SO-1", "10.00")
    erp.ask("SO-1", "10.00", currency="USD")
    assert found(erp) == ["SO-1 OPEN", "SO-1 RELEASED"]
    with database.begin() as tx:
        later = "'ffffffff-ffff-7fff-bfff-ffffffffffff'"
        tx.execute(text(f"UPDATE past_authorization SET authorization_id = {later}"))  # noqa: S608
    ref = {"customer_id": "C-1", "segment": "main", "order_id": "SO-1"}
    assert erp.post(f"{LIST}/release", ref).json()["status"] == "RELEASED"
    assert erp.authorized() == "0.00"
