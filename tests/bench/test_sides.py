"""What is measured is true: seeded ledgers are exact, and the naive service keeps its limit."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest

from app.main import create_app
from app.settings import Settings
from app.store.checker import check_ledger
from app.store.clock import own_clock
from app.store.database import Database
from app.usecases.keys import CreateKey
from bench import naive, servers
from bench.asks import Source
from bench.databases import Side, ask
from bench.load import Plan, drive
from bench.rounds import of_aval
from bench.seeds import Size, seed
from tests.server import NO_TLS, ServiceThread

CUSTOMERS, MEMBERS = 30, 3


@pytest.fixture
def side(settings: Settings, database: Database, database_url: str) -> Iterator[Side]:
    """Serve on the real clock: what is seeded is dated around today."""
    with ServiceThread(create_app(settings, database_url, own_clock)) as running:
        token = CreateKey(database, own_clock)("bench", ["admin"])
        server = servers.Server(0, urlsplit(running.url).port or 0)
        yield Side("embedded", database_url, "", server, token, None)


def test_a_seeded_ledger_is_exact_and_approves(side: Side) -> None:
    seed(side, Size(CUSTOMERS, 2, 4, MEMBERS))
    report = check_ledger(side.url)
    assert report.clean, str(report)
    assert report.accounts == CUSTOMERS + 1 + 1 + MEMBERS
    for form, customers, prefix in (
        ("authorize", CUSTOMERS, "B"),
        ("authorize", MEMBERS, "G"),
        ("check", CUSTOMERS, "B"),
        ("account", CUSTOMERS, "B"),
        ("score", CUSTOMERS, "B"),
        ("card", CUSTOMERS, "B"),
    ):
        row = of_aval(side, form, form, customers, prefix=prefix)
        plan = Plan(row.port, row.source(f"{form}-{prefix}"), connections=4, seconds=0.0, each=10)
        tally = drive(plan)
        assert (tally.items, tally.odd, tally.shed) == (40, 0, 0), f"{form} {prefix}"
    after = check_ledger(side.url)
    assert after.clean, str(after)


def test_a_copy_is_as_its_pattern(side: Side) -> None:
    seed(side, Size(CUSTOMERS, 2, 4, MEMBERS))
    headers = {"Authorization": f"Bearer {side.token}"}
    url = f"http://127.0.0.1:{side.service.port}/v1/customers"
    with httpx2.Client(headers=headers, trust_env=False, verify=NO_TLS) as client:
        last, pattern = (
            client.get(f"{url}/{name}/account").json() for name in (f"B-{CUSTOMERS - 1}", "pattern")
        )
        score = client.get(f"{url}/B-0/score").json()
        card = client.get(f"{url}/B-0/card").json()
    assert last["exposure"]["amount"] == "200.00"
    assert last | {"customer_id": "", "as_of": ""} == pattern | {"customer_id": "", "as_of": ""}
    assert score["score"] is not None
    assert not score["stale"]
    assert card["score"] == score["score"]


def test_a_group_is_bound_by_its_limit(side: Side) -> None:
    seed(side, Size(1, 0, 0, MEMBERS))
    request = next(Source("authorize", "g", MEMBERS, side.token, "G").requests(0))
    body = json.loads(request.partition(b"\r\n\r\n")[2])
    wire = HTTPConnection("127.0.0.1", side.service.port)
    headers = {"Authorization": f"Bearer {side.token}", "Idempotency-Key": "g"}
    headers["Content-Type"] = "application/json"
    wire.request("POST", "/v1/authorizations", json.dumps(body), headers)
    answer = json.load(wire.getresponse())
    wire.close()
    assert (answer["outcome"], answer["binding_customer_id"]) == ("APPROVE", "G")


def test_the_naive_service_grants_up_to_a_limit_and_answers_a_key_once(
    empty_database_url: str, tmp_path: Path
) -> None:
    naive.prepare(empty_database_url, 5, MEMBERS, 50_000)
    with servers.naive(tmp_path / "log", empty_database_url) as server:
        assert _key_statuses(server.port) == [201, 201, 422]
        for prefix, granted in (("B", 49), ("G", 50)):
            customers = 1 if prefix == "B" else MEMBERS
            source = Source("authorize", f"n{prefix}", customers, prefix=prefix)
            tally = drive(Plan(server.port, source, connections=20, seconds=0.0, each=5))
            assert (tally.items, tally.odd) == (granted, 100 - granted), prefix
    with psycopg.connect(empty_database_url) as connection:
        used = connection.execute(
            "SELECT customer_id, authorized_minor, seq FROM account"
            " WHERE customer_id IN ('B-0', 'G') ORDER BY 1"
        ).fetchall()
    assert used == [("B-0", 50_000, 50), ("G", 50_000, 50)]
    assert ask(empty_database_url, "SELECT count(*) FROM journal") == 50 + 2 * 50
    assert ask(empty_database_url, "SELECT count(*) FROM decision") == 201


def _key_statuses(port: int) -> list[int]:
    """Ask twice with one key, then with the key and another body."""
    asked: dict[str, object] = {"customer_id": "B-0", "check_point": "ORDER", "order": {"id": "o"}}
    asked["amount"] = {"amount": "10.00", "currency": "CNY"}
    url = f"http://127.0.0.1:{port}/v1/authorizations"
    with httpx2.Client(headers={"Idempotency-Key": "k"}, trust_env=False, verify=NO_TLS) as client:
        first, second = client.post(url, json=asked), client.post(url, json=asked)
        third = client.post(url, json={**asked, "customer_id": "B-1"})
    assert first.json() == second.json()
    return [first.status_code, second.status_code, third.status_code]
