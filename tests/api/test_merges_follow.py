"""What is known of a record that is merged follows to the one that goes on."""

import json
from datetime import date
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text

from app.domain.rules_standard import STANDARD
from app.domain.signals import Signal, SignalKind, SignalRole
from app.store.checker import check_ledger
from app.store.database import Database
from app.usecases.signals import NoteSignals
from tests.erp import Erp, money, refused

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


def test_limits_and_covers_of_the_other_stay_on_record_and_change_nothing(erp: Erp) -> None:
    other, own = "/v1/customers/S", "/v1/customers/C-1"
    terms = {"kind": "DEPOSIT", "percentage": "50", "cap": money("80.00"), "reference": "POL-1"}
    assert erp.post(f"{other}/covers", terms).status_code == 201
    erp.client.put("/v1/segments/main", json={"name": "main", "four_eyes": True})
    waits = erp.post(f"{other}/limits", {"kind": "base", "limit": money("900.00")}).json()
    assert waits["status"] == "PROPOSED"
    merge(erp)
    before = erp.account()
    limits, covers = (
        erp.client.get(f"{own}/{one}").json()["items"] for one in ("limits", "covers")
    )
    assert erp.client.get(f"{other}/limits").json()["items"] == limits
    assert erp.client.get(f"{other}/covers").json()["items"] == covers
    assert sorted(one["status"] for one in limits) == ["APPROVED", "ENDED", "REJECTED"]
    of = {one["status"]: one["customer_id"] for one in limits}
    assert of == {"APPROVED": "C-1", "ENDED": "S", "REJECTED": "S"}  # whose it was
    assert [(one["status"], one["reference"]) for one in covers] == [("ENDED", "POL-1")]
    assert covers[0]["customer_id"] == "S"
    ended = next(one for one in limits if one["status"] == "ENDED")
    for one, action in ((waits, "approve"), (waits, "reject"), (ended, "end"), (ended, "approve")):
        for path in (other, own):
            refused(erp.post(f"{path}/limits/{one['limit_id']}/{action}"), 409, "limit_state")
    refused(erp.post(f"{own}/covers/{covers[0]['cover_id']}/end"), 409, "limit_state")
    assert erp.account() == before
    assert before["effective_limit"] == money("100.00")


def test_a_snooze_of_the_other_stays_on_record_and_lets_nothing_pass(
    erp: Erp, database_url: str
) -> None:
    late = {"issue_date": "2026-04-01", "due_date": "2026-05-01", "invoice_id": "I-1"}
    event = {"source": "erp", "event_id": "E-1", "type": "invoice", "customer_id": "C-1"}
    when = {"segment": "main", "occurred_at": "2026-04-01T04:00:00Z", "version": 1}
    told = {"events": [event | when | late | {"amount": money("10.00")}]}
    assert erp.client.post("/v1/ledger-events", json=told).json()["results"][0]["result"]
    asked = {"reason": "seen", "expires_at": "2026-06-20T00:00:00Z"}
    for rule_id in ("overdue-days", "overdue-share"):
        answer = erp.post("/v1/customers/S/rule-snoozes", {**asked, "rule_id": rule_id})
        assert answer.status_code == 201, answer.text
    merge(erp)
    listed: list[dict[str, str]] = []
    for name in ("S", "C-1"):
        listed = erp.client.get(f"/v1/customers/{name}/rule-snoozes").json()["items"]
        assert [one["customer_id"] for one in listed] == ["S", "S"], name
        assert [one["ended_by"] for one in listed] == ["tests", "tests"]
    assert check_ledger(database_url).clean
    path = f"/v1/customers/C-1/rule-snoozes/{listed[0]['snooze_id']}/end"
    refused(erp.client.post(path), 404, "not_found")
    own = {**asked, "rule_id": "overdue-share"}
    assert erp.post("/v1/customers/C-1/rule-snoozes", own).status_code == 201
    held = erp.ask("SO-1", "1.00")
    assert [one["rule_id"] for one in held["reasons"]] == ["overdue-days"]
