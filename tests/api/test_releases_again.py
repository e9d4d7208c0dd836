"""Releases of an order that became smaller, and releases that are approved twice at once."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx2
import pytest

from app.domain.callers import Caller
from app.domain.errors import (
    BusyError,
    HoldNotOpenError,
    OrderVersionStaleError,
    ProposalStateError,
)
from app.store.checker import check_ledger
from app.store.database import Database
from app.store.ids import IdSource
from app.store.lane import Lane
from app.usecases.asks import Answer, Ask
from app.usecases.authorizations import AuthorizeOrders
from app.usecases.groups import accounts_on
from app.usecases.holds_approve import ApproveRelease
from app.usecases.keyed import Keyed
from app.usecases.lanes import BatchingLane
from app.usecases.releases import ReleaseHold, Releasing
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
    second = speak("hold:release")
    for number in range(8):
        hold_id = proposed(erp, f"SO-{number}")
        clicks = together(*[partial(second.decide, hold_id, "approve")] * 5)
        assert sorted(one.status_code for one in clicks) == [200, 409, 409, 409, 409]
    assert erp.client.get("/v1/order-holds", params={"proposed": "true"}).json()["items"] == []
    found = erp.client.get("/v1/order-holds", params={"status": "RELEASED"}).json()["items"]
    kept = [(one["proposal"]["status"], one["proposal"]["decided_by"]) for one in found]
    assert kept == [("APPROVED", "hold:release")] * 8
    assert check_ledger(database_url).clean


FOUR_EYES = {"two_approvals_above": money("100.00"), "escalation": []}
SECOND = Caller("hold:release", frozenset({"hold:release"}))


def proposed(erp: Erp, order_id: str, amount: str = "150.00") -> str:
    """Have a release proposed that a second person is to approve, and give the hold."""
    assert erp.client.put("/v1/authorities/segments/main", json=FOUR_EYES).status_code == 200
    hold_id = erp.held(order_id, amount)
    assert erp.decide(hold_id, "release").status_code == 202
    return hold_id


def while_asking(
    database: Database,
    clock: Clock,
    act: Callable[[], None],
    decide: Callable[[ReleaseHold, Keyed], Awaitable[Answer]],
) -> None:
    """Decide on a lane of one's own; `act` comes between what is checked and what is decided."""

    async def deciding() -> None:
        authorize = AuthorizeOrders(clock, IdSource())
        lane = BatchingLane(Lane(database.url), authorize, accounts_on(database))
        await lane.start()

        async def ask(one: Ask) -> Answer:
            await asyncio.to_thread(act)
            return await lane.ask(one)

        try:
            release = ReleaseHold(database, clock, IdSource(), ask)
            await decide(release, Keyed(SECOND, "K-2", b"2" * 16))
        finally:
            await lane.stop()

    asyncio.run(deciding())


def done(_: object) -> Answer:
    return Answer(200, b"{}")


def approve_while(database: Database, clock: Clock, hold_id: str, act: Callable[[], None]) -> None:
    while_asking(
        database, clock, act, lambda on, keyed: ApproveRelease(on)(keyed, hold_id, None, done)
    )


def release_while(database: Database, clock: Clock, hold_id: str, act: Callable[[], None]) -> None:
    while_asking(database, clock, act, lambda on, keyed: on(keyed, hold_id, Releasing("OK"), done))


def test_who_approved_is_kept_however_two_clicks_overlap(
    erp: Erp, speak: Speak, database: Database, clock: Clock
) -> None:
    hold_id, second = proposed(erp, "SO-1"), speak("hold:release")

    def click() -> None:
        assert second.decide(hold_id, "approve").status_code == 200

    with pytest.raises(HoldNotOpenError):
        approve_while(database, clock, hold_id, click)
    told = erp.hold(hold_id)
    assert (told["status"], told["proposal"]["status"]) == ("RELEASED", "APPROVED")


def test_what_is_declined_while_it_is_approved_stays(
    erp: Erp, database: Database, database_url: str, clock: Clock
) -> None:
    hold_id = proposed(erp, "SO-1")

    def decline() -> None:
        assert erp.decide(hold_id, "decline").status_code == 200

    with pytest.raises(ProposalStateError):
        approve_while(database, clock, hold_id, decline)
    told = erp.hold(hold_id)
    assert (told["status"], told["proposal"]["status"]) == ("OPEN", "DECLINED")
    assert erp.authorized("C-1") == "0.00"
    assert check_ledger(database_url).clean


