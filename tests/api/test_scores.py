"""Scores and cards over HTTP, as the contract tells them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import httpx2
import pytest

from app.composition import compose
from app.settings import Settings
from app.store.database import Database
from app.usecases.facts import ApplyFacts
from app.usecases.facts_events import parse_events
from app.usecases.keys import CreateKey
from app.usecases.score_raters import RateByCard
from app.usecases.score_refresh import RefreshScores
from app.work import loops
from tests.server import NO_TLS, Clock
from tests.usecases.town import ADMIN

FIELDS = {
    "customer_id",
    "score",
    "probability_of_default",
    "horizon_days",
    "risk_class",
    "traffic_light",
    "reasons",
    "source",
    "model",
    "features_as_of",
    "scored_at",
    "stale",
}


def make(client: httpx2.Client, customer_id: str, limit: str | None = None) -> None:
    body = {"name": "示例客户", "aliases": [f"CRM-{customer_id}"], "since": "2015-01-01"}
    assert client.put(f"/v1/customers/{customer_id}", json=body).status_code == 201
    if limit is not None:
        answer = client.post(
            f"/v1/customers/{customer_id}/limits",
            json={"kind": "base", "limit": {"amount": limit, "currency": "CNY"}},
            headers={"Idempotency-Key": f"limit-{customer_id}"},
        )
        assert answer.status_code == 201, answer.text


Sell = Callable[..., None]


@pytest.fixture
def sell(database: Database, clock: Clock) -> Sell:
    """Report invoices of 100.00 and their payments `late_days` after the due date."""
    number = count()
    apply = ApplyFacts(database, clock, lambda: "")

    def report(customer_id: str, invoices: int = 5, late_days: int | None = 0) -> None:
        events: list[dict[str, Any]] = []
        for _ in range(invoices):
            name, issued = f"I-{next(number)}", date(2026, 4, 1)
            due = issued + timedelta(days=30)
            events.append(
                {"type": "invoice", "invoice_id": name, "amount": money("100.00")}
                | {"issue_date": issued.isoformat(), "due_date": due.isoformat()}
            )
            if late_days is not None:
                events.append(
                    {"type": "payment", "payment_id": f"P-{name}", "amount": money("100.00")}
                    | {"paid_date": (due + timedelta(days=late_days)).isoformat()}
                    | {"allocations": [{"invoice_id": name, "amount": money("100.00")}]}
                )
        for place, event in enumerate(events):
            event |= {"source": "erp", "event_id": f"{customer_id}-{next(number)}-{place}"}
            event |= {"customer_id": customer_id, "segment": "main", "version": 1}
            event |= {"occurred_at": "2026-06-01T00:00:00Z"}
        assert {one.result for one in apply(ADMIN, parse_events(events))} == {"applied"}

    return report


def money(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "CNY"}


def score_now(client: httpx2.Client, customer_id: str) -> httpx2.Response:
    return client.post(f"/v1/customers/{customer_id}/score", json={})


def test_unscored_is_told_apart_from_unknown(client: httpx2.Client) -> None:
    make(client, "C-1")
    answer = client.get("/v1/customers/C-1/score")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_scored")
    answer = client.get("/v1/customers/C-9/score")
    assert (answer.status_code, answer.json()["code"]) == (404, "customer_unknown")
    assert score_now(client, "C-9").json()["code"] == "customer_unknown"


def test_score_has_the_fields_of_the_contract(client: httpx2.Client, sell: Sell) -> None:
    make(client, "C-1")
    sell("C-1", late_days=12)
    now = score_now(client, "CRM-C-1")
    stored = client.get("/v1/customers/C-1/score")
    assert (now.status_code, stored.status_code) == (200, 200)
    assert now.json() == stored.json()
    found = stored.json()
    assert found.keys() >= FIELDS
    assert isinstance(found["score"], int)
    assert 0 < found["probability_of_default"] < 1
    assert (found["source"], found["stale"]) == ("scorecard", False)
    assert (found["model"], found["horizon_days"]) == ({"name": "standard", "version": 1}, 180)
    assert found["scored_at"].endswith("Z")
    assert found["features_as_of"] == "2026-06-15"
    for reason in found["reasons"]:
        assert reason.keys() == {"code", "zh", "en", "contribution"}
        assert reason["contribution"] < 0
        assert reason["zh"] != reason["en"]
        assert "{" not in reason["zh"] + reason["en"]


def test_newcomer_is_class_n_without_a_number(client: httpx2.Client) -> None:
    make(client, "C-1")
    found = score_now(client, "C-1").json()
    assert (found["score"], found["probability_of_default"]) == (None, None)
    assert (found["risk_class"], found["traffic_light"]) == ("N", "YELLOW")


def test_etag_holds_until_the_answer_changes(client: httpx2.Client, sell: Sell) -> None:
    make(client, "C-1")
    sell("C-1")
    tag = score_now(client, "C-1").headers["ETag"]
    known = client.get("/v1/customers/C-1/score", headers={"If-None-Match": tag})
    assert (known.status_code, known.content, known.headers["ETag"]) == (304, b"", tag)
    sell("C-1", late_days=None)
    stale = client.get("/v1/customers/C-1/score", headers={"If-None-Match": tag})
    assert (stale.status_code, stale.json()["stale"]) == (200, True)
    assert stale.headers["ETag"] != tag


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{}", 200), (b'{"now":true}', 422), (b"[]", 422), (b"", 400), (b"{", 400)],
    ids=["empty-object", "unknown-field", "a-list", "no-body", "not-json"],
)
def test_score_now_takes_an_empty_object(client: httpx2.Client, body: bytes, status: int) -> None:
    make(client, "C-1")
    headers = {"Content-Type": "application/json"}
    answer = client.post("/v1/customers/C-1/score", content=body, headers=headers)
    assert answer.status_code == status, answer.text


def test_scopes(service: str, client: httpx2.Client, database: Database) -> None:
    make(client, "C-1")
    token = CreateKey(database, lambda: datetime.now(UTC))("crm", ["score:read"])
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=service, headers=headers, trust_env=False, verify=NO_TLS) as crm:
        assert score_now(crm, "C-1").status_code == 403
        assert crm.get("/v1/customers/C-1/score").status_code == 404
        assert crm.get("/v1/customers/C-1/card").status_code == 200
    with httpx2.Client(base_url=service, trust_env=False, verify=NO_TLS) as stranger:
        assert stranger.get("/v1/customers/C-1/card").status_code == 401


def test_the_cooldown_is_that_of_the_settings(settings: Settings, database_url: str) -> None:
    patient = settings.model_copy(update={"score_cooldown_s": 60.0})
    parts = compose(patient, database_url)
    scores, rater = parts.desk.scores, RateByCard()
    places = (parts.desk.reads.score, scores.rescore, scores.score_customer.together)
    assert {one.cooldown for one in places} == {timedelta(seconds=60)}
    found = {one.name: one.portion for one in loops(patient, parts.database, rater)}
    assert found["score"] == RefreshScores(parts.database, rater, timedelta(seconds=60))
    assert {"night", "outcomes", "health"} < found.keys()
    parts.database.close()


def card(client: httpx2.Client, customer_id: str) -> dict[str, Any]:
    answer = client.get(f"/v1/customers/{customer_id}/card")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_card_of_an_unscored_customer(client: httpx2.Client) -> None:
    make(client, "C-1", "500.00")
    told = card(client, "CRM-C-1")
    assert (told["customer_id"], told["name"]) == ("C-1", "示例客户")
    assert (told["score"], told["risk_class"], told["traffic_light"]) == (None, None, "YELLOW")
    assert [reason["code"] for reason in told["reasons"]] == ["NOT_SCORED"]
    assert told["headroom"] == money("500.00")
    assert told["overdue"] == {"amount": money("0.00"), "days": 0}


def test_card_of_a_prompt_payer_is_green(client: httpx2.Client, sell: Sell) -> None:
    make(client, "C-1", "500.00")
    sell("C-1")
    score = score_now(client, "C-1").json()
    told = card(client, "C-1")
    assert (told["traffic_light"], told["score"]) == ("GREEN", score["score"])
    assert told["risk_class"] == score["risk_class"]
    assert told["as_of"] == "2026-06-15T04:00:00Z"


def test_card_tells_three_reasons_and_the_overdue(client: httpx2.Client, sell: Sell) -> None:
    make(client, "C-1", "5000.00")
    sell("C-1", late_days=14)
    sell("C-1", invoices=1, late_days=None)
    score = score_now(client, "C-1").json()
    told = card(client, "C-1")
    assert [reason["code"] for reason in told["reasons"]] == [
        reason["code"] for reason in score["reasons"][:3]
    ]
    assert len(score["reasons"]) == 4
    assert told["overdue"] == {"amount": money("100.00"), "days": 45}
    assert told["headroom"] == money("4900.00")
    assert told["traffic_light"] == "RED"  # overdue for more than 30 days


def test_card_of_a_customer_over_its_limit_is_red(client: httpx2.Client, sell: Sell) -> None:
    make(client, "C-1", "50.00")
    sell("C-1")
    assert score_now(client, "C-1").json()["traffic_light"] == "GREEN"
    assert card(client, "C-1")["traffic_light"] == "GREEN"
    sell("C-1", invoices=1, late_days=None)
    told = card(client, "C-1")
    assert (told["traffic_light"], told["headroom"]) == ("RED", money("-50.00"))


def test_card_of_a_stopped_account_is_red(client: httpx2.Client, sell: Sell) -> None:
    make(client, "C-1", "500.00")
    sell("C-1")
    assert score_now(client, "C-1").json()["traffic_light"] == "GREEN"
    body = {"customer_id": "C-1", "reason_code": "CREDIT_STOP", "note": "bounced"}
    answer = client.post("/v1/order-holds", json=body, headers={"Idempotency-Key": "stop"})
    assert answer.status_code == 201, answer.text
    assert card(client, "C-1")["traffic_light"] == "RED"


def test_unknown_segment_of_a_card(client: httpx2.Client) -> None:
    make(client, "C-1")
    answer = client.get("/v1/customers/C-1/card", params={"segment": "nope"})
    assert answer.status_code == 404
