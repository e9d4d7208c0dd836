"""Rule sets over HTTP: from draft to force, by whom, and what is refused on the way."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.api.wire import encode_cursor
from app.domain.rules_names import NAMES
from app.store.database import Database
from app.usecases.keys import CreateKey
from tests.erp import Erp, money, refused, together
from tests.server import Clock

PATH = "/v1/rule-sets"
ROW: dict[str, Any] = {
    "id": "small-orders-only",
    "zh": "大额订单须审批",
    "en": "Large orders need a person",
    "when": "order_amount_minor > most",
    "parameters": {"most": 5_000},
    "outcome": "HOLD",
    "reason": "LARGE_ORDER",
    "observed": "order_amount_minor",
    "clause": "1",
}
RULE_SET: dict[str, Any] = {
    "format": 2,
    "name": "small orders",
    "clauses": [
        {"id": "1", "zh": "超过 50 元的订单须审批。", "en": "Above 50.00 somebody decides."}
    ],
    "texts": {
        "LARGE_ORDER": {"zh": "金额 {observed} 超过 {threshold}。", "en": "Above {threshold}."}
    },
    "rows": [ROW],
    "examples": [
        {"context": {"order_amount_minor": 5_001}, "outcome": "HOLD", "reasons": ["LARGE_ORDER"]},
        {"context": {"order_amount_minor": 5_000}, "outcome": "APPROVE", "reasons": []},
    ],
}


@dataclass(frozen=True)
class Person:
    """Somebody with a key of their own."""

    client: httpx2.Client
    token: str

    def post(self, path: str, body: object, key: str | None = None) -> httpx2.Response:
        """Post under an idempotency key."""
        headers = {"Authorization": f"Bearer {self.token}"}
        headers["Idempotency-Key"] = key or str(uuid.uuid4())
        return self.client.post(f"{PATH}{path}", json=body, headers=headers)

    def get(self, path: str, **query: str) -> httpx2.Response:
        """Read."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.client.get(f"{PATH}{path}", headers=headers, params=query)


@pytest.fixture
def person(client: httpx2.Client, database: Database, clock: Clock) -> Callable[..., Person]:
    """Make people: a name, scopes, perhaps the segments their key is confined to."""

    def make(name: str, *scopes: str, segments: tuple[str, ...] = ()) -> Person:
        return Person(client, CreateKey(database, clock)(name, [*scopes], segments))

    return make


@pytest.fixture
def writer(person: Callable[..., Person]) -> Person:
    return person("writer", "rule:read", "rule:write", "rule:approve")


@pytest.fixture
def approver(person: Callable[..., Person]) -> Person:
    return person("approver", "rule:read", "rule:approve")


def draft(writer: Person, **fields: Any) -> int:  # noqa: ANN401 - any field
    answer = writer.post("", {"rule_set": RULE_SET | fields})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["version"])


def approved(writer: Person, approver: Person, **fields: Any) -> int:  # noqa: ANN401 - any field
    version = draft(writer, **fields)
    assert writer.post(f"/{version}/propose", {}).json()["status"] == "PROPOSED"
    assert approver.post(f"/{version}/approve", {}).json()["status"] == "APPROVED"
    return version


def test_a_policy_from_draft_to_force(
    client: httpx2.Client, writer: Person, approver: Person
) -> None:
    erp = Erp(client)
    erp.customer("C-1", "1000.00")
    assert erp.ask("SO-1", "60.00")["outcome"] == "APPROVE"
    version = draft(writer)
    assert writer.get(f"/{version}").json()["rule_set"] == RULE_SET | {"tolerance_percent": "0"}
    linted = writer.post(f"/{version}/lint", {}).json()
    assert (linted["findings"], [one["passed"] for one in linted["tests"]]) == ([], [True, True])
    assert writer.post(f"/{version}/propose", {"note": "as agreed"}).status_code == 200
    assert approver.post(f"/{version}/approve", {}).json()["decided_by"] == "approver"
    assert erp.ask("SO-2", "30.00", check_point="ORDER")["rule_set_version"] == 1
    active = approver.post(f"/{version}/activate", {}).json()
    assert (active["status"], active["active_in"]) == ("ACTIVE", ["main"])
    held = erp.ask("SO-3", "60.00")
    assert (held["outcome"], held["rule_set_version"]) == ("HOLD", version)
    (reason,) = held["reasons"]
    assert (reason["code"], reason["rule_id"], reason["en"]) == (
        "LARGE_ORDER",
        "small-orders-only",
        "Above 50.00 CNY.",
    )
    history = [one["action"] for one in writer.get(f"/{version}").json()["history"]]
    assert history == ["DRAFT", "PROPOSE", "APPROVE", "ACTIVATE"]
    before = writer.get("/1").json()
    assert (before["status"], len(before["rule_set"]["rows"])) == ("APPROVED", before["rows"])
    assert approver.post("/1/activate", {}).json()["status"] == "ACTIVE"
    assert writer.get(f"/{version}").json()["status"] == "SUPERSEDED"
    replay = f"/v1/decisions/{held['decision_id']}/replay"
    assert client.post(replay).json()["same"] is True


