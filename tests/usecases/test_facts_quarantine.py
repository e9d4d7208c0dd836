"""What a person decides about a fact that waits: it is tried again, or laid aside."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select

from app.domain.callers import Caller
from app.domain.errors import CreditError, EventNotWaitingError, NotFoundError
from app.store.database import Database
from app.store.schema.evidence import quarantine
from app.usecases.facts_quarantine import CloseQuarantined
from tests.domain.facts_cases import invoice, pay, to
from tests.server import Clock
from tests.usecases.facts_ledger import Ledger
from tests.usecases.town import ADMIN

ELSEWHERE = Caller("eu", frozenset({"ledger:write"}), frozenset({"EU"}))


@pytest.fixture
def ledger(database: Database, clock: Clock) -> Iterator[Ledger]:
    made = Ledger.found(database, clock)
    yield made
    made.town.exact()


def waits(ledger: Ledger) -> str:
    """Give the id of the only row there is."""
    with ledger.town.database.read() as tx:
        return str(tx.execute(select(quarantine.c.quarantine_id)).scalar_one())


def reuse(ledger: Ledger) -> str:
    """Report an invoice J under the event id of another; gives the id of its row."""
    first = invoice()
    ledger.apply(first)
    ledger.apply({**invoice("J", "7"), "event_id": first["event_id"]})
    return waits(ledger)


def close(ledger: Ledger, row: str, caller: Caller = ADMIN) -> None:
    CloseQuarantined(ledger.town.database, ledger.town.clock)(caller, row, "sent by mistake")


def test_a_used_event_id_goes_in_when_a_person_says_so(ledger: Ledger) -> None:
    row = reuse(ledger)
    assert ledger.quarantined() == 1
    assert ledger.town.facts.retry(ADMIN, row).result == "applied"
    assert ledger.town.account("anna").use.open_item == 4700
    assert ledger.quarantined() == 0
    with pytest.raises(EventNotWaitingError):
        ledger.town.facts.retry(ADMIN, row)


@pytest.mark.parametrize("version", [2, 4])
def test_an_older_or_newer_version_under_a_used_event_id_is_reported(
    ledger: Ledger, version: int
) -> None:
    """Let in by hand it is a past version, or makes one of the other: its report is its row."""
    first = invoice("J")
    ledger.apply(first, invoice("I", version=3))
    told = invoice("I", "41", version=version, issue_date="2026-04-01")
    assert ledger.apply({**told, "event_id": first["event_id"]}) == ["quarantined"]
    ledger.town.exact()
    answer = "stale" if version == 2 else "applied"
    assert ledger.town.facts.retry(ADMIN, waits(ledger)).result == answer
    ledger.town.exact()
    assert ledger.apply(invoice("I", "42", version=5)) == ["applied"]


def test_what_still_cannot_be_applied_stays_with_the_reason_it_has_now(ledger: Ledger) -> None:
    ledger.apply(invoice(), invoice("I", "41"))
    result = ledger.town.facts.retry(ADMIN, waits(ledger))
    assert result.problem is not None
    assert (result.result, result.problem.code) == ("quarantined", "version_conflict")
    assert ledger.quarantined() == 1
    ledger.apply(invoice("I", "41", version=2))  # what corrects it closes it
    assert ledger.quarantined() == 0


def test_what_is_closed_is_laid_aside_for_good(ledger: Ledger) -> None:
    first = invoice()
    again = {**invoice("J", "7"), "event_id": first["event_id"]}
    assert ledger.apply(first, again) == ["applied", "quarantined"]
    close(ledger, waits(ledger), Caller("erp", frozenset(), None, "Li Na"))
    assert ledger.quarantined() == 0
    assert ledger.apply(again) == ["duplicate"]
    assert ledger.town.facts.requeue() == 0
    assert ledger.town.account("anna").use.open_item == 4000
    query = select(quarantine.c.status, quarantine.c.closed_by, quarantine.c.close_reason)
    with ledger.town.database.read() as tx:
        found = tuple(tx.execute(query).one())
    assert found == ("CLOSED", "Li Na by erp", "sent by mistake")
    with pytest.raises(EventNotWaitingError):
        close(ledger, waits(ledger))
    with pytest.raises(EventNotWaitingError):
        ledger.town.facts.retry(ADMIN, waits(ledger))


def test_who_lays_one_aside_tells_how_many_wait(ledger: Ledger) -> None:
    row = reuse(ledger)
    assert REGISTRY.get_sample_value("aval_quarantine_size") == 1
    close(ledger, row)
    assert REGISTRY.get_sample_value("aval_quarantine_size") == 0


def test_a_fact_of_nobody_can_be_closed_too(ledger: Ledger) -> None:
    ledger.apply(pay("P", "40", to(), customer_id="dora"))
    close(ledger, waits(ledger))
    assert set(ledger.waiting().values()) == {"CLOSED"}


@pytest.mark.parametrize("row", ["0", "999", "01", "-1", "x", "１", str(2**63), "9" * 64])
def test_an_id_of_nothing(ledger: Ledger, row: str) -> None:
    with pytest.raises(NotFoundError):
        close(ledger, row)
    with pytest.raises(NotFoundError):
        ledger.town.facts.retry(ADMIN, row)


def test_what_lies_out_of_sight_is_not_found(ledger: Ledger) -> None:
    row = reuse(ledger)
    with pytest.raises(NotFoundError):
        close(ledger, row, ELSEWHERE)
    with pytest.raises(NotFoundError):
        ledger.town.facts.retry(ELSEWHERE, row)
    assert ledger.quarantined() == 1


@pytest.mark.parametrize("seed", range(5))
def test_one_of_several_decides(ledger: Ledger, seed: int) -> None:
    row, start = reuse(ledger), Barrier(4)

    def decide(place: int) -> str:
        start.wait()
        try:
            if (place + seed) % 2:
                close(ledger, row)
                return "closed"
            return ledger.town.facts.retry(ADMIN, row).result
        except CreditError:
            return "late"

    with ThreadPoolExecutor(4) as pool:
        words = sorted(pool.map(decide, range(4)))
    is_in = ledger.town.account("anna").use.open_item == 4700
    assert ("closed" in words, "applied" in words) == (not is_in, is_in)
    assert words.count("closed") + words.count("applied") == 1
    assert ledger.quarantined() == 0
