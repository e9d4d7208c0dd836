"""Automatic holds are released when every reason is gone, the oldest first, and once."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from app.domain.errors import BusyError
from app.domain.money import Rate
from app.store import holds_ground, rates
from app.store.checker import check_ledger
from app.usecases.holds_judge import Again
from tests.conftest import Server
from tests.erp import money, refused
from tests.holders import Own, Town, open_town, whole_pass

SCORED = """
WITH new AS (
    UPDATE account SET input_version = input_version + 1 WHERE customer_id = :name
    RETURNING account_id, input_version)
INSERT INTO account_input (account_id, version, data)
SELECT account_id, input_version, jsonb_build_object('active', true, 'score', jsonb_build_object(
    'score', 100, 'risk_class', CAST(:class AS text), 'scored_at', '2026-06-15T04:00:00+00:00',
    'traffic_light', 'GREEN'))
FROM new
"""

RULES = """
INSERT INTO rule_set (version, data) SELECT 2, {data} FROM rule_set WHERE version = 1;
INSERT INTO rule_set_life (version, status, author) VALUES (2, 'APPROVED', 'aval');
UPDATE segment SET rule_set_version = 2
"""


@pytest.fixture(scope="module")
def town(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with open_town(server, tmp_path_factory.mktemp("town")) as town:
        yield town


@pytest.fixture
def other(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Serve a database of one test alone: it changes what all customers share."""
    with open_town(server, tmp_path_factory.mktemp("other")) as town:
        yield town


@pytest.fixture
def erp(town: Town) -> Own:
    return town.own()


def test_a_new_limit_releases_as_a_new_question(town: Town, erp: Own) -> None:
    hold_id = erp.held("SO-1", "150.00", expires_in=3600)
    assert town.run() == 0
    erp.limit("150.00")
    town.clock.advance(seconds=1)
    assert (town.run(), town.run()) == (1, 0)
    told = erp.hold(hold_id)
    assert told["status"] == "RELEASED"
    assert [row["code"] for row in told["reasons"]] == ["OVER_LIMIT"]
    last = told["history"][-1]
    assert (last["action"], last["client"], last["actor"]) == ("release", "aval", None)
    assert (last["reason_code"], last["decision_id"]) == ("REASONS_CLEARED", told["decision_id"])
    authorization = erp.client.get(f"/v1/authorizations/{told['authorization_id']}").json()
    ends = datetime.fromisoformat(authorization["expires_at"])
    late = ends - town.clock() - timedelta(hours=1)  # its original expires_in, from now on
    assert timedelta(0) <= late < timedelta(minutes=1)
    account = erp.account()
    assert (account["authorized"], account["forced"]) == (money("150.00"), money("0.00"))
    path = f"/v1/decisions/{told['decision_id']}"
    assert erp.client.get(path).json()["outcome"] == "APPROVE"
    assert erp.client.post(f"{path}/replay").json() == {"same": True}
    assert check_ledger(town.database.url).clean


def test_one_cent_short_stays_held_and_leaves_no_trace(town: Town, erp: Own) -> None:
    hold_id = erp.held("SO-1", "150.00")
    before, decisions = erp.hold(hold_id), town.query("SELECT count(*) FROM decision")
    erp.limit("149.99")
    assert town.run() == 0
    assert erp.hold(hold_id) == before
    assert town.query("SELECT count(*) FROM decision") == decisions


def test_competing_holds_go_oldest_first_each_on_what_is_left(town: Town, erp: Own) -> None:
    erp.ask("SO-0", "100.00")
    holds = []
    for number, amount in enumerate(("80.00", "40.00", "30.00", "10.00")):
        town.clock.advance(seconds=1)
        holds.append(erp.held(f"SO-{9 - number}", amount))
    erp.limit("220.00")  # room for 120: the first two, then nothing is left
    assert town.run() == 2
    assert erp.statuses(*holds) == ["RELEASED", "RELEASED", "OPEN", "OPEN"]
    erp.limit("230.00")
    assert town.run() == 1  # the third needs 30, the last fits
    assert erp.statuses(*holds[2:]) == ["OPEN", "RELEASED"]


def due(erp: Own, invoice: str, due_date: str, version: int = 1) -> None:
    erp.fact("invoice", invoice_id=erp.name(invoice), amount=money("10.00"), version=version,
             issue_date="2026-01-01", due_date=due_date)  # fmt: skip


