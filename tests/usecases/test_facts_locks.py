"""Batches at once and what they lock; orders, holds and limits that facts meet on the way."""

from collections.abc import Callable, Sequence
from datetime import date
from itertools import permutations
from random import Random

import pytest
from sqlalchemy import insert, select

from app.domain.accounts import Use
from app.domain.facts import Result
from app.domain.money import Money
from app.domain.orders import Order
from app.store import orders
from app.store.database import Database
from app.store.schema.decisions import order_hold
from app.store.schema.documents import past_authorization
from app.store.schema.evidence import journal, order_hold_event, quarantine
from app.usecases.limits import LimitAsk
from tests.domain.facts_cases import delivery, invoice, of, order, pay, to
from tests.domain.facts_world import ANNA, BERT, CHIE, expected, fact, line
from tests.server import Clock
from tests.usecases.facts_ledger import Fact, Ledger, batches
from tests.usecases.town import at_once

HOLD = "00000000-0000-7000-8000-000000000001"
AUTHORIZATION = "00000000-0000-7000-8000-000000000002"
NAMES = ("anna", "bert", "chie")


@pytest.fixture
def ledger(database: Database, clock: Clock) -> Ledger:
    return Ledger.found(database, clock)


def telling(ledger: Ledger, parts: Sequence[Sequence[Fact]]) -> Callable[[], list[Result]]:
    """Make an act that reports batches one after the other."""
    return lambda: [result for part in parts for result in ledger.tell(part)]


