"""Provisional money that has expired buys nothing, though nobody has swept it out yet."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.store import holds_ground
from app.store.checker import check_ledger
from app.store.database import Database
from app.store.holds_lane import HoldLane
from app.store.ids import IdSource
from app.usecases.facts_lapse import lapse_on
from app.usecases.holds_judge import Again, HoldsJudge
from app.usecases.holds_release import ReleaseCleared
from app.usecases.keys import CreateKey
from tests.domain.facts_cases import pay
from tests.erp import Erp, money
from tests.server import NO_TLS, Clock

HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    """Give a segment in which provisional money counts in full, and customers without credit."""
    put = client.put("/v1/segments/main", json={"name": "m", "provisional_haircut_percent": 0})
    assert put.status_code == 200, put.text
    return Erp(client)


def pays(erp: Erp, clock: Clock, name: str, customer_id: str, amount: str = "100") -> None:
    """Tell of money that counts for an hour."""
    ends = (clock() + HOUR).isoformat()
    fact = {**pay(name, amount, status="PROVISIONAL", expires_at=ends), "customer_id": customer_id}
    answer = erp.client.post("/v1/ledger-events", json={"events": [fact]})
    assert [one["result"] for one in answer.json()["results"]] == ["applied"], answer.text


def lapsed(database: Database) -> dict[str, bool]:
    with database.read() as tx:
        found = tx.execute(text("SELECT payment_id, lapsed_at IS NOT NULL FROM payment"))
        return {str(name): bool(over) for name, over in found}


def question(amount: str) -> dict[str, Any]:
    order = {"order": {"id": "SO-1"}, "check_point": "ORDER"}
    return {"customer_id": "C-1", "amount": money(amount), **order}


def checked(erp: Erp, amount: str) -> str:
    answer = erp.client.post("/v1/limit-checks", json=question(amount))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["outcome"])


def judged_again(erp: Erp, *hold_ids: str) -> list[str]:
    answer = erp.post("/v1/order-holds/re-evaluate", {"order_hold_ids": [*hold_ids]})
    assert answer.status_code == 200, answer.text
    return [one["result"] for one in answer.json()["results"]]


def test_it_buys_until_its_moment_and_not_from_then_on(
    erp: Erp, database: Database, clock: Clock
) -> None:
    erp.customer("C-1", "0.00")
    pays(erp, clock, "P", "C-1")
    clock.advance(seconds=3599)
    assert erp.ask("SO-1", "40.00")["outcome"] == "APPROVE"
    clock.advance(seconds=1)
    told = erp.ask("SO-2", "1.00")
    assert (told["outcome"], told["headroom"]) == ("HOLD", money("-40.00")), told
    assert lapsed(database) == {"P": True}
    assert check_ledger(database.url).difference is None


def test_a_check_lets_it_lapse_as_well(erp: Erp, database: Database, clock: Clock) -> None:
    erp.customer("C-1", "0.00")
    pays(erp, clock, "P", "C-1")
    assert checked(erp, "100.00") == "APPROVE"
    clock.advance(hours=1)
    assert checked(erp, "100.00") == "HOLD"
    assert lapsed(database) == {"P": True}


def test_a_sisters_money_buys_nothing_of_the_group(
    erp: Erp, database: Database, clock: Clock
) -> None:
    """It counts on the group's account, which the order is held to as well."""
    erp.customer("G", "0.00")
    erp.customer("C-1", "500.00", parent_id="G")
    erp.customer("C-2", "500.00", parent_id="G")
    pays(erp, clock, "P", "C-2")
    assert erp.ask("SO-1", "60.00")["outcome"] == "APPROVE"
    clock.advance(hours=1)
    told = erp.ask("SO-2", "1.00")
    assert (told["outcome"], told["binding_customer_id"]) == ("HOLD", "G"), told
    assert lapsed(database) == {"P": True}
    assert check_ledger(database.url).difference is None


def test_who_is_not_concerned_leaves_it(erp: Erp, database: Database, clock: Clock) -> None:
    for customer_id in ("C-1", "C-2", "C-3"):
        erp.customer(customer_id)
    pays(erp, clock, "P-2", "C-2")
    pays(erp, clock, "P-3", "C-3")
    clock.advance(hours=1)
    assert erp.ask("SO-1", "40.00")["outcome"] == "APPROVE"
    assert lapsed(database) == {"P-2": False, "P-3": False}
    assert erp.ask("SO-3", "40.00", customer_id="C-3")["outcome"] == "APPROVE"
    assert lapsed(database) == {"P-2": False, "P-3": True}


def test_what_cannot_be_taken_out_now_lets_nothing_pass(
    erp: Erp, database: Database, clock: Clock
) -> None:
    """Another sweeper holds the payment, and has not come to the account yet."""
    erp.customer("C-1", "0.00")
    pays(erp, clock, "P", "C-1")
    clock.advance(hours=1)
    with database.begin() as tx:
        tx.execute(text("SELECT FROM payment FOR UPDATE"))
        answer = erp.post("/v1/authorizations", question("1.00"))
        assert (answer.status_code, answer.json()["code"]) == (503, "busy"), answer.text
    answer = erp.post("/v1/authorizations", question("1.00"))
    assert answer.json()["outcome"] == "HOLD", answer.text