def paid(erp: Own, invoice: str, version: int = 1) -> None:
    allocations = [{"invoice_id": erp.name(invoice), "amount": money("10.00")}]
    erp.fact("payment", payment_id=erp.name("P"), version=version, amount=money("10.00"),
             paid_date="2026-06-15", allocations=allocations)  # fmt: skip


def held_by_a_late_invoice(erp: Own) -> str:
    due(erp, "I-1", "2026-05-01")
    return erp.held("SO-1", "20.00")


def held_though_another_invoice_is_paid(erp: Own) -> str:
    due(erp, "I-2", "2026-12-01")
    paid(erp, "I-2")
    return held_by_a_late_invoice(erp)


def held_by_another_order(erp: Own) -> str:
    erp.ask("SO-0", "90.00")
    return erp.held("SO-1", "20.00")


def test_an_order_fact_does_not_let_a_held_order_go(town: Town, erp: Own) -> None:
    """Whoever reports all open orders reports those that are held as well."""
    hold_id = erp.held("SO-1", "5000.00", version=3)
    fact = {"order_id": erp.name("SO-1"), "amount": money("5000.00"), "status": "OPEN"}
    erp.fact("order", **fact, version=3)
    assert (town.run(), erp.statuses(hold_id)) == (0, ["OPEN"])
    erp.limit("5000.00")
    assert (town.run(), erp.statuses(hold_id)) == (1, ["RELEASED"])


def held_by_the_group(erp: Own) -> str:
    erp.customer("G", "10.00")
    erp.put(parent_id="G")
    return erp.held("SO-1", "20.00")


def held_by_a_stop(erp: Own) -> str:
    erp.place_hold()
    return erp.held("SO-1", "20.00")


def held_while_inactive(erp: Own) -> str:
    hold_id = erp.held("SO-1", "150.00")
    erp.put(active=False)
    erp.limit("150.00")
    return hold_id


def held_though_it_was_billed(erp: Own) -> str:
    line = {"order_id": erp.name("SO-1"), "amount": money("150.00")}
    erp.fact("invoice", invoice_id=erp.name("I-1"), amount=money("150.00"), lines=[line],
             issue_date="2026-06-01", due_date="2026-09-01")  # fmt: skip
    return erp.held("SO-1", "150.00")


def deliver(erp: Own) -> None:
    named = {"delivery_id": erp.name("D-1"), "order_id": erp.name("SO-1")}
    erp.fact("delivery", **named, amount=money("150.00"))


def lift(erp: Own) -> None:
    wanted = {"kind": "STOP", "customer_id": erp.name("C-1")}
    (stop,) = erp.client.get("/v1/order-holds", params=wanted).json()["items"]
    assert erp.decide(stop["order_hold_id"], "release").status_code == 200


def store_rate(erp: Own) -> None:
    rate = {"base": "USD", "quote": "CNY", "rate": "7", "rate_date": "2026-06-15", "source": "t"}
    assert erp.post("/v1/fx-rates", rate).status_code == 201


def free(erp: Own) -> None:
    body = {"customer_id": erp.name("C-1"), "segment": "main", "order_id": erp.name("SO-0")}
    assert erp.post("/v1/authorizations/release", body).status_code == 200


def cover(erp: Own) -> None:
    body = {"kind": "GUARANTEE", "percentage": "100", "cap": money("50.00")}
    path = f"/v1/customers/{erp.name('C-1')}/covers"
    answer = erp.post(path, {**body, "valid_from": "2026-06-01"})
    assert answer.status_code == 201, answer.text


CHANGES: list[Any] = [
    pytest.param(held_by_a_late_invoice, lambda erp: paid(erp, "I-1"), id="payment"),
    pytest.param(
        held_though_another_invoice_is_paid,
        lambda erp: paid(erp, "I-1", version=2),
        id="payment-allocated-anew",
    ),
    pytest.param(
        held_by_a_late_invoice,
        lambda erp: due(erp, "I-1", "2026-07-01", version=2),
        id="due-date-moved",
    ),
    pytest.param(lambda erp: erp.held("SO-1", "150.00"), cover, id="cover"),
    pytest.param(
        lambda erp: erp.held("SO-1", "5.00", currency="USD"), store_rate, id="exchange-rate"
    ),
    pytest.param(held_by_another_order, free, id="reservation-freed"),
    pytest.param(held_by_the_group, lambda erp: erp.limit("20.00", "G"), id="limit-of-the-group"),
    pytest.param(held_by_the_group, lambda erp: erp.put(parent_id=None), id="left-the-group"),
    pytest.param(held_by_a_stop, lift, id="stop-lifted-by-a-person"),
    pytest.param(held_though_it_was_billed, deliver, id="what-was-billed-has-left"),
    pytest.param(held_while_inactive, lambda erp: erp.put(active=True), id="active-again"),
]