@pytest.mark.parametrize("asked", [{"customer_id": "C-2"}, {"amount": "5000.00"}, {"terms": 90}])
@pytest.mark.parametrize("amount", ["150.00", "90.00"], ids=["two-persons", "one-person"])
def test_what_is_asked_for_while_it_is_released_is_looked_at_again(
    erp: Erp, database: Database, clock: Clock, asked: dict[str, Any], amount: str
) -> None:
    """An ERP that names no versions asks anew between what a person saw and what is decided."""
    erp.customer("C-3", "10.00")
    two, asked = amount == "150.00", dict(asked)
    one = partial(erp.held, customer_id="C-3")
    hold_id = proposed(erp, "SO-1", amount) if two else one("SO-1", amount)

    def again() -> None:
        payer = asked.pop("customer_id", "C-1" if two else "C-3")
        terms = {"payment_terms_days": asked.pop("terms")} if "terms" in asked else {}
        more = asked.pop("amount", amount)
        assert erp.held("SO-1", more, customer_id=payer, **terms) == hold_id

    with pytest.raises(OrderVersionStaleError):
        (approve_while if two else release_while)(database, clock, hold_id, again)
    told = erp.hold(hold_id)
    assert (told["status"], erp.authorized("C-1"), erp.authorized("C-3")) == (
        "OPEN",
        "0.00",
        "0.00",
    )
    assert not two or told["proposal"]["status"] == "PROPOSED"


@pytest.mark.parametrize("mode", ["WARN", "SHADOW"])
@pytest.mark.parametrize("forced", [True, False])
def test_what_cannot_be_valued_is_not_released_by_a_mode_that_stops_nothing(
    erp: Erp, database_url: str, mode: str, *, forced: bool
) -> None:
    """An ask goes without a reservation there; a person's word would stand with nothing behind."""
    hold_id = erp.held("SO-1", "90.00", currency="USD")
    if forced:
        erp.place(order_id="SO-1")
    put = erp.client.put("/v1/segments/main", json={"name": "Main", "mode": mode})
    assert put.is_success, put.text
    refused(erp.decide(hold_id, "release"), 409, "fx_rate_missing")
    assert erp.hold(hold_id)["status"] == "OPEN"
    report = check_ledger(database_url)
    assert report.clean, report.difference


def test_who_approves_what_another_let_go_meanwhile_is_not_on_record(
    erp: Erp, database: Database, database_url: str, clock: Clock
) -> None:
    """Up to 100.00 one person is enough: the order goes by that one's word alone."""
    hold_id = proposed(erp, "SO-1")

    def release() -> None:
        answer = erp.decide(hold_id, "release", max_amount=money("90.00"))
        assert answer.status_code == 200, answer.text

    with pytest.raises(HoldNotOpenError):
        approve_while(database, clock, hold_id, release)
    told = erp.hold(hold_id)
    assert (told["status"], told["proposal"]["status"]) == ("RELEASED", "PROPOSED")
    assert check_ledger(database_url).clean


def test_an_approval_that_died_can_be_declined(erp: Erp, database: Database, clock: Clock) -> None:
    hold_id = proposed(erp, "SO-1")

    def die() -> None:
        raise BusyError("as if the process had ended")

    with pytest.raises(BusyError):
        approve_while(database, clock, hold_id, die)
    listed = erp.client.get("/v1/order-holds", params={"proposed": "true"}).json()["items"]
    assert [one["proposal"]["status"] for one in listed] == ["PROPOSED"]
    assert erp.decide(hold_id, "decline").status_code == 200


def test_a_repeat_of_an_approval_gets_its_answer_while_the_first_is_under_way(
    erp: Erp, speak: Speak
) -> None:
    second = speak("hold:release")
    for number in range(10):
        hold_id = proposed(erp, f"SO-{number}")
        again = partial(second.decide, hold_id, "approve", f"K-{number}")
        told = together(*[again] * 6)
        assert [one.status_code for one in told] == [200] * 6
        assert len({one.content for one in told}) == 1


@pytest.mark.parametrize(
    ("asked", "approved"),
    [
        pytest.param({"customer_id": "C-2"}, False, id="another-payer"),
        pytest.param({"amount": "150.01"}, False, id="more"),
        pytest.param({"version": 2}, False, id="another-version"),
        pytest.param({"payment_terms_days": 90}, False, id="on-terms-of-its-own"),
        pytest.param({"amount": "140.00"}, True, id="less"),
        pytest.param({"check_point": "DELIVERY"}, True, id="at-another-point"),
        pytest.param({}, True, id="the-same"),
    ],
)
def test_only_what_was_proposed_is_approved(
    erp: Erp, speak: Speak, asked: dict[str, Any], *, approved: bool
) -> None:
    """The order is asked for anew between the first person and the second."""
    hold_id = proposed(erp, "SO-1")
    assert erp.held("SO-1", str(asked.pop("amount", "150.00")), **asked) == hold_id
    answer = speak("hold:release").decide(hold_id, "approve")
    if approved:
        assert answer.status_code == 200, answer.text
    else:
        refused(answer, 409, "proposal_state")
        assert erp.hold(hold_id)["status"] == "OPEN"
        assert erp.decide(hold_id, "decline").status_code == 200
        assert erp.decide(hold_id, "release").status_code == 202


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
