"""What people send by mistake: each gets one clear answer, and changes nothing."""

import json
from typing import Any

import httpx2
import pytest

ASK: dict[str, Any] = {
    "customer_id": "C-1",
    "check_point": "ORDER",
    "order": {"id": "SO-1", "version": 1},
    "amount": {"amount": "10.00", "currency": "CNY"},
}


def asking(**changes: Any) -> str:  # noqa: ANN401 - any JSON
    return json.dumps({**ASK, **changes})


def amount(text: str, currency: str = "CNY") -> str:
    return asking(amount={"amount": text, "currency": currency})


@pytest.fixture
def shop(client: httpx2.Client) -> httpx2.Client:
    assert client.put("/v1/customers/C-1", json={"name": "One"}).is_success
    assert client.put("/v1/customers/C-2", json={"name": "Two", "active": False}).is_success
    limit = {"kind": "base", "limit": ASK["amount"], "valid_from": "2020-01-01", "reason": "test"}
    key = {"Idempotency-Key": "limit"}
    assert client.post("/v1/customers/C-1/limits", json=limit, headers=key).is_success
    return client


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        pytest.param(asking(customer_id="C-9"), 404, "customer_unknown", None, id="unknown"),
        pytest.param(asking(segment="east"), 404, "segment_unknown", None, id="segment"),
        pytest.param(amount("0.00"), 422, "invalid_field", "amount.amount", id="zero"),
        pytest.param(amount("-1.00"), 422, "invalid_field", "amount.amount", id="negative"),
        pytest.param(amount("1.001"), 422, "invalid_field", "amount.amount", id="too-precise"),
        pytest.param(amount("1.5", "JPY"), 422, "invalid_field", "amount.amount", id="jpy"),
        pytest.param(
            amount("10000000000000.01"), 422, "invalid_field", "amount.amount", id="above-10^15"
        ),
        pytest.param(amount("1e3"), 422, "invalid_field", "amount.amount", id="exponent"),
        pytest.param(amount("1.00", "XXX"), 422, "invalid_field", "amount.currency", id="xxx"),
        pytest.param(
            asking(check_point="QUOTE"), 422, "invalid_field", "check_point", id="quote-reserves"
        ),
        pytest.param(
            asking(ship_date="2026-02-30"), 422, "invalid_field", "ship_date", id="no-such-day"
        ),
        pytest.param(asking(surprise=1), 422, "invalid_field", "surprise", id="unknown-field"),
        pytest.param(
            '{"customer_id": "C-1", "customer_id": "C-2"}', 400, "bad_request", None, id="twice"
        ),
        pytest.param('{"amount": NaN}', 400, "bad_request", None, id="nan"),
        pytest.param("{", 400, "bad_request", None, id="not-json"),
    ],
)
def test_a_bad_ask_is_named_and_changes_nothing(
    shop: httpx2.Client, body: str, status: int, code: str, field: str | None
) -> None:
    before = shop.get("/v1/customers/C-1/account").json()
    headers = {"Idempotency-Key": "K", "Content-Type": "application/json"}
    answer = shop.post("/v1/authorizations", content=body, headers=headers)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["detail"]
    if field is not None:
        assert [one["field"] for one in told["errors"]] == [field]
    after = shop.get("/v1/customers/C-1/account").json()
    assert {**after, "as_of": None} == {**before, "as_of": None}
    # the key stayed free
    good = shop.post("/v1/authorizations", content=asking(), headers=headers)
    assert (good.status_code, good.json()["outcome"]) == (201, "APPROVE")


def test_an_inactive_customer_is_rejected(shop: httpx2.Client) -> None:
    key = {"Idempotency-Key": "K"}
    told = shop.post("/v1/authorizations", json={**ASK, "customer_id": "C-2"}, headers=key).json()
    assert told["outcome"] == "REJECT"
    assert "CUSTOMER_INACTIVE" in [reason["code"] for reason in told["reasons"]]
    assert told["authorization_id"] is None


def test_dates_in_the_wrong_order_are_refused_with_their_place(shop: httpx2.Client) -> None:
    invoice = {
        "source": "erp",
        "event_id": "E-1",
        "type": "invoice",
        "customer_id": "C-1",
        "segment": "main",
        "occurred_at": "2026-06-01T00:00:00Z",
        "invoice_id": "INV-1",
        "version": 1,
        "amount": ASK["amount"],
        "issue_date": "2026-06-02",
        "due_date": "2026-06-01",
    }
    answer = shop.post("/v1/ledger-events", json={"events": [invoice]})
    told = answer.json()
    assert (answer.status_code, told["code"]) == (422, "invalid_field")
    assert "due_date" in told["errors"][0]["field"]


def test_a_key_is_needed_to_reserve(shop: httpx2.Client) -> None:
    answer = shop.post("/v1/authorizations", json=ASK)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")
