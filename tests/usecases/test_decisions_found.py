"""Decisions are found by payer and by order, whatever became of the orders they let go."""

from itertools import product
from typing import Any

import httpx2
import psycopg
import pytest
from sqlalchemy import text

from app.store import decisions
from app.store.checker import check_ledger
from app.store.database import Database
from app.store.decisions import DecisionFilter
from tests.erp import Erp, money
from tests.server import Clock
from tests.usecases.plans import GROWN, grow, sample

LIST = "/v1/decisions"
ORDERS = (None, "SO-1", "SO-2", "SO-3", "SO-4", "SO-5", "SO-8", "SO-9")
CUSTOMERS = (None, "C-1", "C-2", "C-3")
OUTCOMES = (None, "APPROVE", "HOLD", "REJECT")
OWN = "(SELECT account_id FROM account WHERE customer_id = 'C-1')"
IDS = "aval_uuid7_floor(now() + interval '1 hour' + n * interval '1ms')"
MORE = f"""
INSERT INTO credit_order (segment_id, order_id, account_id, currency, state, authorization_id,
    authorized_minor, reserved_minor)
SELECT 'main', 'own' || n, {OWN}, 'CNY', 'LIVE', {IDS}, 1, 1
FROM generate_series(1, {GROWN}) AS n;
INSERT INTO credit_order (segment_id, order_id, account_id, currency)
SELECT 'main', 'none' || n, {OWN}, 'CNY' FROM generate_series(1, {GROWN}) AS n;
INSERT INTO decision (decision_id, kind, account_id, segment_id, customer_id, order_id, outcome,
    judged, client, evaluated_at, rule_set_version, input_version, status, opens, record)
SELECT {IDS}, 'AUTHORIZATION', {OWN}, 'main', 'C-1', 'own' || n, 'APPROVE', 'APPROVE', 'x', now(),
    1, 0, 201, true, record
FROM generate_series(1, {GROWN}) AS n, (SELECT record FROM decision WHERE record <> '' LIMIT 1) AS d
"""  # noqa: S608 - made of constants
READ = text("""
SELECT sum(seq_scan) AS whole, sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) AS rows
FROM pg_stat_xact_user_tables WHERE relname ~ '^(decision|credit_order|past_authorization)'
""")
FEW = 500
"""More rows than are read for a page, far fewer than there are."""

Item = dict[str, Any]


@pytest.fixture
def erp(client: httpx2.Client, clock: Clock) -> Erp:
    """Give an ERP whose orders have been through everything that an authorization can."""
    erp = Erp(client)
    for name in ("C-1", "C-2", "C-3"):
        erp.customer(name, "1000.00")
    rate = {"base": "USD", "quote": "CNY", "rate": "7.1", "rate_date": "2026-06-15", "source": "x"}
    erp.post("/v1/fx-rates", rate)
    erp.ask("SO-1", "10.00", version=1)
    erp.ask("SO-1", "20.00", version=2)  # keeps its authorization
    erp.ask("SO-1", "30.00", version=3, customer_id="C-2")  # another payer's replaces it
    erp.ask("SO-2", "10.00", version=1)
    erp.ask("SO-2", "1.00", version=2, currency="USD")
    tell(erp, clock, "SO-3", 1, "C-1")  # authorized by a fact
    erp.ask("SO-3", "15.00", version=2)
    clock.advance(hours=1)
    erp.ask("SO-4", "10.00", version=1, customer_id="C-3")
    tell(erp, clock, "SO-4", 2, "C-1")  # another payer's by a fact
    given_back = erp.ask("SO-5", "10.00", customer_id="C-3")["authorization_id"]
    assert erp.post(f"/v1/authorizations/{given_back}/release").is_success
    erp.ask("SO-5", "11.00", customer_id="C-3")
    erp.decide(erp.held("SO-6", "5000.00"), "release", max_amount=money("6000.00"))
    erp.decide(erp.held("SO-7", "5000.00"), "reject")
    erp.ask("SO-7", "5000.00")
    body = {"check_point": "QUOTE", "amount": money("1.00")}
    for payer, order_id, outcome in (("C-1", "SO-1", "HOLD"), ("C-2", "SO-8", "APPROVE")):
        asked = {**body, "customer_id": payer, "order": {"id": order_id}}
        assert erp.post("/v1/limit-checks", asked).json()["outcome"] == outcome
    return erp


