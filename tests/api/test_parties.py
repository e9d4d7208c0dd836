"""Segments, customers, accounts, limits and rates over HTTP, as the contract tells them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from app.store.database import Database
from app.usecases.keys import CreateKey
from tests.server import NO_TLS, Clock

CNY = "CNY"


def money(amount: str, currency: str = CNY) -> dict[str, str]:
    return {"amount": amount, "currency": currency}


def put(client: httpx2.Client, customer_id: str, **fields: object) -> httpx2.Response:
    headers = {"If-Match": str(fields.pop("if_match"))} if "if_match" in fields else {}
    body = {"name": customer_id, **fields}
    return client.put(f"/v1/customers/{customer_id}", json=body, headers=headers)


def limit(client: httpx2.Client, customer_id: str, key: str, **fields: object) -> httpx2.Response:
    body = {"kind": "base", **fields}
    headers = {"Idempotency-Key": key}
    return client.post(f"/v1/customers/{customer_id}/limits", json=body, headers=headers)


def account(client: httpx2.Client, customer_id: str, **query: str) -> dict[str, Any]:
    answer = client.get(f"/v1/customers/{customer_id}/account", params=query)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def refused(answer: httpx2.Response, status: int, code: str, field: str | None = None) -> None:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    if field is not None:
        assert [one["field"] for one in problem["errors"]] == [field], problem


@pytest.fixture
def speak(service: str, database: Database) -> Callable[..., httpx2.Client]:
    """Make clients with keys of certain scopes and segments."""

    def make(name: str, *scopes: str, segments: tuple[str, ...] = ()) -> httpx2.Client:
        token = CreateKey(database, lambda: datetime.now(UTC))(name, scopes, segments)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(
            base_url=service, headers=headers, timeout=20, trust_env=False, verify=NO_TLS
        )

    return make


FULL: dict[str, Any] = {
    "name": "华东示例贸易有限公司",
    "kind": "company",
    "country": "CN",
    "uscc": "91110000600037341L",
    "lei": "213800KUD8LAJWSQ9D15",
    "industry": "F51",
    "since": "2019-04-01",
    "active": True,
    "aliases": ["CRM-55"],
    "currency": "USD",
    "payment_terms_days": 60,
    "owner": "li.na",
}


def test_a_customer_is_put_read_and_put_again(client: httpx2.Client) -> None:
    made = put(client, "C-1", **FULL)
    assert made.status_code == 201, made.text
    assert made.headers["etag"] == '"1"'
    told = made.json()
    assert {name: told[name] for name in FULL} == FULL
    assert told["accounts"] == [
        {
            "segment": "main",
            "currency": "USD",
            "payment_terms_days": 60,
            "owner": "li.na",
            "status": "OPEN",
        }
    ]
    assert client.get("/v1/customers/CRM-55").json() == told
    again = put(client, "C-1", **FULL)
    assert (again.status_code, again.headers["etag"]) == (200, '"1"')
    changed = put(client, "C-1", if_match='"1"')
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    told = changed.json()
    assert (told["name"], told["uscc"], told["since"]) == ("C-1", None, None)  # plain: replaced
    assert (told["aliases"], told["owner"], told["currency"]) == (["CRM-55"], "li.na", "USD")
    assert client.get("/v1/customers/C-1").headers["etag"] == '"2"'


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"uscc": "91110000600037341M"}, "uscc", id="uscc-check-digit"),
        pytest.param({"uscc": "9111000060003734IL"}, "uscc", id="uscc-letter-I"),
        pytest.param({"uscc": "91110000600037341l"}, "uscc", id="uscc-lower-case"),
        pytest.param({"lei": "213800KUD8LXJWSQ9D15"}, "lei", id="lei-check-digits"),
        pytest.param({"lei": "213800KUD8LAJWSQ9D1"}, "lei", id="lei-short"),
        pytest.param({"country": "China"}, "country", id="country-name"),
        pytest.param({"country": "cn"}, "country", id="country-lower-case"),
        pytest.param({"kind": "firm"}, "kind", id="kind"),
        pytest.param({"since": "2019-02-30"}, "since", id="no-such-day"),
        pytest.param({"active": "yes"}, "active", id="active-text"),
        pytest.param({"parent_id": "C-9"}, "parent_id", id="parent-unknown"),
        pytest.param({"parent_id": "C-1"}, "parent_id", id="own-parent"),
        pytest.param({"aliases": ["A", "A"]}, "aliases[1]", id="alias-twice"),
        pytest.param({"aliases": ["C-1"]}, "aliases[0]", id="alias-own-id"),
        pytest.param({"aliases": [""]}, "aliases[0]", id="alias-empty"),
        pytest.param({"currency": "XXX"}, "currency", id="currency"),
        pytest.param({"payment_terms_days": -1}, "payment_terms_days", id="terms-negative"),
        pytest.param({"payment_terms_days": 3651}, "payment_terms_days", id="terms-long"),
        pytest.param({"payment_terms": 30}, "payment_terms", id="unknown-field"),
        pytest.param({"name": ""}, "name", id="name-empty"),
    ],
)
def test_a_bad_field_is_named(client: httpx2.Client, fields: dict[str, Any], field: str) -> None:
    refused(put(client, "C-1", **fields), 422, "invalid_field", field)
    refused(client.get("/v1/customers/C-1"), 404, "customer_unknown")


def test_a_collective_of_the_countryside_has_letters_in_its_uscc(client: httpx2.Client) -> None:
    assert put(client, "C-1", uscc=collective()).status_code == 201


def collective() -> str:
    """Make a number of authority N by GB 32100-2015, here computed from the standard's formula."""
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    head = "N2110109MF0122334"
    total = sum(alphabet.index(letter) * pow(3, i, 31) for i, letter in enumerate(head))
    return head + alphabet[(31 - total % 31) % 31]


