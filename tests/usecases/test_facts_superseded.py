"""What waits ends with what is newer, whatever it waits for; and what says the same, waits not."""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from sqlalchemy import select

from app.domain.money import Rate
from app.store import rates
from app.store.database import Database
from app.store.schema.evidence import quarantine
from app.store.schema.parties import account
from app.usecases.facts_events import parse_event
from app.usecases.segments import SegmentChange
from tests.domain.facts_cases import BILL, Fact, delivery, invoice, of, pay, to
from tests.domain.facts_world import fact, line, money
from tests.server import Clock
from tests.usecases.facts_ledger import Ledger
from tests.usecases.test_groups import merge
from tests.usecases.town import ADMIN

EURO: Fact = {"amount": money("10", "EUR")}
NOBODY: Fact = {"amount": money("10"), "customer_id": "dora"}


@pytest.fixture
def ledger(database: Database, clock: Clock) -> Iterator[Ledger]:
    made = Ledger.found(database, clock)
    yield made
    made.town.exact()


def rate(ledger: Ledger) -> int:
    """Store the rate that euro wait for, and let go what did."""
    with ledger.town.database.begin() as tx:
        rates.add(tx, Rate("EUR", "CNY", Decimal(8), "2026-06-15", "test"))
    return ledger.town.facts.requeue("rate:CNY:EUR")


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("wrong", [EURO, NOBODY], ids=["currency", "customer"])
def test_what_was_mistyped_waits_no_more_once_it_is_told_anew(
    ledger: Ledger, wrong: Fact, *, together: bool
) -> None:
    """Else one typing error holds all orders of the account for good."""
    mistyped, right = fact("invoice", "I", 1, **wrong), invoice("I", "7", version=2)
    if together:
        assert ledger.apply(mistyped, right) == ["quarantined", "applied"]
    else:
        assert ledger.apply(mistyped) == ["quarantined"]
        assert ledger.apply(right) == ["applied"]
    assert set(ledger.waiting().values()) == {"SUPERSEDED"}
    assert ledger.quarantined() == 0
    assert ledger.apply(mistyped) == ["duplicate"]


@pytest.mark.parametrize("wrong", [EURO, NOBODY], ids=["currency", "customer"])
def test_what_was_mistyped_and_comes_late_is_stale(ledger: Ledger, wrong: Fact) -> None:
    ledger.apply(invoice("I", "7", version=2))
    assert ledger.apply(fact("invoice", "I", 1, **wrong)) == ["stale"]
    assert ledger.waiting() == {}


@pytest.mark.parametrize("together", [True, False])
def test_what_is_as_new_and_waits_is_not_ended_unseen(ledger: Ledger, *, together: bool) -> None:
    """Had its rate been there, a person would see that one version says two things."""
    told = [fact("invoice", "I", 1, **EURO), invoice("I", "7")]
    for batch in [told] if together else [[one] for one in told]:
        ledger.apply(*batch)
    assert list(ledger.waiting().values()) == ["OPEN"]
    assert rate(ledger) == 0
    assert ledger.quarantined() == 1
    assert ledger.apply(invoice("I", "8", version=2)) == ["applied"]
    assert ledger.quarantined() == 0


def test_what_waits_for_a_newer_version_of_it_is_left_alone(ledger: Ledger) -> None:
    ledger.apply(fact("invoice", "I", 3, **EURO), invoice("I", "7", version=2))
    assert ledger.quarantined() == 1
    assert rate(ledger) == 1
    assert ledger.town.position("anna", "EUR").open_item == 1000


def test_a_repeat_ends_what_an_earlier_program_left_waiting(ledger: Ledger) -> None:
    """It waits for a rate although what is newer was applied: it was not found by its document."""
    older, newer = fact("invoice", "I", 1, **EURO), invoice("I", "7", version=2)
    ledger.apply(older)
    left(ledger, "CLOSED", 0)
    ledger.apply(newer)
    left(ledger, "OPEN", 1)
    assert ledger.apply(newer) == ["duplicate"]
    assert ledger.quarantined() == 0


def left(ledger: Ledger, status: str, quarantined: int) -> None:
    """Write how the only row stands."""
    with ledger.town.database.begin() as tx:
        tx.execute(quarantine.update().values(status=status))
        anna = account.c.account_id == ledger.town.account("anna").account_id
        tx.execute(account.update().where(anna).values(quarantined=quarantined))


def test_names_that_look_alike_end_nothing_of_another_segment(ledger: Ledger) -> None:
    """Ids may hold what separates them in a document's name."""
    for name in ("a", "a:invoice"):
        ledger.town.parties.put_segment(ADMIN, name, SegmentChange(name))
    ledger.segment = "a"
    ledger.apply(fact("invoice", "invoice:X", 1, **EURO))
    ledger.segment = "a:invoice"
    assert ledger.apply(invoice("X", "7", version=2)) == ["applied"]
    assert list(ledger.waiting().values()) == ["OPEN"]


