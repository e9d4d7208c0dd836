"""What is settled in another currency comes back, lapses and is merged at a rate that is there."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from app.store.database import Database
from app.store.schema.evidence import journal
from app.usecases.facts_lapse import LapseProvisional
from app.usecases.segments import SegmentChange
from tests.server import Clock
from tests.usecases.figures_town import Nightly
from tests.usecases.test_groups import merge
from tests.usecases.town import ADMIN, Town

DAYS = {"issue_date": "2026-06-01", "due_date": "2026-06-30"}
BILL = {"note_id": "N", "kind": "COMMERCIAL", "due_date": "2026-09-01"}


@pytest.fixture
def town(database: Database, clock: Clock) -> Iterator[Town]:
    """Open a town where 1 USD is 7 CNY."""
    made = Town.found(database, clock)
    yield made
    made.exact()


def bill(town: Town, name: str, *lines: dict[str, object], customer_id: str = "A") -> None:
    """Report an invoice of 100 USD, and that it is paid."""
    usd = {"amount": 100_00, "currency": "USD"}
    town.fact("invoice", customer_id, invoice_id=f"I-{name}", lines=[*lines], **usd, **DAYS)
    parts = [{"invoice_id": f"I-{name}", "amount": 100_00}]
    pay = {"payment_id": f"P-{name}", "paid_date": "2026-06-02", "allocations": parts, **usd}
    town.fact("payment", customer_id, **pay, **({"note": BILL} if name == "N" else {}))


def dishonour(town: Town) -> str:
    assert town.fact("note", "A", note_id="N", status="PAID") == "applied"
    return town.fact("note", "A", note_id="N", version=2, status="DISHONOURED")


def take_back(town: Town) -> str:
    assert town.fact("note", "A", note_id="N", status="PAID") == "applied"
    gone = {"payment_id": "P-N", "amount": 0, "paid_date": "2026-06-02"}
    return town.fact("payment", "A", version=2, **gone)


def rewrite(town: Town) -> str:
    return town.fact("invoice", "A", version=2, invoice_id="I-N", amount=700_00, **DAYS)


@pytest.mark.parametrize(("told", "owed"), [(dishonour, 700_00), (take_back, 700_00), (rewrite, 0)])
def test_what_opens_a_settled_position_again_is_applied(
    town: Town, told: Callable[[Town], str], owed: int
) -> None:
    town.put("A")
    bill(town, "N")
    if told is rewrite:  # the bill becomes money that nothing is owed for
        assert dishonour(town) == "applied"
        assert town.fact("note", "A", note_id="N", version=3, status="PAID") == "applied"
    assert told(town) == "applied"
    use = town.account("A").use
    assert use.open_item + use.note_receivable - use.prepayment == owed


def adjusted_away(town: Town) -> datetime:
    """Report A's and B's provisional money and adjust A's away; say when it expires."""
    change = SegmentChange("main", provisional_haircut_percent=0)
    town.parties.put_segment(ADMIN, "main", change)
    ends = town.clock() + timedelta(hours=1)
    for name, currency in (("A", "USD"), ("B", "CNY")):
        pay = {"payment_id": name, "amount": 100_00, "currency": currency}
        until = {"status": "PROVISIONAL", "expires_at": ends.isoformat()}
        town.fact("payment", name, paid_date="2026-06-15", **pay, **until)
    Nightly(town).set_to("A", "PREPAYMENT", 0, "USD")
    return ends


def kinds(town: Town, customer_id: str, ref: str) -> list[str]:
    """List what the journal of an account tells of a document."""
    query = select(journal.c.kind).where(journal.c.ref == ref).order_by(journal.c.seq)
    mine = journal.c.account_id == town.account(customer_id).account_id
    with town.database.read() as tx:
        return [*tx.execute(query.where(mine)).scalars()]


def test_provisional_money_that_was_adjusted_away_lapses(town: Town) -> None:
    """The sweep is of all customers: one that fails would keep all others' money."""
    town.put("A")
    town.put("B")
    ends = adjusted_away(town)
    assert LapseProvisional(town.database)(ends, 100) == 2
    assert town.account("B").use.prepayment == 0
    assert town.account("A").use.total == 0
    assert kinds(town, "A", "payment:A") == ["FACT", "ADJUSTMENT", "FACT"]


def test_it_lapses_where_no_rate_is_known_any_more(town: Town, clock: Clock) -> None:
    """Nothing is posted then but in the group, which values its other member's money."""
    for name, group in (("G", None), ("A", "G"), ("C", "G"), ("B", None)):
        town.put(name, parent_id=group)
    adjusted_away(town)
    town.invoice("C", 10_00, "USD")
    clock.advance(days=8)
    assert LapseProvisional(town.database)(clock(), 100) == 2
    assert town.account("B").use.prepayment == 0
    assert town.account("A").use.total == 0
    assert kinds(town, "A", "payment:A") == ["FACT"]
    assert town.account("G").use.total == 70_00
    assert kinds(town, "G", "payment:A") == ["FACT", "ADJUSTMENT", "FACT"]


def test_what_was_adjusted_away_goes_without_a_rate_but_nothing_comes_without_one(
    town: Town, clock: Clock
) -> None:
    town.put("A")
    usd = {"currency": "USD"}
    town.fact("invoice", "A", invoice_id="I", amount=100_00, **usd, **DAYS)
    Nightly(town).set_to("A", "OPEN_ITEM", 0, "USD")
    clock.advance(days=8)
    pay = {"payment_id": "P", "paid_date": "2026-06-15", **usd}
    parts = [{"invoice_id": "I", "amount": 100_00}]
    assert town.fact("payment", "A", amount=150_00, allocations=parts, **pay) == "quarantined"
    paid = town.fact("payment", "A", version=2, amount=100_00, allocations=parts, **pay)
    assert paid == "applied"
    assert town.account("A").foreign == {}


def test_a_merge_counts_anew_what_was_settled(town: Town) -> None:
    for name, order_id in (("H", "O2"), ("K", "O1")):
        town.put(name)
        some = {"delivery_id": "D", "order_id": order_id, "amount": 100_00, "currency": "USD"}
        assert town.fact("delivery", name, **some) == "applied"
        bill(town, name, {"delivery_id": "D", "amount": 100_00}, customer_id=name)
    merge(town, "K", into="H")
    assert town.account("H").use.prepayment == 0
