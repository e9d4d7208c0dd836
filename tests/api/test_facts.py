"""Facts over HTTP: a result for each, and what waits goes in by itself."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import pytest

from app.store.checker import check_ledger
from app.store.database import Database
from app.usecases.keys import CreateKey
from tests.domain.facts_cases import delivery, invoice, of, order, pay, to
from tests.domain.facts_world import fact, money
from tests.server import NO_TLS, Clock

Fact = Mapping[str, Any]
URL = "/v1/ledger-events"


def post(client: httpx2.Client, *facts: object) -> httpx2.Response:
    return client.post(URL, json={"events": list(facts)})


def told(client: httpx2.Client, *facts: Fact) -> list[dict[str, Any]]:
    answer = post(client, *facts)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    assert [one["event_id"] for one in results] == [one["event_id"] for one in facts]
    return results


def words(client: httpx2.Client, *facts: Fact) -> list[str]:
    return [one["result"] for one in told(client, *facts)]


def customer(client: httpx2.Client, customer_id: str = "anna", limit: str = "100.00") -> None:
    put = client.put(f"/v1/customers/{customer_id}", json={"name": customer_id})
    assert put.status_code == 201, put.text
    body = {"kind": "base", "limit": money(limit)}
    headers = {"Idempotency-Key": f"limit-{customer_id}"}
    answer = client.post(f"/v1/customers/{customer_id}/limits", json=body, headers=headers)
    assert answer.status_code == 201, answer.text


def account(client: httpx2.Client, customer_id: str = "anna") -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/customers/{customer_id}/account").json()
    return found


def waiting(client: httpx2.Client, **query: str) -> dict[str, Any]:
    answer = client.get(f"{URL}/quarantine", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(answer: httpx2.Response, status: int, code: str) -> list[str]:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    return [one["field"] for one in problem["errors"]]


@pytest.fixture
def speak(service: str, database: Database, clock: Clock) -> Callable[..., httpx2.Client]:
    def make(*scopes: str, segments: tuple[str, ...] = ()) -> httpx2.Client:
        token = CreateKey(database, clock)("-".join([*scopes, *segments]), scopes, segments)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(
            base_url=service, headers=headers, timeout=20, trust_env=False, verify=NO_TLS
        )

    return make


def test_facts_move_what_an_account_shows(client: httpx2.Client, database: Database) -> None:
    customer(client)
    results = told(
        client,
        order(),
        delivery("D", "40"),
        invoice("I", "40", of()),
        pay("P", "15", to("I", "15")),
    )
    assert {one["result"] for one in results} == {"applied"}
    assert results[0] == {
        "event_id": results[0]["event_id"],
        "result": "applied",
        "over_limit": [],
        "problem": None,
    }
    found = account(client)
    assert found["authorized"] == money("60.00")
    assert found["exposure"] == money("25.00")
    assert found["exposure_by_category"]["OPEN_ITEM"] == money("25.00")
    assert check_ledger(database.url).clean


def test_a_fact_over_the_limit_is_applied_and_says_where(client: httpx2.Client) -> None:
    customer(client)
    result = told(client, invoice("I", "100.01"))[0]
    assert result["over_limit"] == [{"customer_id": "anna", "excess": money("0.01")}]
    assert account(client)["forced"] == money("0.01")


def test_each_fact_has_its_own_result(client: httpx2.Client) -> None:
    customer(client)
    first = invoice()
    assert words(client, first, first, invoice("I", "41"), invoice(customer_id="dora")) == [
        "applied",
        "duplicate",
        "quarantined",
        "quarantined",
    ]
    assert words(client, invoice(version=0)) == ["stale"]
    problem = told(client, invoice("I", "41"))[0]["problem"]
    assert (problem["code"], problem["field"]) == ("version_conflict", "version")


def test_a_customer_that_comes_lets_its_facts_in(client: httpx2.Client) -> None:
    told(client, invoice(customer_id="dora"), invoice("J", customer_id="ernst"))
    items = waiting(client)["items"]
    assert [one["customer_id"] for one in items] == ["dora", "ernst"]
    assert items[0]["problem"] == {
        "code": "customer_unknown",
        "detail": "no customer has the id 'dora'",
        "field": "customer_id",
    }
    assert items[0]["event"]["invoice_id"] == "I"
    customer(client, "dora")
    assert account(client, "dora")["exposure"] == money("40.00")
    assert [one["customer_id"] for one in waiting(client)["items"]] == ["ernst"]


def test_a_rate_that_comes_lets_its_facts_in(client: httpx2.Client, clock: Clock) -> None:
    customer(client)
    foreign = fact("invoice", "I", amount=money("10", "USD"))
    result = told(client, foreign)[0]
    assert result["problem"]["code"] == "fx_rate_missing"
    rate = {
        "base": "CNY",
        "quote": "USD",
        "rate": "0.125",
        "rate_date": clock().date().isoformat(),
        "source": "test",
    }
    headers = {"Idempotency-Key": "rate"}
    assert client.post("/v1/fx-rates", json=rate, headers=headers).status_code == 201
    assert account(client)["exposure"] == money("80.00")
    assert waiting(client) == {"items": [], "next_cursor": None}
    assert words(client, foreign) == ["duplicate"]


def test_what_waits_is_paged(client: httpx2.Client) -> None:
    told(client, *(invoice(f"I{number}", customer_id="dora") for number in range(3)))
    first = waiting(client, limit="2")
    rest = waiting(client, limit="2", cursor=first["next_cursor"])
    names = [one["event"]["invoice_id"] for page in (first, rest) for one in page["items"]]
    assert names == ["I0", "I1", "I2"]
    assert rest["next_cursor"] is None


def test_what_waits_is_filtered(client: httpx2.Client) -> None:
    client.put("/v1/segments/EU", json={"name": "EU"})
    customer(client)
    client.put("/v1/customers/anna", json={"name": "anna", "aliases": ["A-1"]})
    abroad = fact("invoice", "USD", amount=money("10", "USD"))
    told(client, invoice("D", customer_id="dora"), {**abroad, "customer_id": "A-1"})
    told(client, {**invoice("E", customer_id="dora"), "segment": "EU", "source": "erp-2"})

    def shown(**query: str) -> list[str]:
        return [one["event"]["invoice_id"] for one in waiting(client, **query)["items"]]

    assert shown() == ["D", "USD", "E"]
    assert shown(customer_id="dora") == ["D", "E"]
    assert shown(customer_id="dora", limit="1") == ["D"]
    assert shown(customer_id="dora", segment="EU") == ["E"]
    assert shown(customer_id="anna") == shown(customer_id="A-1") == ["USD"]
    assert shown(customer_id="nobody") == []
    assert shown(source="erp-2") == ["E"]
    assert shown(code="customer_unknown") == ["D", "E"]
    assert shown(code="fx_rate_missing") == ["USD"]
    url = f"{URL}/quarantine"
    assert refused(client.get(url, params={"code": "late"}), 422, "invalid_field") == ["code"]


@pytest.mark.parametrize("merged", [True, False], ids=["merged", "by-alias"])
def test_the_same_statement_by_another_id_of_its_customer_is_a_repeat(
    client: httpx2.Client, *, merged: bool
) -> None:
    """An ERP sends all again, after it has merged the two records as well."""
    customer(client)
    if merged:
        assert client.put("/v1/customers/bert", json={"name": "bert"}).is_success
    else:
        client.put("/v1/customers/anna", json={"name": "anna", "aliases": ["bert"]})
    first = invoice(customer_id="bert")
    assert words(client, first) == ["applied"]
    if merged:
        assert client.post("/v1/customers/bert/merge", json={"into": "anna"}).is_success
    same = {**first, "customer_id": "anna"}
    other = {**same, "amount": money("41.00")}
    assert words(client, same, first, other, same) == [
        "duplicate",
        "duplicate",
        "quarantined",
        "duplicate",
    ]
    assert account(client)["exposure"] == money("40.00")


def test_a_used_event_id_is_retried_or_closed_by_hand(client: httpx2.Client) -> None:
    customer(client)
    first = invoice()
    again = {**invoice("J", "7"), "event_id": first["event_id"]}
    third = {**invoice("K", "1"), "event_id": first["event_id"]}
    assert words(client, first, again, third) == ["applied", "quarantined", "quarantined"]
    rows = [f"{URL}/quarantine/{one['quarantine_id']}" for one in waiting(client)["items"]]
    retried = client.post(f"{rows[0]}/retry")
    assert (retried.status_code, retried.json()["result"]) == (200, "applied")
    closed = client.post(f"{rows[1]}/close", json={"reason": "sent by mistake"})
    assert (closed.status_code, closed.json()["status"]) == (200, "CLOSED")
    assert waiting(client)["items"] == []
    assert account(client)["exposure"] == money("47.00")
    refused(client.post(f"{rows[0]}/retry"), 409, "event_not_waiting")
    refused(client.post(f"{rows[1]}/close", json={"reason": "again"}), 409, "event_not_waiting")
    refused(client.post(f"{URL}/quarantine/x/retry"), 404, "not_found")
    assert refused(client.post(f"{rows[1]}/close", json={}), 422, "invalid_field") == ["reason"]


def test_provisional_money_counts_as_far_as_the_segment_says(client: httpx2.Client) -> None:
    customer(client)
    put = {"name": "main", "provisional_haircut_percent": 25}
    answer = client.put("/v1/segments/main", json=put)
    assert answer.json()["provisional_haircut_percent"] == 25
    told(client, invoice(), pay("P", "10", to("I", "10"), status="PROVISIONAL"))
    found = account(client)
    assert found["exposure_by_category"]["PREPAYMENT"] == money("-7.50")
    assert found["exposure_by_category"]["OPEN_ITEM"] == money("40.00")
    wrong = client.put("/v1/segments/main", json={**put, "provisional_haircut_percent": 101})
    assert refused(wrong, 422, "invalid_field") == ["provisional_haircut_percent"]


def test_one_fault_refuses_the_request_and_changes_nothing(client: httpx2.Client) -> None:
    customer(client)
    wrong = {**invoice("J"), "amount": money("1", "XXX")}
    assert refused(post(client, invoice(), wrong), 422, "invalid_field") == [
        "events[1].amount.currency"
    ]
    assert account(client)["exposure"] == money("0.00")


FAULTS: dict[str, tuple[object, str]] = {
    "no-event": ({"events": []}, "events"),
    "no-array": ({"events": {}}, "events"),
    "nothing": ({}, "events"),
    "more": ({"events": [invoice()], "mode": "fast"}, "mode"),
    "segment-unknown": ({"events": [{**invoice(), "segment": "EU"}]}, "events[0].segment"),
    "too-many": ({"events": [invoice()] * 5001}, "events"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_request_is_refused(client: httpx2.Client, name: str) -> None:
    body, field = FAULTS[name]
    assert refused(client.post(URL, json=body), 422, "invalid_field") == [field]


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        pytest.param(b'{"events": [{"version": 1, "version": 2}]}', 400, "bad_request", id="twice"),
        pytest.param(b'{"events": [NaN]}', 400, "bad_request", id="not-a-number"),
        pytest.param(b" " * (8 * 1024 * 1024 + 1), 413, "too_large", id="one-byte-too-long"),
    ],
)
def test_what_cannot_be_read(client: httpx2.Client, raw: bytes, status: int, code: str) -> None:
    headers = {"Content-Type": "application/json"}
    refused(client.post(URL, content=raw, headers=headers), status, code)


def test_the_largest_batch_in_one_request(client: httpx2.Client) -> None:
    customer(client, limit="1000000.00")
    facts = [invoice(f"I{number}", "1", of(f"O{number}", "1")) for number in range(5000)]
    assert set(words(client, *facts)) == {"applied"}
    assert set(words(client, *reversed(facts))) == {"duplicate"}
    assert account(client)["exposure"] == money("5000.00")


def test_an_idempotency_key_is_ignored(client: httpx2.Client) -> None:
    customer(client)
    headers = {"Idempotency-Key": "same"}
    for name in ("I", "J"):
        answer = client.post(URL, json={"events": [invoice(name)]}, headers=headers)
        assert answer.json()["results"][0]["result"] == "applied"


def test_writing_and_reading_are_two_scopes(speak: Callable[..., httpx2.Client]) -> None:
    with speak("ledger:write") as writer, speak("ledger:read") as reader:
        assert post(writer, invoice(customer_id="dora")).status_code == 200
        refused(post(reader, invoice()), 403, "forbidden")
        assert len(waiting(reader)["items"]) == 1
        refused(writer.get(f"{URL}/quarantine"), 403, "forbidden")


def test_a_confined_key_sees_and_tells_of_its_segments_only(
    client: httpx2.Client, speak: Callable[..., httpx2.Client]
) -> None:
    client.put("/v1/segments/EU", json={"name": "EU"})
    told(client, invoice(customer_id="dora"))
    with speak("ledger:write", "ledger:read", segments=("EU",)) as confined:
        assert waiting(confined)["items"] == []
        assert refused(post(confined, invoice()), 422, "invalid_field") == ["events[0].segment"]
        elsewhere = {**invoice(customer_id="dora"), "segment": "EU"}
        assert words(confined, elsewhere) == ["quarantined"]
        assert [one["segment"] for one in waiting(confined)["items"]] == ["EU"]
        main = confined.get(f"{URL}/quarantine", params={"segment": "main"})
        refused(main, 404, "segment_unknown")


def test_closing_an_order_refuses_later_asks(client: httpx2.Client) -> None:
    customer(client)
    told(client, order(3, "50"))
    ask = {
        "customer_id": "anna",
        "check_point": "ORDER",
        "order": {"id": "O", "version": 4},
        "amount": money("30"),
    }
    answer = client.post("/v1/authorizations", json=ask, headers={"Idempotency-Key": "a"})
    assert (answer.status_code, answer.json()["outcome"]) == (200, "APPROVE"), answer.text
    assert account(client)["authorized"] == money("30.00")
    assert words(client, order(4, "30", "CLOSED")) == ["applied"]
    assert account(client)["authorized"] == money("0.00")
    again = client.post("/v1/authorizations", json=ask, headers={"Idempotency-Key": "b"})
    refused(again, 409, "order_closed")