def test_holds_judged_again_let_it_lapse(erp: Erp, database: Database, clock: Clock) -> None:
    erp.customer("C-1", "0.00")
    holds = [erp.held(f"SO-{number}", "20.00") for number in range(3)]
    pays(erp, clock, "P", "C-1")
    clock.advance(seconds=3599)
    assert judged_again(erp, holds[0]) == ["RELEASED"]
    clock.advance(seconds=1)
    assert judged_again(erp, *holds[1:]) == ["HELD", "HELD"]
    assert lapsed(database) == {"P": True}
    assert check_ledger(database.url).difference is None


def test_holds_judged_again_wait_for_who_takes_it_out(
    erp: Erp, database: Database, clock: Clock
) -> None:
    """It is tried once for all of them, and keeps no other customer's hold."""
    erp.customer("C-1", "0.00")
    erp.customer("C-2", "0.00")
    holds = [erp.held(f"SO-{number}", "20.00") for number in range(3)]
    holds.append(erp.held("SO-3", "20.00", customer_id="C-2"))
    pays(erp, clock, "P", "C-1")
    clock.advance(hours=1)
    tries: list[set[int]] = []

    def take_out(at: datetime, account_ids: Collection[int]) -> bool:
        tries.append({*account_ids})
        return lapse_on(database, 10)(at, account_ids)

    judge = HoldsJudge(lambda: HoldLane(database.url), IdSource(), take_out)
    with database.read() as tx:
        wanted = holds_ground.named(tx, clock(), holds)
    with database.begin() as tx:
        tx.execute(text("SELECT FROM payment FOR UPDATE"))
        told = [one.result for one in judge(wanted, Again(), clock)]
    assert (sorted(told), len(tries)) == (["BUSY", "BUSY", "BUSY", "HELD"], 1)
    assert {one.result for one in judge(wanted, Again(), clock)} == {"HELD"}


@pytest.mark.parametrize(("before", "released"), [(timedelta(minutes=1), 1), (MOMENT, 0)])
def test_what_expires_while_a_worker_judges_is_over(
    erp: Erp, database: Database, clock: Clock, before: timedelta, released: int
) -> None:
    """Its pass began before the moment, and the judging comes after it."""
    erp.customer("C-1", "0.00")
    erp.held("SO-1", "20.00")
    pays(erp, clock, "P", "C-1")
    began = clock() + HOUR - before
    judge = HoldsJudge(lambda: HoldLane(database.url), IdSource(), lapse_on(database, 10))
    assert ReleaseCleared(database, judge, 10, lambda _: began)().items == released
    assert lapsed(database) == {"P": not released}


def test_a_replay_waits_for_nobody(erp: Erp, database: Database, clock: Clock) -> None:
    """It was answered while the money counted; what has expired since is not asked about."""
    erp.customer("C-1", "0.00")
    pays(erp, clock, "P", "C-1")
    first = erp.post("/v1/authorizations", question("40.00"), "K")
    assert first.json()["outcome"] == "APPROVE", first.text
    clock.advance(hours=1)
    with database.begin() as tx:
        tx.execute(text("SELECT FROM payment FOR UPDATE"))
        again = erp.post("/v1/authorizations", question("40.00"), "K")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert lapsed(database) == {"P": False}


def test_who_sees_nothing_of_it_waits_for_nobody(
    erp: Erp, database: Database, clock: Clock, service: str
) -> None:
    erp.customer("C-1", "0.00")
    pays(erp, clock, "P", "C-1")
    clock.advance(hours=1)
    put = erp.client.put("/v1/segments/EU", json={"name": "EU"})
    assert put.status_code == 201, put.text
    token = CreateKey(database, clock)("eu", ("authorization:write",), ("EU",))
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=service, headers=headers, trust_env=False, verify=NO_TLS) as client:
        answer = Erp(client).post("/v1/authorizations", question("1.00"))
    assert (answer.status_code, answer.json()["code"]) == (404, "segment_unknown"), answer.text
    assert lapsed(database) == {"P": False}


def test_all_of_it_is_taken_out_however_much_there_is(
    erp: Erp, database: Database, clock: Clock
) -> None:
    erp.customer("C-1", "0.00")
    for number in range(5):
        pays(erp, clock, f"P-{number}", "C-1")
    clock.advance(hours=1)
    with database.read() as tx:
        account_id = tx.execute(text("SELECT account_id FROM account")).scalar_one()
    take_out = lapse_on(database, 2, patience_s=60)
    with database.begin() as tx:
        tx.execute(text("SELECT FROM payment WHERE payment_id = 'P-3' FOR UPDATE"))
        assert not take_out(clock(), [account_id])
    assert sum(lapsed(database).values()) == 4
    assert take_out(clock(), [account_id])
    assert take_out(clock(), [account_id])  # others may have done it
    assert all(lapsed(database).values())


def test_what_counts_nothing_is_not_looked_at(erp: Erp, database: Database, clock: Clock) -> None:
    """A haircut of 100 %, as a segment has it unless it says otherwise: only sweepers see it."""
    put = erp.client.put(
        "/v1/segments/main", json={"name": "m", "provisional_haircut_percent": 100}
    )
    assert put.status_code == 200, put.text
    erp.customer("C-1", "10.00")
    pays(erp, clock, "P", "C-1")
    clock.advance(hours=1)
    assert erp.ask("SO-1", "10.00")["outcome"] == "APPROVE"
    assert lapsed(database) == {"P": False}
