"""Large facts that wait: no page, no transaction and no request takes on more than a batch may."""

from collections.abc import Iterator
from random import Random
from time import monotonic, sleep
from typing import Final

import pytest

from app.domain.callers import Caller
from app.store.database import Database
from app.store.facts_quarantine import QuarantineFilter
from app.usecases.causes import announce
from app.usecases.facts_quarantine import ListQuarantine
from app.usecases.facts_requeue import RequeueFacts
from tests.domain.facts_cases import invoice, of
from tests.server import Clock
from tests.usecases.facts_ledger import Fact, Ledger

INVOICES: Final = 60
LINES: Final = 400
ALL: Final = Caller("erp", frozenset())


def bills(draw: Random, customer_id: str, numbers: range) -> Iterator[Fact]:
    """Write invoices of which some forty fill a portion."""
    for number in numbers:
        lines = [of(f"{draw.getrandbits(256):064x}", "1") for _ in range(LINES)]
        yield invoice(f"I-{number}", str(LINES), *lines, customer_id=customer_id)


@pytest.fixture
def ledger(database: Database, clock: Clock) -> Ledger:
    """Let sixty invoices wait for their customer."""
    ledger = Ledger.found(database, clock)
    for told in bills(Random(7), "dora", range(INVOICES)):
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
    done = ledger.town.facts.requeue("customer:dora", until_s=0.0)
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


def test_a_portion_is_no_larger_where_it_is_of_several_customers(ledger: Ledger) -> None:
    more = [*bills(Random(8), "eve", range(INVOICES, INVOICES + 25))]
    assert {*ledger.apply(*more)} == {"quarantined"}
    for name in ("dora", "eve"):
        ledger.town.put(name)
    background = RequeueFacts(ledger.town.database, 500, lambda _: ledger.town.clock())
    portion = background(None)
    sizes = [portion.items]
    while portion.after is not None:
        portion = background(portion.after)
        sizes.append(portion.items)
    assert sum(sizes) == INVOICES + len(more)
    assert max(sizes) == sizes[0] < INVOICES - sizes[0] + len(more)  # what both have left
    ledger.town.exact()


def test_who_brings_much_at_once_is_not_kept_for_each_of_it() -> None:
    tried: list[str] = []
    moments: list[float] = []

    def slow(cause: str, until_s: float) -> None:
        tried.append(cause)
        moments.append(until_s)
        if len(tried) == 2:
            sleep(max(0.0, until_s - monotonic()) + 0.01)

    announce(slow, [f"customer:{number}" for number in range(9)], let_go_s=0.5)
    assert tried == ["customer:0", "customer:1"]
    assert len(set(moments)) == 1
