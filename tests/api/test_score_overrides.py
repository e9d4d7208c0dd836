"""Overrides and what-if over HTTP: the fields, the statuses, and what hostile callers send."""

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.store.database import Database
from app.usecases.facts_events import parse_events
from app.usecases.keys import CreateKey
from tests.server import NO_TLS
from tests.usecases.town import ADMIN

UNTIL = "2026-12-31T16:00:00Z"
PATH = "/v1/customers/C-1/score/overrides"
WHAT_IF = "/v1/customers/C-1/score/what-if"


@pytest.fixture
def late(client: httpx2.Client, app: FastAPI) -> httpx2.Client:
    """Make C-1, who owes four invoices that are past due."""
    answer = client.put("/v1/customers/C-1", json={"name": "示例客户"})
    assert answer.status_code == 201, answer.text
    events: list[dict[str, Any]] = [
        {
            "source": "erp",
            "event_id": f"e-{number}",
            "type": "invoice",
            "customer_id": "C-1",
            "segment": "main",
            "occurred_at": "2026-06-01T00:00:00Z",
            "version": 1,
            "invoice_id": f"I-{number}",
            "amount": {"amount": "100.00", "currency": "CNY"},
            "issue_date": "2026-04-01",
            "due_date": "2026-05-01",
        }
        for number in range(4)
    ]
    apply = app.state.desk.facts.apply
    assert {one.result for one in apply(ADMIN, parse_events(events))} == {"applied"}
    return client


def body(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {"risk_class": "C", "reason": "seen", "expires_at": UNTIL} | fields


def test_life_of_an_override(late: httpx2.Client) -> None:
    made = late.post(PATH, json=body(), headers={"Aval-Actor": "li.na"})
    assert made.status_code == 201, made.text
    told = made.json()
    assert (told["status"], told["client"], told["actor"]) == ("IN_FORCE", "tests", "li.na")
    assert late.post(PATH, json=body()).status_code == 200
    clash = late.post(PATH, json=body(risk_class="D"))
    assert (clash.status_code, clash.json()["code"]) == (409, "override_state")
    score = late.get("/v1/customers/C-1/score").json()
    assert (score["source"], score["risk_class"], score["stale"]) == ("override", "C", False)
    assert score["override"] == {
        "override_id": told["override_id"],
        "expires_at": UNTIL,
        "computed_score": score["override"]["computed_score"],
        "computed_class": "E",
        "computed_source": "scorecard",
    }
    reason = score["reasons"][-1]
    assert (reason["code"], reason["zh"]) == ("SCORE_OVERRIDDEN", "信用等级经人工审定。")
    card = late.get("/v1/customers/C-1/card").json()
    assert card["risk_class"] == "C"
    ended = late.post(f"{PATH}/{told['override_id']}/end")
    assert (ended.status_code, ended.json()["status"]) == (200, "ENDED")
    score = late.get("/v1/customers/C-1/score").json()
    assert (score["source"], score["override"]) == ("scorecard", None)


def test_the_list_is_paged(late: httpx2.Client) -> None:
    for risk_class in "BCD":
        made = late.post(PATH, json=body(risk_class=risk_class)).json()
        late.post(f"{PATH}/{made['override_id']}/end")
    first = late.get(PATH, params={"limit": 2}).json()
    assert len(first["items"]) == 2
    second = late.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert (len(second["items"]), second["next_cursor"]) == (1, None)
    assert {one["risk_class"] for one in first["items"] + second["items"]} == {"B", "C", "D"}


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "unknown-class": (body(risk_class="F"), 422, "risk_class"),
    "class-n": (body(risk_class="N"), 422, "risk_class"),
    "class-of-another-type": (body(risk_class=1), 422, "risk_class"),
    "no-reason": ({"risk_class": "C", "expires_at": UNTIL}, 422, "reason"),
    "empty-reason": (body(reason=""), 422, "reason"),
    "blank-reason": (body(reason=" "), 422, "reason"),
    "no-end": ({"risk_class": "C", "reason": "x"}, 422, "expires_at"),
    "null-end": (body(expires_at=None), 422, "expires_at"),
    "over": (body(expires_at="2026-06-15T04:00:00Z"), 422, "expires_at"),
    "no-offset": (body(expires_at="2026-12-31T16:00:00"), 422, "expires_at"),
    "too-long": (body(expires_at="2028-12-31T16:00:00Z"), 422, "expires_at"),
    "unknown-field": (body(score=900), 422, "score"),
}


