"""A policy tried on what was decided: orders, money, rules, and how it was paid since."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.cli.try_rules import try_rules
from app.domain.money import Money
from app.domain.rules_standard import STANDARD
from app.domain.trials import Trial, Verdict
from app.settings import Settings
from app.store.database import Database
from app.store.trials import Period
from tests.erp import Erp, money, refused
from tests.server import Clock

DAY = timedelta(days=1)
SINCE, UNTIL = "2026-06-15T00:00:00Z", "2026-06-16T00:00:00Z"
STRICT = 90


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1", "1000.00")
    return erp


@pytest.fixture
def strict(database: Database) -> int:
    """Store a policy that holds what STANDARD lets pass: whoever has no score."""
    rows = [{**row, "outcome": "HOLD"} if row["id"] == "not-scored" else row for row in ROWS]
    return put(database, STRICT, rows)


ROWS: list[dict[str, Any]] = STANDARD["rows"]


def put(database: Database, version: int, rows: list[dict[str, Any]]) -> int:
    data = orjson.dumps({**STANDARD, "rows": rows}).decode()
    with database.begin() as tx:
        insert = text(
            "INSERT INTO rule_set (version, data) VALUES (:version, cast(:data AS jsonb))"
        )
        tx.execute(insert, {"version": version, "data": data})
    return version


def tried(erp: Erp, version: int, **period: str) -> dict[str, Any]:
    body = {"since": SINCE, "until": UNTIL, **period}
    answer = erp.client.post(f"/v1/rule-sets/{version}/trial", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def bill(erp: Erp, order_id: str, amount: str, due: str, paid: str | None = None) -> None:
    common = {
        "source": "erp",
        "customer_id": "C-1",
        "segment": "main",
        "occurred_at": SINCE,
        "version": 1,
        "amount": money(amount),
    }
    events: list[dict[str, Any]] = [
        {
            **common,
            "event_id": f"I-{order_id}",
            "type": "invoice",
            "invoice_id": order_id,
            "issue_date": "2026-06-15",
            "due_date": due,
            "lines": [{"order_id": order_id, "amount": money(amount)}],
        }
    ]
    if paid is not None:
        events.append(
            {
                **common,
                "event_id": f"P-{order_id}",
                "type": "payment",
                "payment_id": order_id,
                "paid_date": paid,
                "allocations": [{"invoice_id": order_id, "amount": money(amount)}],
            }
        )
    answer = erp.client.post("/v1/ledger-events", json={"events": events})
    assert {one["result"] for one in answer.json()["results"]} == {"applied"}, answer.text


def test_the_policy_in_force_differs_in_nothing(erp: Erp) -> None:
    erp.ask("SO-1", "10.00")
    erp.held("SO-2", "5000.00")
    told = tried(erp, 1)
    assert (told["decisions"], told["orders"], told["differing"]) == (2, 2, 0)
    assert (told["moves"], told["by_rule"], told["largest"]) == ([], [], [])


def test_what_a_stricter_policy_would_have_held(
    erp: Erp, strict: int, clock: Clock, settings: Settings, database: Database
) -> None:
    for order_id, amount in (("SO-1", "100.00"), ("SO-2", "200.00"), ("SO-3", "50.00")):
        erp.ask(order_id, amount)
    erp.ask("SO-1", "150.00")  # the same order again: what counts is the last time
    erp.held("SO-4", "5000.00")  # held by both
    bill(erp, "SO-1", "150.00", "2026-06-20", paid="2026-06-25")
    bill(erp, "SO-2", "120.00", "2026-06-20", paid="2026-06-20")
    bill(erp, "SO-3", "50.00", "2026-06-20")
    clock.at += 6 * DAY
    told = tried(erp, strict)
    assert (told["decisions"], told["differing"], told["failed"]) == (5, 4, 0)
    assert (told["orders"], told["orders_differing"]) == (4, 3)
    sums = {
        "orders": 3,
        "amounts": [money("400.00")],
        "billed": [money("320.00")],
        "overdue": [money("200.00")],  # one paid late, one open past its day
        "overdue_orders": 2,
    }
    assert told["moves"] == [{"was": "APPROVE", "now": "HOLD", "sums": sums}]
    (of_rule,) = [one for one in told["by_rule"] if one["rule_id"] == "not-scored"]
    assert of_rule["sums"] == sums
    first = told["largest"][0]
    assert (first["order_id"], first["amount"], first["now"]) == ("SO-2", money("200.00"), "HOLD")
    assert "not-scored" in first["rules"]

    since = datetime(2026, 6, 15, tzinfo=UTC)
    at_once = settings.model_copy(update={"database_url": database.url})
    again = orjson.loads(try_rules(at_once, strict, Period(since, since + DAY), 1))
    for part in ("decisions", "differing", "orders", "orders_differing"):
        assert again[part] == told[part]


def test_a_pilot_tells_what_it_would_have_held(erp: Erp, clock: Clock) -> None:
    body = {"name": "Main", "mode": "SHADOW"}
    assert erp.client.put("/v1/segments/main", json=body).status_code in {200, 201}
    erp.ask("SO-1", "10.00")
    passed = erp.ask("SO-2", "5000.00")
    assert (passed["outcome"], passed["judged"]) == ("APPROVE", "HOLD")
    bill(erp, "SO-2", "5000.00", "2026-06-20")
    clock.at += 10 * DAY
    answer = erp.client.get("/v1/pilot-report", params={"since": SINCE, "until": UNTIL})
    told = answer.json()
    assert (told["decisions"], told["orders_differing"]) == (2, 1)
    assert told["moves"][0]["sums"]["overdue"] == [money("5000.00")]
    assert told["by_rule"][0]["rule_id"] == "over-limit"


def test_refusals_name_the_field(erp: Erp, strict: int) -> None:
    path = f"/v1/rule-sets/{strict}/trial"
    backwards = {"since": UNTIL, "until": SINCE}
    refused(erp.client.post(path, json=backwards), 422, "invalid_field", "until")
    none = erp.client.post("/v1/rule-sets/77/trial", json={"since": SINCE, "until": UNTIL})
    refused(none, 404, "not_found")
    params = {"since": UNTIL, "until": SINCE}
    assert erp.client.get("/v1/pilot-report", params=params).status_code == 422


OUTCOMES = st.sampled_from(["APPROVE", "HOLD", "REJECT"])
SEEN = st.lists(st.tuples(st.sampled_from("abc"), OUTCOMES, OUTCOMES), max_size=12)


def verdict(order_id: str, was: Any, now: Any) -> Verdict:  # noqa: ANN401 - outcomes
    return Verdict(("main", order_id), "C-1", "d", Money(1, "CNY"), was, now)


@given(SEEN, SEEN)
def test_parts_of_a_period_come_to_the_whole(
    first: list[tuple[str, str, str]], second: list[tuple[str, str, str]]
) -> None:
    whole, parts = Trial(), (Trial(), Trial())
    for seen, part in zip((first, second), parts, strict=True):
        for one in seen:
            part.add(verdict(*one))
            whole.add(verdict(*one))
    parts[0].follow(parts[1])
    assert parts[0] == whole
