"""A fact that waits counts on all whose figures it would have changed, not on its payer alone."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import select

from app.domain.callers import Caller
from app.store import accounts
from app.store.database import Database
from app.store.facts_quarantine import QuarantineFilter
from app.store.schema.evidence import quarantine
from app.usecases.facts_quarantine import CloseQuarantined, ListQuarantine
from tests.domain.facts_cases import BILL, Fact, delivery, invoice, order, pay, to
from tests.domain.facts_world import fact, line
from tests.server import Clock
from tests.usecases.facts_ledger import Ledger
from tests.usecases.test_groups import merge
from tests.usecases.town import ADMIN, wait_for_a_waiter

ALL = Caller("desk", frozenset({"ledger:read"}))


@pytest.fixture
def ledger(database: Database, clock: Clock) -> Iterator[Ledger]:
    """Give a ledger in which chie paid an invoice of anna's by a bill."""
    made = Ledger.found(database, clock)
    assert made.apply(invoice(), paid()) == ["applied", "applied"]
    yield made
    with made.town.database.read() as tx:  # whom it concerns besides its own, each once
        found = tx.execute(select(quarantine.c.account_id, quarantine.c.concerns)).all()
    for row in found:
        assert len({row.account_id, *row.concerns}) == 1 + len(row.concerns)
    made.town.exact()


def paid(amount: str = "40", *parts: Fact, version: int = 1, **more: object) -> Fact:
    """Write what chie pays for anna, by the bill N unless something else is said."""
    terms = {"note": BILL, **more}
    return pay("P", amount, *(parts or (to("I"),)), version=version, customer_id="chie", **terms)


def counts(ledger: Ledger) -> dict[str, int]:
    """Tell on whom something that waits counts."""
    names = ("anna", "bert", "chie")
    return {name: n for name in names if (n := ledger.quarantined(name))}


def rows(ledger: Ledger) -> list[int]:
    with ledger.town.database.read() as tx:
        return list(tx.execute(select(quarantine.c.quarantine_id)).scalars())


def close(ledger: Ledger) -> None:
    for row in rows(ledger):
        CloseQuarantined(ledger.town.database, ledger.town.clock)(ADMIN, str(row), "not ours")


BOUNCED = fact("note", "N", 2, status="DISHONOURED", customer_id="dora")


@pytest.mark.parametrize(
    ("told", "code", "waits"),
    [
        pytest.param(BOUNCED, "customer_unknown", {"anna": 1, "chie": 1}, id="bounces"),
        pytest.param(
            paid("0", line("0", invoice_id="I")),
            "version_conflict",
            {"anna": 1, "chie": 1},
            id="taken-back-under-a-used-version",
        ),
        pytest.param(
            pay("Q", "4", to("I", "4"), customer_id="dora"),
            "customer_unknown",
            {"anna": 1},
            id="pays-for-her-too",
        ),
        pytest.param(
            pay("Q", "4", to("J", "4"), customer_id="dora"), "customer_unknown", {}, id="of-nobody"
        ),
        pytest.param(
            fact("credit_note", "C", invoice_id="I", amount="4", customer_id="dora"),
            "customer_unknown",
            {"anna": 1},
            id="credits-her-invoice",
        ),
        pytest.param(
            {**invoice("I", "44", version=2), "customer_id": "dora"},
            "customer_unknown",
            {"anna": 1, "chie": 1},
            id="the-invoice-itself",
        ),
    ],
)
def test_whom_a_fact_that_waits_concerns(
    ledger: Ledger, told: Fact, code: str, waits: dict[str, int]
) -> None:
    assert ledger.code(told) == code
    assert counts(ledger) == waits
    ledger.town.exact()
    for name in waits:
        assert listed(ledger, name) == [told["event_id"]]
    close(ledger)
    assert counts(ledger) == {}