def test_if_match(client: httpx2.Client) -> None:
    refused(put(client, "C-1", if_match="*"), 412, "version_stale")
    refused(client.get("/v1/customers/C-1"), 404, "customer_unknown")
    put(client, "C-1")
    assert put(client, "C-1", country="CN", if_match='"0", "1"').status_code == 200
    refused(put(client, "C-1", if_match='"1"'), 412, "version_stale")
    refused(put(client, "C-1", if_match='W/"2"'), 412, "version_stale")
    refused(put(client, "C-1", if_match="2"), 400, "bad_request")
    assert put(client, "C-1", if_match="*").status_code == 200


def test_ids_and_aliases_are_one_space(client: httpx2.Client) -> None:
    put(client, "C-1", aliases=["A", "B"])
    refused(put(client, "C-2", aliases=["X", "B"]), 409, "alias_taken", "aliases[1]")
    refused(put(client, "C-2", aliases=["C-1"]), 409, "alias_taken", "aliases[0]")
    refused(put(client, "A"), 409, "alias_taken", "customer_id")
    assert put(client, "C-1", aliases=["B"]).json()["aliases"] == ["B"]
    assert put(client, "A").status_code == 201


def test_groups_over_http(client: httpx2.Client) -> None:
    assert put(client, "G-1").status_code == 201
    for number in range(2, 6):
        assert put(client, f"G-{number}", parent_id=f"G-{number - 1}").status_code == 201
    refused(put(client, "G-6", parent_id="G-5"), 422, "invalid_field", "parent_id")
    refused(put(client, "G-1", parent_id="G-3"), 422, "invalid_field", "parent_id")
    assert put(client, "G-2").json()["parent_id"] == "G-1"  # absent: kept
    put(client, "T")
    refused(put(client, "G-1", parent_id="T"), 422, "invalid_field", "parent_id")  # too deep below
    assert put(client, "G-2", parent_id=None).json()["parent_id"] is None
    assert put(client, "G-1", parent_id="T").status_code == 200


def test_three_kinds_of_no_limit(client: httpx2.Client) -> None:
    put(client, "C-1")
    never = account(client, "C-1")
    assert (never["effective_limit"], never["unlimited"]) == (None, False)
    assert (never["headroom"], never["utilization"]) == (money("0.00"), None)
    assert limit(client, "C-1", "k1", limit=money("0.00")).status_code == 201
    assert account(client, "C-1")["effective_limit"] == money("0.00")
    assert limit(client, "C-1", "k2", unlimited=True).status_code == 201
    told = account(client, "C-1")
    assert (told["effective_limit"], told["unlimited"], told["headroom"]) == (None, True, None)
    assert limit(client, "C-1", "k3", limit=None).status_code == 201
    told = account(client, "C-1")
    assert (told["effective_limit"], told["unlimited"]) == (None, False)
    assert told["traffic_light"] == "YELLOW"  # never scored
    assert told["exposure_by_category"]["PREPAYMENT"] == money("0.00")
    assert told["overdue"] == {"amount": money("0.00"), "days": 0}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({}, "body", id="neither"),
        pytest.param({"limit": money("1.00"), "unlimited": True}, "limit", id="both"),
        pytest.param({"limit": money("-1.00")}, "limit.amount", id="negative"),
        pytest.param({"limit": money("1.001")}, "limit.amount", id="too-many-digits"),
        pytest.param({"limit": None, "kind": "insured"}, "kind", id="kind"),
        pytest.param({"limit": None, "kind": "temporary"}, "valid_from", id="no-valid-from"),
        pytest.param(
            {"limit": None, "kind": "temporary", "valid_from": "2026-06-15"},
            "valid_to",
            id="no-valid-to",
        ),
        pytest.param({"limit": None, "valid_to": "2026-06-14"}, "valid_to", id="ends-yesterday"),
        pytest.param({"limit": None, "reason": "x" * 501}, "reason", id="long-reason"),
    ],
)
def test_a_bad_limit_is_named(client: httpx2.Client, fields: dict[str, Any], field: str) -> None:
    put(client, "C-1")
    refused(limit(client, "C-1", "k", **fields), 422, "invalid_field", field)
    assert client.get("/v1/customers/C-1/limits").json()["items"] == []


