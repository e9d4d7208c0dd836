"""Many orders in one request: each stands alone, each has its key, none is lost."""

from typing import Any

import httpx2
import pytest

from app.api.authorization_batches import MOST_BROKEN
from app.store.checker import check_ledger
from tests.erp import Erp, money, refused

PATH = "/v1/authorizations/batch"


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1")
    return erp


def item(key: str, amount: str = "10.00", **more: object) -> dict[str, Any]:
    order = {"id": more.pop("order_id", f"SO-{key}")}
    asked = {"customer_id": "C-1", "check_point": "ORDER", "amount": money(amount)}
    return {"idempotency_key": key, "order": order, **asked, **more}


def post(erp: Erp, *items: object) -> list[dict[str, Any]]:
    answer = erp.client.post(PATH, json={"items": items})
    assert answer.status_code == 200, answer.text
    told: list[dict[str, Any]] = answer.json()["results"]
    return told


def test_each_order_meets_the_ones_before_it(erp: Erp, database_url: str) -> None:
    told = post(erp, item("1", "60.00"), item("2", "60.00"), item("3", "40.00"))
    assert [one["status"] for one in told] == [201, 201, 201]
    assert [one["decision"]["outcome"] for one in told] == ["APPROVE", "HOLD", "APPROVE"]
    assert erp.authorized() == "100.00"
    assert check_ledger(database_url).clean


def test_what_is_wrong_with_one_is_answered_in_its_place(erp: Erp) -> None:
    told = post(
        erp,
        item("1"),
        item("2", "1.001"),
        item("3", customer_id="NOBODY"),
        item("4", check_point="QUOTE"),
        {"idempotency_key": "5"},
        "six",
        item("7", "-1.00"),
        item("8", nonsense=1),
        item("9"),
    )
    assert [one["status"] for one in told] == [201, 422, 404, 422, 422, 422, 422, 422, 201]
    fields = [one["problem"]["errors"] for one in told if "problem" in one]
    assert fields[0][0]["field"] == "amount.amount"
    assert [one["field"] for one in fields[3]] == [
        "customer_id",
        "check_point",
        "order",
        "amount",
    ]
    assert erp.authorized() == "20.00"


def test_an_item_that_breaks_too_many_rules_is_told_how_many(erp: Erp) -> None:
    """A thousand items share what one body may have: each would be written out."""
    odd = dict.fromkeys(map(str, range(MOST_BROKEN)), 0)
    few, many = post(erp, {**item("1"), **odd}, {**item("2"), **odd, "more": 0})
    assert len(few["problem"]["errors"]) == MOST_BROKEN
    assert many["problem"]["errors"] == [
        {"field": "body", "message": f"{MOST_BROKEN + 1} rules are broken"}
    ]


def test_a_key_has_one_effect_alone_and_in_batches(erp: Erp) -> None:
    first = post(erp, item("1"), item("1"), item("1", "11.00"))
    assert [one["status"] for one in first] == [201, 201, 422]
    assert first[0]["decision"] == first[1]["decision"]
    assert first[2]["problem"]["code"] == "idempotency_key_reused"
    assert post(erp, item("1"))[0]["decision"] == first[0]["decision"]
    body = item("1")
    del body["idempotency_key"]
    alone = erp.post("/v1/authorizations", body, "1")
    assert alone.headers["Idempotent-Replayed"] == "true"
    assert alone.json() == first[0]["decision"]
    assert erp.authorized() == "10.00"


def test_a_thousand_are_decided_and_one_more_is_refused(erp: Erp, database_url: str) -> None:
    items = [item(str(place), "0.01") for place in range(1_000)]
    told = post(erp, *items)
    assert {one["decision"]["outcome"] for one in told} == {"APPROVE"}
    assert erp.authorized() == "10.00"
    answer = erp.client.post(PATH, json={"items": [*items, item("one-more")]})
    refused(answer, 422, "invalid_field", "items")
    assert check_ledger(database_url).clean


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"items": []}, "items", id="none"),
        pytest.param({}, "items", id="missing"),
        pytest.param({"items": {}}, "items", id="no-array"),
        pytest.param({"items": [item("1")], "more": 1}, "more", id="unknown-field"),
    ],
)
def test_a_bad_envelope_changes_nothing(erp: Erp, body: object, field: str) -> None:
    refused(erp.client.post(PATH, json=body), 422, "invalid_field", field)
    assert erp.authorized() == "0.00"


@pytest.mark.parametrize("key", ["", " \t", "k\u200b", "k" * 256], ids=repr)
def test_a_key_must_be_one(erp: Erp, key: str) -> None:
    (told,) = post(erp, item("x") | {"idempotency_key": key})
    assert told["problem"]["errors"][0]["field"] == "idempotency_key"


def test_it_needs_the_right_to_authorize(client: httpx2.Client) -> None:
    answer = client.post(PATH, json={"items": [item("1")]}, headers={"Authorization": "Bearer no"})
    refused(answer, 401, "unauthenticated")
