"""What is known of a record that is merged follows to the one that goes on."""

import json
from datetime import date
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text

from app.domain.rules_standard import STANDARD
from app.domain.signals import Signal, SignalKind, SignalRole
from app.store.database import Database
from app.usecases.signals import NoteSignals
from tests.erp import Erp, money

LIAR = {
    "id": "liar",
    "zh": "失信被执行人",
    "en": "Dishonest debtor",
    "when": "signals_dishonest_debtor > 0",
    "outcome": "REJECT",
    "reason": "DISHONEST",
}
DAY = date(2026, 6, 15)


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    """Serve two records of one payer."""
    erp = Erp(client)
    for name in ("S", "C-1"):
        erp.customer(name)
    return erp


def merge(erp: Erp) -> None:
    answer = erp.client.post("/v1/customers/S/merge", json={"into": "C-1"})
    assert answer.status_code == 200, answer.text


def test_the_score_is_due_for_what_the_other_paid_late(erp: Erp, database: Database) -> None:
    bill = {"invoice_id": "I-1", "amount": money("90.00")}
    dates = {"issue_date": "2026-01-01", "due_date": "2026-01-31"}
    paid = {"payment_id": "P-1", "amount": money("90.00"), "paid_date": "2026-06-01"}
    for kind, fields in (("invoice", bill | dates), ("payment", paid | {"allocations": [bill]})):
        event = {"source": "erp", "event_id": str(uuid4()), "type": kind, "customer_id": "S"}
        when = {"segment": "main", "occurred_at": "2026-06-15T04:00:00Z", "version": 1}
        answer = erp.client.post("/v1/ledger-events", json={"events": [event | when | fields]})
        assert answer.json()["results"][0]["result"] == "applied", answer.text
    with database.begin() as tx:
        tx.execute(text("DELETE FROM score_due"))
    merge(erp)
    with database.read() as tx:
        due = tx.execute(text("SELECT customer_id FROM score_due")).scalars()
        assert "C-1" in set(due)


@pytest.mark.parametrize("checked", [True, False], ids=["both-were-checked", "only-the-other-was"])
def test_what_registries_know_holds_the_orders_of_who_goes_on(
    erp: Erp, database: Database, checked: bool
) -> None:
    rules = {
        "rows": [*STANDARD["rows"], LIAR],
        "texts": {"DISHONEST": {"zh": "失信", "en": "Liar"}},
    }
    with database.begin() as tx:
        statement = text("INSERT INTO rule_set (version, data) VALUES (2, CAST(:data AS jsonb))")
        tx.execute(statement, {"data": json.dumps(STANDARD | rules)})
        life = "INSERT INTO rule_set_life (version, status, author) VALUES (2, 'APPROVED', 'aval')"
        tx.execute(text(life))
        tx.execute(text("UPDATE segment SET rule_set_version = 2"))
    note = NoteSignals(database)
    if checked:
        note("C-1", "qcc", [], DAY)
    note("S", "qcc", [Signal(SignalKind.DISHONEST_DEBTOR, SignalRole.SUBJECT, DAY)], DAY)
    merge(erp)
    told = erp.ask("SO-1", "1.00")
    assert (told["outcome"], [one["code"] for one in told["reasons"]]) == ("REJECT", ["DISHONEST"])
