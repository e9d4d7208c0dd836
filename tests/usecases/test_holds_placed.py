"""Forced holds and stops are ended by a person with the right, and by no automatic path at all."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from sqlalchemy import text

from app.settings import Settings
from app.store.checker import check_ledger
from app.work import loops
from tests.conftest import Server
from tests.erp import money, refused
from tests.holders import LIST, Own, Town, open_town
from tests.usecases.test_holds_release import RULES, SCORED, cover, due, paid, store_rate

Path = Callable[[Town, Own], object]


@pytest.fixture(scope="module")
def town(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with open_town(server, tmp_path_factory.mktemp("town")) as town:
        yield town


def ask_small(_: Town, erp: Own) -> None:
    for point in ("ORDER", "DELIVERY", "GOODS_ISSUE", "INVOICE"):
        told = erp.ask("SO-1", "2.00", check_point=point)
        assert told["outcome"] == "HOLD", told


def close_and_open_again(_: Town, erp: Own) -> None:
    order = {"order_id": erp.name("SO-1"), "amount": money("1.00")}
    erp.fact("order", **order, version=20, status="CLOSED")
    assert erp.ask("SO-1", "1.00", version=21)["outcome"] == "HOLD"
    erp.fact("order", **order, version=22, status="OPEN")
    assert erp.ask("SO-1", "1.00", version=23)["outcome"] == "HOLD"


def report_facts(_: Town, erp: Own) -> None:
    due(erp, "I-1", "2026-05-01")
    paid(erp, "I-1")
    order = {"order_id": erp.name("SO-1"), "amount": money("1.00")}
    erp.fact("delivery", delivery_id=erp.name("D-1"), **order)


def score(town: Town, erp: Own) -> None:
    for one in "EA":
        with town.database.begin() as tx:
            tx.execute(text(SCORED), {"class": one, "name": erp.name("C-1")})


def change_rules(town: Town, _: Own) -> None:
    """Put a policy without a single row in force; what a person placed holds nevertheless."""
    with town.database.begin() as tx:
        data = "jsonb_set(data, '{rows}', '[]')"
        for statement in RULES.format(data=data).split(";"):
            tx.execute(text(statement))


def change_mode(town: Town, erp: Own) -> None:
    for mode in ("OFF", "SHADOW", "WARN", "ENFORCE"):
        body = {"name": "Main", "mode": mode}
        assert erp.client.put("/v1/segments/main", json=body).is_success
        town.run()


def expire(town: Town, erp: Own) -> None:
    town.clock.advance(days=200)
    work_through(town, erp)


def work_through(town: Town, _: Own) -> None:
    with closing(town.database):
        for loop in loops(Settings(), town.database):
            loop.portion(None)


def reevaluate(_: Town, erp: Own) -> None:
    answer = erp.post(f"{LIST}/re-evaluate", {"customer_id": erp.name("C-1")})
    assert answer.status_code == 200, answer.text


def join_and_leave_a_group(_: Town, erp: Own) -> None:
    erp.customer("G", "1000.00")
    erp.put(parent_id="G")
    erp.put(parent_id=None)


def merge(_: Town, erp: Own) -> None:
    erp.customer("C-9")
    path = f"/v1/customers/{erp.name('C-1')}/merge"
    answer = erp.post(path, {"into": erp.name("C-9")})
    assert answer.is_success, answer.text


PATHS: list[tuple[str, Path]] = [
    ("a new ask", ask_small),
    ("a limit", lambda _, erp: erp.limit("9000.00")),
    ("a cover", lambda _, erp: cover(erp)),
    ("facts", report_facts),
    ("a closed order", close_and_open_again),
    ("a score", score),
    ("an exchange rate", lambda _, erp: store_rate(erp)),
    ("a group", join_and_leave_a_group),
    ("background work", work_through),
    ("a re-evaluation", reevaluate),
    ("a mode", change_mode),
    ("a policy without rows", change_rules),
    ("a new ask under it", ask_small),
    ("expiry", expire),
    ("a merge", merge),
]


def test_no_automatic_path_ends_what_a_person_placed(town: Town) -> None:
    erp = town.own()
    erp.held("SO-1", "150.00", version=1)
    forced = erp.place_hold("SO-1")
    stop = erp.place_hold(segment="main")
    other = erp.held("SO-2", "1.00")  # automatic, held by the stop alone
    for name, path in PATHS:
        path(town, erp)
        town.run()
        assert erp.statuses(forced, stop, other) == ["OPEN"] * 3, name
        assert erp.hold(forced)["kind"] == "FORCED", name
        assert [one["client"] for one in erp.hold(stop)["history"]] == ["admin"], name
    assert check_ledger(town.database.url).clean
    person = town.speak(erp, "desk", "hold:read", "hold:release")
    for hold_id in (forced, stop):
        refused(person.decide(hold_id, "release"), 403, "forbidden")
    right = town.speak(erp, "head", "hold:read", "hold:release", "hold:release_forced")
    assert right.decide(stop, "release").json()["status"] == "RELEASED"
    town.run()
    assert erp.statuses(forced, other) == ["OPEN", "RELEASED"]
    assert right.decide(forced, "release").json()["status"] == "RELEASED"
    assert check_ledger(town.database.url).clean


def test_an_automatic_hold_that_is_forced_meanwhile_stays(town: Town) -> None:
    erp = town.own()
    hold_id = erp.held("SO-1", "150.00")
    erp.limit("150.00")
    assert erp.place_hold("SO-1") == hold_id
    assert town.run() == 0
    answer = erp.post(f"{LIST}/re-evaluate", {"order_hold_ids": [hold_id]})
    assert answer.json() == {"released": 0, "results": [], "more": False}
    assert erp.statuses(hold_id) == ["OPEN"]


def test_a_forced_hold_without_a_segment_holds_the_order_that_is_known(
    server: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with open_town(server, tmp_path_factory.mktemp("segments")) as town:
        own = town.own()
        assert town.admin.put("/v1/segments/eu", json={"name": "eu"}).is_success
        body = {"kind": "base", "limit": money("100.00"), "segment": "eu"}
        assert own.post(f"/v1/customers/{own.name('C-1')}/limits", body).status_code == 201
        order = {"order_id": own.name("SO-1"), "customer_id": own.name("C-1")}
        refused(own.post(LIST, {**order, "reason_code": "X", "note": "n"}), 422, "invalid_field",
                "segment")  # fmt: skip
        assert own.ask("SO-1", "50.00", segment="eu")["outcome"] == "APPROVE"
        own.place_hold("SO-1")
        assert own.ask("SO-1", "50.00", segment="eu")["outcome"] == "HOLD"
        assert own.ask("SO-1", "50.00", segment="main")["outcome"] == "APPROVE"
        refused(own.post(LIST, {**order, "reason_code": "X", "note": "n"}), 422, "invalid_field",
                "segment")  # fmt: skip