def listed(ledger: Ledger, customer: str) -> list[str]:
    found, _ = ListQuarantine(ledger.town.database)(ALL, QuarantineFilter(9, customer=customer))
    return [one.event_id for one in found]


def test_what_it_waited_for_takes_it_off_everybody(ledger: Ledger) -> None:
    ledger.apply(BOUNCED)
    ledger.town.put("dora")
    assert ledger.town.facts.requeue() == 1
    assert counts(ledger) == {}
    assert ledger.town.account("anna").use.open_item == 4000


def test_a_newer_version_takes_it_off_everybody(ledger: Ledger) -> None:
    ledger.apply(paid("0", line("0", invoice_id="I")))
    assert counts(ledger) == {"anna": 1, "chie": 1}
    ledger.apply(paid("39", to("I", "39"), version=2))
    assert counts(ledger) == {}


def test_who_is_concerned_is_found_again_when_it_is_tried_again(ledger: Ledger) -> None:
    ledger.apply(pay("Q", "4", to("J", "4"), customer_id="dora"))
    ledger.apply(invoice("J", "7"))
    assert counts(ledger) == {}
    (row,) = rows(ledger)
    assert ledger.town.facts.retry(ADMIN, str(row)).result == "quarantined"
    assert counts(ledger) == {"anna": 1}
    close(ledger)


def test_who_else_is_told_of_changes_nothing(ledger: Ledger) -> None:
    """Anna delivered for an order that chie pays by now: its reservation is not hers."""
    told = [delivery(), order(customer_id="chie")]
    assert ledger.apply(*told) == ["applied", "applied"]
    conflict = {**delivery(amount="41"), "event_id": "other"}
    assert ledger.apply(invoice("J", customer_id="chie"), conflict) == ["applied", "quarantined"]
    assert counts(ledger) == {"anna": 1}


def is_applied(ledger: Ledger) -> str:
    """Let a bill bounce under dora, who comes; nothing is paid by it any more."""
    ledger.apply(BOUNCED, paid("40", to("I"), version=2, note=None))
    ledger.town.put("dora")
    return "dora"


def is_superseded(ledger: Ledger) -> str:
    """Let chie tell a payment of anna's invoice anew, which is bert's by now."""
    ledger.apply(paid("0", line("0", invoice_id="I")))
    ledger.apply({**invoice("I", "40", version=2), "customer_id": "bert"})
    return "chie"


@pytest.mark.parametrize("case", [is_applied, is_superseded])
def test_who_is_concerned_no_more_is_locked_with_the_rest(
    ledger: Ledger, case: Callable[[Ledger], str]
) -> None:
    """In order: whoever waits for anna's account, the first, holds none of the others'."""
    customer = case(ledger)
    assert counts(ledger) == {"anna": 1, "chie": 1}
    ends: dict[str, Callable[[], object]] = {
        "dora": ledger.town.facts.requeue,
        "chie": partial(ledger.apply, paid("39", to("I", "39"), version=2)),
    }
    first, last = (ledger.town.account(name).account_id for name in ("anna", customer))
    assert first < last
    with ThreadPoolExecutor(1) as pool:
        with ledger.town.database.begin() as tx:
            accounts.lock(tx, [first])
            ended = pool.submit(ends[customer])
            wait_for_a_waiter(ledger.town.database)
            assert accounts.lock_idle(tx, [last]).keys() == {last}
        ended.result()
    assert counts(ledger) == {}


def test_merged_records_are_concerned_once(ledger: Ledger) -> None:
    ledger.apply(BOUNCED, pay("Q", "4", to("I", "4"), customer_id="dora"))
    ledger.apply(paid("0", line("0", invoice_id="I")))
    assert counts(ledger) == {"anna": 3, "chie": 2}
    merge(ledger.town, "anna", "chie")
    assert ledger.quarantined("chie") == 3
    ledger.town.exact()
    close(ledger)
    assert ledger.quarantined("chie") == 0
