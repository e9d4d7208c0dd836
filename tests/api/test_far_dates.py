"""The first and the last day that there is, wherever one is told: nothing breaks, all is exact."""

from typing import Any, Final

import httpx2
import pytest

from app.api.plain_asks import LONGEST_S
from app.store.checker import check_ledger
from app.store.database import Database
from tests.domain.facts_cases import invoice, pay, to
from tests.domain.facts_world import fact
from tests.erp import Erp, money, refused

FIRST: Final = "1970-01-01"
LAST: Final = "2100-12-31"
BEYOND: Final = ("1969-12-31", "2101-01-01")
BILL: Final = {"note_id": "N", "kind": "BANK", "due_date": LAST}


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    put = {"name": "main", "credit_horizon_days": 3650}
    assert client.put("/v1/segments/main", json=put).is_success
    erp.customer("anna", None)
    for path, terms in (
        ("limits", {"kind": "base", "limit": money("900.00")}),
        ("covers", {"kind": "DEPOSIT", "percentage": "50", "cap": money("200.00")}),
    ):
        answer = erp.post(
            f"/v1/customers/anna/{path}", {**terms, "valid_from": FIRST, "valid_to": LAST}
        )
        assert answer.status_code == 201, answer.text
    return erp


def report(erp: Erp, *facts: object) -> list[str]:
    answer = erp.client.post("/v1/ledger-events", json={"events": list(facts)})
    assert answer.status_code == 200, answer.text
    return [one["result"] for one in answer.json()["results"]]


def test_documents_orders_limits_and_covers(erp: Erp, database: Database) -> None:
    far = erp.ask("SO-1", "100.00", customer_id="anna", ship_date=LAST, expires_in=LONGEST_S)
    assert (far["outcome"], far["counts_from"]) == ("APPROVE", "2091-01-02")
    told = report(
        erp,
        invoice("I", "40", issue_date=FIRST, due_date=FIRST),
        invoice("J", "30", issue_date=FIRST, due_date=LAST),
        pay("P", "10", to("I", "10"), paid_date=FIRST),
        pay("Q", "5", to("J", "5"), paid_date=LAST, note=BILL),
        pay("R", "1", status="PROVISIONAL", expires_at="2100-12-31T23:59:59Z"),
        fact("credit_note", "C", amount="1", invoice_id="J", date=FIRST),
        fact("write_off", "W", amount="1", invoice_id="J", date=LAST),
    )
    assert set(told) == {"applied"}
    account: dict[str, Any] = erp.account("anna")
    assert account["effective_limit"] == money("1000.00")
    assert account["exposure"] == money("58.00")
    assert account["overdue"] == {"amount": money("30.00"), "days": 20_619}  # until 2026-06-15
    near = erp.ask("SO-2", "10.00", customer_id="anna", ship_date=FIRST)
    assert near["counts_from"] is None
    (days,) = [one for one in near["reasons"] if one["code"] == "OVERDUE_DAYS"]
    assert days["observed"] == "20619"
    query = {"category": "OPEN_ITEM", "limit": "10"}
    page = erp.client.get("/v1/customers/anna/account/documents", params=query).json()
    assert [one["due_date"] for one in page["items"]] == [FIRST, LAST], page
    assert check_ledger(database.url).clean


@pytest.mark.parametrize("day", BEYOND)
def test_a_day_beyond_is_refused_by_name(erp: Erp, day: str) -> None:
    before = erp.account("anna")
    ask = {"customer_id": "anna", "check_point": "ORDER", "amount": money("1.00")}
    body = {**ask, "order": {"id": "SO-1"}, "ship_date": day}
    refused(erp.post("/v1/authorizations", body), 422, "invalid_field", "ship_date")
    limit = {"kind": "base", "limit": money("1.00"), "valid_from": day}
    refused(erp.post("/v1/customers/anna/limits", limit), 422, "invalid_field", "valid_from")
    rate = {"base": "USD", "quote": "CNY", "rate": "7", "rate_date": day, "source": "test"}
    refused(erp.post("/v1/fx-rates", rate), 422, "invalid_field", "rate_date")
    told = {"events": [invoice("I", "1", due_date=LAST), pay("P", "1", paid_date=day)]}
    answer = erp.client.post("/v1/ledger-events", json=told)
    refused(answer, 422, "invalid_field", "events[1].paid_date")
    assert {**erp.account("anna"), "as_of": None} == {**before, "as_of": None}
