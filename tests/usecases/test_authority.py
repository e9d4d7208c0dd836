"""Who may release what: the matrix, lent authority, two persons; refusals change nothing."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from app.store.checker import check_ledger
from tests.conftest import Server
from tests.erp import money, refused, together
from tests.holders import LIST, Own, Town, open_town

AUTHORITIES = "/v1/authorities"
ROUNDS = 4

Asked = tuple[str, str, str | None, int]
"""Who releases a hold of which amount, up to which (None: all of it), and the status of that."""


@pytest.fixture(scope="module")
def town(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with open_town(server, tmp_path_factory.mktemp("town")) as town:
        town.clock.advance(hours=1)
        yield town


@pytest.fixture
def erp(town: Town) -> Iterator[Own]:
    """Have a desk where specialists release up to 200 (A: 900, B: 50), and the head any amount.

    What is configured is of the whole service, so it is taken away again.
    """
    erp = town.own()
    grants = [row("*", "200.00"), row("A", "900.00"), row("B", "50.00", segment="main")]
    put(erp, f"roles/{erp.name('specialist')}", role(*grants))
    put(erp, f"roles/{erp.name('head')}", role(row("*", None)))
    for who, has in (("ann", "specialist"), ("bob", "specialist"), ("eve", "head")):
        put(erp, f"subjects/{erp.name(who)}", {"role": erp.name(has)})
    yield erp
    clean(erp)


def clean(erp: Own) -> None:
    told = erp.client.get(AUTHORITIES).json()
    paths = [f"segments/{one['segment']}" for one in told["segments"]]
    paths += [f"delegations/{one['delegation_id']}" for one in told["delegations"]]
    paths += [f"subjects/{one['subject']}" for one in told["subjects"]]
    paths += [f"roles/{one['role']}" for one in told["roles"]]
    for path in paths:
        assert erp.client.delete(f"{AUTHORITIES}/{path}").status_code == 204
    assert erp.client.get(AUTHORITIES).json()["roles"] == []


def row(risk_class: str, most: str | None, **more: object) -> dict[str, Any]:
    return {"risk_class": risk_class, "max_amount": None if most is None else money(most), **more}


def role(*grants: dict[str, Any]) -> dict[str, Any]:
    return {"name_zh": "信用", "name_en": "Credit", "grants": list(grants)}


def put(erp: Own, path: str, body: object) -> None:
    answer = erp.client.put(f"{AUTHORITIES}/{path}", json=body)
    assert answer.status_code == 200, answer.text


def lend(erp: Own, name: str, **fields: str) -> httpx2.Response:
    body = {"from": erp.name("eve"), "to": erp.name("ann"), **fields}
    return erp.client.put(f"{AUTHORITIES}/delegations/{erp.name(name)}", json=body)


def two_above(erp: Own, amount: str, currency: str = "CNY") -> None:
    put(erp, "segments/main", {"two_approvals_above": money(amount, currency)})


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(("ann", "200.00", None, 200), id="just-within"),
        pytest.param(("ann", "200.01", None, 403), id="one-cent-above"),
        pytest.param(("ann", "300.00", "200.00", 200), id="up-to-less"),
        pytest.param(("ann", "150.00", "200.01", 403), id="up-to-more"),
        pytest.param(("eve", "9999999.00", None, 200), id="any-amount"),
        pytest.param(("zoe", "100.01", None, 403), id="no-role"),
        pytest.param(("admin", "9999999.00", None, 200), id="admin-keeps-all"),
    ],
)
def test_up_to_which_amount(town: Town, erp: Own, asked: Asked) -> None:
    who, amount, most, status = asked
    hold_id = erp.held("SO-1", amount)
    person = erp if who == "admin" else town.speak(erp, who)
    fields = {} if most is None else {"max_amount": money(most)}
    answer = person.decide(hold_id, "release", "K", **fields)
    assert answer.status_code == status, answer.text
    if status == 403:
        refused(answer, 403, "above_authority")
        assert money(most or amount)["amount"] in answer.json()["detail"]
        named = "no role" if who == "zoe" else erp.name("specialist")
        assert named in answer.json()["detail"]
        assert erp.statuses(hold_id) == ["OPEN"]
        eve = town.speak(erp, "eve")
        assert eve.decide(hold_id, "release").status_code == 200


def test_without_a_matrix_the_scope_is_enough(town: Town) -> None:
    erp = town.own()
    assert erp.client.get(AUTHORITIES).json() == {
        "roles": [],
        "subjects": [],
        "delegations": [],
        "segments": [],
    }
    hold_id = erp.held("SO-1", "9999999.00")
    assert town.speak(erp, "zoe").decide(hold_id, "release").status_code == 200


def test_the_most_specific_row_counts(town: Town, erp: Own) -> None:
    ann = town.speak(erp, "ann")
    for risk_class, within, above in (("A", "900.00", "900.01"), ("B", "50.00", "50.01")):
        erp.customer(risk_class, "1.00")
        score(town, erp.name(risk_class), risk_class)
        told = [
            ann.decide(
                erp.held(f"{risk_class}-{amount}", amount, customer_id=risk_class), "release"
            )
            for amount in (within, above)
        ]
        assert [one.status_code for one in told] == [200, 403], told[1].text
        assert f"class {risk_class}" in told[1].json()["detail"]


def score(town: Town, customer_id: str, risk_class: str) -> None:
    from_here = town.database
    with from_here.begin() as tx:
        tx.exec_driver_sql(SCORED, {"name": customer_id, "class": risk_class})


SCORED = """
WITH new AS (
    UPDATE account SET input_version = input_version + 1 WHERE customer_id = %(name)s
    RETURNING account_id, input_version)
