"""Payment terms over HTTP: what a class may have, what holds an order, what being late costs."""

import json
from collections.abc import Iterator
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text

from app.domain.rules_standard import STANDARD
from app.store.checker import check_ledger
from app.store.database import Database
from tests.erp import Erp, money, refused

TERMS = {"N": {"days": 45, "late_interest_percent": "18", "prepay_percent": "20"}, "A": 90}


@pytest.fixture
def erp(client: httpx2.Client, database: Database) -> Iterator[Erp]:
    """Serve a policy with terms as version 2; it is stored as it stands."""
    data = STANDARD | {"terms": TERMS}
    with database.begin() as tx:
        statement = text("INSERT INTO rule_set (version, data) VALUES (2, CAST(:data AS jsonb))")
        tx.execute(statement, {"data": json.dumps(data)})
        life = "INSERT INTO rule_set_life (version, status, author) VALUES (2, 'APPROVED', 'aval')"
        tx.execute(text(life))
        tx.execute(text("UPDATE segment SET rule_set_version = 2"))
    erp = Erp(client)
    erp.customer("C-1", "10000.00", payment_terms_days=45)
    yield erp
    report = check_ledger(database.url)
    assert report.clean, report.difference


def fact(erp: Erp, kind: str, **fields: object) -> None:
    event = {"source": "erp", "event_id": str(uuid4()), "type": kind, "customer_id": "C-1"}
    when = {"segment": "main", "occurred_at": "2026-06-15T04:00:00Z", "version": 1}
    answer = erp.client.post("/v1/ledger-events", json={"events": [event | when | fields]})
    assert answer.json()["results"][0]["result"] == "applied", answer.text


def test_terms_that_are_too_long_say_so_and_what_helps(erp: Erp) -> None:
    held = erp.ask("SO-1", "1000.00", payment_terms_days=60)
    found = {one["code"]: (one["observed"], one["threshold"]) for one in held["reasons"]}
    assert found == {
        "TERMS_TOO_LONG": ("60", "45"),
        "PREPAYMENT_TOO_LOW": ("0.00 CNY", "200.00 CNY"),
    }
    advice = {one["action"]: one for one in held["unblock"]}
    assert set(advice) == {"PREPAY", "SHORTEN_TERMS"}
    assert (advice["PREPAY"]["amount"], advice["PREPAY"]["suffices"]) == (money("1000.00"), True)
    assert advice["SHORTEN_TERMS"]["days"] == 45
    assert "45" in advice["SHORTEN_TERMS"]["zh"]
    held = erp.ask("SO-1", "1000.00", payment_terms_days=45)
    (share,) = held["unblock"]
    assert (share["amount"], share["percent"]) == (money("200.00"), "20.00")
    told = {"payment_id": "P-1", "amount": share["amount"], "paid_date": "2026-06-15"}
    fact(erp, "payment", **told)
    assert erp.ask("SO-1", "1000.00", payment_terms_days=45)["outcome"] == "APPROVE"
    assert erp.ask("SO-2", "0.05", payment_terms_days=45)["outcome"] == "HOLD"  # paid for SO-1


def test_what_was_prepaid_for_an_order_lets_no_other_go_once_that_is_delivered(erp: Erp) -> None:
    fact(erp, "payment", payment_id="P-1", amount=money("200.00"), paid_date="2026-06-15")
    assert erp.ask("SO-1", "1000.00")["outcome"] == "APPROVE"
    fact(erp, "delivery", delivery_id="D-1", order_id="SO-1", amount=money("1000.00"))
    (reason,) = erp.ask("SO-2", "1000.00")["reasons"]
    assert (reason["code"], reason["threshold"]) == ("PREPAYMENT_TOO_LOW", "400.00 CNY")
    assert erp.ask("SO-1", "1000.00", check_point="DELIVERY")["outcome"] == "APPROVE"


def test_what_was_prepaid_in_full_gives_no_other_order_longer_terms(erp: Erp) -> None:
    fact(erp, "payment", payment_id="P-1", amount=money("1000.00"), paid_date="2026-06-15")
    assert erp.ask("SO-1", "1000.00", payment_terms_days=365)["outcome"] == "APPROVE"
    fact(erp, "delivery", delivery_id="D-1", order_id="SO-1", amount=money("1000.00"))
    held = erp.ask("SO-2", "1000.00", payment_terms_days=365)
    assert [one["code"] for one in held["reasons"]] == ["TERMS_TOO_LONG"]


def test_late_interest_is_shown_and_never_booked(erp: Erp) -> None:
    for name, amount, due in (("I-1", "3600.00", "2026-06-05"), ("I-2", "36.01", "2026-06-14")):
        dates = {"issue_date": "2026-05-01", "due_date": due}
        fact(erp, "invoice", invoice_id=name, amount=money(amount), **dates)
    dates = {"issue_date": "2026-05-01", "due_date": "2026-06-15"}
    fact(erp, "invoice", invoice_id="I-3", amount=money("1.00"), **dates)
    told = erp.client.get("/v1/customers/C-1/terms").json()
    assert told["late_interest"] == [money("18.01")]
    assert (told["risk_class"], told["payment_terms_days"]) == ("N", 45)
    shown = {name: told[name] for name in ("allowed_days", "late_interest_percent")}
    assert shown == {"allowed_days": 45, "late_interest_percent": "18"}
    path = "/v1/customers/C-1/account/documents"
    for category, listed in (("OVERDUE", 2), ("OPEN_ITEM", 3)):
        items = erp.client.get(path, params={"category": category}).json()["items"]
        found = {one["id"]: one["late_interest"] for one in items}
        assert len(found) == listed
        assert (found["I-1"], found["I-2"]) == (money("18.00"), money("0.01"))
        assert found.get("I-3") is None
    assert erp.account()["exposure"] == money("3637.01")
    refused(erp.client.get("/v1/customers/C-0/terms"), 404, "customer_unknown")
