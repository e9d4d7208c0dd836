"""Holds that wait longer than their segment allows are escalated, once a step, by one of many."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from app.store.checker import check_ledger
from app.usecases.escalation import EscalateHolds
from tests.conftest import Server
from tests.holders import LIST, Own, Town, open_town

STEPS = [{"role": "head", "after": 3600}, {"role": "cfo", "after": 7200}]


@pytest.fixture(scope="module")
def town(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with open_town(server, tmp_path_factory.mktemp("town")) as town:
        erp = town.own()
        for role in ("head", "cfo"):
            body = {"name_zh": "主管", "name_en": "Head", "grants": []}
            assert erp.client.put(f"/v1/authorities/roles/{role}", json=body).is_success
        policy = {"escalation": STEPS}
        assert erp.client.put("/v1/authorities/segments/main", json=policy).is_success
        yield town


def escalate(town: Town, most: int = 100) -> EscalateHolds:
    return EscalateHolds(town.database, most, lambda _: town.clock())


def a_pass(town: Town, most: int = 4) -> int:
    portion = escalate(town, most)()
    done = portion.items
    while portion.after is not None:
        portion = escalate(town, most)(portion.after)
        done += portion.items
    return done


def levels(erp: Own, hold_id: str) -> list[str]:
    return [one["role"] for one in erp.hold(hold_id)["history"] if one["action"] == "escalate"]


def test_each_step_is_taken_when_it_is_due(town: Town) -> None:
    erp = town.own()
    hold_id, forced, stop = erp.held("SO-1", "150.00"), erp.place_hold("SO-2"), erp.place_hold()
    town.clock.advance(minutes=59, seconds=59)
    assert escalate(town)().items == 0
    town.clock.advance(seconds=1)
    assert escalate(town)().items == 2
    assert escalate(town)().items == 0
    told = erp.hold(hold_id)
    assert told["escalated_to"] == "head"
    assert told["escalated_at"] == told["updated_at"] == told["history"][-1]["at"]
    wanted = {"escalated_to": "head", "customer_id": erp.name("C-1")}
    listed = erp.client.get(LIST, params=wanted).json()["items"]
    assert {one["order_hold_id"] for one in listed} == {hold_id, forced}
    assert erp.decide(forced, "cancel").is_success
    erp.ask("SO-1", "160.00")  # the same hold, asked about again, waits on
    town.clock.advance(hours=1)
    assert escalate(town)().items == 1
    assert levels(erp, hold_id) == ["head", "cfo"]
    town.clock.advance(days=9)
    assert escalate(town)().items == 0
    assert (levels(erp, forced), levels(erp, stop)) == (["head"], [])
    assert check_ledger(town.database.url).clean


def test_one_found_late_takes_the_highest_step(town: Town) -> None:
    erp = town.own()
    hold_id = erp.held("SO-1", "150.00")
    town.clock.advance(hours=3)
    assert escalate(town)().items == 1
    assert levels(erp, hold_id) == ["cfo"]


def test_several_at_once_escalate_once_and_wait_for_nobody(town: Town) -> None:
    erp = town.own()
    holds = [erp.held(f"SO-{number}", "150.00") for number in range(12)]
    town.clock.advance(hours=1)
    line = threading.Barrier(3)

    def work(_: int) -> int:
        line.wait()
        return a_pass(town)

    with town.database.begin() as tx:
        busy = "SELECT FROM credit_order WHERE order_id = :name FOR UPDATE"
        tx.execute(text(busy), {"name": erp.name("SO-3")})
        with ThreadPoolExecutor(3) as pool:
            done = sum(pool.map(work, range(3)))
        done += a_pass(town)  # what each passed over while another had it
        assert done == 11
    assert escalate(town)().items == 1
    assert [levels(erp, one) for one in holds] == [["head"]] * 12


def test_those_that_are_busy_keep_nobody_waiting(town: Town) -> None:
    """The oldest four are somebody else's, as many as are looked at together."""
    town.clock.advance(hours=2)
    escalate(town)()  # those of other tests, to their last step
    erp = town.own()
    holds = [erp.held(f"SO-{number}", "150.00") for number in range(9)]
    town.clock.advance(hours=1)
    with town.database.begin() as tx:
        busy = "SELECT FROM credit_order WHERE order_id = any(:names) FOR UPDATE"
        tx.execute(text(busy), {"names": [erp.name(f"SO-{number}") for number in range(4)]})
        assert a_pass(town) == 5
    assert a_pass(town) == 4
    assert [levels(erp, one) for one in holds] == [["head"]] * 9