def tell(erp: Erp, clock: Clock, order_id: str, version: int, customer_id: str) -> None:
    fact = {
        "source": "erp",
        "event_id": f"{order_id}-{version}",
        "type": "order",
        "customer_id": customer_id,
        "segment": "main",
        "occurred_at": clock.at.isoformat(),
        "order_id": order_id,
        "version": version,
        "amount": money("12.00"),
        "status": "OPEN",
    }
    told = erp.post("/v1/ledger-events", {"events": [fact]}).json()
    assert [one["result"] for one in told["results"]] == ["applied"], told


def listed(erp: Erp, **query: str | int) -> list[Item]:
    """Read all pages of a list."""
    seen: list[Item] = []
    cursor: dict[str, str] = {}
    while True:
        page = erp.client.get(LIST, params={**query, **cursor}).json()
        seen += page["items"]
        if page["next_cursor"] is None:
            return seen
        cursor = {"cursor": page["next_cursor"]}


def found_by_everything(erp: Erp, merged: dict[str, str]) -> None:
    """Hold each list, a page at once and in pages, to what is left of the whole one."""
    whole = listed(erp)
    for customer, order, outcome in product(CUSTOMERS, ORDERS, OUTCOMES):
        asked = {"customer_id": customer, "order_id": order, "outcome": outcome}
        query = {name: value for name, value in asked.items() if value is not None}
        payer = merged.get(customer or "", customer)
        left = [
            one
            for one in whole
            if payer in {None, merged.get(one["customer_id"], one["customer_id"])}
            and order in {None, one["order_id"]}
            and outcome in {None, one["outcome"]}
        ]
        assert listed(erp, **query) == left
        assert listed(erp, **query, limit=2) == left


def test_every_list_shows_what_the_whole_one_has(erp: Erp, database: Database) -> None:
    found_by_everything(erp, {})
    authorized = {one["authorization_id"] for one in listed(erp)}
    opened = {one["decision_id"] for one in listed(erp)} & authorized
    assert len(opened) == 7  # the first grant to an order, and to each payer and currency of it
    assert marked(database) == opened
    assert check_ledger(database.url).clean


def marked(database: Database) -> set[str]:
    with database.begin() as tx:
        rows = tx.execute(text("SELECT decision_id::text FROM decision WHERE opens"))
        return set(rows.scalars())


def test_a_list_starts_at_a_moment(erp: Erp) -> None:
    since = "2026-06-15T05:00:00Z"
    for customer in ("C-1", "C-3"):
        whole = listed(erp, customer_id=customer)
        later = [one for one in whole if one["evaluated_at"] >= since]
        assert len(later) > 0
        assert listed(erp, customer_id=customer, since=since) == later


def test_a_merged_customers_decisions_are_the_others(erp: Erp, database: Database) -> None:
    assert erp.post("/v1/customers/C-3/merge", {"into": "C-1"}).is_success
    found_by_everything(erp, {"C-3": "C-1"})
    assert check_ledger(database.url).clean


def test_what_an_older_program_wrote_is_found_too(erp: Erp, database: Database) -> None:
    """It names no authorization as its own."""
    with database.begin() as tx:
        tx.execute(text("SET LOCAL session_replication_role = replica"))
        tx.execute(text("UPDATE decision SET opens = false"))
    found_by_everything(erp, {})
    assert check_ledger(database.url).clean


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "sampled"])
def test_a_page_reads_little_of_what_there_is(erp: Erp, database: Database, *, known: bool) -> None:
    """C-1 has 30,000 orders of its own, and others have as many."""
    grow(database.url)
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in MORE.split(";"):
            connection.execute(statement.encode())
    if known:
        sample(database.url)
    for asked in (
        DecisionFilter(20, customer_id="C-1"),
        DecisionFilter(
            20,
            customer_id="C-1",
            before=listed(erp, customer_id="C-1", limit=200)[-1]["decision_id"],
        ),
        DecisionFilter(20, order_id="own7"),
        DecisionFilter(20, customer_id="C-1", order_id="own7"),
        DecisionFilter(20, customer_id="C-1", outcome="HOLD"),
    ):
        with database.read() as tx:
            before = tx.execute(READ).one()
            decisions.page(tx, asked)
            whole, rows = tx.execute(READ).one()
        assert (asked, whole - before[0]) == (asked, 0)
        assert rows - before[1] < FEW, asked
