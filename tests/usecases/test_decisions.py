"""Stored decisions: found, told with what they rested on, and judged again to the same answer."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import orjson
import pytest
from sqlalchemy import text

from app.domain.decision_diff import Told, compare
from app.domain.rules import read_rule_set
from app.domain.rules_standard import STANDARD
from app.store import decisions
from app.store.database import Database
from app.usecases.decisions import ReplayDecisions, replay_one
from tests.erp import Erp, money, refused
from tests.server import Clock

LIST = "/v1/decisions"
RULES = read_rule_set(1, STANDARD)


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1", aliases=["CRM-1"])
    return erp


def check(erp: Erp, order_id: str, amount: str, **more: object) -> dict[str, Any]:
    body = {"customer_id": "C-1", "check_point": "QUOTE", "amount": money(amount), **more}
    told: dict[str, Any] = erp.client.post(
        "/v1/limit-checks", json={**body, "order": {"id": order_id}}
    ).json()
    return told


def orders(erp: Erp, **query: str | int) -> list[str]:
    """List orders with their outcome over as many pages as it takes."""
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = erp.client.get(LIST, params={**query, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        seen += [f"{one['order_id']} {one['outcome']}" for one in page["items"]]
        if page["next_cursor"] is None:
            return seen
        cursor = {"cursor": page["next_cursor"]}


def test_every_kind_of_decision_is_judged_the_same_again(erp: Erp, database: Database) -> None:
    erp.customer("G", "0.00")
    erp.customer("C-2", None, parent_id="G")
    erp.customer("C-3", "500.00", active=False)
    rate = {"base": "USD", "quote": "CNY", "rate": "7.1", "rate_date": "2026-06-15", "source": "x"}
    erp.post("/v1/fx-rates", rate)
    erp.ask("SO-1", "60.00", version=0)
    erp.ask("SO-1", "70.00", version=1)
    erp.ask("SO-1", "40.00", version=1)
    erp.decide(erp.held("SO-1", "150.00", version=2), "release", max_amount=money("180.00"))
    erp.ask("SO-1", "180.00", version=3)
    erp.held("SO-2", "10.00", customer_id="C-2")  # a group's limit of zero is a limit
    erp.ask("SO-3", "10.00", customer_id="C-3")
    erp.held("SO-4", "20.00", currency="USD")
    erp.held("SO-5", "20.000", currency="BHD")
    erp.place(order_id="SO-6")
    erp.held("SO-6", "1.00")
    erp.ask("SO-1", "1.00", customer_id="C-2", version=4)
    check(erp, "SO-7", "1000.00")
    check(erp, "SO-1", "1.00")
    erp.decide(erp.held("SO-8", "1.00"), "reject")
    assert erp.ask("SO-8", "1.00")["outcome"] == "REJECT"
    told = list(ReplayDecisions(database)(datetime(2026, 6, 15, tzinfo=UTC)))
    assert len(told) == 16
    assert [found for _, found in told if found] == []
    for decision_id, _ in told:
        assert erp.client.post(f"{LIST}/{decision_id}/replay").json() == {"same": True}


def test_replay_starts_at_a_moment(erp: Erp, database: Database, clock: Clock) -> None:
    erp.ask("SO-1", "1.00")
    clock.advance(hours=1)
    later = erp.ask("SO-2", "1.00")["decision_id"]
    assert [one for one, _ in ReplayDecisions(database)(clock.at)] == [later]


def test_replay_says_what_differs(erp: Erp, database: Database) -> None:
    told = erp.ask("SO-1", "60.00")
    with database.begin() as tx:
        row = decisions.get(tx, told["decision_id"])
    assert row is not None
    assert replay_one(row, RULES) == []
    lied = replace(row, answer=orjson.dumps({**told, "outcome": "HOLD", "ship_up_to": None}))
    found = {one.field: (one.stored, one.replayed) for one in replay_one(lied, RULES)}
    assert found == {"outcome": ("HOLD", "APPROVE"), "ship_up_to": (None, money("60.00"))}
    inactive = replace(row, slow={**row.slow, "active": False})
    assert "outcome" in {one.field for one in replay_one(inactive, RULES)}
    reworded = orjson.loads(row.answer)
    reworded["warnings"][0]["en"] = "said otherwise"
    assert replay_one(replace(row, answer=orjson.dumps(reworded)), RULES) == []
    question = {**row.inputs["question"], "version": 1}
    order = {"segment_id": "main", "order_id": "SO-1", "account_id": 1, "currency": "CNY"}
    stale = {**row.inputs["situation"], "order": {**order, "version": 2}}
    moved = replace(row, inputs={"question": question, "situation": stale})
    (gone,) = replay_one(moved, RULES)
    assert (gone.field, gone.replayed) == ("outcome", "order_version_stale")


def test_inputs_that_are_gone_are_a_difference(erp: Erp, database: Database) -> None:
    """Without them anybody would be active and unscored."""
    told = erp.ask("SO-1", "1.00")
    with database.begin() as tx:
        tx.execute(text("SET LOCAL session_replication_role = replica"))
        tx.execute(text("DELETE FROM account_input"))
    answer = erp.client.post(f"{LIST}/{told['decision_id']}/replay").json()
    assert answer["differences"] == [{"field": "inputs", "stored": 1, "replayed": None}]


def test_a_decision_is_told_as_it_was_sent_with_what_it_rested_on(erp: Erp) -> None:
    told = erp.ask("SO-1", "60.00", payment_terms_days=60)
    answer = erp.client.get(f"{LIST}/{told['decision_id']}").json()
    snapshot = answer.pop("snapshot")
    assert answer == told
    assert snapshot["question"]["amount"] == [60_00, "CNY"]
    assert snapshot["situation"]["accounts"][0]["limit_minor"] == 100_00
    assert (snapshot["kind"], snapshot["client"]) == ("AUTHORIZATION", "tests")
    assert snapshot["inputs"]["active"] is True
    refused(erp.client.get(f"{LIST}/SO-1"), 404, "not_found")


def test_decisions_are_filtered_and_paged(erp: Erp, clock: Clock) -> None:
    erp.customer("C-2")
    erp.ask("SO-1", "60.00")
    erp.held("SO-2", "60.00")
    clock.advance(minutes=1)
    erp.ask("SO-3", "10.00", customer_id="C-2")
    check(erp, "SO-1", "1.00")
    everything = ["SO-1 APPROVE", "SO-3 APPROVE", "SO-2 HOLD", "SO-1 APPROVE"]
    assert orders(erp) == orders(erp, limit=1) == orders(erp, limit=3) == everything
    assert orders(erp, customer_id="CRM-1") == ["SO-1 APPROVE", "SO-2 HOLD", "SO-1 APPROVE"]
    assert orders(erp, order_id="SO-1", limit=1) == ["SO-1 APPROVE", "SO-1 APPROVE"]
    assert orders(erp, outcome="HOLD") == ["SO-2 HOLD"]
    assert orders(erp, since="2026-06-15T04:01:00Z") == everything[:2]
    assert orders(erp, since="2026-06-15T04:01:01Z") == []
    refused(erp.client.get(LIST, params={"cursor": "WyJ4Il0"}), 422, "invalid_field", "cursor")
    refused(erp.client.get(LIST, params={"customer_id": "C-9"}), 404, "customer_unknown")


def diff(erp: Erp, a: dict[str, Any], b: dict[str, Any]) -> dict[tuple[str, str], tuple[Any, Any]]:
    answer = erp.client.get(f"{LIST}/{a['decision_id']}/diff/{b['decision_id']}")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["same"] is not bool(told["changes"])
    return {(one["part"], one["field"]): (one["a"], one["b"]) for one in told["changes"]}


def test_two_decisions_side_by_side(erp: Erp, clock: Clock) -> None:
    def rate(value: str, day: str) -> None:
        terms = {"base": "USD", "quote": "CNY", "rate": value, "source": "x"}
        assert erp.post("/v1/fx-rates", {**terms, "rate_date": day}).status_code == 201

    rate("7", "2026-06-15")
    first = erp.ask("SO-1", "5.00", currency="USD")
    again = check(erp, "SO-9", "5.00")
    assert diff(erp, again, again) == {}
    invoice = {
        "source": "erp",
        "event_id": "E-1",
        "type": "invoice",
        "customer_id": "C-1",
        "segment": "main",
        "occurred_at": "2026-06-15T04:00:00Z",
        "invoice_id": "I-1",
        "version": 1,
        "issue_date": "2026-06-15",
        "due_date": "2026-07-15",
        "amount": money("60.00"),
    }
    assert erp.client.post("/v1/ledger-events", json={"events": [invoice]}).status_code == 200
    rate("8", "2026-06-16")
    clock.advance(days=1)
    then = erp.ask("SO-2", "9.00", currency="USD", version=4)
    found = diff(erp, first, then)
    assert found["ANSWER", "outcome"] == ("APPROVE", "HOLD")
    assert found["ANSWER", "reasons.over-limit.code"] == (None, "OVER_LIMIT")
    assert found["QUESTION", "order_id"] == ("SO-1", "SO-2")
    assert found["QUESTION", "amount"] == ([500, "USD"], [900, "USD"])
    assert found["ACCOUNT", "C-1.open_item"] == (0, 6000)
    assert found["RATE", "CNY.rate"] == ("7", "8")
    assert not {part for part, _ in found} & {"RULE", "CUSTOMER"}
    assert diff(erp, then, first) == {name: (b, a) for name, (a, b) in found.items()}
    refused(erp.client.get(f"{LIST}/{first['decision_id']}/diff/nobody"), 404, "not_found")


def test_a_diff_names_the_rows_of_a_policy_that_changed() -> None:
    rows = [dict(row) for row in STANDARD["rows"]]
    situation = {"use": [0, 0], "accounts": [], "overdue": [{}, {}, 0], "mode": "ENFORCE"}
    old = Told({}, {**situation, "today": "2026-06-15"}, {}, {}, 1, {"rows": rows})
    newer = [{**rows[0], "outcome": "HOLD"}, *rows[2:], {"id": "own", "outcome": "WARN"}]
    found = compare(old, replace(old, rule_set_version=2, rules={"rows": newer}))
    told = {one.field: (one.a, one.b) for one in found}
    assert {one.part for one in found} == {"RULE"}
    assert told["version"] == (1, 2)
    assert told["rows.customer-active.outcome"] == ("REJECT", "HOLD")
    assert told["rows.own.outcome"] == (None, "WARN")
    assert told["rows.order-rejected.reason"] == ("ORDER_REJECTED", None)
    assert {name.split(".")[1] for name in told if "." in name} == {
        "customer-active",
        "order-rejected",
        "own",
    }