def test_limits_by_date(client: httpx2.Client, clock: Clock) -> None:
    put(client, "C-1")
    limit(client, "C-1", "k1", limit=money("100.00"), valid_to="2026-06-17")
    window = {"kind": "temporary", "valid_from": "2026-06-16", "valid_to": "2026-06-16"}
    limit(client, "C-1", "k2", limit=money("900.00"), **window)
    seen = []
    for _ in range(4):
        told = account(client, "C-1")
        seen.append((told["effective_limit"], told["limit_expired"]))
        clock.advance(days=1)
    hundred = (money("100.00"), False)
    assert seen == [hundred, (money("900.00"), False), hundred, (None, True)]


def test_four_eyes(client: httpx2.Client, speak: Callable[..., httpx2.Client]) -> None:
    client.put("/v1/segments/main", json={"name": "main", "four_eyes": True})
    put(client, "C-1")
    proposed = limit(client, "C-1", "k1", limit=money("100.00"))
    assert (proposed.status_code, proposed.json()["status"]) == (202, "PROPOSED")
    assert account(client, "C-1")["effective_limit"] is None
    path = f"/v1/customers/C-1/limits/{proposed.json()['limit_id']}"
    own = client.post(f"{path}/approve", headers={"Idempotency-Key": "k2"})
    refused(own, 403, "four_eyes")
    with speak("boss", "limit:approve", "limit:propose") as boss:
        approved = boss.post(f"{path}/approve", headers={"Idempotency-Key": "k1"})
        assert (approved.status_code, approved.json()["decided_by"]) == (200, "boss")
        twice = boss.post(f"{path}/approve", headers={"Idempotency-Key": "k1"})
        assert (twice.content, twice.headers["idempotent-replayed"]) == (approved.content, "true")
        late = boss.post(f"{path}/reject", headers={"Idempotency-Key": "k3"})
        refused(late, 409, "limit_state")
        assert account(client, "C-1")["effective_limit"] == money("100.00")
        ended = boss.post(f"{path}/end", headers={"Idempotency-Key": "k4"})
        assert (ended.json()["status"], ended.json()["ended_by"]) == ("ENDED", "boss")
    assert account(client, "C-1")["effective_limit"] is None


def test_a_key_has_one_effect(client: httpx2.Client) -> None:
    put(client, "C-1")
    first = limit(client, "C-1", "k", limit=money("100.00"))
    again = limit(client, "C-1", "k", limit=money("100.00"))
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert len(client.get("/v1/customers/C-1/limits").json()["items"]) == 1
    refused(limit(client, "C-1", "k", limit=money("101.00")), 422, "idempotency_key_reused")
    missing = client.post("/v1/customers/C-1/limits", json={"kind": "base", "limit": None})
    refused(missing, 400, "idempotency_key_required")


def test_limits_are_listed_by_page(client: httpx2.Client, clock: Clock) -> None:
    put(client, "C-1")
    for number in range(3):
        limit(client, "C-1", f"k{number}", limit=money(f"{number}.00"))
        clock.advance(seconds=1)
    first = client.get("/v1/customers/C-1/limits", params={"limit": 2}).json()
    assert [item["limit"]["amount"] for item in first["items"]] == ["2.00", "1.00"]
    more = {"limit": 2, "cursor": first["next_cursor"]}
    rest = client.get("/v1/customers/C-1/limits", params=more).json()
    assert [item["limit"]["amount"] for item in rest["items"]] == ["0.00"]
    assert rest["next_cursor"] is None


