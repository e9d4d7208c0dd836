"""Large facts that wait: no page, no transaction and no request takes on more than a batch may."""

from dataclasses import replace
from random import Random
from typing import Final

import pytest

from app.domain.callers import Caller
from app.store.database import Database
from app.store.facts_quarantine import QuarantineFilter
from app.usecases.facts_quarantine import ListQuarantine
from app.usecases.facts_requeue import RequeueFacts
from tests.domain.facts_cases import invoice, of
from tests.server import Clock
from tests.usecases.facts_ledger import Ledger

INVOICES: Final = 60
LINES: Final = 400
ALL: Final = Caller("erp", frozenset())


@pytest.fixture
def ledger(database: Database, clock: Clock) -> Ledger:
    """Let sixty invoices wait for their customer; what is stored of them fills two portions."""
    ledger, draw = Ledger.found(database, clock), Random(7)
    for number in range(INVOICES):
        lines = [of(f"{draw.getrandbits(256):064x}", "1") for _ in range(LINES)]
        told = invoice(f"I-{number}", str(LINES), *lines, customer_id="dora")
        assert ledger.apply(told) == ["quarantined"]
    return ledger


def test_a_page_ends_where_it_would_be_too_large(ledger: Ledger) -> None:
    listing = ListQuarantine(ledger.town.database)
    seen: list[str] = []
    sizes: list[int] = []
    after, more = 0, True
    while more:
        page, more = listing(ALL, QuarantineFilter(500, after))
        seen += [one.payload["invoice_id"] for one in page]
        sizes.append(len(page))
        after = page[-1].quarantine_id
    assert seen == [f"I-{number}" for number in range(INVOICES)]
    assert len(sizes) == 2
    assert sizes[0] > sizes[1]


def test_who_brings_a_customer_waits_for_a_portion_and_the_background_does_the_rest(
    ledger: Ledger,
) -> None:
    ledger.town.put("dora")
    hurried = replace(ledger.town.facts, let_go_s=0.0)
    done = hurried.requeue("customer:dora")
    assert INVOICES // 2 < done < INVOICES
    assert [*ledger.waiting().values()].count("OPEN") == INVOICES - done
    background = RequeueFacts(ledger.town.database, INVOICES, lambda _: ledger.town.clock())
    portion = background(None)
    while portion.after is not None:
        done += portion.items
        portion = background(portion.after)
    assert done + portion.items == INVOICES
    assert "OPEN" not in ledger.waiting().values()
    ledger.town.exact()


def test_the_background_takes_no_more_at_once(ledger: Ledger) -> None:
    ledger.town.put("dora")
    background = RequeueFacts(ledger.town.database, INVOICES, lambda _: ledger.town.clock())
    first = background(None)
    assert INVOICES // 2 < first.items < INVOICES
    assert first.after is not None  # the rest is of the same pass
    assert background(first.after).items == INVOICES - first.items
    ledger.town.exact()
