"""Provisional money that has expired buys nothing, though nobody has swept it out yet."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.store.checker import check_ledger
from app.store.database import Database
from tests.domain.facts_cases import pay
from tests.erp import Erp, money
from tests.server import Clock

HOUR = timedelta(hours=1)


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
