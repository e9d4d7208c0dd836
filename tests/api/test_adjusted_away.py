"""An invoice that a person adjusted away holds no order back, in whichever currency it was."""

from uuid import uuid4

import httpx2
import pytest

from app.store.checker import check_ledger
from app.store.database import Database
from tests.erp import Erp, money


@pytest.mark.parametrize("currency", ["CNY", "USD"])
def test_what_was_adjusted_away_holds_no_order(
    client: httpx2.Client, database: Database, currency: str
) -> None:
    erp = Erp(client)
    erp.customer("C-1", "1000.00")
    rate = {"base": "USD", "quote": "CNY", "rate": "7", "rate_date": "2026-06-15"}
    assert erp.post("/v1/fx-rates", rate | {"source": "tests"}).status_code == 201
    bill = {"invoice_id": "I-1", "amount": money("10.00", currency)}
    dates = {"issue_date": "2026-06-14", "due_date": "2026-09-01"}  # nothing is overdue
    event = {"source": "erp", "event_id": str(uuid4()), "type": "invoice", "customer_id": "C-1"}
    when = {"segment": "main", "occurred_at": "2026-06-15T04:00:00Z", "version": 1}
    told = client.post("/v1/ledger-events", json={"events": [event | when | bill | dates]}).json()
    assert told["results"][0]["result"] == "applied"
    item = {"customer_id": "C-1", "category": "OPEN_ITEM", "amount": money("0.00", currency)}
    body = {"source": "erp", "snapshot_id": "S-1", "as_of": "2026-06-15T12:05:00+08:00"}
    told = client.post("/v1/snapshots", json=body | {"items": [item]}).json()
    path = f"/v1/snapshots/drifts/{told['results'][0]['drift_id']}/adjust"
    headers = {"Idempotency-Key": "K-1", "Aval-Actor": "li.na"}
    made = client.post(path, json={"reason": "receipt is missing"}, headers=headers)
    assert made.status_code == 201, made.text
    told = erp.ask("SO-1", "1.00")
    assert (told["outcome"], told["reasons"]) == ("APPROVE", [])
    report = check_ledger(database.url)
    assert report.clean, report.difference