def test_four_eyes(writer: Person, approver: Person, person: Callable[..., Person]) -> None:
    """Who wrote or proposed a version may not approve it, whoever an actor header names."""
    proposer = person("proposer", "rule:write", "rule:approve")
    version = draft(writer)
    refused(approver.post(f"/{version}/approve", {}), 409, "rule_set_state")
    refused(approver.post(f"/{version}/propose", {}), 403, "forbidden")
    assert proposer.post(f"/{version}/propose", {}).status_code == 200
    refused(writer.post(f"/{version}/approve", {}), 403, "four_eyes")
    refused(proposer.post(f"/{version}/approve", {}), 403, "four_eyes")
    refused(approver.post(f"/{version}/activate", {}), 409, "rule_set_state")
    assert writer.get(f"/{version}").json()["status"] == "PROPOSED"
    assert approver.post(f"/{version}/reject", {"note": "no"}).json()["status"] == "REJECTED"
    for step in ("approve", "reject", "activate"):
        refused(approver.post(f"/{version}/{step}", {}), 409, "rule_set_state")
    refused(proposer.post(f"/{version}/propose", {}), 409, "rule_set_state")


def test_two_decide_at_once_and_one_of_them_does(
    writer: Person, approver: Person, person: Callable[..., Person]
) -> None:
    other = person("other", "rule:approve")
    version = draft(writer)
    writer.post(f"/{version}/propose", {})
    answers = together(
        lambda: approver.post(f"/{version}/approve", {}),
        lambda: other.post(f"/{version}/reject", {}),
    )
    assert sorted(one.status_code for one in answers) == [200, 409]
    history = [one["action"] for one in writer.get(f"/{version}").json()["history"]]
    assert len(history) == 3


def test_what_is_no_policy_is_refused_whole(writer: Person) -> None:
    before = writer.get("").json()["items"]
    faults = {
        "rows[1].id": ({"id": "a"}, {"id": "a"}),
        "rows[0].when": ({"id": "a", "when": "1/0 > most"},),
        "rows[2].reason": ({"id": "a"}, {"id": "b"}, {"id": "c", "reason": "large"}),
    }
    for field, rows in faults.items():
        body = {"rule_set": RULE_SET | {"rows": [ROW | one for one in rows]}}
        answer = writer.post("", body)
        refused(answer, 422, "rule_set_refused", field)
        assert f"rule {rows[-1]['id']}:" in answer.json()["errors"][0]["message"]
        refused(writer.post("/lint", body), 422, "rule_set_refused", field)
    for fields, field in (
        ({"rows": [ROW | {"outcome": "PERHAPS"}]}, "rule_set.rows[0].outcome"),
        ({"format": 1}, "rule_set.format"),
        ({"rules": []}, "rule_set.rules"),
        ({"rows": [ROW | {"precedence": 10**20}]}, "rule_set.rows[0].precedence"),
    ):
        answer = writer.post("", {"rule_set": RULE_SET | fields})
        refused(answer, 422, "invalid_field", field)
    for part in ("scope", "except"):
        empty = {"rule_set": RULE_SET | {"rows": [ROW | {part: {"customers": []}}]}}
        for path in ("", "/lint"):
            answer = writer.post(path, empty)
            refused(answer, 422, "rule_set_refused", f"rows[0].{part}.customers")
    assert writer.get("").json()["items"] == before


