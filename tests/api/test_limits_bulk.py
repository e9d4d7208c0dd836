"""Many limits at once: each stands alone, a dry run changes nothing, a repeat changes it once."""

from typing import Any

import httpx2
import pytest

from app.store.checker import check_ledger
from app.store.database import Database
from tests.erp import Erp, money, refused

PATH = "/v1/limits/bulk"


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1", "100.00")
    erp.customer("C-2", None)
    return erp


def item(customer_id: str, amount: str, currency: str = "CNY", **more: object) -> dict[str, Any]:
    limit = money(amount, currency)
    return {"customer_id": customer_id, "kind": "base", "limit": limit, **more}


ITEMS = [item("C-1", "80.00"), item("C-2", "50.00"), item("C-0", "1.00"), item("C-1", "9", "JPY")]


def statuses(told: httpx2.Response) -> list[int]:
    assert told.status_code == 200, told.text
    return [one["status"] for one in told.json()["results"]]


def limits_of(erp: Erp, customer_id: str) -> list[object]:
    listed = erp.client.get(f"/v1/customers/{customer_id}/limits").json()["items"]
    return [one["limit"] for one in listed]


def test_a_dry_run_tells_and_changes_nothing(erp: Erp, database: Database) -> None:
    told = erp.post(PATH, {"dry_run": True, "items": ITEMS})
    assert statuses(told) == [201, 201, 404, 409]
    first, second = (one["result"] for one in told.json()["results"][:2])
    assert first["before"] == {"limit": money("100.00"), "unlimited": False}
    assert first["after"] == {"limit": money("80.00"), "unlimited": False}
    assert (second["before"]["limit"], second["after"]["limit"]) == (None, money("50.00"))
    assert told.json()["results"][2]["problem"]["code"] == "customer_unknown"
    assert (limits_of(erp, "C-1"), limits_of(erp, "C-2")) == ([money("100.00")], [])
    assert erp.account("C-1")["effective_limit"] == money("100.00")
    assert check_ledger(database.url).clean


def test_each_stands_alone_and_a_repeat_changes_nothing(erp: Erp, database: Database) -> None:
    first = erp.post(PATH, {"items": ITEMS}, "K")
    assert statuses(first) == [201, 201, 404, 409]
    again = erp.post(PATH, {"items": ITEMS}, "K")
    assert again.json()["results"][:2] == first.json()["results"][:2]
    both = limits_of(erp, "C-1")  # the clock of the test stands still: in no order
    assert (len(both), money("80.00") in both, money("100.00") in both) == (2, True, True)
    assert limits_of(erp, "C-2") == [money("50.00")]
    refused(erp.post(PATH, {"items": ITEMS[:1]}, "K"), 422, "idempotency_key_reused")
    report = check_ledger(database.url)
    assert report.clean, report.difference


def test_a_body_that_breaks_a_rule_changes_nothing(erp: Erp) -> None:
    bad = [ITEMS[0], item("C-2", "1.001")]
    refused(erp.post(PATH, {"items": bad}), 422, "invalid_field", "items[1].limit.amount")
    refused(erp.post(PATH, {"items": []}), 422, "invalid_field", "items")
    refused(erp.client.post(PATH, json={"items": ITEMS}), 400, "idempotency_key_required")
    assert limits_of(erp, "C-1") == [money("100.00")]
