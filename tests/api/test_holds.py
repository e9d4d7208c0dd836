"""Order holds over HTTP: who may do what, what is listed, what is refused."""

from typing import Any

import httpx2
import pytest

from tests.api.conftest import Speak
from tests.erp import Erp, money, refused
from tests.server import Clock

LIST = "/v1/order-holds"
NOBODY = "019332b4-6c00-7000-8000-000000000003"


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1", aliases=["CRM-1"], owner="li.na")
    return erp


def listed(erp: Erp, **query: str | int) -> list[str]:
    """List holds by order (`stop` without one), over as many pages as it takes."""
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = erp.client.get(LIST, params={**query, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        seen += [one["order_id"] or "stop" for one in page["items"]]
        if page["next_cursor"] is None:
            return seen
        cursor = {"cursor": page["next_cursor"]}


def test_a_hold_is_told_whole(erp: Erp) -> None:
    asked = erp.ask("SO-1", "150.00", check_point="GOODS_ISSUE")
    hold_id = asked["order_hold_id"]
    told = erp.hold(hold_id)
    assert told == {
        "order_hold_id": hold_id,
        "kind": "AUTOMATIC",
        "status": "OPEN",
        "customer_id": "C-1",
        "segment": "main",
        "order_id": "SO-1",
        "amount": asked["amount"],
        "check_point": "GOODS_ISSUE",
        "owner": "li.na",
        "reason_code": None,
        "reasons": asked["reasons"],
        "unblock": asked["unblock"],
        "decision_id": asked["decision_id"],
        "authorization_id": None,
        "authorized_amount": None,
        "auto_release": True,
        "escalated_to": None,
        "escalated_at": None,
        "proposal": None,
        "opened_at": "2026-06-15T04:00:00Z",
        "updated_at": "2026-06-15T04:00:00Z",
        "closed_at": None,
        "history_left_out": 0,
        "history": [
            {
                "action": "open",
                "client": "tests",
                "actor": None,
                "reason_code": None,
                "note": None,
                "decision_id": asked["decision_id"],
                "amount": None,
                "role": None,
                "at": "2026-06-15T04:00:00Z",
            }
        ],
    }
    (item,) = erp.client.get(LIST).json()["items"]
    assert {**item, "history": told["history"], "history_left_out": 0} == told


@pytest.fixture
def four(erp: Erp, clock: Clock) -> Erp:
    """SO-1 (held, released last), SO-2 (forced), SO-3 of C-2, and a stop of C-2."""
    erp.customer("C-2", owner="wang.wei")
    first = erp.held("SO-1", "150.00")
    clock.advance(minutes=1)
    erp.place(order_id="SO-2", customer_id="CRM-1")
    clock.advance(minutes=1)
    erp.held("SO-3", "150.00", customer_id="C-2")
    erp.place(customer_id="C-2")
    clock.advance(minutes=1)
    erp.decide(first, "release")
    return erp


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({}, ["SO-2", "SO-3", "stop", "SO-1"], id="all"),
        pytest.param({"status": "OPEN"}, ["SO-2", "SO-3", "stop"], id="open"),
        pytest.param({"status": "RELEASED"}, ["SO-1"], id="released"),
        pytest.param({"owner": "li.na"}, ["SO-2", "SO-1"], id="owner"),
        pytest.param({"owner": "wang.wei"}, ["SO-3", "stop"], id="owner-of-a-stop"),
        pytest.param({"customer_id": "CRM-1"}, ["SO-2", "SO-1"], id="alias"),
        pytest.param({"customer_id": "C-2", "order_id": "SO-3"}, ["SO-3"], id="order"),
        pytest.param({"segment": "main"}, ["SO-2", "SO-3", "stop", "SO-1"], id="segment"),
        pytest.param({"updated_since": "2026-06-15T04:03:00Z"}, ["SO-1"], id="since-inclusive"),
        pytest.param({"updated_since": "2026-06-15T04:03:01Z"}, [], id="since-a-second-later"),
    ],
)
def test_the_work_list_is_filtered_and_paged(
    four: Erp, query: dict[str, str], expected: list[str]
) -> None:
    assert listed(four, **query) == expected
    assert listed(four, **query, limit=1) == expected
    assert listed(four, **query, limit=3) == expected


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        pytest.param({"customer_id": "C-9"}, 404, "customer_unknown", id="customer"),
        pytest.param({"segment": "moon"}, 404, "segment_unknown", id="segment"),
        pytest.param({"status": "CLOSED"}, 422, "invalid_field", id="status"),
        pytest.param({"updated_since": "yesterday"}, 422, "invalid_field", id="since"),
        pytest.param({"cursor": "WyJ4Iiwi"}, 422, "invalid_field", id="cursor-cut-off"),
        pytest.param({"cursor": "WyJ4IiwieSJd"}, 422, "invalid_field", id="cursor-of-no-moment"),
    ],
)
def test_what_the_work_list_refuses(
    erp: Erp, query: dict[str, str], status: int, code: str
) -> None:
    refused(erp.client.get(LIST, params=query), status, code)


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        pytest.param({"customer_id": "C-9"}, 404, "customer_id", id="customer"),
        pytest.param({"customer_id": "C-9", "order_id": "SO-1"}, 404, "customer_id", id="payer"),
        pytest.param({"segment": "moon"}, 404, "segment", id="segment"),
        pytest.param({"segment": "moon", "order_id": "SO-1"}, 404, "segment", id="order-there"),
        pytest.param({"reason_code": ""}, 422, "reason_code", id="no-reason"),
        pytest.param({"reason_code": "x" * 65}, 422, "reason_code", id="long-reason"),
        pytest.param({"note": "x" * 2001}, 422, "note", id="long-note"),
        pytest.param({"color": "red"}, 422, "color", id="unknown-field"),
    ],
)
def test_what_is_not_placed(erp: Erp, fields: dict[str, str], status: int, field: str) -> None:
    answer = erp.place(**fields)
    assert answer.status_code == status, answer.text
    assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert listed(erp) == []