@pytest.mark.parametrize(("before", "change"), CHANGES)
def test_what_clears_the_last_reason_releases(
    town: Town, erp: Own, before: Callable[[Own], str], change: Callable[[Own], None]
) -> None:
    hold_id = before(erp)
    assert (town.run(), town.run()) == (0, 0)
    change(erp)
    assert town.run() == 1
    assert erp.statuses(hold_id) == ["RELEASED"]


def test_a_new_score_releases(town: Town, erp: Own) -> None:
    with town.database.begin() as tx:
        tx.execute(text(SCORED), {"class": "E", "name": erp.name("C-1")})
    hold_id = erp.held("SO-1", "10.00")
    assert town.run() == 0
    with town.database.begin() as tx:
        tx.execute(text(SCORED), {"class": "B", "name": erp.name("C-1")})
    assert town.run() == 1
    assert erp.statuses(hold_id) == ["RELEASED"]


def test_a_rule_change_releases(other: Town) -> None:
    erp = other.own()
    hold_id = erp.held("SO-1", "105.00")
    assert other.run() == 0
    with other.database.begin() as tx:
        data = "jsonb_set(data, '{tolerance_percent}', '\"5\"')"
        for statement in RULES.format(data=data).split(";"):
            tx.execute(text(statement))
    assert other.run() == 1
    assert erp.statuses(hold_id) == ["RELEASED"]
    assert check_ledger(other.database.url).clean


def test_a_rule_may_want_a_person(other: Town) -> None:
    erp = other.own()
    with other.database.begin() as tx:
        data = "jsonb_set(data, '{rows,8,auto_release}', 'false')"
        for statement in RULES.format(data=data).split(";"):
            tx.execute(text(statement))
    hold_id = erp.held("SO-1", "150.00")
    assert [row["rule_id"] for row in erp.hold(hold_id)["reasons"]] == ["over-limit"]
    assert erp.hold(hold_id)["auto_release"] is False
    erp.limit("150.00")
    assert other.run() == 0
    assert erp.ask("SO-1", "150.00")["outcome"] == "APPROVE"  # a new question is one
    assert erp.statuses(hold_id) == ["RELEASED"]


def test_a_mode_that_stops_nothing_releases_nothing(other: Town) -> None:
    erp = other.own()
    hold_id = erp.held("SO-1", "150.00")
    erp.limit("150.00")
    path = "/v1/segments/main"
    for mode in ("OFF", "SHADOW", "WARN"):
        assert erp.client.put(path, json={"name": "Main", "mode": mode}).is_success
        assert other.run() == 0
        assert erp.statuses(hold_id) == ["OPEN"]
    assert erp.client.put(path, json={"name": "Main"}).is_success
    assert other.run() == 1


def test_a_limit_that_begins_by_itself_releases(other: Town) -> None:
    erp = other.own()
    hold_id = erp.held("SO-1", "150.00")
    erp.limit("150.00", kind="temporary", valid_from="2026-06-16", valid_to="2026-06-30")
    assert other.run() == 0
    other.clock.advance(hours=11, minutes=59)
    assert other.run() == 0
    other.clock.advance(minutes=2)  # midnight in Shanghai
    assert other.run() == 1
    assert erp.statuses(hold_id) == ["RELEASED"]


def test_other_reasons_than_before_are_told(town: Town, erp: Own) -> None:
    due(erp, "I-1", "2026-05-01")
    hold_id = erp.held("SO-1", "150.00")
    first = erp.hold(hold_id)
    assert {row["code"] for row in first["reasons"]} >= {"OVER_LIMIT", "OVERDUE_DAYS"}
    paid(erp, "I-1")
    assert town.run() == 0
    told = erp.hold(hold_id)
    assert [row["code"] for row in told["reasons"]] == ["OVER_LIMIT"]
    assert [line["action"] for line in told["history"]] == ["open", "update"]
    assert told["decision_id"] != first["decision_id"]
    assert check_ledger(town.database.url).clean


@contextmanager
def somebody_on(town: Town, order_id: str) -> Iterator[None]:
    """Work on an order while the block lasts."""
    with town.database.begin() as tx:
        busy = "SELECT FROM credit_order WHERE order_id = :name FOR UPDATE"
        tx.execute(text(busy), {"name": order_id})
        yield


