"""A fact waits no longer than its cause is away, though nobody announces that it is there."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import text

from app.domain.customers import AccountChange, CustomerChange
from app.domain.errors import BusyError
from app.store.database import Database
from app.usecases.facts_requeue import RequeueFacts
from app.usecases.parties import Parties
from app.usecases.portions import Portion
from app.usecases.rates import RateAsk
from app.usecases.segments import SegmentChange
from tests.domain.facts_cases import invoice, pay
from tests.domain.facts_world import fact, money
from tests.erp import Erp
from tests.server import Clock
from tests.usecases.facts_ledger import Ledger
from tests.usecases.town import ADMIN, at_once, seeing

ROWS: Final = "SELECT event_id, xmin::text FROM quarantine WHERE status = 'OPEN' ORDER BY 1"
MANY: Final = """
INSERT INTO quarantine (source, event_id, segment_id, customer_ref, content, payload, code, detail,
    cause)
SELECT 'erp', 'm' || n, 'main', 'nobody' || n, '', '{"version": 1}', 'customer_unknown', '',
    'customer:nobody' || n
FROM generate_series(1, 1200) AS n
"""


@pytest.fixture
def ledger(database: Database, clock: Clock) -> Iterator[Ledger]:
    made = Ledger.found(database, clock)
    yield made
    made.town.exact()


def passing(database: Database, clock: Clock, most: int = 100) -> list[Portion]:
    """Run a whole pass."""
    loop = RequeueFacts(database, most, lambda _: clock())
    done: list[Portion] = []
    after = None
    while not done or after is not None:
        done.append(loop(after))
        after = done[-1].after
    return done


def went_in(ledger: Ledger, most: int = 100) -> int:
    return sum(one.items for one in passing(ledger.town.database, ledger.town.clock, most))


def rows(database: Database) -> list[tuple[Any, ...]]:
    """Read the open rows, and by which transaction each was written last."""
    with database.read() as tx:
        return [tuple(row) for row in tx.execute(text(ROWS))]


def busy(_cause: str, _until_s: float) -> None:
    raise BusyError("locked")


def bill(erp: Erp, customer_id: str, name: str, currency: str = "CNY") -> str:
    """Report an invoice of 900 and return what became of it."""
    event = {"source": "erp", "event_id": f"E-{name}", "type": "invoice", "version": 1,
             "customer_id": customer_id, "segment": "main", "occurred_at": "2026-06-15T04:00:00Z",
             "invoice_id": name, "amount": money("900.00", currency),
             "issue_date": "2026-06-15", "due_date": "2026-07-15"}  # fmt: skip
    answer = erp.client.post("/v1/ledger-events", json={"events": [event]})
    return str(answer.json()["results"][0]["result"])


def test_a_fact_of_an_alias_counts_though_it_could_not_go_in_at_the_put(
    client: httpx2.Client, database: Database, clock: Clock
) -> None:
    erp = Erp(client)
    erp.customer("C-1", "1000.00")
    assert bill(erp, "C-1-OLD", "I") == "quarantined"
    change = CustomerChange(name="C-1", aliases=("C-1-OLD",), account=AccountChange())
    Parties.over(database, clock, busy).put_customer(ADMIN, "C-1", change)
    assert passing(database, clock) == [Portion(1)]
    assert erp.account()["exposure"] == money("900.00")
    assert erp.ask("SO-1", "1000.00")["outcome"] == "HOLD"
    assert passing(database, clock) == [Portion(0)]


def test_a_rate_for_tomorrow_lets_go_tomorrow(
    client: httpx2.Client, database: Database, clock: Clock
) -> None:
    erp = Erp(client)
    erp.customer("C-1", "10000.00")
    assert bill(erp, "C-1", "I", "USD") == "quarantined"
    rate = {"base": "USD", "quote": "CNY", "rate": "7", "rate_date": "2026-06-16", "source": "bank"}
    assert erp.post("/v1/fx-rates", rate).status_code == 201
    assert passing(database, clock) == [Portion(0)]
    clock.advance(days=1)
    assert passing(database, clock) == [Portion(1)]
    assert erp.account()["exposure"] == money("6300.00")
    assert erp.ask("SO-1", "10.00")["degraded"] == ["NOT_SCORED"]


def test_what_is_not_there_lets_nothing_go_and_nothing_is_written(ledger: Ledger) -> None:
    town = ledger.town
    town.parties.put_segment(ADMIN, "WEST", SegmentChange("West", time_zone="America/Los_Angeles"))
    euro = fact("invoice", "E", amount=money("10", "EUR"))
    west = fact("invoice", "W", amount=money("10", "EUR"))
    ledger.apply(euro, invoice("J", customer_id="dora"), invoice("I"), invoice("I", "41"))
    ledger.segment = "WEST"
    ledger.apply(west)
    ledger.segment = "main"
    before = rows(town.database)
    assert len(before) == 4
    assert went_in(ledger) == 0
    assert rows(town.database) == before
    # it is the 16th in Shanghai now, and the 15th at the coast for some hours more
    rate = RateAsk("EUR", "CNY", "8", town.today + timedelta(days=1), "tests")
    town.parties.add_rate(town.keyed(), rate, seeing([]))
    town.clock.advance(hours=14)
    assert went_in(ledger) == 1
    kept = [row for row in before if row[0] != euro["event_id"]]
    assert rows(town.database) == kept
    town.clock.advance(hours=14)
    assert went_in(ledger) == 1
    assert rows(town.database) == [row for row in kept if row[0] != west["event_id"]]


@pytest.mark.parametrize("most", [1, 2, 100])
def test_a_pass_comes_by_many_causes_that_are_not_there(ledger: Ledger, most: int) -> None:
    ledger.apply(*(invoice(f"I{number}", customer_id="aaa") for number in range(3)))
    ledger.apply(*(pay(f"P{number}", customer_id="zoe") for number in range(2)))
    with ledger.town.database.begin() as tx:
        tx.execute(text(MANY))
    before = rows(ledger.town.database)
    ledger.town.put("aaa")
    ledger.town.put("zoe")
    portions = passing(ledger.town.database, ledger.town.clock, most)
    assert sum(one.items for one in portions) == 5
    assert max(one.items for one in portions) <= most
    assert len(portions) < 10
    assert [row for row in before if row[0].startswith("m")] == rows(ledger.town.database)
    assert ledger.town.account("aaa").use.open_item == 12000
    assert ledger.town.account("zoe").use.prepayment == 8000


def test_who_is_locked_keeps_nobody_else_waiting(ledger: Ledger) -> None:
    ledger.apply(invoice("I", customer_id="dora"), invoice("J", customer_id="emil"))
    ledger.town.put("dora")
    ledger.town.put("emil")
    with ledger.town.database.begin() as tx:
        tx.execute(text("SELECT FROM account WHERE customer_id = 'dora' FOR UPDATE"))
        assert passing(ledger.town.database, ledger.town.clock) == [Portion(1, None, 1)]
    assert ledger.town.account("emil").use.open_item == 4000
    assert went_in(ledger) == 1
    assert ledger.town.account("dora").use.open_item == 4000


def test_two_passes_at_once_apply_a_fact_once(ledger: Ledger) -> None:
    ledger.apply(*(invoice(f"I{number}", customer_id="dora") for number in range(5)))
    ledger.town.put("dora")
    at_once(*[lambda: went_in(ledger, 2)] * 2)
    assert ledger.town.account("dora").use.open_item == 20000
    assert set(ledger.waiting().values()) == {"APPLIED"}
