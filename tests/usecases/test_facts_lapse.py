"""PROVISIONAL money lapses: once, as a fact, whoever else is at work; the checker agrees."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import select

from app.domain.accounts import Use
from app.domain.errors import BusyError
from app.store import accounts
from app.store.database import Database
from app.store.schema.documents import payment
from app.store.schema.evidence import journal
from app.usecases.facts_lapse import LapseDue, LapseProvisional
from app.usecases.portions import Portion
from app.usecases.segments import SegmentChange
from tests.domain.facts_cases import invoice, pay, to
from tests.domain.facts_world import ANNA, CHIE, GROUP, money
from tests.server import Clock
from tests.usecases.facts_ledger import Fact, Ledger
from tests.usecases.town import ADMIN

ONE_HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(database: Database, clock: Clock) -> Iterator[Ledger]:
    made = Ledger.found(database, clock)
    haircut(made, 50)
    yield made
    made.town.exact()


def haircut(ledger: Ledger, percent: int) -> None:
    change = SegmentChange("main", provisional_haircut_percent=percent)
    ledger.town.parties.put_segment(ADMIN, "main", change)


def provisional(clock: Clock, name: str = "P", *parts: Fact, **fields: object) -> Fact:
    ends = (clock() + ONE_HOUR).isoformat()
    told = pay(name, "40", *parts, status="PROVISIONAL", expires_at=ends)
    return {**told, **fields}


def entries(ledger: Ledger) -> list[tuple[str, str]]:
    query = select(journal.c.kind, journal.c.ref).where(journal.c.kind == "FACT")
    with ledger.town.database.read() as tx:
        return [(row.kind, row.ref) for row in tx.execute(query.order_by(journal.c.seq))]


def lapse(ledger: Ledger, at: datetime, most: int = 100) -> int:
    return LapseProvisional(ledger.town.database)(at, most)


def test_it_counts_until_its_moment_and_lapses_once(ledger: Ledger, clock: Clock) -> None:
    ledger.apply(invoice(), provisional(clock, "P", to()))
    both = Use(open_item=4000, prepayment=2000)
    assert ledger.positions() == {(ANNA, "CNY"): both, (GROUP, "CNY"): both}
    at = clock() + ONE_HOUR
    assert lapse(ledger, at - timedelta(microseconds=1)) == 0
    assert lapse(ledger, at) == 1
    assert ledger.positions()[ANNA, "CNY"] == Use(open_item=4000)
    told = entries(ledger)
    assert told.count(("FACT", "payment:P")) == 4  # in and out, own and group's
    assert len(told) == 6  # the invoice's are the other two
    assert lapse(ledger, at + ONE_HOUR) == 0
    assert entries(ledger) == told


def test_what_counted_nothing_lapses_without_an_entry(ledger: Ledger, clock: Clock) -> None:
    haircut(ledger, 100)
    ledger.apply(provisional(clock))
    assert lapse(ledger, clock() + ONE_HOUR) == 1
    assert entries(ledger) == []


def test_a_newer_version_after_it_lapsed_is_judged_anew(ledger: Ledger, clock: Clock) -> None:
    ledger.apply(provisional(clock))
    clock.advance(hours=2)
    lapse(ledger, clock())
    assert ledger.apply(provisional(clock, version=2)) == ["applied"]
    assert ledger.positions()[ANNA, "CNY"] == Use(prepayment=2000)
    assert ledger.apply(invoice(), pay("P", "40", to(), version=3)) == ["applied", "applied"]
    assert ledger.positions() == {}
    assert lapse(ledger, clock() + 9 * ONE_HOUR) == 0


def test_an_invoice_that_comes_after_it_lapsed_revives_nothing(
    ledger: Ledger, clock: Clock
) -> None:
    told = provisional(clock, "P", to())
    ledger.apply(told)
    lapse(ledger, clock() + ONE_HOUR)
    assert ledger.apply(told, invoice()) == ["duplicate", "applied"]
    assert ledger.positions()[ANNA, "CNY"] == Use(open_item=4000)


def test_one_that_comes_too_late_counts_nothing(ledger: Ledger, clock: Clock) -> None:
    told = provisional(clock)
    clock.advance(hours=1)
    assert ledger.apply(told) == ["applied"]
    assert ledger.positions() == {}
    assert lapse(ledger, clock()) == 0


def test_the_oldest_come_first_and_no_more_than_asked(ledger: Ledger, clock: Clock) -> None:
    ledger.apply(*(provisional(clock, f"P{number}") for number in range(3)))
    clock.advance(minutes=-1)
    ledger.apply(provisional(clock, "first"))
    later = clock() + 2 * ONE_HOUR
    assert lapse(ledger, later, 1) == 1
    query = select(payment.c.payment_id).where(payment.c.lapsed_at.is_not(None))
    with ledger.town.database.read() as tx:
        assert tx.execute(query).scalars().all() == ["first"]
    assert [lapse(ledger, later, 2), lapse(ledger, later, 2)] == [2, 1]


def test_in_a_currency_whose_rate_is_gone_it_lapses_all_the_same(
    ledger: Ledger, clock: Clock
) -> None:
    told = {**provisional(clock, customer_id="chie"), "amount": money("40", "USD")}
    ledger.apply(told)
    assert ledger.positions() == {(CHIE, "USD"): Use(prepayment=2000)}
    clock.advance(days=30)
    assert lapse(ledger, clock()) == 1
    assert ledger.positions() == {}


def test_accounts_that_others_work_on_are_left(ledger: Ledger, clock: Clock) -> None:
    ledger.apply(provisional(clock, "A"), provisional(clock, "C", customer_id="chie"))
    at = clock() + ONE_HOUR
    with ledger.town.database.begin() as tx:
        held = accounts.find(tx, "group", "main")
        assert held is not None
        accounts.lock(tx, [held.account_id])
        assert lapse(ledger, at) == 1  # chie's; anna's group is in use
        with pytest.raises(BusyError):
            lapse(ledger, at)  # alone, it is waited for, but not for long
    assert lapse(ledger, at) == 1


def test_a_busy_payer_keeps_no_other_waiting(ledger: Ledger, clock: Clock) -> None:
    ledger.apply(*(provisional(clock, f"A{number}") for number in range(3)))
    clock.advance(minutes=1)
    ledger.apply(provisional(clock, "C", customer_id="chie"))
    at = clock() + ONE_HOUR
    sweep = LapseDue(ledger.town.database, 2, lambda _: at)
    with ledger.town.database.begin() as tx:
        held = accounts.find(tx, "anna", "main")
        assert held is not None
        accounts.lock(tx, [held.account_id])
        busy = (held.account_id,)
        assert sweep() == Portion(0, busy, 1)
        assert sweep(busy) == Portion(1, busy)
        assert sweep(busy) == Portion(0)
    assert [sweep(), sweep(()), sweep(())] == [Portion(2, ()), Portion(1, ()), Portion(0)]


def test_many_at_once_lapse_each_payment_once(ledger: Ledger, clock: Clock) -> None:
    for name in ("anna", "bert", "chie"):
        told = [provisional(clock, f"{name}{one}", customer_id=name) for one in range(5)]
        ledger.apply(*told)
    at, start = clock() + ONE_HOUR, Barrier(4)

    def sweep(_: int) -> int:
        start.wait()
        done = 0
        for _ in range(40):
            try:
                done += lapse(ledger, at, 2)
            except BusyError:
                continue
        return done

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(sweep, range(4))) == 15
    assert ledger.positions() == {}


def test_facts_and_sweeps_at_once_end_as_documents_say(ledger: Ledger, clock: Clock) -> None:
    ledger.apply(*(provisional(clock, f"P{one}") for one in range(20)))
    at, start = clock() + ONE_HOUR, Barrier(2)
    finals = [pay(f"P{one}", "40", to(f"I{one}"), version=2) for one in range(0, 20, 2)]

    def sweep() -> None:
        start.wait()
        for _ in range(20):
            try:
                lapse(ledger, at, 3)
            except BusyError:
                continue

    def tell() -> None:
        start.wait()
        for told in finals:
            ledger.apply(told)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(sweep), pool.submit(tell)]:
            done.result()
    lapse(ledger, at)
    assert ledger.positions()[ANNA, "CNY"] == Use(prepayment=40000)
