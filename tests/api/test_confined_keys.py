"""A key that is confined to segments decides nothing in others, and hears of nobody there."""

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.api.conftest import Speak
from tests.api.test_models import body, promote
from tests.erp import Erp, money, refused
from tests.scoring.packages import points

POLICY = "/v1/authorities/segments/main"
OVERRIDES = "/v1/customers/C-1/score/overrides"
UNTIL = "2026-07-15T00:00:00Z"
USD = {"base": "USD", "quote": "CNY", "rate_date": "2026-06-15", "source": "PBOC"}
STATEMENTS = "/v1/customers/C-1/financials"
YEAR = {"period_end": "2025-12-31", "currency": "CNY", "figures": {"sales": "1000.00"}}


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    """Serve two segments; the customer buys in `main`."""
    erp = Erp(client)
    erp.customer("C-1")
    assert client.put("/v1/segments/east", json={"name": "East"}).status_code == 201
    return erp


def two_eyes_no_more(east: Erp) -> httpx2.Response:
    return east.client.put(POLICY, json={"two_approvals_above": None, "escalation": []})


def policy_dropped(east: Erp) -> httpx2.Response:
    return east.client.delete(POLICY)


@pytest.mark.parametrize("act", [two_eyes_no_more, policy_dropped])
def test_a_confined_admin_takes_no_four_eyes_from_another_segment(
    erp: Erp, speak: Speak, act: Callable[[Erp], httpx2.Response]
) -> None:
    four_eyes = {"two_approvals_above": money("100.00"), "escalation": []}
    assert erp.client.put(POLICY, json=four_eyes).status_code == 200
    hold_id = erp.held("SO-1", "150.00")
    refused(act(speak("admin", segments=("east",))), 404, "segment_unknown")
    assert speak("hold:release").decide(hold_id, "release").status_code == 202


def role(most: str | None) -> dict[str, Any]:
    amount = None if most is None else money(most)
    row = {"risk_class": "*", "max_amount": amount, "segment": "main"}
    return {"name_zh": "x", "name_en": "x", "grants": [row]}


def test_a_confined_admin_gives_no_authority_in_another_segment(erp: Erp, speak: Speak) -> None:
    roles, subjects = "/v1/authorities/roles/clerk", "/v1/authorities/subjects/hold:release"
    assert erp.client.put(roles, json=role("10.00")).status_code == 200
    assert erp.client.put(subjects, json={"role": "clerk"}).status_code == 200
    lent = {"from": "hold:release", "to": "b", "valid_from": "2026-06-01", "valid_to": "2026-06-30"}
    east = speak("admin", segments=("east",)).client
    refused(east.put(roles, json=role(None)), 403, "forbidden")
    refused(east.put(subjects, json={"role": "clerk"}), 403, "forbidden")
    refused(east.delete(subjects), 403, "forbidden")
    refused(east.put("/v1/authorities/delegations/D-1", json=lent), 403, "forbidden")
    hold_id = erp.held("SO-1", "150.00")
    refused(speak("hold:release").decide(hold_id, "release"), 403, "above_authority")
    all_there_are = speak("admin", segments=("east", "main")).client
    assert all_there_are.put(roles, json=role("20.00")).status_code == 200


def test_a_confined_key_says_nothing_that_another_segment_scores_by(erp: Erp, speak: Speak) -> None:
    bad = {"risk_class": "E", "reason": "insolvent", "expires_at": UNTIL}
    standing = erp.client.post(OVERRIDES, json=bad).json()["override_id"]
    east = speak("check:write", "score:write", "customer:write", segments=("east",))
    ask: dict[str, Any] = {"customer_id": "C-1", "segment": "east", "check_point": "ORDER"}
    ask |= {"order": {"id": "X"}, "amount": money("1.00")}
    assert east.client.post("/v1/limit-checks", json=ask).status_code == 200  # an account there
    good = {"risk_class": "A", "reason": "fine", "expires_at": UNTIL, "replaces": standing}
    refused(east.client.post(OVERRIDES, json=good), 403, "forbidden")
    refused(east.client.post(f"{OVERRIDES}/{standing}/end"), 403, "forbidden")
    refused(east.client.put(STATEMENTS, json=YEAR), 403, "forbidden")
    assert erp.ask("SO-1", "50.00", check_point="GOODS_ISSUE")["outcome"] == "HOLD"


def test_a_confined_key_sets_no_rate_for_another_segment(erp: Erp, speak: Speak) -> None:
    assert erp.post("/v1/fx-rates", {**USD, "rate": "7.10"}).status_code == 201
    east = speak("rate:write", segments=("east",))
    refused(east.post("/v1/fx-rates", {**USD, "rate": "0.01"}), 403, "forbidden")
    assert erp.ask("SO-1", "50.00", currency="USD")["outcome"] == "HOLD"
    both = speak("rate:write", segments=("east", "main"))
    assert both.post("/v1/fx-rates", {**USD, "rate": "7.11"}).status_code == 201