def test_the_currency_of_an_account(client: httpx2.Client) -> None:
    put(client, "C-1")
    assert account(client, "C-1")["exposure"] == money("0.00")
    limit(client, "C-1", "k1", limit=money("50.00", "USD"))  # the first limit says which
    assert account(client, "C-1")["effective_limit"] == money("50.00", "USD")
    other = limit(client, "C-1", "k2", limit=money("50.00", "EUR"))
    refused(other, 409, "currency_fixed", "limit.currency")
    refused(put(client, "C-1", currency="EUR"), 409, "currency_fixed", "currency")
    assert put(client, "C-1", currency="USD").status_code == 200
    put(client, "C-2", currency="EUR")
    refused(
        limit(client, "C-2", "k3", limit=money("5.00")), 409, "currency_fixed", "limit.currency"
    )
    assert put(client, "C-2", currency="JPY").json()["currency"] == "JPY"  # nothing is open
    assert put(client, "C-2", currency=None).json()["currency"] == CNY


def test_segments_and_their_accounts(client: httpx2.Client) -> None:
    seg = {"name": "Europe", "currency": "EUR", "time_zone": "Europe/Berlin", "mode": "SHADOW"}
    made = client.put("/v1/segments/eu", json=seg)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    assert client.put("/v1/segments/eu", json=seg).headers["etag"] == '"1"'
    stale = client.put("/v1/segments/eu", json=seg, headers={"If-Match": '"7"'})
    refused(stale, 412, "version_stale")
    refused(
        client.put("/v1/segments/x", json={"name": "x", "time_zone": "Mars/Base"}),
        422,
        "invalid_field",
        "time_zone",
    )
    assert [one["segment"] for one in client.get("/v1/segments").json()["items"]] == ["eu", "main"]
    put(client, "G")
    put(client, "C-1", parent_id="G")
    terms = client.put("/v1/customers/C-1/accounts/eu", json={"owner": "o", "currency": None})
    assert (terms.status_code, terms.json()["currency"]) == (201, "EUR")
    assert terms.headers["etag"] == client.get("/v1/customers/C-1").headers["etag"]
    assert account(client, "G", segment="eu")["exposure"] == money("0.00", "EUR")
    client.put("/v1/segments/eu", json={**seg, "currency": "USD"})
    assert account(client, "C-1", segment="eu")["exposure"] == money("0.00", "USD")
    refused(client.get("/v1/customers/C-1/account?segment=nope"), 404, "segment_unknown")
    refused(client.put("/v1/customers/C-1/accounts/nope", json={}), 404, "segment_unknown")


def test_other_segments_are_out_of_sight(
    client: httpx2.Client, speak: Callable[..., httpx2.Client]
) -> None:
    client.put("/v1/segments/eu", json={"name": "Europe"})
    put(client, "C-1")
    put(client, "C-2")
    client.put("/v1/customers/C-2/accounts/eu", json={"owner": "o"})
    scopes = ("customer:read", "customer:write", "limit:propose")
    with speak("eu", *scopes, segments=("eu",)) as eu:
        refused(eu.get("/v1/customers/C-1"), 404, "customer_unknown")
        assert [one["segment"] for one in eu.get("/v1/customers/C-2").json()["accounts"]] == ["eu"]
        assert [one["customer_id"] for one in eu.get("/v1/customers").json()["items"]] == ["C-2"]
        refused(eu.get("/v1/customers/C-2/account"), 404, "segment_unknown")
        foreign = eu.get("/v1/customers/C-1/account?segment=eu")  # exists, and buys elsewhere
        nobody = eu.get("/v1/customers/C-0/account?segment=eu")
        refused(foreign, 404, "customer_unknown")
        untold = {"request_id", "detail", "errors"}
        assert {k: v for k, v in foreign.json().items() if k not in untold} == {
            k: v for k, v in nobody.json().items() if k not in untold
        }
        assert foreign.json()["detail"].replace("C-1", "C-0") == nobody.json()["detail"]
        refused(eu.get("/v1/segments/main"), 404, "segment_unknown")
        refused(put(eu, "C-1", country="CN"), 404, "segment_unknown")
        refused(limit(eu, "C-2", "k", limit=None), 404, "segment_unknown")
        assert limit(eu, "C-2", "k", limit=None, segment="eu").status_code == 202
        refused(eu.put("/v1/segments/eu", json={"name": "x"}), 403, "forbidden")
        merge = eu.post("/v1/customers/C-2/merge", json={"into": "C-1"})
        refused(merge, 403, "forbidden")


