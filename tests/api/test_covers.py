"""Covers over HTTP: statuses, what is answered, and what is refused by which rule."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from app.store.database import Database
from app.usecases.keys import CreateKey
from tests.erp import Erp, money, refused
from tests.server import Clock

PATH = "/v1/customers/C-1/covers"
ASK: dict[str, Any] = {"kind": "DEPOSIT", "percentage": "33.33", "cap": money("200.00")}


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1", "100.00")
    return erp


def test_a_cover_counts_from_its_answer_on(erp: Erp) -> None:
    assert erp.ask("SO-1", "150.00")["outcome"] == "HOLD"
    answer = erp.post(PATH, {**ASK, "reference": "R-1", "reason": "cash", "valid_to": None})
    told = answer.json()
    assert (answer.status_code, told["status"]) == (201, "APPROVED")
    assert (told["contribution"], told["percentage"]) == (money("66.66"), "33.33")
    assert (told["cap"], told["valid_to"]) == (money("200.00"), None)
    account = erp.account()
    assert (account["effective_limit"], account["covers"]) == (money("166.66"), money("66.66"))
    assert erp.ask("SO-1", "150.00")["outcome"] == "APPROVE"
    ended = erp.post(f"{PATH}/{told['cover_id']}/end").json()
    assert ended["status"] == "ENDED"
    after = erp.account()
    assert (after["effective_limit"], after["covers"]) == (money("100.00"), money("0.00"))
    assert after["forced"] == money("50.00")
    refused(erp.post(f"{PATH}/{told['cover_id']}/end"), 409, "limit_state")


def test_from_the_effective_limit_to_what_it_is_made_of(erp: Erp, clock: Clock) -> None:
    """The lists say which limit and covers are in force today; these add up to the figure."""
    limits = "/v1/customers/C-1/limits"
    assert erp.client.put("/v1/segments/east", json={"name": "East"}).status_code == 201
    for body in (
        {"kind": "base", "limit": money("120.00"), "valid_from": "2026-06-01"},
        {"kind": "base", "limit": money("90.00"), "valid_from": "2026-07-01"},
        {"kind": "base", "limit": money("7.00"), "segment": "east"},
        {
            "kind": "temporary",
            "limit": money("300.00"),
            "valid_from": "2026-06-20",
            "valid_to": "2026-06-21",
        },
    ):
        assert erp.post(limits, body).status_code == 201
    over = {**ASK, "valid_from": "2026-06-01", "valid_to": "2026-06-19"}
    for cover in (ASK, over, {**ASK, "valid_from": "2026-06-21"}):
        assert erp.post(PATH, cover).status_code == 201
    ended = erp.post(PATH, ASK).json()["cover_id"]
    assert erp.post(f"{PATH}/{ended}/end").status_code == 200

    def in_force(segment: str) -> list[str]:
        lists = ((limits, "limit"), (PATH, "contribution"))
        return [
            one[name]["amount"]
            for path, name in lists
            for one in erp.client.get(path, params={"segment": segment}).json()["items"]
            if one["in_force"]
        ]

    told = {}
    for day in (15, 20, 21, 22, 46):
        clock.at = datetime(2026, 6, 1, 4, tzinfo=UTC) + timedelta(days=day - 1)
        told[day] = in_force("main")
        total = sum(map(Decimal, told[day]))
        assert erp.account()["effective_limit"] == money(str(total))
    assert told == {
        15: ["120.00", "66.66", "66.66"],
        20: ["300.00", "66.66"],
        21: ["300.00", "66.66", "66.66"],
        22: ["120.00", "66.66", "66.66"],
        46: ["90.00", "66.66", "66.66"],
    }
    assert in_force("east") == ["7.00"]


def test_a_key_has_one_effect(erp: Erp) -> None:
    first, again = (erp.post(PATH, ASK, "K-1") for _ in range(2))
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(erp.client.get(PATH).json()["items"]) == 1
    other = {**ASK, "percentage": "33.34"}
    refused(erp.post(PATH, other, "K-1"), 422, "idempotency_key_reused")
    missing = erp.client.post(PATH, json=ASK)
    refused(missing, 400, "idempotency_key_required")


def test_a_clerk_proposes(erp: Erp, database: Database, clock: Clock) -> None:
    token = CreateKey(database, clock)("clerk", ["limit:propose"])
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "K"}
    answer = erp.client.post(PATH, json=ASK, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (202, "PROPOSED")
    approve = f"{PATH}/{answer.json()['cover_id']}/approve"
    refused(erp.client.post(approve, headers=headers), 403, "forbidden")
    assert erp.post(approve).json()["decided_by"] == "tests"


def test_the_list_has_pages(erp: Erp) -> None:
    made = [erp.post(PATH, ASK).json()["cover_id"] for _ in range(3)]
    first = erp.client.get(PATH, params={"limit": 2}).json()
    rest = erp.client.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    shown = [one["cover_id"] for one in first["items"] + rest["items"]]
    assert (sorted(shown), rest["next_cursor"]) == (sorted(made), None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"kind": "PROMISE"}, "kind", id="unknown-kind"),
        pytest.param({"percentage": "0"}, "percentage", id="percentage-zero"),
        pytest.param({"percentage": "101"}, "percentage", id="percentage-above"),
        pytest.param({"percentage": "NaN"}, "percentage", id="percentage-nan"),
        pytest.param({"percentage": "1.005"}, "percentage", id="three-places"),
        pytest.param({"percentage": 90}, "percentage", id="percentage-number"),
        pytest.param({"cap": money("0.00")}, "cap.amount", id="cap-zero"),
        pytest.param({"cap": money("-1.00")}, "cap.amount", id="cap-negative"),
        pytest.param({"cap": money("1.001")}, "cap.amount", id="cap-too-fine"),
        pytest.param(
            {"valid_from": "2026-06-20", "valid_to": "2026-06-19"}, "valid_to", id="backwards"
        ),
        pytest.param({"limit": money("1.00")}, "limit", id="unknown-field"),
    ],
)
def test_bad_input(erp: Erp, change: dict[str, Any], field: str) -> None:
    refused(erp.post(PATH, {**ASK, **change}), 422, "invalid_field", field)
    assert erp.client.get(PATH).json()["items"] == []


def test_other_refusals(erp: Erp) -> None:
    foreign = erp.post(PATH, {**ASK, "cap": money("9.00", "USD")})
    refused(foreign, 409, "currency_fixed", "cap.currency")
    refused(erp.post("/v1/customers/NOBODY/covers", ASK), 404, "customer_unknown")
    refused(erp.post(PATH, {**ASK, "segment": "moon"}), 404, "segment_unknown")
    refused(erp.post(f"{PATH}/no-id/approve"), 404, "not_found", "cover_id")
    refused(erp.post(f"{PATH}/no-id/praise"), 422, "invalid_field")


def test_a_cover_that_ends_is_listed_though_another_runs_beside_it(erp: Erp) -> None:
    """Covers add up: what one of its kind gives already takes over nothing of another's."""
    ends = {**ASK, "valid_from": "2026-06-01", "valid_to": "2026-06-30"}
    beside = {**ASK, "valid_from": "2026-05-01", "valid_to": "2027-05-31"}
    smaller = {**ASK, "percentage": "33.32", "valid_from": "2026-07-01"}
    early = {**ASK, "valid_from": "2026-05-30", "valid_to": "2027-05-31"}
    for asked in (ends, beside, smaller, early):
        assert erp.post(PATH, asked).status_code == 201
    query = {"ends_before": "2026-07-31"}
    (found,) = erp.client.get("/v1/limits/expiring", params=query).json()["items"]
    assert found["valid_to"] == "2026-06-30"
    follows = {**ASK, "valid_from": "2026-07-01"}
    assert erp.post(PATH, follows).status_code == 201
    assert erp.client.get("/v1/limits/expiring", params=query).json()["items"] == []
