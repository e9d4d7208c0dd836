"""Who changed master data: kept with each change, and only with one."""

from typing import Any

import httpx2
import psycopg
import pytest

from tests.api.conftest import Speak

SEGMENT = {"name": "Main", "currency": "CNY", "time_zone": "Asia/Shanghai"}


def told(client: httpx2.Client, **query: str) -> list[tuple[Any, ...]]:
    """List changes, the oldest first: what of, from what, to what."""
    answer = client.get("/v1/changes", params=query)
    assert answer.status_code == 200, answer.text
    items = reversed(answer.json()["items"])
    return [
        (one["kind"], one["customer_id"], one["segment"], one["before"], one["after"])
        for one in items
    ]


def put(client: httpx2.Client, path: str, **fields: object) -> None:
    """Put a record that must be taken."""
    answer = client.put(path, json=fields)
    assert answer.status_code in {200, 201}, answer.text


@pytest.fixture
def desk(speak: Speak) -> httpx2.Client:
    """Speak as a client that may change master data, for E-17."""
    return speak("admin", "rate:write").client


def test_a_segment(desk: httpx2.Client) -> None:
    put(desk, "/v1/segments/EU", name="Europe", currency="EUR", time_zone="Europe/Berlin")
    put(desk, "/v1/segments/EU", name="Europe", currency="EUR", time_zone="Europe/Berlin")
    put(
        desk,
        "/v1/segments/EU",
        name="Europe",
        currency="EUR",
        time_zone="Europe/Berlin",
        mode="WARN",
        credit_horizon_days=0,
    )
    made = {
        "name": "Europe",
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "mode": "ENFORCE",
        "four_eyes": False,
        "credit_horizon_days": None,
        "provisional_haircut_percent": 100,
    }
    assert told(desk, segment="EU") == [
        ("SEGMENT", None, "EU", {}, made),
        (
            "SEGMENT",
            None,
            "EU",
            {"mode": "ENFORCE", "credit_horizon_days": None},
            {"mode": "WARN", "credit_horizon_days": 0},
        ),
    ]
    newest = desk.get("/v1/changes").json()["items"][0]
    assert (newest["client"], newest["actor"]) == ("admin+rate:write", "E-17")


def test_a_customer_and_its_account(desk: httpx2.Client) -> None:
    put(desk, "/v1/customers/G-1", name="Group")
    put(desk, "/v1/customers/C-1", name="Aval", aliases=["A-1"], since="2020-01-02")
    put(desk, "/v1/customers/C-1", name="Aval", since="2020-01-02")  # absent aliases stay
    put(
        desk,
        "/v1/customers/C-1",
        name="Aval",
        parent_id="G-1",
        aliases=["A-2"],
        owner="Li",
    )
    put(desk, "/v1/customers/A-2/accounts/main", payment_terms_days=30, owner="Li")
    put(desk, "/v1/customers/C-1/accounts/main", payment_terms_days=30, owner="Li")
    put(desk, "/v1/customers/C-1/accounts/main", currency="CNY")  # follows its segment no more
    made, *rest = told(desk, customer_id="A-2")
    assert made[:4] == ("CUSTOMER", "C-1", None, {})
    assert made[4]["since"] == "2020-01-02"
    assert made[4]["aliases"] == ["A-1"]
    assert rest == [
        (
            "CUSTOMER",
            "C-1",
            None,
            {"parent_id": None, "since": "2020-01-02", "aliases": ["A-1"]},
            {"parent_id": "G-1", "since": None, "aliases": ["A-2"]},
        ),
        ("ACCOUNT", "C-1", "main", {"owner": None}, {"owner": "Li"}),
        ("ACCOUNT", "C-1", "main", {"payment_terms_days": None}, {"payment_terms_days": 30}),
        (
            "ACCOUNT",
            "C-1",
            "main",
            {"currency_source": "SEGMENT"},
            {"currency_source": "CUSTOMER"},
        ),
    ]


