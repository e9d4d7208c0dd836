"""Automatic holds are released when every reason is gone, forced ones and stops by nobody."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.store import holds_ground
from app.store.checker import check_ledger
from app.store.database import Database
from app.store.holds_lane import HoldLane
from app.store.ids import IdSource
from app.usecases.holds_judge import HoldsJudge
from app.usecases.holds_release import ReleaseCleared
from app.usecases.portions import Cursor, Portion
from tests.erp import Erp, assert_exact, money
from tests.server import Clock

Pass = Callable[[], int]


def release_on(database: Database, clock: Clock, most: int = 100) -> ReleaseCleared:
    judge = HoldsJudge(lambda: HoldLane(database.url), IdSource())
    return ReleaseCleared(database, judge, most, lambda _: clock())


def whole_pass(release: ReleaseCleared) -> int:
    items, after = 0, None
    while True:
        portion: Portion = release(after)
        items, after = items + portion.items, portion.after
        if after is None:
            return items


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("C-1")
    return erp


@pytest.fixture
def run(database: Database, clock: Clock) -> Pass:
    return lambda: whole_pass(release_on(database, clock))


def limit(erp: Erp, amount: str, customer_id: str = "C-1", **more: object) -> None:
    body = {"kind": "base", "limit": money(amount), **more}
    assert erp.post(f"/v1/customers/{customer_id}/limits", body).status_code == 201


def fact(erp: Erp, kind: str, **fields: Any) -> None:
    event = {"source": "erp", "event_id": str(IdSource()()), "type": kind, "customer_id": "C-1",
             "segment": "main", "occurred_at": "2026-06-15T04:00:00Z", "version": 1,
             **fields}  # fmt: skip
    answer = erp.client.post("/v1/ledger-events", json={"events": [event]})
    assert [one["result"] for one in answer.json()["results"]] == ["applied"], answer.text


def test_a_new_limit_releases_as_a_new_question(
    erp: Erp, run: Pass, database: Database, clock: Clock
) -> None:
    hold_id = erp.held("SO-1", "150.00", expires_in=3600)
    assert run() == 0
    limit(erp, "150.00")
    clock.advance(seconds=1)
    assert (run(), run()) == (1, 0)
    told = erp.hold(hold_id)
    assert (told["status"], [row["code"] for row in told["reasons"]]) == (
        "RELEASED",
        ["OVER_LIMIT"],
    )
    last = told["history"][-1]
    assert (last["action"], last["client"], last["reason_code"]) == (
        "release",
        "aval",
        "REASONS_CLEARED",
    )
    authorization = erp.client.get(f"/v1/authorizations/{told['authorization_id']}").json()
    assert authorization["expires_at"] == "2026-06-15T05:00:01Z"  # its original expires_in, anew
    assert (erp.authorized(), erp.account()["forced"]) == ("150.00", money("0.00"))
    decision = erp.client.get(f"/v1/decisions/{told['decision_id']}").json()
    assert decision["outcome"] == "APPROVE"
    assert_exact(database)
    assert check_ledger(database.url).clean
    path = f"/v1/decisions/{told['decision_id']}/replay"
    assert erp.client.post(path).json() == {"same": True}


def test_one_cent_short_stays_held_and_leaves_no_trace(
    erp: Erp, run: Pass, database: Database
) -> None:
    hold_id = erp.held("SO-1", "150.00")
    before = erp.hold(hold_id)
    limit(erp, "149.99")
    assert run() == 0
    assert erp.hold(hold_id) == before
    with database.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM decision")).scalar_one() == 1


def test_competing_holds_go_oldest_first_each_on_what_is_left(
    erp: Erp, run: Pass, clock: Clock
) -> None:
    erp.ask("SO-0", "100.00")
    holds = []
    for number, amount in enumerate(("80.00", "40.00", "30.00", "10.00")):
        clock.advance(seconds=1)
        holds.append(erp.held(f"SO-{9 - number}", amount))
    limit(erp, "220.00")  # room for 120: the first two; the third not; the last neither
    assert run() == 2
    assert [erp.hold(one)["status"] for one in holds] == ["RELEASED", "RELEASED", "OPEN", "OPEN"]
    limit(erp, "230.00")
    assert run() == 1  # the third needs 30, the last fits
    assert [erp.hold(one)["status"] for one in holds[2:]] == ["OPEN", "RELEASED"]


def put(erp: Erp, path: str, body: object) -> None:
    answer = erp.client.put(path, json=body)
    assert answer.is_success, answer.text


def due(erp: Erp, invoice: str, amount: str, due_date: str, **more: object) -> None:
    fact(erp, "invoice", invoice_id=invoice, amount=money(amount), issue_date="2026-01-01",
         due_date=due_date, **more)  # fmt: skip


def paid(erp: Erp, amount: str, invoice: str, version: int = 1) -> None:
    allocations = [{"invoice_id": invoice, "amount": money(amount)}]
    fact(erp, "payment", payment_id="P", version=version, amount=money(amount),
         paid_date="2026-06-15", allocations=allocations)  # fmt: skip


def held_by_a_late_invoice(erp: Erp) -> str:
    due(erp, "I-1", "10.00", "2026-05-01")
    return erp.held("SO-1", "20.00")


def held_by_a_late_invoice_paid_elsewhere(erp: Erp) -> str:
    due(erp, "I-1", "10.00", "2026-05-01")
    due(erp, "I-2", "10.00", "2026-12-01")
    paid(erp, "10.00", "I-2")
    return erp.held("SO-1", "20.00")


def held_by_a_missing_rate(erp: Erp) -> str:
    return erp.held("SO-1", "5.00", currency="USD")


def held_by_another_order(erp: Erp) -> str:
    erp.ask("SO-0", "90.00")
    return erp.held("SO-1", "20.00")


def held_by_the_group(erp: Erp) -> str:
    erp.customer("G", "10.00")
    put(erp, "/v1/customers/C-1", {"name": "C-1", "parent_id": "G"})
    return erp.held("SO-1", "20.00")


def held_by_a_stop(erp: Erp) -> str:
    erp.place()
    return erp.held("SO-1", "20.00")


def held_by_a_rejected_customer(erp: Erp) -> str:
    hold_id = erp.held("SO-1", "150.00")
    put(erp, "/v1/customers/C-1", {"name": "C-1", "active": False})
    limit(erp, "150.00")
    return hold_id


def lift(erp: Erp) -> None:
    (stop,) = erp.client.get("/v1/order-holds", params={"kind": "STOP"}).json()["items"]
    assert erp.decide(stop["order_hold_id"], "release").status_code == 200


def store_rate(erp: Erp) -> None:
    rate = {"base": "USD", "quote": "CNY", "rate": "7", "rate_date": "2026-06-15", "source": "t"}
    assert erp.post("/v1/fx-rates", rate).status_code == 201


def free(erp: Erp) -> None:
    body = {"customer_id": "C-1", "segment": "main", "order_id": "SO-0"}
    assert erp.post("/v1/authorizations/release", body).status_code == 200


CHANGES: list[Any] = [
    pytest.param(held_by_a_late_invoice, lambda erp: paid(erp, "10.00", "I-1"), id="payment"),
    pytest.param(
        held_by_a_late_invoice_paid_elsewhere,
        lambda erp: paid(erp, "10.00", "I-1", version=2),
        id="payment-allocated-anew",
    ),
    pytest.param(
        held_by_a_late_invoice,
        lambda erp: due(erp, "I-1", "10.00", "2026-07-01", version=2),
        id="due-date-moved",
    ),
    pytest.param(held_by_a_missing_rate, store_rate, id="rate"),
    pytest.param(held_by_another_order, free, id="reservation-freed"),
    pytest.param(held_by_the_group, lambda erp: limit(erp, "20.00", "G"), id="limit-of-the-group"),
    pytest.param(
        held_by_the_group,
        lambda erp: put(erp, "/v1/customers/C-1", {"name": "C-1", "parent_id": None}),
        id="left-the-group",
    ),
    pytest.param(held_by_a_stop, lift, id="stop-lifted-by-a-person"),
    pytest.param(
        held_by_a_rejected_customer,
        lambda erp: put(erp, "/v1/customers/C-1", {"name": "C-1", "active": True}),
        id="customer-active-again",
    ),
]


@pytest.mark.parametrize(("before", "change"), CHANGES)
def test_what_clears_the_last_reason_releases(
    erp: Erp, run: Pass, before: Callable[[Erp], str], change: Callable[[Erp], None]
) -> None:
    hold_id = before(erp)
    assert run() == 0
    assert run() == 0
    change(erp)
    assert run() == 1
    assert erp.hold(hold_id)["status"] == "RELEASED"


def test_a_rule_change_releases(erp: Erp, run: Pass, database: Database) -> None:
    hold_id = erp.held("SO-1", "105.00")
    assert run() == 0
    with database.begin() as tx:
        tx.execute(text(
            "INSERT INTO rule_set (version, data) SELECT 2, jsonb_set(data,"
            " '{tolerance_percent}', '\"5\"') FROM rule_set WHERE version = 1"
        ))  # fmt: skip
        tx.execute(text("UPDATE segment SET rule_set_version = 2"))
    assert run() == 1
    assert erp.hold(hold_id)["status"] == "RELEASED"
    assert check_ledger(database.url).clean


def test_a_new_score_releases(erp: Erp, run: Pass, database: Database) -> None:
    with database.begin() as tx:
        tx.execute(text(SCORED), {"class": "E"})
    hold_id = erp.held("SO-1", "10.00")
    assert run() == 0
    with database.begin() as tx:
        tx.execute(text(SCORED), {"class": "B"})
    assert run() == 1
    assert erp.hold(hold_id)["status"] == "RELEASED"


SCORED = """
WITH new AS (
    UPDATE account SET input_version = input_version + 1 RETURNING account_id, input_version)