def test_what_the_lint_or_an_example_stops_is_not_proposed(writer: Person) -> None:
    wrong = [{"context": {"order_amount_minor": 1}, "outcome": "HOLD", "reasons": []}]
    version = draft(writer, texts={}, examples=wrong)
    answer = writer.post(f"/{version}/propose", {})
    refused(answer, 422, "rule_set_refused")
    assert [one["field"] for one in answer.json()["errors"]] == ["rows[0].reason", "examples[0]"]
    assert writer.get(f"/{version}").json()["status"] == "DRAFT"
    tried = writer.post(f"/{version}/test", {"examples": RULE_SET["examples"]}).json()["tests"]
    assert [one["passed"] for one in tried] == [False, True, True]


def test_activation_by_segment_and_by_date(
    client: httpx2.Client, writer: Person, approver: Person, clock: Clock
) -> None:
    """A segment's own goes before the default; what is scheduled comes by itself, to the second."""
    erp = Erp(client)
    client.put("/v1/segments/east", json={"name": "east"})
    erp.customer("C-1", "1000.00")
    version = approved(writer, approver)
    refused(
        approver.post(f"/{version}/activate", {"effective_at": "2026-06-15T03:59:59Z"}),
        422,
        "invalid_field",
        "effective_at",
    )
    refused(approver.post(f"/{version}/activate", {"segment": "west"}), 404, "segment_unknown")
    own = approver.post(f"/{version}/activate", {"segment": "east"}).json()
    assert own["active_in"] == ["east"]
    later = {"effective_at": "2026-06-15T05:00:00Z"}
    told = approver.post(f"/{version}/activate", later).json()
    assert told["next_in"] == [{"segment": "main", "at": "2026-06-15T05:00:00Z"}]
    clock.advance(minutes=59, seconds=59)
    assert erp.ask("SO-1", "60.00")["rule_set_version"] == 1
    clock.advance(seconds=1)
    assert erp.ask("SO-2", "60.00")["rule_set_version"] == version
    assert writer.get("/active").json()["version"] == version
    client.put("/v1/segments/west", json={"name": "west"})
    assert writer.get("/active", segment="west").json()["version"] == version
    approver.post("/1/activate", {})
    shown = {one["segment"]: one["version"] for one in _active(writer)}
    assert shown == {"east": version, "main": 1, "west": 1}


def test_what_never_came_into_force_is_not_superseded(
    client: httpx2.Client, writer: Person, approver: Person, clock: Clock
) -> None:
    """A schedule that another one takes the place of, or that is dropped, leaves APPROVED."""
    for name in ("east", "west"):
        client.put(f"/v1/segments/{name}", json={"name": name})
    ids = [approved(writer, approver, name=str(place)) for place in range(4)]
    replaced, dropped, came, ended = ids
    east, west = ({"segment": one} for one in ("east", "west"))
    later = {"effective_at": "2026-06-15T05:00:00Z"}

    def statuses() -> list[str]:
        return [writer.get(f"/{one}").json()["status"] for one in ids]

    def activate(version: int, body: dict[str, str]) -> None:
        assert approver.post(f"/{version}/activate", body).status_code == 200

    activate(replaced, east | later)
    activate(came, east | later)
    activate(ended, east)  # what waits goes on waiting
    activate(dropped, west | later)
    assert approver.post(FOLLOW, west).status_code == 200
    assert statuses() == ["APPROVED", "APPROVED", "APPROVED", "ACTIVE"]
    clock.advance(hours=1)
    assert statuses() == ["APPROVED", "APPROVED", "ACTIVE", "SUPERSEDED"]
    assert approver.post(FOLLOW, east).status_code == 200
    assert statuses() == ["APPROVED", "APPROVED", "SUPERSEDED", "SUPERSEDED"]
    assert [one["status"] for one in writer.get("").json()["items"]][::-1][1:] == statuses()


def test_a_confined_key_sees_what_waits_elsewhere_as_approved(
    client: httpx2.Client, writer: Person, approver: Person, person: Callable[..., Person]
) -> None:
    client.put("/v1/segments/east", json={"name": "east"})
    local = person("local", "rule:read", segments=("east",))
    version = approved(writer, approver)
    approver.post(
        f"/{version}/activate", {"segment": "main", "effective_at": "2026-06-15T05:00:00Z"}
    )
    assert writer.get(f"/{version}").json()["next_in"]
    assert local.get(f"/{version}").json()["status"] == "APPROVED"