def test_a_merge(desk: httpx2.Client) -> None:
    put(desk, "/v1/customers/C-1", name="One", aliases=["A-1"])
    put(desk, "/v1/customers/C-2", name="Two")
    for _ in range(2):  # again changes nothing
        assert desk.post("/v1/customers/C-1/merge", json={"into": "C-2"}).is_success
    *_, source, target = told(desk, customer_id="C-2")
    assert source == (
        "CUSTOMER",
        "C-1",
        None,
        {"active": True, "merged_into": None, "aliases": ["A-1"]},
        {"active": False, "merged_into": "C-2", "aliases": []},
    )
    assert target == ("CUSTOMER", "C-2", None, {"aliases": []}, {"aliases": ["A-1", "C-1"]})
    assert len(told(desk, customer_id="C-2")) == 4


def test_a_rate(desk: httpx2.Client) -> None:
    rate = {"base": "USD", "quote": "CNY", "rate": "7.10", "rate_date": "2026-06-15"}
    body, headers = {**rate, "source": "PBOC"}, {"Idempotency-Key": "k"}
    added = desk.post("/v1/fx-rates", json=body, headers=headers)
    assert desk.post("/v1/fx-rates", json=body, headers=headers).content == added.content
    wanted = {**rate, "source": "PBOC", "rate_id": added.json()["rate_id"], "confirmed": False}
    assert told(desk, kind="FX_RATE") == [("FX_RATE", None, None, {}, wanted)]


def test_what_is_refused_leaves_nothing(desk: httpx2.Client) -> None:
    put(desk, "/v1/customers/C-1", name="One")
    before = told(desk)
    stale = desk.put("/v1/customers/C-1", json={"name": "Other"}, headers={"If-Match": '"9"'})
    assert stale.status_code == 412, stale.text
    zone = desk.put("/v1/segments/main", json={**SEGMENT, "time_zone": "CET", "mode": "OFF"})
    assert zone.status_code == 422, zone.text
    assert told(desk) == before


def test_pages(desk: httpx2.Client) -> None:
    for number in range(5):
        put(desk, f"/v1/customers/C-{number}", name="One")
    seen: list[str] = []
    query = {"limit": "2", "kind": "CUSTOMER"}
    while True:
        page = desk.get("/v1/changes", params=query).json()
        seen += [one["customer_id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == ["C-4", "C-3", "C-2", "C-1", "C-0"]


def test_only_an_auditor_reads_them_and_only_of_its_segments(
    desk: httpx2.Client, speak: Speak
) -> None:
    put(desk, "/v1/segments/EU", name="Europe", currency="EUR", time_zone="Europe/Berlin")
    put(desk, "/v1/customers/C-1", name="One")
    put(desk, "/v1/customers/C-2", name="Two", parent_id="C-1")
    put(desk, "/v1/customers/C-2", name="Two", parent_id=None)
    put(desk, "/v1/customers/C-2/accounts/EU", owner="Li")
    put(desk, "/v1/customers/C-2/accounts/main", owner="Wu")
    auditor = speak("audit:read", segments=("EU",)).client
    assert [one[:3] for one in told(auditor)] == [
        ("SEGMENT", None, "EU"),
        ("CUSTOMER", "C-2", None),
        ("CUSTOMER", "C-2", None),
        ("ACCOUNT", "C-2", "EU"),
    ]
    *_, ungrouped, made = told(auditor)
    assert ungrouped[3:] == ({}, {})  # its group has no account there
    euro = {"currency": "EUR", "currency_source": "SEGMENT"}
    assert made[3:] == ({}, euro | {"payment_terms_days": None, "owner": "Li"})
    grouped = told(desk, customer_id="C-2", kind="CUSTOMER")[1]
    assert grouped[3:] == ({"parent_id": "C-1"}, {"parent_id": None})
    assert auditor.get("/v1/changes", params={"segment": "main"}).status_code == 404
    assert auditor.get("/v1/changes", params={"customer_id": "C-1"}).status_code == 404
    other = speak("customer:read").client
    assert other.get("/v1/changes").status_code == 403


def test_what_was_kept_stays(desk: httpx2.Client, database_url: str) -> None:
    put(desk, "/v1/customers/C-1", name="One")
    with (
        psycopg.connect(database_url) as connection,
        pytest.raises(psycopg.errors.RestrictViolation),
    ):
        connection.execute("UPDATE master_change SET client = 'nobody'")
