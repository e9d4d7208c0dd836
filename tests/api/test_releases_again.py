"""Releases of an order that became smaller, and releases that are approved twice at once."""

import asyncio
from functools import partial

import httpx2
import pytest

from app.domain.callers import Caller
from app.domain.errors import BusyError, HoldNotOpenError
from app.store import proposals
from app.store.checker import check_ledger
from app.store.database import Database
from app.store.ids import IdSource
from app.usecases.asks import Answer, Ask
from app.usecases.holds import view_of
from app.usecases.holds_approve import ApproveRelease
from app.usecases.keyed import Keyed
from app.usecases.releases import ReleaseHold
from tests.api.conftest import Speak
from tests.erp import Erp, money, refused, together
from tests.server import Clock


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    """Serve two customers, of whom one may order much less."""
    erp = Erp(client)
    erp.customer("C-1")
    erp.customer("C-2", "10.00")
    return erp


def test_who_approved_is_kept_when_they_click_twice(
    erp: Erp, speak: Speak, database_url: str
) -> None:
    four_eyes = {"two_approvals_above": money("100.00"), "escalation": []}
    assert erp.client.put("/v1/authorities/segments/main", json=four_eyes).status_code == 200
    second = speak("hold:release")
    for number in range(8):
        hold_id = erp.held(f"SO-{number}", "150.00")
        assert erp.decide(hold_id, "release").status_code == 202
        clicks = together(*[partial(second.decide, hold_id, "approve")] * 5)
        assert sorted(one.status_code for one in clicks) == [200, 409, 409, 409, 409]
    assert erp.client.get("/v1/order-holds", params={"proposed": "true"}).json()["items"] == []
    found = erp.client.get("/v1/order-holds", params={"status": "RELEASED"}).json()["items"]
    kept = [(one["proposal"]["status"], one["proposal"]["decided_by"]) for one in found]
    assert kept == [("APPROVED", "hold:release")] * 8
    assert check_ledger(database_url).clean


@pytest.mark.parametrize("refused_after_all", [True, False])
def test_who_approved_is_kept_however_two_clicks_overlap(
    erp: Erp, speak: Speak, database: Database, clock: Clock, *, refused_after_all: bool
) -> None:
    four_eyes = {"two_approvals_above": money("100.00"), "escalation": []}
    assert erp.client.put("/v1/authorities/segments/main", json=four_eyes).status_code == 200
    hold_id = erp.held("SO-1", "150.00")
    assert erp.decide(hold_id, "release").status_code == 202
    second, caller = speak("hold:release"), Caller("hold:release", frozenset({"hold:release"}))

    async def ask(_: Ask) -> Answer:
        """Let the other click go all the way while this one is under way."""
        told = await asyncio.to_thread(second.decide, hold_id, "approve")
        assert told.status_code == 200, told.text
        if refused_after_all:
            raise HoldNotOpenError("it was decided before")
        with database.begin() as tx:  # the other one was refused a moment ago
            found = view_of(tx, hold_id).hold.proposal
            assert found is not None
            proposals.put_back(tx, found.proposal_id, caller)
        return Answer(200, b"{}")

    approve = ApproveRelease(ReleaseHold(database, clock, IdSource(), ask))
    waiting = approve(Keyed(caller, "K-2", b"2" * 16), hold_id, None, lambda _: Answer(200, b"{}"))
    # no lane claimed the key of the second, so that its answer cannot be kept
    with pytest.raises(HoldNotOpenError if refused_after_all else BusyError):
        asyncio.run(waiting)
    told = erp.hold(hold_id)
    assert (told["status"], told["proposal"]["status"]) == ("RELEASED", "APPROVED")


@pytest.mark.parametrize("payer", ["C-1", "C-2"])
@pytest.mark.parametrize("many", [False, True])
def test_a_held_order_that_became_smaller_is_released_by_default(
    erp: Erp, payer: str, *, many: bool
) -> None:
    assert erp.ask("SO-1", "90.00")["outcome"] == "APPROVE"
    if payer == "C-1":
        erp.place(order_id="SO-1")
    hold_id = erp.held("SO-1", "80.00", customer_id=payer)
    if many:
        body = {"order_hold_ids": [hold_id], "reason_code": "OK"}
        (told,) = erp.post("/v1/order-holds/release", body).json()["results"]
        assert told["status"] == 200, told["problem"]
    else:
        answer = erp.decide(hold_id, "release")
        assert answer.status_code == 200, answer.text
    assert erp.authorized(payer) == "80.00"


def test_less_than_is_authorized_is_refused_where_somebody_says_less(erp: Erp) -> None:
    assert erp.ask("SO-1", "90.00")["outcome"] == "APPROVE"
    erp.place(order_id="SO-1")
    hold_id = erp.held("SO-1", "95.00")
    refused(erp.decide(hold_id, "release", max_amount=money("85.00")), 422, "invalid_field")


def test_what_another_payer_was_let_is_no_least_for_this_one(erp: Erp) -> None:
    assert erp.ask("SO-1", "90.00")["outcome"] == "APPROVE"
    hold_id = erp.held("SO-1", "80.00", customer_id="C-2")
    answer = erp.decide(hold_id, "release", max_amount=money("70.00"))
    assert answer.status_code == 200, answer.text
    assert (erp.authorized("C-1"), erp.authorized("C-2")) == ("0.00", "70.00")


def test_nobody_needs_more_authority_than_the_order_is_worth(erp: Erp, speak: Speak) -> None:
    row = {"risk_class": "*", "max_amount": money("85.00"), "segment": None}
    clerk = {"name_zh": "x", "name_en": "x", "grants": [row]}
    assert erp.client.put("/v1/authorities/roles/clerk", json=clerk).status_code == 200
    subject = "/v1/authorities/subjects/hold:release"
    assert erp.client.put(subject, json={"role": "clerk"}).status_code == 200
    assert erp.ask("SO-1", "90.00")["outcome"] == "APPROVE"
    hold_id = erp.held("SO-1", "80.00", customer_id="C-2")
    answer = speak("hold:release").decide(hold_id, "release")
    assert answer.status_code == 200, answer.text
    assert (erp.authorized("C-1"), erp.authorized("C-2")) == ("0.00", "80.00")


def test_one_key_releases_for_one_of_two_questions_at_once(erp: Erp) -> None:
    for number in range(6):
        held = [erp.held(f"SO-{number}-{place}", "150.00") for place in range(8)]
        bodies = [{"order_hold_ids": ids, "reason_code": "OK"} for ids in (held[::2], held[1::2])]
        key = f"K-{number}"
        told = together(
            *[partial(erp.post, "/v1/order-holds/release", body, key) for body in bodies]
        )
        assert sorted(one.status_code for one in told) == [200, 422]
        loser = next(place for place, one in enumerate(told) if one.status_code == 422)
        refused(told[loser], 422, "idempotency_key_reused")
        left = held[loser::2]
        assert {erp.hold(one)["status"] for one in left} == {"OPEN"}
        assert {erp.hold(one)["status"] for one in held if one not in left} == {"RELEASED"}