def test_what_waits_for_the_default_leaves_a_segment_its_own(
    client: httpx2.Client, writer: Person, approver: Person, clock: Clock
) -> None:
    client.put("/v1/segments/east", json={"name": "east"})
    default, own = (approved(writer, approver, name=name) for name in ("default", "own"))
    approver.post(f"/{default}/activate", {"effective_at": "2026-06-15T05:00:00Z"})
    told = approver.post(f"/{own}/activate", {"segment": "east"}).json()
    assert (told["active_in"], told["next_in"]) == (["east"], [])
    clock.advance(hours=1)
    assert {one["segment"]: one["version"] for one in _active(writer)} == {
        "east": own,
        "main": default,
    }


def _active(reader: Person) -> list[dict[str, Any]]:
    found = []
    for one in reader.get("").json()["items"]:
        found += [{"segment": name, "version": one["version"]} for name in one["active_in"]]
    return found


def test_a_confined_key_sets_no_default(
    client: httpx2.Client, writer: Person, approver: Person, person: Callable[..., Person]
) -> None:
    client.put("/v1/segments/east", json={"name": "east"})
    local = person("local", "rule:read", "rule:approve", segments=("east",))
    version = approved(writer, approver)
    refused(local.post(f"/{version}/activate", {}), 403, "forbidden")
    refused(local.post(f"/{version}/activate", {"segment": "main"}), 404, "segment_unknown")
    assert local.post(f"/{version}/activate", {"segment": "east"}).status_code == 200
    refused(local.get("/active"), 404, "segment_unknown")


def test_a_key_has_one_effect(writer: Person) -> None:
    body = {"rule_set": RULE_SET}
    first, again = (writer.post("", body, "K-1") for _ in range(2))
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    other = {"rule_set": RULE_SET | {"name": "other"}}
    refused(writer.post("", other, "K-1"), 422, "idempotency_key_reused")
    missing = writer.client.post(PATH, json=body)
    refused(missing, 400, "idempotency_key_required")
    assert [one["version"] for one in writer.get("").json()["items"]] == [2, 1]


def test_what_there_is_to_read(writer: Person) -> None:
    schema = {one["name"]: one for one in writer.get("/schema").json()["items"]}
    assert set(schema) == set(NAMES)
    assert schema["score_class"]["values"] == ["", "A", "B", "C", "D", "E", "N"]
    page = writer.get("/active", form="zh")
    assert page.headers["Content-Type"].startswith("text/markdown")
    assert "最早一笔未清款逾期超过 30 天" in page.text
    refused(writer.get("/99"), 404, "not_found")
    refused(writer.get("/nothing"), 422, "invalid_field", "version")
    for _ in range(2):
        draft(writer)
    first = writer.get("", limit="2").json()
    rest = writer.get("", limit="2", cursor=first["next_cursor"]).json()
    assert [one["version"] for one in first["items"] + rest["items"]] == [3, 2, 1]
    for version in (2**31, 2**63 - 1):  # more than a version can be
        beyond = writer.get("", cursor=encode_cursor([version])).json()
        assert [one["version"] for one in beyond["items"]] == [3, 2, 1]


FOLLOW = "/follow-default"


def activations(database: Database) -> list[tuple[int, str | None, bool, str]]:
    with database.read() as tx:
        rows = tx.execute(
            text(
                "SELECT version, segment_id, follows, client FROM rule_set_activation"
                " ORDER BY activation_id"
            )
        )
        return [tuple(row) for row in rows]


@pytest.fixture
def east(client: httpx2.Client) -> Erp:
    client.put("/v1/segments/east", json={"name": "east"})
    erp = Erp(client)
    erp.customer("C-1", "1000.00")
    limit = {"kind": "base", "limit": money("1000.00"), "segment": "east"}
    assert erp.post("/v1/customers/C-1/limits", limit).status_code == 201
    return erp