@pytest.mark.parametrize("most", [1, 100], ids=["one-a-portion", "all-in-one"])
def test_who_works_on_an_order_is_not_waited_for(town: Town, erp: Own, most: int) -> None:
    holds = [erp.held("SO-1", "110.00")]
    town.clock.advance(seconds=1)
    holds.append(erp.held("SO-2", "120.00"))
    erp.limit("120.00")
    with somebody_on(town, erp.name("SO-1")):
        # the younger one does not slip past the older
        assert whole_pass(town.releasing(most)) == 0
    assert whole_pass(town.releasing(most)) == 1
    assert erp.statuses(*holds) == ["RELEASED", "OPEN"]


def test_nothing_is_released_that_was_asked_before_what_was_rejected(town: Town, erp: Own) -> None:
    hold_id = erp.held("SO-1", "150.00", expires_in=3600)
    erp.put(active=False)
    assert erp.ask("SO-1", "200.00", expires_in=3600)["outcome"] == "REJECT"
    hold = erp.hold(hold_id)
    codes = [one["code"] for one in hold["reasons"]]
    assert (hold["status"], hold["amount"]) == ("OPEN", money("200.00"))
    assert "CUSTOMER_INACTIVE" in codes
    report = check_ledger(town.database.url)
    assert report.clean, report.difference
    erp.put()
    erp.limit("150.00")
    town.clock.advance(seconds=1)
    assert town.run() == 0, "what was asked before was released"
    erp.limit("200.00")
    town.clock.advance(seconds=1)
    assert town.run() == 1
    assert erp.account()["authorized"] == money("200.00")


def test_what_is_busy_or_broken_stops_nobody_else(town: Town, erp: Own) -> None:
    for name in ("C-2", "C-3"):
        erp.customer(name)
    holds = [erp.held(f"SO-{n}", "150.00", customer_id=f"C-{n}") for n in (1, 2, 3)]
    for n in (1, 2, 3):
        erp.limit("150.00", f"C-{n}")
    with town.database.begin() as tx:  # a question that cannot be read
        broken = "UPDATE order_hold SET ask = ask - 'type' WHERE hold_id = :id"
        tx.execute(text(broken), {"id": holds[0]})
    with town.database.begin() as tx:
        busy = "SELECT FROM account WHERE customer_id = :name FOR UPDATE"
        tx.execute(text(busy), {"name": erp.name("C-2")})
        assert town.run() == 1
    assert erp.statuses(*holds) == ["OPEN", "OPEN", "RELEASED"]
    assert town.run() == 1
    assert erp.statuses(*holds) == ["OPEN", "RELEASED", "RELEASED"]
    assert check_ledger(town.database.url).clean
    assert erp.decide(holds[0], "cancel").is_success


def test_no_half_of_a_batch_slips_past_the_other(town: Town, erp: Own) -> None:
    """One that cannot be read has the batch taken apart: the oldest and the youngest compete."""
    erp.customer("C-2")
    holds = []
    for order, payer in (("SO-1", "C-1"), ("SO-2", "C-2"), ("SO-3", "C-1")):
        holds.append(erp.held(order, "110.00", customer_id=payer))
        town.clock.advance(seconds=1)
    erp.limit("110.00")
    erp.limit("110.00", "C-2")
    with town.database.begin() as tx:
        broken = "UPDATE order_hold SET ask = ask - 'type' WHERE hold_id = :id"
        tx.execute(text(broken), {"id": holds[1]})
    with somebody_on(town, erp.name("SO-1")):
        assert town.run() == 0
    assert town.run() == 1
    assert erp.statuses(*holds) == ["RELEASED", "OPEN", "OPEN"]
    assert erp.decide(holds[1], "cancel").is_success


def test_several_at_once_release_each_hold_once(town: Town, erp: Own) -> None:
    holds = [erp.held(f"SO-{number:02}", "110.00") for number in range(24)]
    erp.limit("1000.00")
    line = threading.Barrier(3)

    def work(_: int) -> int:
        release = town.releasing(most=5)
        line.wait()
        return sum(whole_pass(release) for _ in range(6))

    with ThreadPoolExecutor(3) as pool:
        released = sum(pool.map(work, range(3)))
    assert released == 9
    assert erp.statuses(*holds) == ["RELEASED"] * 9 + ["OPEN"] * 15
    assert check_ledger(town.database.url).clean


