"""What the load sends is what the service takes, and no two requests share a key or an order."""

import json
import re
from itertools import islice

import pytest

from app.api.authorizations import AuthorizeIn
from app.api.facts_reports import LedgerEventsIn
from bench.asks import FORMS, Source
from bench.bulk import Reports


def body(request: bytes) -> bytes:
    head, _, rest = request.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    assert length is not None
    assert int(length[1]) == len(rest)
    return rest


def key(request: bytes) -> bytes:
    found = re.search(rb"Idempotency-Key: (\S+)", request)
    assert found is not None
    return found[1]


def test_orders_are_asks_of_known_customers() -> None:
    requests = list(islice(Source("authorize", "r", 3, "token").requests(0), 50))
    asks = [AuthorizeIn.model_validate_json(body(request)) for request in requests]
    assert {ask.customer_id for ask in asks} == {"B-0", "B-1", "B-2"}
    assert all(b"Authorization: Bearer token\r\n" in request for request in requests)


def test_no_two_share_a_key_or_an_order() -> None:
    requests = [
        request
        for run in ("1", "2")
        for place in range(3)
        for request in islice(Source("authorize", run, 5).requests(place), 20)
    ]
    assert len({key(request) for request in requests}) == len(requests)
    assert len({json.loads(body(one))["order"]["id"] for one in requests}) == len(requests)


def test_a_batch_has_its_size_and_a_key_each() -> None:
    first, second = islice(Source("batch", "r", 5, size=30).requests(0), 2)
    items = json.loads(body(first))["items"] + json.loads(body(second))["items"]
    keys = {item.pop("idempotency_key") for item in items}
    assert len(keys) == 60
    assert all(AuthorizeIn.model_validate(item) for item in items)


@pytest.mark.parametrize("form", ["account", "score", "card"])
def test_reads_have_no_body(form: str) -> None:
    request = next(Source(form, "r", 1, "token").requests(0))
    assert request.startswith(f"GET /v1/customers/B-0/{form} HTTP/1.1\r\n".encode())
    assert request.endswith(b"\r\n\r\n")


def test_every_form_writes_requests() -> None:
    assert all(next(Source(form, "r", 1).requests(0)) for form in FORMS)


def test_facts_are_new_events_of_other_customers_at_each_connection() -> None:
    source = Reports("r", 10_000, "token", size=25)
    events: list[list[dict[str, str]]] = [[], [], []]
    for place, told in enumerate(events):
        for request in islice(source.requests(place), 3):
            LedgerEventsIn.model_validate_json(body(request))
            told.extend(json.loads(body(request))["events"])
    assert len({event["event_id"] for told in events for event in told}) == 3 * 3 * 25
    customers = [{event["customer_id"] for event in told} for told in events]
    assert sum(map(len, customers)) == len(set.union(*customers)) == 3 * 15