INSERT INTO account_input (account_id, version, data)
SELECT account_id, input_version, jsonb_build_object('active', true, 'score', jsonb_build_object(
    'score', 100, 'risk_class', CAST(%(class)s AS text), 'traffic_light', 'GREEN',
    'scored_at', '2026-06-15T04:00:00+00:00'))
FROM new
"""


def test_amounts_in_another_currency(town: Town, erp: Own) -> None:
    ann = town.speak(erp, "ann")
    rate = {"base": "EUR", "quote": "CNY", "rate": "8", "rate_date": "2026-06-15", "source": "t"}
    assert erp.post("/v1/fx-rates", rate).status_code == 201
    holds = [erp.held(f"SO-{amount}", amount, currency="EUR") for amount in ("25.00", "25.01")]
    told = [ann.decide(hold_id, "release").status_code for hold_id in holds]
    assert told == [200, 403]
    unknown = erp.held("SO-2", "1.00", currency="GBP")
    refused(ann.decide(unknown, "release"), 409, "fx_rate_missing")
    assert erp.statuses(unknown) == ["OPEN"]


def test_lent_authority_holds_on_its_days_alone(town: Town, erp: Own) -> None:
    ann = town.speak(erp, "ann")
    days = {"valid_from": "2026-06-14", "valid_to": "2026-06-15"}
    assert lend(erp, "past", valid_from="2026-06-01", valid_to="2026-06-14").status_code == 200
    assert lend(erp, "next", valid_from="2026-06-16", valid_to="2026-06-30").status_code == 200
    hold_id = erp.held("SO-1", "5000.00")
    refused(ann.decide(hold_id, "release"), 403, "above_authority")
    assert lend(erp, "now", **days).status_code == 200  # both ends are included
    on = {"from": erp.name("ann"), "to": erp.name("bob"), "valid_from": "2026-06-15"}
    path = f"{AUTHORITIES}/delegations/{erp.name('on')}"
    assert ann.client.put(path, json={**on, "valid_to": "2026-06-15"}).status_code == 200
    bob = town.speak(erp, "bob")
    refused(bob.decide(hold_id, "release"), 403, "above_authority")  # lent is not lent on
    assert ann.decide(hold_id, "release").status_code == 200


def test_who_may_lend_what(town: Town, erp: Own) -> None:
    ann, eve = town.speak(erp, "ann"), town.speak(erp, "eve")
    days = {"valid_from": "2026-06-15", "valid_to": "2026-06-16"}
    refused(lend(ann, "theft", **days), 403, "forbidden")
    assert lend(eve, "gift", **days).status_code == 200
    path = f"{AUTHORITIES}/delegations/{erp.name('gift')}"
    refused(ann.client.delete(path), 403, "forbidden")
    mine = {"from": erp.name("ann"), "to": erp.name("bob"), **days}
    refused(ann.client.put(path, json=mine), 403, "forbidden")  # over somebody else's
    assert eve.client.delete(path).status_code == 204
    refused(lend(erp, "self", **{**days, "to": erp.name("eve")}), 422, "invalid_field", "to")
    bad = {"valid_from": "2026-06-16", "valid_to": "2026-06-15"}
    refused(lend(erp, "back", **bad), 422, "invalid_field", "valid_to")


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        pytest.param(
            "roles/r", role(row("*", "1.00"), row("*", "2.00")), 422, "grants[1]", id="row-twice"
        ),
        pytest.param("roles/r", role(row("F", "1.00")), 422, "grants[0].risk_class", id="class"),
        pytest.param(
            "roles/r", role(row("A", "-1.00")), 422, "grants[0].max_amount.amount", id="minus"
        ),
        pytest.param("roles/r", role(row("A", "1", segment="moon")), 404, "segment", id="segment"),
        pytest.param("subjects/s", {"role": "nobody"}, 422, "role", id="role"),
        pytest.param("segments/moon", {}, 404, "segment", id="policy-of-no-segment"),
        pytest.param(
            "segments/main",
            {"escalation": [{"role": "nobody", "after": 1}]},
            422,
            "escalation[0].role",
            id="escalated-to-nobody",
        ),
    ],
)  # fmt: skip
def test_what_is_not_configured(erp: Own, path: str, body: object, status: int, field: str) -> None:
    before = erp.client.get(AUTHORITIES).json()
    answer = erp.client.put(f"{AUTHORITIES}/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert erp.client.get(AUTHORITIES).json() == before


def test_a_role_in_use_stays(town: Town, erp: Own) -> None:
    path = f"{AUTHORITIES}/roles/{erp.name('head')}"
    refused(erp.client.delete(path), 409, "authority_in_use")
    steps = [{"role": erp.name("head"), "after": 60}, {"role": erp.name("head"), "after": 60}]
    body = {"escalation": steps}
    answer = erp.client.put(f"{AUTHORITIES}/segments/main", json=body)
    refused(answer, 422, "invalid_field", "escalation[1].after")
    ann = town.speak(erp, "ann")
    refused(ann.client.put(path, json=role()), 403, "forbidden")
    assert ann.client.get(AUTHORITIES).status_code == 200
    changes = erp.client.get(f"{AUTHORITIES}/changes", params={"limit": 1}).json()
    (last,) = changes["items"]
    assert (last["what"], last["client"]) == ("SUBJECT", "admin")
    assert changes["next_cursor"] is not None


def test_two_persons_above_the_threshold(town: Town, erp: Own) -> None:
    two_above(erp, "150.00")
    ann, bob, eve = (town.speak(erp, who) for who in ("ann", "bob", "eve"))
    alone, hold_id = erp.held("SO-0", "150.00"), erp.held("SO-1", "150.01")
    assert ann.decide(alone, "release").status_code == 200
    first = ann.decide(hold_id, "release", "K", note="called")
    assert (first.status_code, first.json()["status"]) == (202, "OPEN")
    proposal = first.json()["proposal"]
    assert (proposal["status"], proposal["proposed_by"]) == ("PROPOSED", erp.name("ann"))
    assert proposal["max_amount"] == money("150.01")
    again = ann.decide(hold_id, "release", "K", note="called")
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    refused(bob.decide(hold_id, "release"), 409, "proposal_state")
    refused(ann.decide(hold_id, "approve"), 403, "four_eyes")
    listed = erp.client.get(LIST, params={"proposed": "true", "customer_id": erp.name("C-1")})
    assert [one["order_hold_id"] for one in listed.json()["items"]] == [hold_id]
    told = bob.decide(hold_id, "approve", "B")
    assert told.status_code == 200, told.text
    assert told.json()["status"] == "RELEASED"
    assert (told.json()["proposal"]["status"], told.json()["proposal"]["decided_by"]) == (
        "APPROVED",
        erp.name("bob"),
    )
    assert bob.decide(hold_id, "approve", "B").content == told.content
    history = [(one["action"], one["client"]) for one in told.json()["history"]]
    assert history[1:] == [("propose", erp.name("ann")), ("release", erp.name("bob"))]
    refused(eve.decide(hold_id, "approve"), 409, "hold_not_open")
    admin_alone = erp.held("SO-2", "200.00")
    assert erp.decide(admin_alone, "release").status_code == 202  # four eyes are for all
    refused(erp.decide(admin_alone, "approve"), 403, "four_eyes")
    assert check_ledger(town.database.url).clean


def test_a_second_person_needs_enough_authority_and_may_decline(town: Town, erp: Own) -> None:
    two_above(erp, "100.00")
    ann, eve = town.speak(erp, "ann"), town.speak(erp, "eve")
    hold_id = erp.held("SO-1", "500.00")
    refused(ann.decide(hold_id, "approve"), 409, "proposal_state")
    assert eve.decide(hold_id, "release").status_code == 202
    refused(ann.decide(hold_id, "approve"), 403, "above_authority")
    assert erp.hold(hold_id)["proposal"]["status"] == "PROPOSED"
    told = ann.decide(hold_id, "decline", note="ask for a guarantee").json()
    assert (told["status"], told["proposal"]["status"]) == ("OPEN", "DECLINED")
    assert told["history"][-1]["note"] == "ask for a guarantee"
    refused(ann.decide(hold_id, "decline"), 409, "proposal_state")
    assert eve.decide(hold_id, "release").status_code == 202  # proposed anew
    assert erp.decide(hold_id, "approve").status_code == 200


def test_a_refused_release_leaves_the_proposal_waiting(town: Town, erp: Own) -> None:
    two_above(erp, "100.00")
    ann, bob = town.speak(erp, "ann"), town.speak(erp, "bob")
    hold_id = erp.held("SO-1", "150.00")
    until = "2026-06-15T06:00:00Z"
    assert ann.decide(hold_id, "release", valid_until=until).status_code == 202
    stop = erp.place_hold()
    refused(bob.decide(hold_id, "approve"), 409, "account_stopped")
    assert erp.hold(hold_id)["proposal"]["status"] == "PROPOSED"
    assert erp.decide(stop, "release").status_code == 200
    town.clock.advance(hours=1)  # what was proposed has ended by itself
    refused(bob.decide(hold_id, "approve"), 409, "proposal_state")
    assert bob.decide(hold_id, "decline").status_code == 200
    assert ann.decide(hold_id, "release").status_code == 202
    assert bob.decide(hold_id, "approve").status_code == 200


def race(erp: Own, *acts: Callable[[], httpx2.Response]) -> list[int]:
    del erp
    told = together(*acts)
    return sorted(one.status_code for one in told)


def test_of_release_and_cancel_one_wins(town: Town, erp: Own) -> None:
    two_above(erp, "100.00")
    ann, bob = town.speak(erp, "ann"), town.speak(erp, "bob")
    for number in range(ROUNDS):
        hold_id = erp.held(f"SO-{number}", "120.00")
        assert ann.decide(hold_id, "release").status_code == 202
        told = race(
            erp,
            lambda: bob.decide(hold_id, "approve"),  # noqa: B023 - runs before the next round
            lambda: erp.decide(hold_id, "cancel"),  # noqa: B023
            lambda: erp.decide(hold_id, "decline"),  # noqa: B023
        )
        # who declines may come before a cancel; then both of them have their way
        assert told in ([200, 409, 409], [200, 200, 409]), told
        hold = erp.hold(hold_id)
        if hold["status"] == "RELEASED":
            assert (told, hold["proposal"]["status"]) == ([200, 409, 409], "APPROVED")
    assert check_ledger(town.database.url).clean


def test_two_who_approve_at_once_release_once(town: Town, erp: Own) -> None:
    two_above(erp, "100.00")
    ann, bob, eve = (town.speak(erp, who) for who in ("ann", "bob", "eve"))
    for number in range(ROUNDS):
        hold_id = erp.held(f"SO-{number}", "120.00")
        assert ann.decide(hold_id, "release").status_code == 202
        told = race(
            erp,
            lambda: bob.decide(hold_id, "approve"),  # noqa: B023 - as above
            lambda: eve.decide(hold_id, "approve"),  # noqa: B023
        )
        assert told == [200, 409]
        hold = erp.hold(hold_id)
        assert hold["proposal"]["decided_by"] == hold["history"][-1]["client"]
    assert check_ledger(town.database.url).clean