def test_a_key_is_needed_and_serves_once(erp: Erp) -> None:
    body = {"customer_id": "C-1", "order_id": "SO-1", "reason_code": "X", "note": "n" * 2000}
    refused(erp.client.post(LIST, json=body), 400, "idempotency_key_required")
    first = erp.post(LIST, body, "K")
    again = erp.post(LIST, body, "K")
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    refused(erp.post(LIST, {**body, "note": "other"}, "K"), 422, "idempotency_key_reused")
    hold_id = first.json()["order_hold_id"]
    for action in ("release", "reject", "cancel"):
        path = f"{LIST}/{hold_id}/{action}"
        answer = erp.client.post(path, json={"reason_code": "X"})
        refused(answer, 400, "idempotency_key_required")
    first, again = (erp.decide(hold_id, "cancel", "C") for _ in range(2))
    assert (first.content, again.headers["idempotent-replayed"]) == (again.content, "true")


def opened(erp: Erp, kind: str) -> str:
    """Open a hold of a kind and give its id."""
    if kind == "AUTOMATIC":
        return erp.held("SO-1", "150.00")
    order: dict[str, Any] = {} if kind == "STOP" else {"order_id": "SO-1"}
    return str(erp.place(**order).json()["order_hold_id"])


@pytest.mark.parametrize(
    ("scope", "what", "status"),
    [
        pytest.param("hold:release", "AUTOMATIC release", 200, id="release"),
        pytest.param("hold:release", "AUTOMATIC reject", 200, id="reject"),
        pytest.param("hold:release", "FORCED reject", 200, id="reject-forced"),
        pytest.param("hold:release", "FORCED release", 403, id="release-forced"),
        pytest.param("hold:release", "STOP release", 403, id="lift-stop"),
        pytest.param("hold:release", "AUTOMATIC cancel", 403, id="cancel"),
        pytest.param("hold:release_forced", "FORCED release", 200, id="forced-may-forced"),
        pytest.param("hold:release_forced", "STOP release", 200, id="forced-may-stop"),
        pytest.param("hold:release_forced", "AUTOMATIC release", 403, id="forced-alone"),
        pytest.param("hold:release_forced", "FORCED reject", 403, id="forced-rejects-none"),
        pytest.param("hold:write", "AUTOMATIC cancel", 200, id="write-cancels"),
        pytest.param("hold:write", "FORCED cancel", 403, id="write-lifts-nothing"),
        pytest.param("hold:write", "AUTOMATIC release", 403, id="write-releases-nothing"),
        pytest.param("hold:read", "AUTOMATIC reject", 403, id="read"),
        pytest.param("admin", "STOP reject", 422, id="a-stop-has-no-order-to-reject"),
        pytest.param("admin", "STOP cancel", 422, id="a-stop-has-no-order-to-cancel"),
    ],
)
def test_who_may_end_what(erp: Erp, speak: Speak, scope: str, what: str, status: int) -> None:
    kind, action = what.split()
    hold_id = opened(erp, kind)
    other = speak(scope)
    answer = other.decide(hold_id, action)
    assert answer.status_code == status, answer.text
    assert (erp.hold(hold_id)["status"] == "OPEN") == (status != 200)
    if status == 200:
        last = answer.json()["history"][-1]
        assert (last["client"], last["actor"], last["reason_code"]) == (scope, "E-17", "OK")


def test_what_was_asked_and_then_forced_needs_the_right(erp: Erp, speak: Speak) -> None:
    hold_id = erp.held("SO-1", "150.00")
    erp.place(order_id="SO-1")
    refused(speak("hold:release").decide(hold_id, "release"), 403, "forbidden")
    assert speak("hold:release_forced").decide(hold_id, "release").status_code == 200
    assert erp.ask("SO-1", "150.00")["outcome"] == "APPROVE"


