"""The client log passes what happened, and names what must not have: each control alters one thing.

The run is real; what clients wrote down, or what the database holds, is altered after it. Without
these controls a log that compares nothing would pass every test that ends with it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import httpx2
import psycopg
import pytest

from app.store.database import Database
from tests.faults.client_log import ClientLog, Sent
from tests.faults.clients import assert_exact, money, order, send, set_up
from tests.faults.ledgers import TODAY


@dataclass
class Run:
    """What was sent, in this order: K-1, K-2, K-1 again, a check, a fact, K-3."""

    log: ClientLog
    url: str

    def sent(self, place: int) -> Sent:
        """Give a request by its place."""
        return self.log.requests[place]

    def lose(self, *statements: str) -> None:
        """Take away what nothing in the service could take away."""
        with psycopg.connect(self.url) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                assert connection.execute(statement.encode()).rowcount == 1, statement


@pytest.fixture
def run(client: httpx2.Client, database: Database) -> Run:
    log = ClientLog()
    set_up(client, ["C-1"])
    for key in ("K-1", "K-2", "K-1"):
        assert send(client, log, key, order(key, "C-1"))
    with log.sending(None) as answered:
        told = client.post("/v1/limit-checks", json=order("check", "C-1"))
        answered(told.status_code, told.content)
    head = {"source": "erp", "event_id": "E-1", "segment": "main", "type": "invoice", "version": 1}
    dates = {"occurred_at": f"{TODAY}T04:00:00Z", "issue_date": TODAY, "due_date": "2100-01-01"}
    bill = {"customer_id": "C-1", "invoice_id": "I-1", "amount": money("10.00")}
    fact = client.post("/v1/ledger-events", json={"events": [{**head, **dates, **bill}]})
    assert fact.json()["results"][0]["result"] == "applied"
    log.applied("erp", "E-1")
    assert send(client, log, "K-3", order("K-3", "C-1"))
    assert [one.status for one in log.requests] == [201, 201, 201, 200, 201]
    return Run(log, database.url)


def test_what_happened_passes(run: Run) -> None:
    assert_exact(run.url, run.log)


def swap(run: Run, one: int, other: int) -> None:
    """Say of two requests that each was sent and answered when the other one was."""
    first, second = run.sent(one), run.sent(other)
    moments = first.sent_at, first.answered_at
    first.sent_at, first.answered_at = second.sent_at, second.answered_at
    second.sent_at, second.answered_at = moments


def changed(run: Run, place: int, before: bytes, after: bytes) -> None:
    """Write down another answer than was heard."""
    assert before in run.sent(place).body
    run.sent(place).body = run.sent(place).body.replace(before, after)


def shared(run: Run) -> None:
    """Let two keys have been answered with one decision."""
    run.sent(1).body = run.sent(0).body


def answered_with(run: Run, status: int) -> None:
    run.sent(1).status = status


def lost(run: Run) -> None:
    run.lose(
        "DELETE FROM decision d USING request_key k"
        " WHERE k.decision_id = d.decision_id AND k.key = 'K-2'",
        "DELETE FROM request_key WHERE key = 'K-2'",
    )


def told_earlier(run: Run) -> None:
    """Let the fact have been acknowledged before K-2 was asked."""
    run.log.events[0].answered_at = run.sent(0).answered_at


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        pytest.param(
            lambda run: swap(run, 0, 1),
            "key K-1: met account 1 at 1, asked after key K-2 had been told 3",
            id="moments-of-two-swapped",
        ),
        pytest.param(
            lambda run: swap(run, 3, 4),
            ": met account 1 at 3, asked after key K-3 had been told 5",
            id="check-that-met-too-little",
        ),
        pytest.param(
            told_earlier,
            "key K-2: met account 1 at 2, asked after event E-1 of erp had been told 4",
            id="fact-that-was-not-met",
        ),
        pytest.param(
            lambda run: changed(run, 2, b'"APPROVE"', b'"HOLD"'),
            "key K-1: was answered b'",
            id="repeat-answered-otherwise",
        ),
        pytest.param(shared, ", which is that of key K-1", id="one-decision-for-two-keys"),
        pytest.param(
            lambda run: changed(run, 1, b'"APPROVE"', b'"HOLD"'),
            "key K-2: acknowledged was b'",
            id="another-answer-is-stored",
        ),
        pytest.param(
            lambda run: answered_with(run, 200),
            "key K-2: acknowledged with 200, stored 201",
            id="another-status-is-stored",
        ),
        pytest.param(
            lost,
            "key K-2: acknowledged, and there is no such decision",
            id="answer-lost",
        ),
        pytest.param(
            lambda run: run.lose("DELETE FROM decision WHERE kind = 'CHECK'"),
            ": acknowledged, and there is no such decision",
            id="check-lost",
        ),
        pytest.param(
            lambda run: run.lose("DELETE FROM ledger_event WHERE event_id = 'E-1'"),
            "event E-1 of erp: acknowledged, and it is not there",
            id="fact-lost",
        ),
    ],
)
def test_what_must_not_have_happened_is_named(
    run: Run, alter: Callable[[Run], None], said: str
) -> None:
    alter(run)
    found = run.log.difference(run.url)
    assert found is not None
    assert said in found