KINDS = [
    fact("order", "X", 1, status="OPEN", **EURO),
    fact("delivery", "X", 1, order_id="O", **EURO),
    fact("delivery", "X", 1, **EURO),
    fact("invoice", "é:X", 1, **EURO),
    fact("payment", "X", 1, **EURO),
    fact("note", "X", 1, status="PAID", customer_id="dora"),
    fact("credit_note", "X", 1, **EURO),
    fact("write_off", "X", 1, **EURO),
    fact("dispute", "X", 1, open=True, customer_id="dora"),
]


@pytest.mark.parametrize("told", KINDS, ids=lambda one: f"{one['type']}-{len(one)}")
def test_the_server_names_documents_as_events_do(ledger: Ledger, told: Fact) -> None:
    assert ledger.apply(told) == ["quarantined"]
    with ledger.town.database.read() as tx:
        named = tx.execute(select(quarantine.c.document)).scalar_one()
    assert named == parse_event({**told, "segment": ledger.segment}).cause


@pytest.mark.parametrize("told", ["lines", "allocations"])
@pytest.mark.parametrize("again", ["same-id", "other-id"])
def test_parts_in_another_order_say_the_same(ledger: Ledger, told: str, again: str) -> None:
    parts = [of("O", "10"), line("20", delivery_id="D"), of("O", "10"), of("P", "5", final=True)]
    first: Fact = invoice("I", "50", *parts)
    if told == "allocations":
        parts = [to("I", "10"), to("J", "20"), to("I", "5", discount=money("1"))]
        first = pay("P", "50", *parts, note=BILL)
    name = "lines" if told == "lines" else "allocations"
    ledger.apply(first)
    later: Fact = {**first, name: parts[::-1], "occurred_at": "2026-06-01T08:00:00+08:00"}
    if again == "other-id":
        later = {**later, "event_id": "again"}
    assert ledger.apply(later) == ["duplicate"]
    assert ledger.apply(later, first) == ["duplicate", "duplicate"]
    fewer: Fact = {**later, name: parts[:2] + parts[3:], "event_id": "fewer"}
    assert ledger.code(fewer) == "version_conflict"
    other: Fact = {**later, name: parts[:2] + parts[3:], "event_id": first["event_id"]}
    assert ledger.code(other) == "event_id_reused"


def test_a_used_id_is_for_one_document_alone(ledger: Ledger) -> None:
    first = delivery("D", "40", "O")
    ledger.apply(first)
    others = ({"order_id": "O2"}, {"version": 2}, {"customer_id": "bert"})
    for other in others:
        assert ledger.code({**first, **other}) == "event_id_reused"


def test_a_merge_looks_again_at_what_contradicted_documents(ledger: Ledger) -> None:
    """Two records of one payer, each with the same invoice: of one payer it is told twice."""
    ledger.town.put("dora")
    first, twin = invoice("I", "40"), invoice("I", "40", customer_id="dora")
    ledger.apply(first)
    assert ledger.code(twin) == "version_conflict"
    ledger.apply({**invoice("I", "9", version=3), "event_id": first["event_id"]})
    assert ledger.quarantined() == 2  # its own, and the twin's that would change it
    merge(ledger.town, "dora", "anna")
    assert ledger.town.causes[-1] == "doc:main:invoice:I"
    assert ledger.town.facts.requeue(ledger.town.causes[-1]) == 1
    assert sorted(ledger.waiting().values()) == ["APPLIED", "OPEN"]
    assert ledger.town.position("anna").open_item == 4000
    assert ledger.town.facts.requeue() == 0  # a used id waits for a person
    assert ledger.quarantined() == 1


def test_a_merge_leaves_what_contradicts_it_still(ledger: Ledger) -> None:
    ledger.town.put("dora")
    ledger.apply(invoice("I", "40"), invoice("I", "41", customer_id="dora"))
    merge(ledger.town, "dora", "anna")
    assert ledger.town.facts.requeue(ledger.town.causes[-1]) == 0
    assert ledger.quarantined() == 1


def test_what_nobody_is_told_of_again_in_other_words_waits_once(ledger: Ledger) -> None:
    parts = [of("O", "4"), of("P", "5")]
    first = invoice("I", "10", *parts, customer_id="dora")
    for told in (first, {**first, "lines": parts[::-1]}, first):
        assert ledger.code(told) == "customer_unknown"
    with ledger.town.database.read() as tx:
        assert len(tx.execute(select(quarantine.c.quarantine_id)).all()) == 1


@pytest.mark.parametrize("again", ["parts", "alias"])
def test_what_waits_and_is_said_again_in_other_words_waits_once(ledger: Ledger, again: str) -> None:
    ledger.town.put("anna", aliases=("old-anna",))
    parts = [line("4", "EUR", order_id="O"), line("5", "EUR", order_id="P")]
    first = fact("invoice", "I", lines=parts, **EURO)
    other = {"lines": parts[::-1]} if again == "parts" else {"customer_id": "old-anna"}
    for told in (first, {**first, **other}, first, {**first, **other}):
        assert ledger.code(told) == "fx_rate_missing"
    assert ledger.apply({**first, **other}, first) == ["quarantined"] * 2
    assert ledger.quarantined() == 1
    assert rate(ledger) == 1
    assert ledger.apply({**first, **other}) == ["duplicate"]