def test_refused_overrides_change_nothing(late: httpx2.Client) -> None:
    for case, (told, status, field) in REFUSED.items():
        answer = late.post(PATH, json=told)
        assert answer.status_code == status, (case, answer.text)
        assert answer.json()["errors"][0]["field"].split(".")[-1] == field, case
    assert late.get(PATH).json()["items"] == []


def test_scopes(service: str, late: httpx2.Client, database: Database) -> None:
    token = CreateKey(database, lambda: datetime.now(UTC))("crm", ["score:read"])
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=service, headers=headers, trust_env=False, verify=NO_TLS) as crm:
        assert crm.post(PATH, json=body()).status_code == 403
        assert crm.get(PATH).status_code == 200
        assert crm.post(WHAT_IF, json={}).status_code == 200
    assert late.get("/v1/customers/C-9/score/overrides").status_code == 404


# What if


def test_what_would_lift_the_class(late: httpx2.Client) -> None:
    late.post("/v1/customers/C-1/score", json={})
    before = late.get("/v1/customers/C-1/score").json()
    answer = late.post(WHAT_IF, json={"changes": {"overdue_days": 0, "overdue_share": 0}})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["now"]["score"], told["source"]) == (before["score"], "scorecard")
    assert told["asked"]["score"] > told["now"]["score"]
    assert told["changes"] == [
        {"feature": "overdue_days", "from": 45.0, "to": 0.0},
        {"feature": "overdue_share", "from": 1.0, "to": 0.0},
    ]
    for proposal in told["proposals"]:
        changes = {one["feature"]: one["to"] for one in proposal["changes"]}
        again = late.post(WHAT_IF, json={"changes": changes}).json()
        assert again["asked"] == proposal["result"]
        assert proposal["result"]["risk_class"] < told["now"]["risk_class"]
        assert all(step["zh"] != step["en"] for step in proposal["steps"])
    assert late.get("/v1/customers/C-1/score").json() == before


WRONG: dict[str, tuple[bytes, int]] = {
    "unknown-feature": (b'{"changes":{"shoe_size":4}}', 422),
    "nan": (b'{"changes":{"overdue_days":NaN}}', 400),
    "infinite": (b'{"changes":{"overdue_days":1e999}}', 400),
    "negative-days": (b'{"changes":{"overdue_days":-1}}', 422),
    "share-above-one": (b'{"changes":{"on_time_rate":1.5}}', 422),
    "half-an-invoice": (b'{"changes":{"invoices_known":1.5}}', 422),
    "text": (b'{"changes":{"overdue_days":"0"}}', 422),
    "true": (b'{"changes":{"overdue_days":true}}', 422),
    "a-list": (b'{"changes":[]}', 422),
    "unknown-field": (b'{"change":{}}', 422),
    "twice": (b'{"changes":{"overdue_days":1,"overdue_days":2}}', 400),
}


def test_what_if_of_nonsense(late: httpx2.Client) -> None:
    headers = {"Content-Type": "application/json"}
    for case, (content, status) in WRONG.items():
        answer = late.post(WHAT_IF, content=content, headers=headers)
        assert answer.status_code == status, (case, answer.text)


def test_null_is_missing_and_an_unscored_customer_can_be_asked_about(
    client: httpx2.Client,
) -> None:
    client.put("/v1/customers/C-2", json={"name": "x"})
    path = "/v1/customers/C-2/score/what-if"
    answer = client.post(path, json={"changes": {"on_time_rate": 1, "invoices_known": 5}})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["now"]["risk_class"], told["asked"]["risk_class"]) == ("N", "A")
    answer = client.post(path, json={"changes": {"utilization": None}})
    assert answer.json()["asked"] == answer.json()["now"] == told["now"]
    assert client.get("/v1/customers/C-2/score").status_code == 404
    assert client.post("/v1/customers/C-9/score/what-if", json={}).status_code == 404
