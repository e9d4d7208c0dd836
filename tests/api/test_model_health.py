"""A shadow's report over HTTP: real decisions, judged again by what it had said by then."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.domain.models import ModelState, RegisteredModel
from app.store import models
from app.store.database import Database
from tests.erp import Erp, money
from tests.scoring.packages import sample
from tests.server import Clock

NAME = "late-payment"
REPORT = f"/v1/models/{NAME}/shadow-report"
SINCE = "2026-06-01T00:00:00Z"


@pytest.fixture
def erp(client: httpx2.Client, database: Database, clock: Clock) -> Erp:
    """Make customers with limits and scores, and a model that only watches."""
    erp = Erp(client)
    erp.customer("C-1", "1000.00", aliases=["CRM-1"])
    for customer_id in ("C-2", "C-3", "C-4"):
        erp.customer(customer_id, "1000.00")
    manifest = replace(sample().manifest, version=1)
    made = RegisteredModel(
        manifest, ModelState.CANDIDATE, sha256(b"x").digest(), "tests", "tests", None, clock()
    )
    with database.begin() as tx:
        models.claim(tx, NAME)
        models.add(tx, made, b"x")
        models.set_state(tx, made.model, ModelState.SHADOW)
    return erp


def said(database: Database, customer_id: str, at: str, risk_class: str) -> None:
    """Keep what the shadow said at a moment, UTC without its offset."""
    values: Mapping[str, Any] = {
        "name": NAME,
        "id": customer_id,
        "day": at[:10],
        "at": f"{at}+00:00",
        "class": risk_class,
        "score": 300 if risk_class == "E" else 800,
    }
    query = (
        "INSERT INTO score_shadow (name, version, customer_id, day, scored_at, score, probability,"
        " risk_class, held_class, held_source)"
        " VALUES (:name, 1, :id, CAST(:day AS date), CAST(:at AS timestamptz), :score, 0.1, :class,"
        " 'A', 'scorecard')"
    )
    with database.begin() as tx:
        tx.execute(text(query), values)


def bill(erp: Erp, customer_id: str, order_id: str, due: str) -> None:
    event = {
        "source": "erp",
        "event_id": f"I-{order_id}",
        "type": "invoice",
        "customer_id": customer_id,
        "segment": "main",
        "occurred_at": SINCE,
        "version": 1,
        "invoice_id": order_id,
        "amount": money("60.00"),
        "issue_date": "2026-06-15",
        "due_date": due,
        "lines": [{"order_id": order_id, "amount": money("60.00")}],
    }
    answer = erp.client.post("/v1/ledger-events", json={"events": [event]})
    assert answer.json()["results"][0]["result"] == "applied", answer.text


def test_a_shadow_that_would_have_held_is_told_in_money(
    erp: Erp, database: Database, clock: Clock
) -> None:
    for number, customer_id in enumerate(("CRM-1", "C-2", "C-3", "C-4"), start=1):
        answer = erp.ask(f"SO-{number}", "60.00", customer_id=customer_id)
        assert answer["outcome"] == "APPROVE"
    said(database, "C-1", "2026-06-14T00:00", "A")
    said(database, "C-1", "2026-06-15T04:00", "E")  # at the very moment of the order
    said(database, "C-2", "2026-06-10T00:00", "A")
    said(database, "C-2", "2026-06-15T04:01", "E")  # a minute too late to have been known
    said(database, "C-3", "2026-06-15T04:01", "E")
    bill(erp, "C-1", "SO-1", "2026-06-20")
    clock.advance(days=10)
    reported = erp.client.get(REPORT, params={"since": SINCE})
    assert reported.status_code == 200, reported.text
    told = reported.json()
    assert told["unknown"] == 2
    report = told["report"]
    assert (report["decisions"], report["differing"]) == (2, 1)
    (move,) = report["moves"]
    assert (move["was"], move["now"]) == ("APPROVE", "HOLD")
    assert move["sums"] == {
        "orders": 1,
        "amounts": [money("60.00")],
        "billed": [money("60.00")],
        "overdue": [money("60.00")],
        "overdue_orders": 1,
    }
    assert report["by_rule"][0]["rule_id"] == "score-class"
    earlier = {"since": SINCE, "until": "2026-06-02T00:00:00Z"}
    assert erp.client.get(REPORT, params=earlier).json()["report"]["decisions"] == 0


def test_what_nobody_can_be_told(erp: Erp) -> None:
    asks: dict[str, tuple[str, dict[str, str], int]] = {
        "no-since": (REPORT, {}, 422),
        "no-such-model": ("/v1/models/nobody/shadow-report", {"since": SINCE}, 404),
        "no-such-version": (REPORT, {"since": SINCE, "version": "9"}, 404),
        "version-0": (REPORT, {"since": SINCE, "version": "0"}, 422),
        "no-offset": (REPORT, {"since": "2026-06-01T00:00:00"}, 422),
        "unknown-parameter": (REPORT, {"since": SINCE, "x": "1"}, 422),
        "no-such-segment": (REPORT, {"since": SINCE, "segment": "nowhere"}, 200),
        "health-of-nobody": ("/v1/models/nobody/health", {}, 404),
        "health": (f"/v1/models/{NAME}/health", {}, 200),
    }
    for case, (path, params, status) in asks.items():
        answer = erp.client.get(path, params=params)
        assert answer.status_code == status, (case, answer.text)
    told = erp.client.get(f"/v1/models/{NAME}/health").json()
    assert (told["version"], told["state"], told["verdict"]) == (1, "SHADOW", "TOO_LITTLE")
