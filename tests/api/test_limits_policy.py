"""Policies, recommendations and work lists of limits over HTTP."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from app.api.wire import encode_cursor
from app.domain.limits_policy import default_policy
from app.store.database import Database
from app.usecases.keys import CreateKey
from tests.erp import Erp, money, refused
from tests.server import NO_TLS

PATH = "/v1/segments/main/limit-policy"


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1", "1000.00", size="SMALL")
    return erp


@pytest.fixture
def speak(service: str, database: Database) -> Callable[..., httpx2.Client]:
    """Make clients with keys of certain scopes."""

    def make(name: str, *scopes: str) -> httpx2.Client:
        token = CreateKey(database, lambda: datetime.now(UTC))(name, scopes, ())
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(
            base_url=service, headers=headers, timeout=20, trust_env=False, verify=NO_TLS
        )

    return make


def changed(name: str, value: object) -> dict[str, Any]:
    """Change one field of the parameters that ship; dots lead into it."""
    data: dict[str, Any] = {
        key: dict(one) if isinstance(one, dict) else one
        for key, one in default_policy("CNY").items()
    }
    place, *rest = name.split(".")
    if rest:
        data[place][rest[0]] = value
    else:
        data[place] = value
    return data


def test_a_policy_is_put_as_a_new_version(erp: Erp) -> None:
    shipped = erp.client.get(PATH)
    assert (shipped.json()["version"], shipped.json()["adjust"]["mode"]) == (0, "OFF")
    first = erp.client.put(PATH, json=changed("adjust.mode", "AUTO"))
    assert (first.status_code, first.json()["version"], first.headers["etag"]) == (200, 1, '"1"')
    assert erp.client.put(PATH, json=changed("adjust.mode", "AUTO")).json()["version"] == 1
    again = changed("warn_days", 7)
    stale = erp.client.put(PATH, json=again, headers={"If-Match": '"7"'})
    refused(stale, 412, "version_stale")
    told = erp.client.put(PATH, json=again, headers={"If-Match": '"1"'}).json()
    assert (told["version"], told["warn_days"], told["adjust"]["mode"]) == (2, 7, "OFF")
    assert erp.client.get(PATH).json() == told


BAD: list[tuple[str, object]] = [
    ("period_days", 29),
    ("late_bands", []),
    ("late_bands", [{"up_to_days": None, "percent": 1}, {"up_to_days": 5, "percent": 1}]),
    ("late_bands", [{"up_to_days": 5, "percent": 1}, {"up_to_days": 5, "percent": 1}]),
    ("class_percent.A", 1001),
    ("class_percent.A", 1.5),
    ("class_percent.Z", 5),
    ("class_caps", {"A": {"amount": "1.001", "currency": "CNY"}}),
    ("class_caps", {"A": {"amount": 5, "currency": "CNY"}}),
    ("size_caps", {"HUGE": None}),
    ("review_days.N", 0),
    ("adjust.mode", "on"),
    ("adjust.max_decrease_percent", 101),
    ("surprise", 1),
]


def test_what_a_policy_may_not_say_changes_nothing(
    erp: Erp, speak: Callable[..., httpx2.Client]
) -> None:
    for name, value in BAD:
        answer = erp.client.put(PATH, json=changed(name, value))
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_field"), (name, value)
        assert answer.json()["errors"], name
    refused(
        erp.client.put("/v1/segments/nope/limit-policy", json=default_policy("CNY")),
        404,
        "segment_unknown",
    )
    with speak("clerk", "rule:read") as clerk:
        refused(clerk.put(PATH, json=default_policy("CNY")), 403, "forbidden")
        assert clerk.get(PATH).json()["version"] == 0


def test_a_recommendation_shows_its_arithmetic(erp: Erp) -> None:
    told = erp.client.get("/v1/customers/C-1/limits/recommendation").json()
    assert told["recommended"] == money("0.00")
    assert told["effective_limit"] == money("1000.00")
    codes = [step["code"] for step in told["steps"]]
    assert codes == [
        "LIMIT_TURNOVER",
        "LIMIT_NEED",
        "LIMIT_CLASS",
        "LIMIT_PAYING_UNKNOWN",
        "LIMIT_CAP_CLASS",
        "LIMIT_CAP_SIZE",
        "LIMIT_ROUNDED",
    ]
    assert all(step["zh"] and step["en"] for step in told["steps"])
    refused(erp.client.get("/v1/customers/C-0/limits/recommendation"), 404, "customer_unknown")


@pytest.mark.parametrize("path", ["reviews", "expiring"])
@pytest.mark.parametrize("name", ["00", "430031", "eda080", "xy", "4"])
def test_a_forged_cursor_of_a_work_list_is_refused(erp: Erp, path: str, name: str) -> None:
    cursor = encode_cursor(["2026-01-01", name])
    told = erp.client.get(f"/v1/limits/{path}", params={"cursor": cursor})
    refused(told, 422, "invalid_field", "cursor")


def test_work_lists_are_read_page_by_page(erp: Erp, speak: Callable[..., httpx2.Client]) -> None:
    for number in (2, 3):
        erp.customer(f"C-{number}", None)
        body = {"kind": "base", "limit": money("5.00"), "valid_to": f"2026-07-0{number}"}
        assert erp.post(f"/v1/customers/C-{number}/limits", body).status_code == 201
    lists = {"reviews": {"due_before": "2100-12-31"}, "expiring": {"ends_before": "2026-12-01"}}
    for path, query in lists.items():
        url = f"/v1/limits/{path}"
        first = erp.client.get(url, params={**query, "limit": "1"}).json()
        assert [one["customer_id"] for one in first["items"]] == ["C-2"]
        rest = erp.client.get(url, params={**query, "cursor": first["next_cursor"]}).json()
        found = [one["customer_id"] for one in rest["items"]]
        assert found == (["C-3", "C-1"] if path == "reviews" else ["C-3"])
        refused(erp.client.get(f"/v1/limits/{path}?cursor=x"), 422, "invalid_field", "cursor")
    assert erp.client.get("/v1/limits/reviews").json()["items"] == []
    answer = erp.post("/v1/customers/C-2/limits/reviews", {"note": "looked"})
    assert (answer.status_code, answer.json()["next_review"]) == (201, "2026-07-02")
    with speak("reader", "customer:read") as reader:
        refused(Erp(reader).post("/v1/customers/C-2/limits/reviews", {}), 403, "forbidden")
    erp.customer("C-9", None)
    refused(erp.post("/v1/customers/C-9/limits/reviews", {}), 404, "not_found")