def test_a_change_between_judgement_and_mark_is_seen(town: Town, erp: Own) -> None:
    hold_id = erp.held("SO-1", "150.00")
    with town.database.begin() as tx:
        grounds = {
            one.hold_id: one.ground for one in holds_ground.named(tx, town.clock(), [hold_id])
        }
    erp.limit("150.00")
    with town.database.begin() as tx:
        holds_ground.mark(tx, grounds)  # the ground it was judged on, not that of now
    assert town.run() == 1


def test_a_rate_that_commits_after_a_later_one_releases(other: Town) -> None:
    erp = other.own()
    hold_id = erp.held("SO-1", "5.00", currency="USD")
    day = other.clock().date().isoformat()
    with other.database.begin() as late:
        rates.add(late, Rate("USD", "CNY", Decimal(7), day, "t"))
        with other.database.begin() as early:
            rates.add(early, Rate("EUR", "CNY", Decimal(8), day, "t"))  # of a higher id
        assert other.run() == 0
    assert other.run() == 1
    assert erp.statuses(hold_id) == ["RELEASED"]


def test_the_plan_uses_the_index(town: Town, erp: Own) -> None:
    erp.held("SO-1", "150.00")
    values = {"at": town.clock(), "last": town.clock() - timedelta(days=1), "most": 5}
    with town.database.begin() as tx:
        tx.execute(text("SET LOCAL enable_seqscan = off"))
        explained = holds_ground.explained()
        plan = tx.execute(explained, {**values, "last_id": f"{0:032x}"}).scalars().all()
    assert any("order_hold_automatic_idx" in line for line in plan), plan


def test_one_lane_at_a_time(town: Town, erp: Own) -> None:
    hold_id = erp.held("SO-1", "150.00")
    with town.database.begin() as tx:
        wanted = holds_ground.named(tx, town.clock(), [hold_id])
    judge = replace(town.releasing().judge, turn_s=0.05)
    with judge.turn, pytest.raises(BusyError):
        judge(wanted, Again(), town.clock)
    assert [one.result for one in judge(wanted, Again(), town.clock)] == ["HELD"]


@pytest.mark.parametrize("said", ["amount", "payer"])
def test_an_order_that_facts_changed_is_not_put_again_as_it_was(
    town: Town, erp: Own, said: str
) -> None:
    """Who asks without a version asks about the newest, which is another by now."""
    hold_id = erp.held("SO-1", "150.00")
    moved = {"amount": money("300.00" if said == "amount" else "150.00"), "status": "OPEN"}
    if said == "payer":
        erp.customer("C-2", "1000.00")
        moved["customer_id"] = erp.name("C-2")
    order_id = erp.name("SO-1")
    erp.fact("order", order_id=order_id, version=1, amount=money("150.00"), status="OPEN")
    erp.fact("order", order_id=order_id, version=2, **moved)
    erp.limit("500.00")
    assert town.run() == 0
    assert erp.statuses(hold_id) == ["OPEN"]
    most = money("300.00")
    refused(erp.decide(hold_id, "release", max_amount=most), 409, "order_version_stale")
    erp.fact("order", order_id=order_id, version=3, amount=money("150.00"), status="OPEN")
    erp.limit("501.00")
    assert town.run() == 1  # as it was asked again
    assert erp.statuses(hold_id) == ["RELEASED"]


def test_an_order_that_facts_closed_is_closed_whatever_else_they_said(erp: Own) -> None:
    hold_id = erp.held("SO-1", "150.00")
    erp.place_hold("SO-1")  # only a person lifts it: it outlives the order
    closed = {"order_id": erp.name("SO-1"), "amount": money("9.00"), "status": "CLOSED"}
    erp.fact("order", version=2, **closed)
    refused(erp.decide(hold_id, "release"), 409, "order_closed")


def test_what_a_newer_policy_leaves_to_a_person_waits_for_one(other: Town) -> None:
    erp = other.own()
    hold_id = erp.held("SO-1", "150.00")
    with other.database.begin() as tx:
        row = tx.execute(text("SELECT data -> 'rows' FROM rule_set WHERE version = 1")).scalar_one()
        place = next(n for n, one in enumerate(row) if one["reason"] == "OVER_LIMIT")
        data = f"jsonb_set(data, '{{rows,{place},auto_release}}', 'false')"
        for statement in RULES.format(data=data).split(";"):
            tx.execute(text(statement))
    other.run()
    assert erp.hold(hold_id)["auto_release"] is False
    erp.limit("150.00")
    assert other.run() == 0
    assert erp.statuses(hold_id) == ["OPEN"]
