"""The work list by age, amount and reason; comments; many holds released or judged at once."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from app.store.checker import check_ledger
from tests.conftest import Server
from tests.erp import money, refused
from tests.holders import LIST, Own, Town, open_town

NOBODY = "019332b4-6c00-7000-8000-000000000003"


@pytest.fixture(scope="module")
def town(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with open_town(server, tmp_path_factory.mktemp("town")) as town:
        yield town


@pytest.fixture
def erp(town: Town) -> Own:
    return town.own()


@pytest.fixture(scope="module")
def listed(town: Town) -> Own:
    """Have 150 CNY, then 9,000 JPY, then 200.5 CNY held an hour apart, then a forced hold."""
    erp = town.own()
    erp.held("SO-1", "150.00")
    town.clock.advance(hours=1)
    erp.held("SO-2", "9000", currency="JPY")
    town.clock.advance(hours=1)
    erp.held("SO-3", "200.50")
    town.clock.advance(hours=1)
    erp.place_hold("SO-4")
    return erp


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param({"sort": "opened_at"}, "1 2 3 4", id="oldest-first"),
        pytest.param({"sort": "amount"}, "2 3 1 4", id="largest-first"),
        pytest.param({"sort": "amount", "currency": "CNY"}, "3 1", id="largest-in-a-currency"),
        pytest.param({"min_amount": "150"}, "1 2 3", id="amount-inclusive"),
        pytest.param({"min_amount": "150.01"}, "2 3", id="one-cent-more"),
        pytest.param({"min_amount": "9000", "currency": "JPY"}, "2", id="no-digits"),
        pytest.param({"min_amount": "9000.001"}, "", id="none-so-large"),
        pytest.param({"older_than": "7200"}, "1", id="older-than-two-hours"),
        pytest.param({"older_than": "7199"}, "1 2", id="a-second-less"),
        pytest.param({"older_than": "0"}, "1 2 3", id="opened-before-now"),
        pytest.param({"reason": "FORCED_HOLD"}, "4", id="reason"),
        pytest.param({"kind": "AUTOMATIC"}, "1 2 3", id="kind"),
        pytest.param({"escalated_to": "head"}, "", id="escalated"),
        pytest.param({"proposed": "true"}, "", id="proposed"),
        pytest.param({"proposed": "false", "reason": "OVER_LIMIT"}, "1 3", id="not-proposed"),
    ],
)
def test_the_work_list(listed: Own, query: dict[str, str], expected: str) -> None:
    for limit in (1, 3, 50):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            wanted = {"customer_id": listed.name("C-1"), "limit": str(limit), **query, **cursor}
            answer = listed.client.get(LIST, params=wanted)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            seen += [one["order_id"].rpartition("-")[2] for one in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert " ".join(seen) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        pytest.param({"sort": "owner"}, "sort", id="sort"),
        pytest.param({"min_amount": "1e3"}, "min_amount", id="exponent"),
        pytest.param({"min_amount": "-1"}, "min_amount", id="negative"),
        pytest.param({"older_than": "-1"}, "older_than", id="age"),
        pytest.param({"currency": "cny"}, "currency", id="currency"),
        pytest.param({"proposed": "yes"}, "proposed", id="proposed"),
        pytest.param({"cursor": "WyIxLjAiLCJ4Il0"}, "cursor", id="cursor-of-another-sort"),
        pytest.param({"cursor": "WyJuYW4iLCJ4Il0", "sort": "amount"}, "cursor", id="no-number"),
    ],
)
def test_what_the_work_list_refuses(erp: Own, query: dict[str, str], field: str) -> None:
    refused(erp.client.get(LIST, params=query), 422, "invalid_field", field)


def test_comments_are_history(town: Town, erp: Own) -> None:
    hold_id = erp.held("SO-1", "150.00")
    ann = town.speak(erp, "ann", "hold:read", "hold:write")
    path = f"{LIST}/{hold_id}/comments"
    town.clock.advance(minutes=1)
    first = ann.post(path, {"note": "电话已核实"}, "K")
    assert first.status_code == 201, first.text
    assert ann.post(path, {"note": "电话已核实"}, "K").content == first.content
    told = first.json()
    last = told["history"][-1]
    assert (last["action"], last["client"], last["actor"], last["note"]) == (
        "comment",
        erp.name("ann"),
        "E-ann",
        "电话已核实",
    )
    assert told["updated_at"] > told["opened_at"]
    closed = erp.decide(hold_id, "cancel").json()
    town.clock.advance(minutes=1)
    after = ann.post(path, {"note": "why it was cancelled"}).json()
    assert len(after["history"]) == len(closed["history"]) + 1
    assert {**after, "history": []} == {**closed, "history": []}
    refused(ann.post(path, {"note": ""}), 422, "invalid_field", "note")
    refused(ann.post(f"{LIST}/{NOBODY}/comments", {"note": "x"}), 404, "not_found")
    reader = town.speak(erp, "rob", "hold:read")
    refused(reader.post(path, {"note": "x"}), 403, "forbidden")


def test_a_hold_that_is_asked_for_again_and_again_stays_short(town: Town, erp: Own) -> None:
    """What was done by people is all there; of what the ERP asked, the newest."""
    hold_id = erp.held("SO-1", "150.00")
    note = town.speak(erp, "ann").post(f"{LIST}/{hold_id}/comments", {"note": "call them"})
    assert (note.status_code, note.json()["history_left_out"]) == (201, 0)
    erp.place_hold("SO-1", note="fraud?")
    erp.place_hold("SO-1", note="fraud")
    again = """
        INSERT INTO order_hold_event (hold_id, action, client, actor, at)
        SELECT CAST(:id AS uuid), 'update', 'erp', 'n' || n, now() FROM generate_series(1, 250) n
    """
    with town.database.begin() as tx:
        tx.execute(text(again), {"id": hold_id})
    told = erp.decide(hold_id, "cancel").json()
    assert told == erp.hold(hold_id)
    assert told["history_left_out"] == 150
    lines = [one["note"] or (one["actor"] if one["client"] == "erp" else one["action"])
             for one in told["history"]]  # fmt: skip
    updates = [f"n{number}" for number in range(151, 251)]
    assert lines == ["open", "call them", "fraud?", "fraud", *updates, "cancel"]


def results(answer: Any) -> list[tuple[str, ...]]:  # noqa: ANN401 - an answer of the client
    assert answer.status_code == 200, answer.text
    return [
        (one["result"], *one["codes"], *(["decided"] if one["decision_id"] else []))
        for one in answer.json()["results"]
    ]


def test_holds_are_judged_again_on_request(town: Town, erp: Own) -> None:
    for name in ("C-2", "C-3"):
        erp.customer(name)
    holds = [
        erp.held("SO-1", "110.00"),
        erp.held("SO-2", "120.00"),
        erp.held("SO-3", "150.00", customer_id="C-2"),
        erp.held("SO-4", "150.00", customer_id="C-3"),
    ]
    erp.limit("110.00")
    erp.limit("150.00", "C-3")
    erp.place_hold("SO-4", customer_id="C-3")
    ann = town.speak(erp, "ann")
    body = {"order_hold_ids": holds}
    answer = ann.post(f"{LIST}/re-evaluate", body, "K")
    assert results(answer) == [
        ("RELEASED", "decided"),
        ("HELD", "OVER_LIMIT", "decided"),
        ("HELD", "OVER_LIMIT", "decided"),
    ]
    assert (answer.json()["released"], answer.json()["more"]) == (1, False)
    assert erp.statuses(*holds) == ["RELEASED", "OPEN", "OPEN", "OPEN"]
    again = ann.post(f"{LIST}/re-evaluate", body, "K")
    assert (again.content, again.headers["idempotent-replayed"]) == (answer.content, "true")
    refused(ann.post(f"{LIST}/re-evaluate", {}, "K"), 422, "idempotency_key_reused")
    lines = [(one["action"], one["client"]) for one in erp.hold(holds[1])["history"]]
    assert lines == [("open", "admin"), ("update", erp.name("ann"))]
    last = erp.hold(holds[0])["history"][-1]
    assert (last["client"], last["reason_code"]) == (erp.name("ann"), "REASONS_CLEARED")
    some = {"customer_id": erp.name("C-1"), "reason": "OVER_LIMIT", "limit": 1}
    assert results(ann.post(f"{LIST}/re-evaluate", some)) == [("HELD", "OVER_LIMIT", "decided")]
    nobody = {**some, "owner": "nobody"}
    assert results(ann.post(f"{LIST}/re-evaluate", nobody)) == []
    assert check_ledger(town.database.url).clean


def test_each_that_was_asked_for_is_told_of(town: Town, erp: Own) -> None:
    """Also who stands behind a busy one; under another key they are judged again."""
    holds = [erp.held("SO-1", "110.00")]
    town.clock.advance(seconds=1)
    holds.append(erp.held("SO-2", "120.00"))
    erp.limit("250.00")
    path, body = f"{LIST}/re-evaluate", {"order_hold_ids": holds}
    with town.database.begin() as tx:
        busy = "SELECT FROM credit_order WHERE order_id = :name FOR UPDATE"
        tx.execute(text(busy), {"name": erp.name("SO-1")})
        assert results(erp.post(path, body, "K")) == [("BUSY",), ("BUSY",)]
    assert results(erp.post(path, body, "K")) == [("BUSY",), ("BUSY",)]
    told = results(erp.post(path, body))
    assert told == [("RELEASED", "decided"), ("RELEASED", "decided")]


def test_what_is_not_judged_again(town: Town, erp: Own) -> None:
    path = f"{LIST}/re-evaluate"
    hold_id = erp.held("SO-1", "150.00")
    refused(town.speak(erp, "ann", "hold:write").post(path, {}), 403, "forbidden")
    refused(erp.client.post(path, json={}), 400, "idempotency_key_required")
    twice = {"order_hold_ids": [hold_id, hold_id]}
    refused(erp.post(path, twice), 422, "invalid_field", "order_hold_ids[1]")
    none = {"order_hold_ids": [hold_id, "SO-1"]}
    refused(erp.post(path, none), 422, "invalid_field", "order_hold_ids[1]")
    refused(erp.post(path, {"limit": 501}), 422, "invalid_field", "limit")
    refused(erp.post(path, {"customer_id": "nobody"}), 404, "customer_unknown")
    erp.client.put("/v1/segments/east", json={"name": "East"})
    east = town.speak(erp, "east", "hold:release", segments=("east",))
    assert results(east.post(path, {"order_hold_ids": [hold_id]})) == []


def test_many_are_released_each_with_its_own_result(town: Town, erp: Own) -> None:
    holds = [erp.held(f"SO-{number}", "150.00") for number in range(3)]
    forced = erp.place_hold("SO-9", segment="main")
    stop = erp.place_hold(segment="main")
    assert erp.decide(stop, "release").is_success
    erp.decide(holds[1], "cancel")
    ann = town.speak(erp, "ann")
    body = {"order_hold_ids": [*holds, forced, NOBODY, "x"], "reason_code": "CALLED", "note": "ok"}
    answer = ann.post(f"{LIST}/release", body, "K")
    assert answer.status_code == 200, answer.text
    told = answer.json()["results"]
    assert [one["order_hold_id"] for one in told] == body["order_hold_ids"]
    assert [one["status"] for one in told] == [200, 409, 200, 403, 404, 404]
    assert [one["hold"]["status"] for one in told if "hold" in one] == ["RELEASED"] * 2
    codes = [one["problem"]["code"] for one in told if "problem" in one]
    assert codes == ["hold_not_open", "forbidden", "not_found", "not_found"]
    assert erp.statuses(*holds, forced) == ["RELEASED", "CANCELLED", "RELEASED", "OPEN"]
    again = ann.post(f"{LIST}/release", body, "K")
    assert (again.content, again.headers["idempotent-replayed"]) == (answer.content, "true")
    refused(ann.post(f"{LIST}/release", {**body, "note": "no"}, "K"), 422, "idempotency_key_reused")
    assert erp.account()["authorized"] == money("300.00")
    assert check_ledger(town.database.url).clean


def test_a_repeat_after_a_crash_goes_on(town: Town, erp: Own) -> None:
    holds = [erp.held(f"SO-{number}", "150.00") for number in range(2)]
    body = {"order_hold_ids": holds, "reason_code": "CALLED"}
    first = erp.post(f"{LIST}/release", body, erp.name("K"))
    with town.database.begin() as tx:  # as if it had died before it stored the whole
        forget = "DELETE FROM request_key WHERE key = %(key)s"
        tx.exec_driver_sql(forget, {"key": erp.name("K")})
    again = erp.post(f"{LIST}/release", body, erp.name("K"))
    assert again.json() == first.json()
    assert erp.account()["authorized"] == money("300.00")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"order_hold_ids": []}, "order_hold_ids", id="none"),
        pytest.param({"order_hold_ids": ["x"] * 101}, "order_hold_ids", id="too-many"),
        pytest.param({"order_hold_ids": ["x", "x"]}, "order_hold_ids[1]", id="twice"),
        pytest.param({"order_hold_ids": ["x"], "reason_code": ""}, "reason_code", id="no-reason"),
    ],
)
def test_what_is_not_released(erp: Own, body: dict[str, object], field: str) -> None:
    answer = erp.post(f"{LIST}/release", {"reason_code": "X", **body})
    refused(answer, 422, "invalid_field", field)
