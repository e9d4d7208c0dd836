"""A snoozed rule only warns, for one customer and until its time; limits and holds never do."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from app.domain.rules import Fired, read_rule_set
from app.domain.rules_standard import STANDARD
from app.domain.snoozes import split_snoozed
from app.store.checker import check_ledger
from app.store.database import Database
from tests.erp import Erp, money, refused
from tests.server import Clock

PATH = "/v1/customers/C-1/rule-snoozes"
ASKED = {"rule_id": "overdue-days", "reason": "seen", "expires_at": "2026-06-20T00:00:00Z"}


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    for customer_id in ("C-1", "C-2"):
        erp.customer(customer_id, "1000.00")
        event = {
            "source": "erp",
            "event_id": f"E-{customer_id}",
            "type": "invoice",
            "customer_id": customer_id,
            "segment": "main",
            "occurred_at": "2026-04-01T00:00:00Z",
            "invoice_id": f"I-{customer_id}",
            "version": 1,
            "amount": money("10.00"),
            "issue_date": "2026-04-01",
            "due_date": "2026-05-01",
        }
        assert client.post("/v1/ledger-events", json={"events": [event]}).status_code == 200
    return erp


def reasons(told: dict[str, Any]) -> list[str]:
    return [one["rule_id"] for one in told["reasons"]]


def test_a_snoozed_rule_warns_until_its_time(erp: Erp, clock: Clock, database: Database) -> None:
    assert reasons(erp.ask("SO-1", "1.00")) == ["overdue-days", "overdue-share"]
    made = erp.post(PATH, ASKED, "k-1")
    assert made.status_code == 201, made.text
    assert erp.post(PATH, ASKED, "k-1").content == made.content
    assert erp.post(PATH, {**ASKED, "rule_id": "overdue-share"}).status_code == 201
    passed = erp.ask("SO-2", "1.00")
    assert (passed["outcome"], passed["reasons"]) == ("APPROVE", [])
    assert {"overdue-days", "overdue-share"} <= {one["rule_id"] for one in passed["warnings"]}
    assert erp.ask("SO-3", "1.00", customer_id="C-2")["outcome"] == "HOLD"
    assert reasons(erp.ask("SO-4", "5000.00")) == ["over-limit"]
    clock.at += timedelta(days=5)  # the time of the snooze is over
    late = erp.ask("SO-5", "1.00")
    assert reasons(late) == ["overdue-days", "overdue-share"]
    for told in (passed, late):
        replayed = erp.client.post(f"/v1/decisions/{told['decision_id']}/replay").json()
        assert replayed == {"same": True}
    report = check_ledger(database.url)
    assert report.clean, str(report)


def test_a_later_word_takes_the_place_of_an_earlier_and_ends(erp: Erp) -> None:
    first = erp.post(PATH, ASKED).json()
    second = erp.post(PATH, {**ASKED, "reason": "again"}).json()
    assert erp.post(PATH, {**ASKED, "rule_id": "overdue-share"}).status_code == 201
    listed = erp.client.get(PATH).json()["items"]
    ended = {one["snooze_id"]: one["ended_by"] for one in listed}
    assert (ended[first["snooze_id"]], ended[second["snooze_id"]]) == ("tests", None)
    assert erp.ask("SO-1", "1.00")["outcome"] == "APPROVE"
    told = erp.client.post(f"{PATH}/{second['snooze_id']}/end")
    assert told.json()["ended_by"] == "tests"
    assert erp.client.post(f"{PATH}/{second['snooze_id']}/end").json() == told.json()
    assert reasons(erp.ask("SO-2", "1.00")) == ["overdue-days"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rule_id": "over-limit"}, "rule_id"),
        ({"rule_id": "forced-hold"}, "rule_id"),
        ({"rule_id": "nobody's"}, "rule_id"),
        ({"expires_at": "2026-06-15T04:00:00Z"}, "expires_at"),
        ({"expires_at": "2026-12-15T04:00:00Z"}, "expires_at"),
    ],
    ids=["limit", "forced", "unknown", "past", "long"],
)
def test_what_cannot_be_snoozed_is_refused(erp: Erp, change: dict[str, str], field: str) -> None:
    refused(erp.post(PATH, {**ASKED, **change}), 422, "invalid_field", field)
    assert erp.client.get(PATH).json() == {"items": []}


def test_no_snooze_lifts_a_limit_or_a_persons_hold(clock: Clock) -> None:
    """Whatever got into the inputs: the guard stands where orders are judged, too."""
    rows = read_rule_set(1, STANDARD).rows
    fired = [Fired(row, row.reason, "HOLD", None, None) for row in rows]
    until = (clock() + timedelta(days=1)).isoformat()
    stands, snoozed = split_snoozed(fired, {row.rule_id: until for row in rows}, clock())
    assert {one.row.rule_id for one in stands} == {
        "order-rejected",
        "forced-hold",
        "account-stop",
        "fx-rate",
        "no-limit",
        "limit-expired",
        "over-limit",
    }
    assert len(snoozed) + len(stands) == len(rows)