INSERT INTO account_input (account_id, version, data)
SELECT account_id, input_version, jsonb_build_object('active', true, 'score', jsonb_build_object(
    'score', 100, 'risk_class', CAST(:class AS text), 'scored_at', '2026-06-15T04:00:00+00:00',
    'traffic_light', 'GREEN'))
FROM new
"""


def test_a_limit_that_begins_by_itself_releases(erp: Erp, run: Pass, clock: Clock) -> None:
    hold_id = erp.held("SO-1", "150.00")
    limit(erp, "150.00", kind="temporary", valid_from="2026-06-16", valid_to="2026-06-30")
    assert run() == 0
    clock.advance(hours=11, minutes=59)
    assert run() == 0
    clock.advance(minutes=2)  # midnight in Shanghai
    assert run() == 1
    assert erp.hold(hold_id)["status"] == "RELEASED"


def test_other_reasons_than_before_are_told(erp: Erp, run: Pass, database: Database) -> None:
    due(erp, "I-1", "10.00", "2026-05-01")
    hold_id = erp.held("SO-1", "150.00")
    assert {row["code"] for row in erp.hold(hold_id)["reasons"]} >= {"OVER_LIMIT", "OVERDUE_DAYS"}
    paid(erp, "10.00", "I-1")
    assert (run(), run()) == (0, 0)
    told = erp.hold(hold_id)
    assert [row["code"] for row in told["reasons"]] == ["OVER_LIMIT"]
    assert [line["action"] for line in told["history"]] == ["open", "update"]
    assert told["decision_id"] is not None
    assert check_ledger(database.url).clean


def test_a_rule_may_want_a_person(erp: Erp, run: Pass, database: Database) -> None:
    with database.begin() as tx:
        tx.execute(text(
            "INSERT INTO rule_set (version, data) SELECT 2, jsonb_set(data, '{rows,8}',"
            " data #> '{rows,8}' || '{\"auto_release\": false}') FROM rule_set WHERE version = 1"
        ))  # fmt: skip
        tx.execute(text("UPDATE segment SET rule_set_version = 2"))
    hold_id = erp.held("SO-1", "150.00")
    assert [row["rule_id"] for row in erp.hold(hold_id)["reasons"]] == ["over-limit"]
    assert erp.hold(hold_id)["auto_release"] is False
    limit(erp, "150.00")
    assert run() == 0
    assert erp.ask("SO-1", "150.00")["outcome"] == "APPROVE"  # a new question is one
    assert erp.hold(hold_id)["status"] == "RELEASED"


@pytest.mark.parametrize("mode", ["OFF", "SHADOW", "WARN"])
def test_a_mode_that_stops_nothing_releases_nothing(erp: Erp, run: Pass, mode: str) -> None:
    hold_id = erp.held("SO-1", "150.00")
    put(erp, "/v1/segments/main", {"name": "Main", "mode": mode})
    limit(erp, "150.00")
    assert run() == 0
    assert erp.hold(hold_id)["status"] == "OPEN"
    put(erp, "/v1/segments/main", {"name": "Main"})
    assert run() == 1


def test_who_works_on_an_order_is_not_waited_for(
    erp: Erp, run: Pass, database: Database, clock: Clock
) -> None:
    first = erp.held("SO-1", "110.00")
    clock.advance(seconds=1)
    second = erp.held("SO-2", "120.00")
    limit(erp, "120.00")
    with database.begin() as tx:
        tx.execute(text("SELECT FROM credit_order WHERE order_id = 'SO-1' FOR UPDATE"))
        assert run() == 0  # the younger one does not slip past the older
    assert run() == 1
    assert [erp.hold(one)["status"] for one in (first, second)] == ["RELEASED", "OPEN"]


def test_what_is_busy_or_broken_stops_nobody_else(
    erp: Erp, run: Pass, database: Database, clock: Clock
) -> None:
    erp.customer("C-2")
    erp.customer("C-3")
    holds = [erp.held(f"SO-{n}", "150.00", customer_id=f"C-{n}") for n in (1, 2, 3)]
    for n in (1, 2, 3):
        limit(erp, "150.00", f"C-{n}")
    with database.begin() as tx:  # a question that cannot be read
        broken = "UPDATE order_hold SET ask = ask - 'type' WHERE order_id = 'SO-1'"
        tx.execute(text(broken))
    with database.begin() as tx:
        tx.execute(text("SELECT FROM account WHERE customer_id = 'C-2' FOR UPDATE"))
        assert run() == 1
    assert [erp.hold(one)["status"] for one in holds] == ["OPEN", "OPEN", "RELEASED"]
    assert run() == 1
    assert [erp.hold(one)["status"] for one in holds] == ["OPEN", "RELEASED", "RELEASED"]
    assert_exact(database)


def test_several_at_once_release_each_hold_once(erp: Erp, database: Database, clock: Clock) -> None:
    for number in range(24):
        erp.held(f"SO-{number:02}", "110.00")
    limit(erp, "1000.00")
    line = threading.Barrier(3)

    def work(_: int) -> int:
        release = release_on(database, clock, most=5)
        line.wait()
        return sum(whole_pass(release) for _ in range(6))

    with ThreadPoolExecutor(3) as pool:
        released = sum(pool.map(work, range(3)))
    assert released == 9
    listed = erp.client.get("/v1/order-holds", params={"status": "RELEASED"}).json()["items"]
    assert sorted(one["order_id"] for one in listed) == [f"SO-{n:02}" for n in range(9)]
    assert_exact(database)
    assert check_ledger(database.url).clean


def test_a_crash_after_the_release_loses_nothing(
    erp: Erp, database: Database, clock: Clock
) -> None:
    hold_id = erp.held("SO-1", "150.00")
    with database.begin() as tx:
        (found,) = holds_ground.moved(tx, clock(), None, 10)
    judge = HoldsJudge(lambda: HoldLane(database.url), IdSource())
    limit(erp, "150.00")  # after the ground was read: what is marked is the older one
    with database.begin() as tx:
        holds_ground.mark(tx, {hold_id: found.ground})
        assert len(holds_ground.moved(tx, clock(), None, 10)) == 1
    release = ReleaseCleared(database, judge, 10, lambda _: clock())
    assert whole_pass(release) == 1
    again = replace(release)
    assert whole_pass(again) == 0


def test_the_plan_uses_the_index(erp: Erp, database: Database, clock: Clock) -> None:
    erp.held("SO-1", "150.00")
    with database.begin() as tx:
        tx.execute(text("SET LOCAL enable_seqscan = off"))
        values = {"at": clock(), "last": clock() - timedelta(days=1), "last_id": f"{0:032x}"}
        plan = tx.execute(holds_ground.explained(), {**values, "most": 5}).scalars().all()
    assert any("order_hold_automatic_idx" in line for line in plan), plan


Cursors = Cursor | None