MODEL = "/v1/models/late-payment"
MOVES: dict[str, tuple[str, dict[str, Any]]] = {
    "register": ("/v1/models", body(points("late-payment", 503))),
    "watch": (f"{MODEL}/versions/3/promote", {"to": "shadow", "reason": "x"}),
    "decide": (f"{MODEL}/versions/3/promote", {"to": "champion", "reason": "x"}),
    "back": (f"{MODEL}/rollback", {"reason": "x"}),
    "approve": (f"{MODEL}/promotions/11111111-1111-4111-8111-111111111111/approve", {}),
    "reject": (f"{MODEL}/promotions/11111111-1111-4111-8111-111111111111/reject", {}),
}


@pytest.mark.parametrize("case", MOVES)
def test_a_confined_key_puts_no_model_in_place_for_another_segment(
    erp: Erp, speak: Speak, case: str
) -> None:
    for score in (500, 501, 502):
        told = erp.client.post("/v1/models", json=body(points("late-payment", score)))
        assert told.status_code == 201
    for version in (1, 2):
        assert promote(erp.client, "late-payment", version).status_code == 200
    before = erp.client.get(MODEL).json()
    path, ask = MOVES[case]
    east = speak("model:admin", segments=("east",)).client
    refused(east.post(path, json=ask), 403, "forbidden")
    assert erp.client.get(MODEL).json() == before
    both = speak("model:admin", segments=("east", "main")).client
    assert both.post(path, json=ask).status_code != 403


@pytest.mark.parametrize(
    "path",
    [
        "/v1/customers/{}/limits",
        "/v1/customers/{}/covers",
        "/v1/order-holds?customer_id={}",
        "/v1/authorizations?customer_id={}",
        "/v1/decisions?customer_id={}",
        "/v1/snapshots/drifts?customer_id={}",
    ],
)
def test_a_confined_key_does_not_hear_who_is_known_elsewhere(
    erp: Erp, speak: Speak, path: str
) -> None:
    assert erp.client.get(path.format("C-1")).status_code == 200
    east = speak("admin", segments=("east",)).client
    for name in ("C-1", "NOBODY"):
        refused(east.get(path.format(name)), 404, "customer_unknown")


def test_a_confined_key_reads_no_authority_of_another_segment(erp: Erp, speak: Speak) -> None:
    east_row = {"risk_class": "A", "max_amount": money("5.00"), "segment": "east"}
    both = {**role("10.00"), "grants": [*role("10.00")["grants"], east_row]}
    assert erp.client.put("/v1/authorities/roles/clerk", json=both).status_code == 200
    four_eyes = {"two_approvals_above": money("100.00"), "escalation": []}
    for segment in ("main", "east"):
        put = erp.client.put(f"/v1/authorities/segments/{segment}", json=four_eyes)
        assert put.status_code == 200

    def read(client: httpx2.Client) -> tuple[list[Any], list[str], list[str], list[Any]]:
        told = client.get("/v1/authorities").json()
        changes = client.get("/v1/authorities/changes").json()["items"]
        grants = [one["segment"] for row in told["roles"] for one in row["grants"]]
        kept = [row["data"] for row in changes if row["what"] == "ROLE"]
        return (
            grants,
            [one["segment"] for one in told["segments"]],
            [row["name"] for row in changes],
            [one["segment"] for data in kept for one in data["grants"]],
        )

    east = speak("hold:read", "audit:read", segments=("east",)).client
    assert read(east) == (["east"], ["east"], ["east", "clerk"], ["east"])
    everywhere = (["main", "east"], ["east", "main"], ["east", "main", "clerk"], ["main", "east"])
    assert read(erp.client) == everywhere


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/v1/customers/C-1/limits", id="limits"),
        pytest.param("/v1/customers/C-1/covers", id="covers"),
        pytest.param("/v1/snapshots/drifts", id="drifts"),
        pytest.param("/v1/ledger-events/quarantine", id="quarantine"),
        pytest.param("/v1/changes", id="changes"),
    ],
)
def test_a_list_of_a_segment_that_there_is_not_is_not_empty(erp: Erp, path: str) -> None:
    """Somebody who mistypes it would read that nothing waits."""
    assert erp.client.get(path, params={"segment": "main"}).status_code == 200
    refused(erp.client.get(path, params={"segment": "mian"}), 404, "segment_unknown", "segment")
