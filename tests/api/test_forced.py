"""What brought an account above its limit: entries of its journal that add up to the figure."""

from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.domain.callers import Caller
from app.domain.errors import SegmentUnknownError
from app.store import moves
from app.store.database import Database
from app.usecases.forced import ForcedPage, ForcedView, ListForced
from tests.api.conftest import Speak
from tests.erp import Erp, money, refused
from tests.faults.ledgers import random_events, report
from tests.server import Clock
from tests.usecases.plans import ENTRIES, counts
from tests.usecases.town import ADMIN, Town

PATH = "/v1/customers/C-1/account/forced"


@pytest.fixture
def erp(client: httpx2.Client) -> Erp:
    erp = Erp(client)
    erp.customer("G", "120.00")
    erp.customer("C-1", "100.00", parent_id="G")
    return erp


def bill(erp: Erp, name: str, amount: str, version: int = 1) -> None:
    days = {"issue_date": "2026-06-15", "due_date": "2026-07-15"}
    event = {
        "source": "erp",
        "event_id": f"{name}-{version}",
        "type": "invoice",
        "customer_id": "C-1",
        "segment": "main",
        "occurred_at": "2026-06-15T04:00:00Z",
        "version": version,
        "invoice_id": name,
        "amount": money(amount),
        **days,
    }
    answer = erp.post("/v1/ledger-events", {"events": [event]})
    assert [one["result"] for one in answer.json()["results"]] == ["applied"], answer.text


def told(erp: Erp, customer_id: str = "C-1", **query: str) -> dict[str, Any]:
    answer = erp.client.get(f"/v1/customers/{customer_id}/account/forced", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["forced"] == erp.account(customer_id)["forced"]
    return found


def steps(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["kind"], one["ref"], one["change"]["amount"]) for one in found["items"]]


def test_from_what_is_forced_to_what_brought_it_there(erp: Erp) -> None:
    assert told(erp)["items"] == []
    assert erp.ask("SO-1", "80.00")["outcome"] == "APPROVE"
    bill(erp, "I-1", "50.00")
    bill(erp, "I-2", "10.00")
    bill(erp, "I-1", "45.00", version=2)
    found = told(erp)
    assert steps(found) == [
        ("FACT", "invoice:I-1", "-5.00"),
        ("FACT", "invoice:I-2", "10.00"),
        ("FACT", "invoice:I-1", "30.00"),
    ]
    assert (found["forced"]["amount"], found["next_cursor"]) == ("35.00", None)
    assert steps(told(erp, "G")) == [
        ("FACT", "invoice:I-1", "-5.00"),
        ("FACT", "invoice:I-2", "10.00"),
        ("FACT", "invoice:I-1", "10.00"),
    ]
    cut = erp.post("/v1/customers/C-1/limits", {"kind": "base", "limit": money("90.00")}).json()
    assert steps(told(erp))[0] == ("LIMIT", cut["limit_id"], "10.00")
    bill(erp, "I-1", "0.00", version=3)
    bill(erp, "I-2", "0.00", version=2)
    assert told(erp)["items"] == []
    bill(erp, "I-3", "11.00")
    assert steps(told(erp)) == [("FACT", "invoice:I-3", "1.00")]


def test_the_limit_of_today_comes_first_where_nobody_has_booked_it(erp: Erp, clock: Clock) -> None:
    """As the account shows it; then, booked, it has its place among the others."""
    body = {"kind": "temporary", "limit": money("140.00")}
    days = {"valid_from": "2026-06-15", "valid_to": "2026-06-16"}
    assert erp.post("/v1/customers/C-1/limits", body | days).status_code == 201
    bill(erp, "I-1", "150.00")
    assert steps(told(erp)) == [("FACT", "invoice:I-1", "10.00")]
    clock.advance(days=2)
    today = ("LIMIT_EFFECTIVE", "2026-06-17", "40.00")
    found = told(erp)
    assert steps(found) == [today, ("FACT", "invoice:I-1", "10.00")]
    assert found["items"][0]["seq"] is None
    one = told(erp, limit="1")
    assert steps(one) == [today]
    assert steps(told(erp, limit="1", cursor=one["next_cursor"])) == steps(found)[1:]
    assert erp.ask("SO-1", "1.00")["outcome"] == "HOLD"  # whoever is judged has it booked
    after = told(erp)
    assert (steps(after), after["items"][0]["seq"]) == (steps(found), after["seq"])


def test_a_release_is_there_with_its_decision(erp: Erp) -> None:
    hold_id = erp.held("SO-1", "110.00")
    assert erp.decide(hold_id, "release").json()["status"] == "RELEASED"
    (one,) = told(erp)["items"]
    assert (one["kind"], one["change"]["amount"]) == ("RELEASE", "10.00")
    decision = erp.client.get(f"/v1/decisions/{one['decision_id']}").json()
    assert (decision["order_id"], decision["outcome"]) == ("SO-1", "APPROVE")