def test_a_segment_follows_the_default_again(
    east: Erp, writer: Person, approver: Person, database: Database, clock: Clock
) -> None:
    """At once; its own schedule is dropped, the default's holds for it; who did it is kept."""
    own, other = approved(writer, approver), approved(writer, approver, name="other")
    approver.post(f"/{own}/activate", {"segment": "east"})
    later = {"effective_at": "2026-06-15T05:00:00Z"}
    approver.post(f"/{own}/activate", {"segment": "east"} | later)
    approver.post(f"/{other}/activate", later)
    assert east.ask("SO-1", "60.00", segment="east")["rule_set_version"] == own
    body = {"segment": "east", "note": "the pilot is over"}
    answer = approver.post(FOLLOW, body, "K")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["version"], sorted(told["active_in"])) == (1, ["east", "main"])
    assert told["history"][-1] | {"at": ""} == {
        "action": "FOLLOW",
        "client": "approver",
        "actor": None,
        "note": "the pilot is over",
        "at": "",
    }
    assert east.ask("SO-2", "60.00", segment="east")["rule_set_version"] == 1
    dropped = writer.get(f"/{own}").json()  # its schedule went, and its own history says so
    assert (dropped["next_in"], dropped["history"][-1]["action"]) == ([], "FOLLOW")
    assert {one["segment"] for one in writer.get(f"/{other}").json()["next_in"]} == {"east", "main"}
    assert activations(database)[-1] == (1, "east", True, "approver")
    before = activations(database)
    assert approver.post(FOLLOW, body, "K").content == answer.content
    refused(approver.post(FOLLOW, body), 409, "rule_set_state")
    assert activations(database) == before
    clock.advance(hours=1)
    assert east.ask("SO-3", "60.00", segment="east")["rule_set_version"] == other


def test_who_may_let_a_segment_follow_the_default(
    east: Erp, writer: Person, approver: Person, person: Callable[..., Person]
) -> None:
    del east
    version = approved(writer, approver)
    approver.post(f"/{version}/activate", {"segment": "east"})
    drafter = person("drafter", "rule:read", "rule:write")
    refused(drafter.post(FOLLOW, {"segment": "east"}), 403, "forbidden")
    local = person("local", "rule:read", "rule:approve", segments=("main",))
    refused(local.post(FOLLOW, {"segment": "east"}), 404, "segment_unknown")
    refused(approver.post(FOLLOW, {"segment": "west"}), 404, "segment_unknown")
    refused(approver.post(FOLLOW, {}), 422, "invalid_field", "segment")
    body = {"segment": "east"}
    missing = writer.client.post(f"{PATH}{FOLLOW}", json=body)
    refused(missing, 400, "idempotency_key_required")
    assert writer.get(f"/{version}").json()["active_in"] == ["east"]


def test_two_let_it_follow_and_one_of_them_did(
    east: Erp, writer: Person, approver: Person, database: Database
) -> None:
    del east
    version = approved(writer, approver)
    approver.post(f"/{version}/activate", {"segment": "east"})
    answers = together(*(lambda: approver.post(FOLLOW, {"segment": "east"}) for _ in range(3)))
    assert sorted(one.status_code for one in answers) == [200, 409, 409]
    assert [one[2] for one in activations(database)] == [False, True]


def test_a_row_along_the_path_is_asked_of_what_is_reserved_too(
    client: httpx2.Client, writer: Person, approver: Person, clock: Clock
) -> None:
    """Only the limit's own rows test no more than what is not reserved yet."""
    erp = Erp(client)
    erp.customer("C-1")
    until = {"valid_from": "2026-06-01", "valid_to": "2026-06-16"}
    limit = {"kind": "base", "limit": money("1000.00"), **until}
    assert erp.post("/v1/customers/C-1/limits", limit).status_code == 201
    ends = ROW | {"asks": "path", "parameters": {}, "observed": None}
    rows = [
        ends | {"when": 'limit_state == "EXPIRED"'},
        ends | {"id": "of-the-limit", "when": "limit_excess_minor > 0"},
    ]
    version = approved(writer, approver, rows=rows, examples=[])
    approver.post(f"/{version}/activate", {})
    assert erp.ask("SO-1", "10.00")["outcome"] == "APPROVE"
    clock.advance(days=3)
    told = erp.ask("SO-1", "10.00", check_point="GOODS_ISSUE")
    assert told["outcome"] == "HOLD"
    assert [one["rule_id"] for one in told["reasons"]] == ["small-orders-only"]