def test_what_lies_outside_is_not_there(erp: Erp, speak: Speak) -> None:
    erp.client.put("/v1/segments/east", json={"name": "East"})
    here = erp.held("SO-1", "150.00")
    everywhere = erp.place().json()["order_hold_id"]
    east = speak("hold:read", "hold:write", "hold:release_forced", segments=("east",))
    assert listed(east) == ["stop"]
    assert east.hold(everywhere)["kind"] == "STOP"
    refused(east.client.get(f"{LIST}/{here}"), 404, "not_found")
    refused(east.decide(here, "cancel"), 404, "not_found")
    refused(east.decide(here, "release"), 404, "not_found")
    refused(east.client.get(LIST, params={"segment": "main"}), 404, "segment_unknown")
    refused(east.place(order_id="SO-2", segment="main"), 404, "segment_unknown")
    assert east.place(order_id="SO-2").json()["segment"] == "east"
    refused(east.place(), 422, "invalid_field", "segment")
    refused(east.decide(everywhere, "release"), 403, "forbidden")
    assert east.place(segment="east").status_code == 201
    assert erp.account()["status"] == "STOPPED"


@pytest.mark.parametrize("hold_id", [NOBODY, "SO-1", NOBODY.upper(), f"{{{NOBODY}}}", "x" * 64])
def test_an_unknown_hold(erp: Erp, hold_id: str) -> None:
    refused(erp.client.get(f"{LIST}/{hold_id}"), 404, "not_found")
    for action in ("release", "reject", "cancel"):
        refused(erp.decide(hold_id, action), 404, "not_found")


def test_snapshots_are_for_auditors(erp: Erp, speak: Speak) -> None:
    path = f"/v1/decisions/{erp.ask('SO-1', '1.00')['decision_id']}"
    assert "snapshot" not in speak("authorization:read").client.get(path).json()
    auditor = speak("audit:read")
    assert "snapshot" in auditor.client.get(path).json()
    assert auditor.client.post(f"{path}/replay").json() == {"same": True}
    refused(speak("ledger:read").client.get(path), 403, "forbidden")
    erp.client.put("/v1/segments/east", json={"name": "East"})
    outside = speak("admin", segments=("east",))
    for url in (path, f"/v1/authorizations/{NOBODY}"):
        refused(outside.client.get(url), 404, "not_found")
    for url in ("/v1/decisions", "/v1/authorizations"):
        assert outside.client.get(url).json()["items"] == []


def test_operations_have_their_names(client: httpx2.Client) -> None:
    document = client.get("/openapi.json").json()
    named = {
        operation["operationId"]
        for path, operations in document["paths"].items()
        if path.startswith((LIST, "/v1/authorizations", "/v1/decisions"))
        for operation in operations.values()
    }
    assert named >= {
        "listOrderHolds",
        "getOrderHold",
        "placeOrderHold",
        "releaseOrderHold",
        "rejectOrderHold",
        "cancelOrderHold",
        "getAuthorization",
        "listAuthorizations",
        "releaseAuthorization",
        "releaseOrder",
        "getDecision",
        "listDecisions",
        "replayDecision",
    }


def test_a_hold_that_one_batch_updates_and_ends_keeps_the_last_question(erp: Erp) -> None:
    def item(key: str, amount: str) -> dict[str, Any]:
        asked = {"customer_id": "C-1", "check_point": "ORDER", "order": {"id": "SO-1"}}
        return {"idempotency_key": key, "amount": money(amount), **asked}

    hold_id = erp.held("SO-1", "150.00")
    items = [item("a", "180.00"), item("b", "200.00"), item("c", "90.00")]
    told = erp.client.post("/v1/authorizations/batch", json={"items": items}).json()["results"]
    assert [one["decision"]["outcome"] for one in told] == ["HOLD", "HOLD", "APPROVE"]
    hold = erp.hold(hold_id)
    assert [one["action"] for one in hold["history"]] == ["open", "update", "update", "release"]
    assert (hold["status"], hold["amount"]) == ("RELEASED", money("200.00"))
    assert hold["opened_at"] == hold["history"][0]["at"]


def test_lifting_a_forced_hold_lets_nothing_go_that_was_rejected(erp: Erp) -> None:
    hold_id = str(erp.place(order_id="SO-1").json()["order_hold_id"])
    told = erp.client.put("/v1/customers/C-1", json={"name": "C-1", "active": False})
    assert told.status_code == 200, told.text
    assert erp.ask("SO-1", "50.00")["outcome"] == "REJECT"
    assert erp.hold(hold_id)["amount"] is None
    assert erp.decide(hold_id, "release").status_code == 200
    assert erp.authorized() == "0.00"
