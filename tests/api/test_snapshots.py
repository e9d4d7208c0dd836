"""Snapshots, drifts and adjustments over HTTP: what is answered, and what is refused."""

from typing import Any

import httpx2
import pytest

from app.store.database import Database
from app.usecases.keys import CreateKey
from tests.erp import Erp, money, refused
from tests.server import Clock

AT = "2026-06-15T11:59:00+08:00"
ITEM: dict[str, Any] = {"customer_id": "C-1", "category": "OPEN_ITEM", "amount": money("70.00")}
BODY: dict[str, Any] = {"source": "erp", "snapshot_id": "S-1", "as_of": AT, "items": [ITEM]}
AUTHOR = {"Aval-Actor": "li.na"}


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1", "50.00")
    return erp


def tell(erp: Erp, **more: Any) -> httpx2.Response:  # noqa: ANN401 - any field
    return erp.client.post("/v1/snapshots", json={**BODY, **more})


def act(erp: Erp, path: str, key: str, headers: dict[str, str] | None = None) -> httpx2.Response:
    told = {"Idempotency-Key": key, **(AUTHOR if headers is None else headers)}
    return erp.client.post(path, json={"reason": "missing"}, headers=told)


def test_from_a_snapshot_to_an_adjustment_and_back(erp: Erp) -> None:
    answer = tell(erp)
    told = answer.json()
    (result,) = told["results"]
    assert (answer.status_code, told["drifted"], told["as_of"]) == (201, 1, "2026-06-15T03:59:00Z")
    assert (result["ours"], result["theirs"], result["drift"]) == (
        money("0.00"),
        money("70.00"),
        money("70.00"),
    )
    again = tell(erp)
    assert (again.status_code, again.json()) == (200, told)
    assert erp.client.get(f"/v1/snapshots/{told['id']}").json() == told
    (drift,) = erp.client.get("/v1/snapshots/drifts").json()["items"]
    assert (drift["drift_id"], drift["snapshot"]) == (result["drift_id"], told["id"])

    path = f"/v1/snapshots/drifts/{drift['drift_id']}/adjust"
    made, repeated = act(erp, path, "K-1"), act(erp, path, "K-1")
    assert (made.status_code, made.json()["amount"]) == (201, money("70.00"))
    assert (made.json()["actor"], made.json()["kind"]) == ("li.na", "DRIFT")
    assert (repeated.content, repeated.headers["Idempotent-Replayed"]) == (made.content, "true")
    account = erp.account()
    assert account["exposure_by_category"]["OPEN_ITEM"] == money("70.00")
    assert account["forced"] == money("20.00")
    refused(act(erp, path, "K-2"), 409, "drift_state")
    listed = erp.client.get(
        "/v1/customers/C-1/account/documents", params={"category": "OPEN_ITEM"}
    ).json()
    assert [(one["type"], one["amount"]) for one in listed["items"]] == [
        ("adjustment", money("70.00"))
    ]

    reverse = f"/v1/adjustments/{made.json()['adjustment_id']}/reverse"
    assert act(erp, reverse, "K-3").json()["amount"] == money("-70.00")
    assert erp.account()["exposure"] == money("0.00")
    refused(act(erp, reverse, "K-4"), 409, "adjustment_state")


def test_who_and_what_an_adjustment_needs(erp: Erp, database: Database, clock: Clock) -> None:
    drift_id = tell(erp).json()["results"][0]["drift_id"]
    path = f"/v1/snapshots/drifts/{drift_id}/adjust"
    refused(act(erp, path, "K-1", {}), 400, "bad_request", "Aval-Actor")
    refused(erp.client.post(path, json={"reason": "x"}, headers=AUTHOR), 400,
            "idempotency_key_required")  # fmt: skip
    headers = {**AUTHOR, "Idempotency-Key": "K-1"}
    refused(erp.client.post(path, json={}, headers=headers), 422, "invalid_field", "reason")
    refused(erp.client.post(path, json={"reason": ""}, headers=headers), 422, "invalid_field")
    reader = CreateKey(database, clock)("reader", ["ledger:read"])
    denied = {**headers, "Authorization": f"Bearer {reader}"}
    refused(erp.client.post(path, json={"reason": "x"}, headers=denied), 403, "forbidden")
    refused(act(erp, path.replace(drift_id, "no-id"), "K-2"), 404, "not_found")
    refused(act(erp, "/v1/adjustments/no-id/reverse", "K-3"), 404, "not_found")
    assert erp.account()["exposure"] == money("0.00")
    assert act(erp, path, "K-1").status_code == 201


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"items": []}, "items", id="no-items"),
        pytest.param({"items": [ITEM] * 5_001}, "items", id="5,001-items"),
        pytest.param({"items": [ITEM, ITEM]}, "items[1]", id="twice"),
        pytest.param(
            {"items": [{**ITEM, "category": "OVERDUE"}]}, "items[0].category", id="category"
        ),
        pytest.param(
            {"items": [{**ITEM, "amount": money("-1.00")}]}, "items[0].amount.amount", id="negative"
        ),
        pytest.param(
            {"items": [{**ITEM, "segment": "moon"}]}, "items[0].segment", id="unknown-segment"
        ),
        pytest.param({"as_of": "2026-06-15"}, "as_of", id="no-instant"),
        pytest.param({"as_of": "2026-06-16T00:00:00Z"}, "as_of", id="future"),
        pytest.param({"source": ""}, "source", id="no-source"),
        pytest.param({"note": "x"}, "note", id="unknown-field"),
    ],
)
def test_bad_input(erp: Erp, change: dict[str, Any], field: str) -> None:
    refused(tell(erp, **change), 422, "invalid_field", field)
    assert erp.client.get("/v1/snapshots/drifts").json()["items"] == []
    assert tell(erp).status_code == 201


def test_what_contradicts_an_earlier_snapshot(erp: Erp) -> None:
    assert tell(erp).status_code == 201
    refused(tell(erp, items=[{**ITEM, "amount": money("71.00")}]), 409, "snapshot_conflict")
    older = "2026-06-14T00:00:00Z"
    refused(tell(erp, snapshot_id="S-0", as_of=older), 409, "snapshot_conflict", "as_of")
    refused(erp.client.get("/v1/snapshots/no-id"), 404, "not_found")


def test_drifts_have_pages(erp: Erp) -> None:
    items = [{**ITEM, "category": name} for name in ("OPEN_ITEM", "PREPAYMENT", "AUTHORIZED")]
    tell(erp, items=items)
    query = {"limit": "2", "customer_id": "C-1", "segment": "main"}
    first = erp.client.get("/v1/snapshots/drifts", params=query).json()
    rest = erp.client.get(
        "/v1/snapshots/drifts", params={**query, "cursor": first["next_cursor"]}
    ).json()
    shown = [one["category"] for one in first["items"] + rest["items"]]
    assert (shown, rest["next_cursor"]) == (["OPEN_ITEM", "PREPAYMENT", "AUTHORIZED"], None)
    only = {"category": "AUTHORIZED"}
    assert len(erp.client.get("/v1/snapshots/drifts", params=only).json()["items"]) == 1
    refused(erp.client.get("/v1/snapshots/drifts", params={"cursor": "x"}), 422, "invalid_field")