def test_pages_and_who_sees_them(erp: Erp, speak: Speak) -> None:
    assert erp.client.put("/v1/segments/east", json={"name": "East"}).status_code == 201
    for number in range(1, 4):
        bill(erp, f"I-{number}", f"{100 + number}.00")
    found: list[tuple[str, str, str]] = []
    cursor: str | None = None
    while cursor is not None or not found:
        page = told(erp, limit="1", **({"cursor": cursor} if cursor else {}))
        found += steps(page)
        cursor = page["next_cursor"]
    assert found == steps(told(erp))
    assert [one[2] for one in found] == ["103.00", "102.00", "1.00"]
    assert told(erp, limit="3")["next_cursor"] is None
    refused(speak("ledger:read", segments=("east",)).client.get(PATH), 404, "segment_unknown")
    refused(speak("customer:read").client.get(PATH), 403, "forbidden")
    refused(erp.client.get(PATH, params={"segment": "east"}), 404, "not_found")
    refused(erp.client.get(PATH, params={"cursor": "WzBd"}), 422, "invalid_field", "cursor")


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    town = Town.found(database, clock)
    for name, most in (("G", 50_00), ("C-1", 40_00), ("C-2", 30_00)):
        town.put(name, **({} if name == "G" else {"parent_id": "G"}))
        town.limit(name, most)
    return town


def pages(town: Town, name: str, most: int) -> list[ForcedView]:
    found, before = [], None
    while True:
        found.append(
            ListForced(town.database, town.clock)(ADMIN, name, ForcedPage("main", before, most))
        )
        before = found[-1].after
        if before is None:
            return found


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 99), most=st.integers(1, 5))
def test_the_changes_of_all_pages_add_up_to_the_figure(town: Town, seed: int, most: int) -> None:
    report(town.database, random_events(seed, 60))
    for name in ("C-1", "C-2", "G"):
        found = pages(town, name, most)
        changes = [one for page in found for one in page.changes]
        assert sum(change.minor for _, change in changes) == town.account(name).forced
        seqs = [entry.seq or 0 for entry, _ in changes]
        assert seqs == sorted(set(seqs), reverse=True)
        assert all(len(page.changes) <= most and page.forced == found[0].forced for page in found)
        assert all(change.minor for _, change in changes)


_LONG = text("""
WITH last AS (UPDATE account SET seq = seq + :more WHERE customer_id = 'C-1'
    RETURNING account_id, seq - :more AS seq)
INSERT INTO journal SELECT copy.*
FROM last JOIN journal j USING (account_id, seq), generate_series(1, :more) AS n,
    jsonb_populate_record(j, jsonb_build_object('seq', j.seq + n)) AS copy
""")


@pytest.mark.parametrize(("more", "empty"), [(999, 0), (1000, 1), (1001, 1), (2000, 2)])
def test_a_page_looks_at_so_many_entries_and_no_more(town: Town, more: int, empty: int) -> None:
    """What brought it there lies `more` entries back, at a page's end or beyond."""
    town.invoice("C-1", 45_00)
    with town.database.begin() as tx:
        tx.execute(_LONG, {"more": more})
    found = pages(town, "C-1", 100)
    assert [len(page.changes) for page in found] == [0] * empty + [1]
    assert found[-1].changes[0][1].minor == 5_00


def test_no_more_is_read_by_plans_of_empty_tables(town: Town) -> None:
    """Of 20,000 entries, which nobody has sampled: for a page, and to see whether it moved."""
    town.invoice("C-1", 45_00)
    with town.database.begin() as tx:
        tx.execute(_LONG, {"more": 20_000})
    held = town.account("C-1")
    town.database.close()
    entries, scans = counts(town.database.url, ENTRIES), counts(town.database.url)
    ListForced(town.database, town.clock)(ADMIN, "C-1", ForcedPage("main", None, 100))
    with town.database.read() as tx:
        assert moves.moved_since(tx, {held.account_id: held.seq}, town.clock()) == set()
    town.database.close()
    read = {
        name: count - entries[name]
        for name, count in counts(town.database.url, ENTRIES).items()
        if name.startswith("journal")
    }
    assert 1_000 < sum(read.values()) < 2_500
    after = counts(town.database.url)
    assert {
        name for name in after if name.startswith("journal") and after[name] > scans[name]
    } == set()


def test_an_account_out_of_sight_is_none(town: Town) -> None:
    confined = Caller("east", frozenset({"admin"}), frozenset({"east"}))
    with pytest.raises(SegmentUnknownError):
        ListForced(town.database, town.clock)(confined, "C-1", ForcedPage("main", None, 1))