def month(rng: Random) -> list[Fact]:
    """Make facts of three payers who pay each other's invoices, in up to two versions."""
    facts: list[Fact] = []
    for number in range(25):
        name = f"{number % 9}"
        who = rng.choice(NAMES)
        facts += [
            fact("order", f"O{name}", 1 + number // 9, amount="90", status="OPEN", customer_id=who),
            delivery(f"D{number}", "20", f"O{rng.randrange(9)}", customer_id=who),
            invoice(
                f"I{number}",
                "40",
                of(f"O{name}", "10"),
                line("20", delivery_id=f"D{number}"),
                customer_id=rng.choice(NAMES),
            ),
            pay(
                f"P{number}",
                "40",
                to(f"I{rng.randrange(25)}", "30"),
                to(f"I{number}", "10"),
                customer_id=who,
            ),
            fact(
                "credit_note",
                f"C{number}",
                amount="5",
                invoice_id=f"I{rng.randrange(25)}",
                customer_id=rng.choice(NAMES),
            ),
        ]
        if number % 5 == 0:
            facts.append(pay(f"P{number}", "0", version=2, customer_id=who))
    return facts


@pytest.mark.parametrize("seed", range(2))
def test_overlapping_batches_at_once_end_as_if_told_in_turn(ledger: Ledger, seed: int) -> None:
    rng = Random(seed)
    facts = month(rng)
    acts = []
    for _ in range(4):
        mixed = rng.sample(facts, len(facts))
        acts.append(telling(ledger, batches(mixed, rng.choice([3, 17, 60]))))
    for answer in at_once(*acts):
        assert isinstance(answer, list), answer
        assert {result.result for result in answer} <= {"applied", "duplicate", "stale"}
    assert ledger.positions() == expected(facts)
    ledger.town.exact()


PAIRS: dict[str, tuple[Fact, Fact]] = {
    "invoice-and-payment-of-two-payers": (invoice(), pay("P", "40", to(), customer_id="chie")),
    "two-payers-for-an-invoice-to-come": (
        pay("P", "10", to("I", "10")),
        pay("Q", "10", to("I", "10"), customer_id="chie"),
    ),
    "invoice-and-credit-note-of-two-payers": (
        invoice(),
        fact("credit_note", "C", amount="15", invoice_id="I", customer_id="chie"),
    ),
    "bill-and-payment-of-two-payers": (
        fact("note", "N", status="DISHONOURED", customer_id="chie"),
        pay("P", "40", note={"note_id": "N", "kind": "BANK", "due_date": "2026-09-30"}),
    ),
    "two-versions-of-two-payers": (
        invoice("I", "1"),
        invoice("I", "2", version=2, customer_id="chie"),
    ),
    "an-order-of-two-payers": (order(1), order(2, "60", customer_id="chie")),
    "one-event-twice": (invoice(), invoice()),
}


@pytest.mark.parametrize("name", PAIRS)
def test_documents_of_two_batches_find_each_other(ledger: Ledger, name: str) -> None:
    """They share no account lock, so what serialises them is the key of a document."""
    pair = PAIRS[name]
    for _ in range(5):
        ledger.clean_segment(currencies=False)
        told = [{**one, "event_id": f"{ledger.segment}-{one['event_id']}"} for one in pair]
        answers = at_once(*(telling(ledger, [[one]]) for one in told))
        assert all(isinstance(answer, list) for answer in answers), answers
        assert ledger.positions() == expected(pair)
    ledger.town.exact()


BILL = {"note_id": "N", "kind": "BANK", "due_date": "2026-09-30"}
BILLS: dict[str, tuple[list[Fact], tuple[Fact, Fact]]] = {
    "told-by-another-before": (
        [invoice("I", "40"), fact("note", "N", status="ENDORSED", customer_id="chie")],
        (
            pay("P", "40", to(), note=BILL),
            fact("note", "N", 2, status="DISHONOURED", customer_id="chie"),
        ),
    ),
    "paid-with-by-another-before": (
        [
            invoice("I", "40"),
            pay("P", "40", to(), note=BILL),
            invoice("J", "40", customer_id="chie"),
        ],
        (
            pay("Q", "40", to("J"), note=BILL, customer_id="chie"),
            fact("note", "N", status="DISHONOURED"),
        ),
    ),
}


@pytest.mark.parametrize("name", BILLS)
def test_a_known_bill_bounces_while_another_payer_pays_by_it(ledger: Ledger, name: str) -> None:
    """Its row is there already, so no key of a document serialises them: an account must."""
    before, pair = BILLS[name]
    for _ in range(10):
        ledger.clean_segment(currencies=False)
        first, *told = (
            [{**one, "event_id": f"{ledger.segment}-{one['event_id']}"} for one in part]
            for part in (before, pair[:1], pair[1:])
        )
        ledger.apply(*first)
        answers = at_once(*(telling(ledger, [part]) for part in told))
        assert all(isinstance(answer, list) for answer in answers), answers
        assert ledger.positions() == expected([*before, *pair])
    ledger.town.exact()


def test_one_event_id_used_twice_at_once_is_one_statement(ledger: Ledger) -> None:
    for number in range(5):
        told = [invoice(f"I{number}"), invoice(f"J{number}", customer_id="chie")]
        named = [{**one, "event_id": f"same-{number}"} for one in told]
        answers = at_once(*(telling(ledger, [[one]]) for one in named))
        words = [one.result for answer in answers if isinstance(answer, list) for one in answer]
        assert sorted(words) == ["applied", "quarantined"]
    ledger.town.exact()


CHAINS: dict[str, list[Fact]] = {
    "a-payment-leaves-an-invoice-it-no-longer-names": [
        invoice(customer_id="bert"),
        invoice("J", customer_id="chie"),
        pay("P", "40", to()),
        pay("P", "40", to("J"), version=2),
    ],
    "a-bill-bounces-on-invoices-of-others": [
        invoice(customer_id="bert"),
        pay("P", "40", to(), note={"note_id": "N", "kind": "BANK", "due_date": "2026-09-30"}),
        fact("note", "N", status="DISHONOURED", customer_id="chie"),
    ],
    "an-invoice-comes-to-payments-of-others": [
        pay("P", "10", to("I", "10"), customer_id="bert"),
        pay("Q", "10", to("I", "10"), to("J", "0"), customer_id="chie"),
        invoice(),
        invoice("I", "0", version=2),
        invoice("I", "50", version=3, customer_id="bert"),
    ],
    "an-invoice-leaves-its-orders": [
        order(),
        invoice("I", "40", of()),
        invoice("I", "40", of("O2"), version=2),
        invoice("I", "40", of("O2"), version=3, customer_id="chie"),
    ],
    "a-line-knows-its-delivery-alone": [
        order(),
        delivery("D", "30", "O"),
        delivery("D", "30", "O2"),
        invoice("I", "40", line("40", delivery_id="D")),
        delivery("D", "0", "O", version=2),
        invoice("J", "5", line("5", delivery_id="D", final=True)),
    ],
    "a-delivery-moves-to-another-payer": [
        order(),
        delivery(),
        delivery("D", "50", version=2, customer_id="bert"),
    ],
    "a-credit-note-moves-from-invoice-to-invoice": [
        invoice(customer_id="bert"),
        invoice("J", customer_id="chie"),
        fact("credit_note", "C", amount="5", invoice_id="I"),
        fact("credit_note", "C", 2, amount="5", invoice_id="J"),
        fact("credit_note", "C", 3, amount="5"),
    ],
}


@pytest.mark.parametrize("name", CHAINS)
def test_what_a_document_left_behind_is_found(ledger: Ledger, name: str) -> None:
    facts = CHAINS[name]
    for size in (1, len(facts)):
        ledger.clean_segment(currencies=False)
        told = [{**one, "event_id": f"{ledger.segment}-{one['event_id']}"} for one in facts]
        for batch in batches(told, size):
            assert set(ledger.apply(*batch)) == {"applied"}
        assert ledger.positions() == expected(facts)
    ledger.town.exact()


def add_order(ledger: Ledger, **fields: object) -> None:
    """Put an order as asks leave it."""
    account_id = ledger.town.account("anna").account_id
    root = {"version": 1, **fields}
    with ledger.town.database.begin() as tx:
        orders.write(tx, [Order("main", "O", account_id, "CNY", **root)])  # type: ignore[arg-type]


def stored_order(ledger: Ledger) -> Order:
    with ledger.town.database.read() as tx:
        return orders.get_many(tx, [("main", "O")])["main", "O"]


def test_closing_an_order_cancels_its_hold(ledger: Ledger) -> None:
    account = ledger.town.account("anna")
    at = ledger.town.clock()
    with ledger.town.database.begin() as tx:
        tx.execute(
            insert(order_hold).values(
                hold_id=HOLD,
                kind="AUTOMATIC",
                customer_id="anna",
                account_id=account.account_id,
                segment_id="main",
                order_id="O",
                opened_at=at,
                updated_at=at,
            )
        )
    add_order(ledger, hold_id=HOLD, hold_kind="AUTOMATIC")
    assert ledger.apply(order(2, status="CLOSED")) == ["applied"]
    with ledger.town.database.read() as tx:
        assert tx.execute(select(order_hold.c.status, order_hold.c.closed_at)).one() == (
            "CANCELLED",
            at,
        )
        event = tx.execute(select(order_hold_event.c.action, order_hold_event.c.client)).one()
        assert event == ("cancel", "tests")
    assert (stored_order(ledger).hold_id, stored_order(ledger).closed_version) == (None, 2)
    ledger.town.exact()


def test_an_order_that_moves_leaves_its_authorization_as_evidence(ledger: Ledger) -> None:
    assert ledger.apply(order()) == ["applied"]
    first = stored_order(ledger)
    assert ledger.apply(order(2, "60", customer_id="chie")) == ["applied"]
    with ledger.town.database.read() as tx:
        past = tx.execute(select(past_authorization)).mappings().one()
    assert str(past["authorization_id"]) == first.authorization_id
    assert (past["account_id"], past["authorized_minor"]) == (first.account_id, 10000)
    assert stored_order(ledger).authorization_id not in {None, first.authorization_id}
    assert ledger.positions() == {(CHIE, "CNY"): Use(authorized=6000)}


def test_a_limit_that_lapsed_is_journalled_before_the_fact(ledger: Ledger) -> None:
    town = ledger.town
    limit = Money(10000, "CNY")
    town.propose("anna", LimitAsk("base", "main", limit, valid_to=date(2026, 6, 20)))
    ledger.apply(invoice("I", "60"))
    assert town.account("anna").forced == 0
    town.clock.advance(days=6)
    result = ledger.tell([invoice("J", "1")])[0]
    assert [(one.customer_id, one.excess) for one in result.over_limit][:1] == [("anna", 6100)]
    assert town.account("anna").forced == 6100
    with town.database.read() as tx:
        query = select(journal.c.kind).where(
            journal.c.account_id == town.account("anna").account_id
        )
        kinds = list(tx.execute(query.order_by(journal.c.seq)).scalars())
    assert kinds[-3:] == ["FACT", "LIMIT_EFFECTIVE", "FACT"]
    town.exact()


def test_a_payer_without_an_account_in_the_segment_gets_one(ledger: Ledger) -> None:
    ledger.clean_segment(currencies=False)
    assert at_once(
        *(telling(ledger, [[invoice(f"I{n}", customer_id=NAMES[n % 3])]]) for n in range(6))
    )
    assert ledger.positions() == {
        (one, "CNY"): Use(open_item=amount)
        for one, amount in ((1, 16000), (ANNA, 8000), (BERT, 8000), (CHIE, 8000))
    }


def test_trouble_with_what_waits_does_not_undo_a_report(ledger: Ledger) -> None:
    """It is committed by then: who heard BUSY would repeat what nothing is wrong with."""
    told = invoice("J")
    used = {**told, "event_id": "used"}
    ledger.apply(told, {**invoice("K"), "event_id": "used"})
    assert ledger.code(used) == "event_id_reused"
    again = {**told, "event_id": "again"}
    with ledger.town.database.begin() as tx:
        tx.execute(select(quarantine.c.quarantine_id).with_for_update())
        assert ledger.apply(again) == ["duplicate"]
    assert ledger.quarantined() == 1
    assert ledger.apply({**told, "event_id": "once-more"}) == ["duplicate"]
    assert ledger.quarantined() == 0
    ledger.town.exact()


def test_three_facts_in_every_order_at_the_edge_of_a_reservation(ledger: Ledger) -> None:
    told = [order(), delivery("D", "70"), invoice("I", "90", of("O", "90"))]
    for facts in permutations(told):
        ledger.clean_segment(currencies=False)
        ledger.apply(*({**one, "event_id": f"{ledger.segment}-{one['event_id']}"} for one in facts))
        assert ledger.positions()[ANNA, "CNY"] == Use(authorized=1000, open_item=9000)