def test_lists(client: httpx2.Client) -> None:
    put(client, "C-1", name="Alpha_1 Ltd", owner="ann")
    put(client, "C-2", name="beta 100%", owner="bob", active=False)
    put(client, "C-3", name="Gamma", aliases=["alpha"])

    def ids(**query: str) -> list[str]:
        answer = client.get("/v1/customers", params=query)
        assert answer.status_code == 200, answer.text
        return [one["customer_id"] for one in answer.json()["items"]]

    assert ids() == ["C-1", "C-2", "C-3"]
    assert ids(owner="bob") == ["C-2"]
    assert ids(q="ALPHA") == ["C-1"]
    assert ids(q="100%") == ["C-2"]
    assert ids(q="a_1") == ["C-1"]
    assert ids(q="c-3") == ["C-3"]
    assert ids(traffic_light="RED") == ["C-2"]
    assert ids(traffic_light="YELLOW", owner="ann") == ["C-1"]
    first = client.get("/v1/customers", params={"limit": 2}).json()
    rest = client.get("/v1/customers", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["customer_id"] for one in rest["items"]] == ["C-3"]
    refused(client.get("/v1/customers?segment=nope"), 404, "segment_unknown")


def test_merge(client: httpx2.Client) -> None:
    put(client, "C-1", aliases=["A-1"])
    put(client, "C-2")
    merged = client.post("/v1/customers/C-1/merge", json={"into": "C-2"})
    assert merged.status_code == 200, merged.text
    assert (merged.json()["customer_id"], merged.json()["aliases"]) == ("C-2", ["A-1", "C-1"])
    assert client.get("/v1/customers/A-1").json()["customer_id"] == "C-2"
    again = client.post("/v1/customers/C-1/merge", json={"into": "C-2"})
    assert (again.status_code, again.json()) == (200, merged.json())
    refused(put(client, "C-1"), 409, "alias_taken", "customer_id")
    assert put(client, "C-2", aliases=[]).json()["aliases"] == ["C-1"]  # what was merged stays
    itself = client.post("/v1/customers/C-2/merge", json={"into": "C-1"})
    refused(itself, 422, "invalid_field", "into")
    put(client, "C-3")
    refused(client.post("/v1/customers/C-1/merge", json={"into": "C-3"}), 409, "merge_conflict")
    put(client, "C-4", parent_id="C-3")
    refused(client.post("/v1/customers/C-3/merge", json={"into": "C-2"}), 409, "merge_conflict")
    nobody = client.post("/v1/customers/C-2/merge", json={"into": "C-9"})
    refused(nobody, 422, "invalid_field", "into")


RATE = {
    "base": "USD",
    "quote": "CNY",
    "rate": "7.1234",
    "rate_date": "2026-06-15",
    "source": "PBOC",
}


def rate(client: httpx2.Client, key: str, **fields: object) -> httpx2.Response:
    headers = {"Idempotency-Key": key}
    return client.post("/v1/fx-rates", json={**RATE, **fields}, headers=headers)


def test_rates(client: httpx2.Client) -> None:
    added = rate(client, "k1")
    assert added.status_code == 201, added.text
    assert {name: added.json()[name] for name in RATE} == RATE
    assert rate(client, "k1").content == added.content
    assert rate(client, "k2", rate="0.000000010000000001", quote="VND").status_code == 201
    assert rate(client, "k3", rate="100", quote="JPY").json()["rate"] == "100"
    found = client.get("/v1/fx-rates", params={"base": "USD", "quote": "CNY"}).json()
    assert found == {"items": [added.json()], "next_cursor": None}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"rate": 7.1}, "rate", id="number"),
        pytest.param({"rate": "7.1e1"}, "rate", id="exponent"),
        pytest.param({"rate": "0"}, "rate", id="zero"),
        pytest.param({"rate": "-7"}, "rate", id="negative"),
        pytest.param({"rate": "7." + "1" * 19}, "rate", id="nineteen-digits"),
        pytest.param({"rate": "100000000.01"}, "rate", id="beyond-any"),
        pytest.param({"rate": "NaN"}, "rate", id="nan"),
        pytest.param({"quote": "USD"}, "quote", id="same"),
        pytest.param({"quote": "CNH"}, "quote", id="no-iso"),
        pytest.param({"rate_date": "2026-06-23"}, "rate_date", id="eight-days-ahead"),
        pytest.param({"source": ""}, "source", id="source-empty"),
    ],
)
def test_a_bad_rate_is_named(client: httpx2.Client, fields: dict[str, Any], field: str) -> None:
    refused(rate(client, "k", **fields), 422, "invalid_field", field)
