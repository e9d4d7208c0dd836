"""Facts on a real database: repeats, any order, quarantine; the independent checker agrees."""

from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from sqlalchemy import select, text

from app.domain.accounts import Use
from app.domain.callers import Caller
from app.domain.errors import FieldError, SegmentUnknownError
from app.domain.money import Rate
from app.store import rates
from app.store.database import Database
from app.store.facts_quarantine import QuarantineFilter
from app.store.schema.evidence import feed, ledger_event
from app.usecases.facts_events import parse_events
from app.usecases.facts_quarantine import CloseQuarantined, ListQuarantine
from tests.domain.facts_cases import CASES, delivery, of, order, pay, to
from tests.domain.facts_cases import invoice as bill
from tests.domain.facts_world import ANNA, expected, fact, money
from tests.domain.test_facts_any_order import ledgers
from tests.server import Clock
from tests.usecases.facts_ledger import Fact, Ledger, batches

HOLD = "00000000-0000-7000-8000-000000000001"


@pytest.fixture
def ledger(database: Database, clock: Clock) -> Ledger:
    return Ledger.found(database, clock)


def test_any_order_and_any_batches_give_what_documents_say(ledger: Ledger) -> None:
    @settings(
        max_examples=25,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def tell(data: st.DataObject) -> None:
        facts = data.draw(ledgers())
        again = data.draw(st.lists(st.sampled_from(facts), max_size=5))
        ledger.clean_segment()
        for batch in batches(data.draw(st.permutations([*facts, *again])), 4):
            # an event_id is one statement for ever, and the segment is part of it
            ledger.apply(
                *({**one, "event_id": f"{ledger.segment}-{one['event_id']}"} for one in batch)
            )
        assert ledger.positions() == expected(facts)

    tell()
    ledger.town.exact()


def test_every_case_one_event_a_batch(ledger: Ledger) -> None:
    for name, (facts, use) in CASES.items():
        ledger.clean_segment(currencies=False)
        for one in facts:
            ledger.apply({**one, "event_id": f"{ledger.segment}-{one['event_id']}"})
        assert ledger.town.account("anna", ledger.segment).use == Use(**use), name
    ledger.town.exact()


def test_a_batch_twice_changes_nothing(ledger: Ledger) -> None:
    batch = [order(), delivery(), bill("I", "40", of()), pay("P", "15", to("I", "15"))]
    assert ledger.apply(*batch) == ["applied"] * 4
    seq, held = ledger.town.account("anna").seq, ledger.positions()
    assert ledger.apply(*batch) == ["duplicate"] * 4
    assert ledger.apply(*reversed(batch), *batch) == ["duplicate"] * 8
    assert (ledger.town.account("anna").seq, ledger.positions()) == (seq, held)


def test_a_repeat_within_a_batch_is_a_duplicate(ledger: Ledger) -> None:
    told = bill()
    assert ledger.apply(told, told, {**told, "event_id": "another"}) == [
        "applied",
        "duplicate",
        "duplicate",
    ]


def test_when_it_occurred_is_not_part_of_what_was_said(ledger: Ledger) -> None:
    told = bill()
    later = {**told, "occurred_at": "2026-06-11T00:00:00Z"}
    assert ledger.apply(told) + ledger.apply(later) == ["applied", "duplicate"]


def test_what_is_new_is_kept_as_evidence(ledger: Ledger) -> None:
    told = bill()
    ledger.apply(told)
    ledger.apply(told)
    with ledger.town.database.read() as tx:
        kept = tx.execute(
            select(ledger_event.c.type, ledger_event.c.result, ledger_event.c.payload)
        )
        assert [(row.type, row.result, row.payload["invoice_id"]) for row in kept] == [
            ("invoice", "applied", "I")
        ]
        assert tx.execute(select(feed.c.segment_id, feed.c.source, feed.c.last_at)).one() == (
            "main",
            "erp",
            ledger.town.clock(),
        )


def test_who_listens_hears_whose_documents_changed(ledger: Ledger) -> None:
    heard: list[int] = []
    listening = replace(ledger.town.facts, after=heard.extend)
    ledger.apply(bill())
    told = pay("P", "40", to(), customer_id="chie")
    listening(Caller("erp", frozenset()), parse_events([told, told]))
    ids = [ledger.town.account(name).account_id for name in ("anna", "chie")]
    assert heard == sorted(ids)


@pytest.mark.parametrize(
    "caller",
    [
        pytest.param(Caller("erp", frozenset(), frozenset({"EU"})), id="outside-the-key"),
        pytest.param(Caller("erp", frozenset()), id="unknown"),
    ],
)
def test_a_segment_out_of_sight_refuses_the_request(ledger: Ledger, caller: Caller) -> None:
    seen = {"outside-the-key": "main"}
    segment = seen["outside-the-key"] if caller.segments else "nowhere"
    with pytest.raises(FieldError) as refused:
        ledger.town.facts(caller, parse_events([{**bill(), "segment": segment}]))
    assert refused.value.field == "events[0].segment"


def test_an_unknown_customer_waits_until_it_is_there(ledger: Ledger) -> None:
    told = [bill("I", "40", customer_id="dora"), pay("P", "15", to("I", "15"), customer_id="dora")]
    assert ledger.apply(*told) == ["quarantined"] * 2
    assert ledger.apply(*told) == ["quarantined"] * 2
    ledger.town.put("dora")
    assert ledger.town.causes[-1:] == ["customer:dora"]
    assert ledger.town.facts.requeue("customer:dora") == 2
    assert ledger.town.position("dora") == Use(open_item=2500)
    assert set(ledger.waiting().values()) == {"APPLIED"}
    assert ledger.apply(*told) == ["duplicate"] * 2
    ledger.town.exact()


def test_an_alias_lets_go_too_and_one_customer_lets_go_no_other(ledger: Ledger) -> None:
    ledger.apply(bill("I", customer_id="old-anna"), bill("J", customer_id="somebody"))
    ledger.town.put("anna", aliases=("old-anna",))
    assert ledger.town.facts.requeue("customer:old-anna") == 1
    assert ledger.positions()[ANNA, "CNY"] == Use(open_item=4000)
    assert sorted(ledger.waiting().values()) == ["APPLIED", "OPEN"]
    assert ledger.town.facts.requeue() == 0


def test_an_account_counts_what_waits_for_it(ledger: Ledger) -> None:
    euro = [fact("invoice", f"E{number}", amount=money("10", "EUR")) for number in range(3)]
    assert ledger.apply(*euro, bill()) == ["quarantined"] * 3 + ["applied"]
    assert ledger.apply(*euro) == ["quarantined"] * 3
    assert ledger.quarantined() == 3
    assert ledger.quarantined("group") == 0
    ledger.town.exact()
    with ledger.town.database.begin() as tx:
        rates.add(tx, Rate("CNY", "EUR", Decimal("0.125"), "2026-06-15", "test"))
    assert ledger.town.facts.requeue("rate:CNY:EUR") == 3
    assert ledger.quarantined() == 0
    assert ledger.positions()[ANNA, "CNY"] == Use(open_item=4000)
    assert ledger.town.position("anna", "EUR") == Use(open_item=3000)
    ledger.town.exact()


def test_what_waits_moves_on_to_its_next_cause(ledger: Ledger) -> None:
    ledger.apply(fact("invoice", "E", amount=money("10", "EUR"), customer_id="dora"))
    ledger.town.put("dora")
    assert ledger.town.facts.requeue("customer:dora") == 0
    assert ledger.quarantined("dora") == 1
    ledger.town.exact()
    with ledger.town.database.begin() as tx:
        rates.add(tx, Rate("EUR", "CNY", Decimal(8), "2026-06-15", "test"))
    assert ledger.town.facts.requeue("rate:EUR:CNY") == 1
    assert ledger.quarantined("dora") == 0
    ledger.town.exact()


def test_a_newer_version_in_time_leaves_nothing_to_let_go(ledger: Ledger) -> None:
    ledger.apply(fact("invoice", "E", 1, amount=money("10", "EUR")), bill("E", "7", version=2))
    with ledger.town.database.begin() as tx:
        rates.add(tx, Rate("EUR", "CNY", Decimal(8), "2026-06-15", "test"))
    ledger.town.facts.requeue("rate:CNY:EUR")
    assert ledger.positions()[ANNA, "CNY"] == Use(open_item=700)
    assert list(ledger.waiting().values()) == ["SUPERSEDED"]
    assert ledger.quarantined() == 0


def test_what_came_to_wait_just_while_its_cause_came_is_let_go(ledger: Ledger) -> None:
    """The customer is put before the batch looks again: `after` is heard in between."""

    def put_meanwhile(_account_ids: object) -> None:
        ledger.town.put("dora")

    told = parse_events([bill(customer_id="dora")])
    late = replace(ledger.town.facts, after=put_meanwhile)
    assert [one.result for one in late(Caller("erp", frozenset()), told)] == ["quarantined"]
    assert ledger.town.position("dora") == Use(open_item=4000)


def test_who_cannot_let_it_go_right_now_leaves_it_to_background_work(ledger: Ledger) -> None:
    """The batch is in: BUSY would say that nothing was changed."""
    lock = text("SELECT FROM account WHERE customer_id = 'dora' FOR UPDATE")
    with ExitStack() as held:

        def put_and_lock(_account_ids: object) -> None:
            ledger.town.put("dora")
            held.enter_context(ledger.town.database.begin()).execute(lock)

        told = parse_events([bill(customer_id="dora")])
        late = replace(ledger.town.facts, after=put_and_lock, lock_timeout_ms=50)
        assert [one.result for one in late(Caller("erp", frozenset()), told)] == ["quarantined"]
    assert ledger.town.facts.requeue() == 1


CONFLICTS: dict[str, tuple[list[Fact], list[str], str]] = {
    "closed-by-a-newer-version": (
        [bill(), bill("I", "41"), bill("I", "42", version=2)],
        ["applied", "quarantined", "applied"],
        "SUPERSEDED",
    ),
    "not-closed-by-another-document": (
        [bill(), bill("I", "41"), bill("J", "42", version=2)],
        ["applied", "quarantined", "applied"],
        "OPEN",
    ),
    "not-closed-by-what-is-older": (
        [bill(version=2), bill("I", "41", version=2), bill("I", "42")],
        ["applied", "quarantined", "stale"],
        "OPEN",
    ),
}


@pytest.mark.parametrize("name", CONFLICTS)
@pytest.mark.parametrize("size", [1, 3])
def test_a_conflict_waits_for_a_newer_version(ledger: Ledger, name: str, size: int) -> None:
    facts, words, status = CONFLICTS[name]
    found = [word for batch in batches(facts, size) for word in ledger.apply(*batch)]
    assert found == words
    assert list(ledger.waiting().values()) == [status]
    assert ledger.quarantined() == (1 if status == "OPEN" else 0)
    assert REGISTRY.get_sample_value("aval_quarantine_size") == ledger.quarantined()
    ledger.town.exact()


def test_a_used_event_id_waits_and_is_not_counted_twice(ledger: Ledger) -> None:
    first, other = bill(), bill("J", "7")
    ledger.apply(first)
    other["event_id"] = first["event_id"]  # type: ignore[index]
    assert ledger.code(other) == "event_id_reused"
    assert ledger.apply(other, other) == ["quarantined"] * 2
    assert ledger.quarantined() == 1
    assert ledger.apply(first) == ["duplicate"]
    assert ledger.apply(bill("J", "7")) == ["applied"]
    assert ledger.quarantined() == 0
    assert ledger.apply(other) == ["duplicate"]
    ledger.town.exact()


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize(
    ("again", "word"),
    [
        pytest.param(bill("J", "7", version=1), "stale", id="older"),
        pytest.param(bill("J", "9", version=2), "duplicate", id="the-same"),
    ],
)
def test_a_used_event_id_is_cured_by_what_is_known_already(
    ledger: Ledger, again: Fact, word: str, size: int
) -> None:
    """Under a new id, as the documentation says; nothing of it need be applied."""
    ledger.apply(bill(), bill("J", "9", version=2))
    wrong = {**again, "event_id": "used"}
    ledger.apply({**bill("K"), "event_id": "used"})
    words = [word for batch in batches([wrong, again], size) for word in ledger.apply(*batch)]
    assert words == ["quarantined", word]
    assert ledger.quarantined() == 0
    ledger.town.exact()


@pytest.mark.parametrize("size", [1, 3])
def test_what_is_newer_than_all_that_is_known_goes_on_waiting(ledger: Ledger, size: int) -> None:
    """Nobody told it under an id of its own; a repeat of what came before it changes nothing."""
    first = bill("J", "9")
    ledger.apply(first, {**bill("K"), "event_id": "used"})
    newer = {**bill("J", "0", version=2), "event_id": "used"}
    again = [newer, first, {**first, "event_id": "other"}]
    words = [word for batch in batches(again, size) for word in ledger.apply(*batch)]
    assert words == ["quarantined", "duplicate", "duplicate"]
    assert (ledger.quarantined(), ledger.positions()[ANNA, "CNY"].open_item) == (1, 49_00)
    ledger.town.exact()


def test_what_was_laid_aside_is_not_known(ledger: Ledger) -> None:
    """A repeat of it is a duplicate; what waits behind it must not be taken for older."""
    ledger.apply(bill("J", "9"), {**bill("K"), "event_id": "used"})
    newest, newer = (
        {**bill("J", amount, version=version), "event_id": "used"}
        for amount, version in (("1", 3), ("0", 2))
    )
    ledger.apply(newest)
    everybody = Caller("erp", frozenset())
    ((row,), _) = ListQuarantine(ledger.town.database)(everybody, QuarantineFilter(9))
    close = CloseQuarantined(ledger.town.database, ledger.town.clock)
    close(everybody, str(row.quarantine_id), "a mistake")
    assert ledger.apply(newer, newest) == ["quarantined", "duplicate"]
    assert ledger.apply(newest) == ["duplicate"]
    assert (ledger.quarantined(), ledger.positions()[ANNA, "CNY"].open_item) == (1, 49_00)
    ledger.town.exact()


def test_a_conflict_is_not_cured_by_what_it_conflicts_with(ledger: Ledger) -> None:
    ledger.apply(bill("J", "9"))
    assert ledger.apply(bill("J", "7")) == ["quarantined"]
    assert ledger.apply({**bill("J", "9"), "event_id": "other"}) == ["duplicate"]
    assert ledger.quarantined() == 1
    ledger.town.exact()


def test_what_waits_is_listed_page_by_page_within_sight(ledger: Ledger) -> None:
    ledger.apply(*(bill(f"I{number}", customer_id="dora") for number in range(3)))
    listing = ListQuarantine(ledger.town.database)
    everybody = Caller("erp", frozenset())
    first, more = listing(everybody, QuarantineFilter(2))
    assert more
    assert [one.payload["invoice_id"] for one in first] == ["I0", "I1"]
    rest, more = listing(everybody, QuarantineFilter(2, first[-1].quarantine_id))
    assert not more
    assert [one.payload["invoice_id"] for one in rest] == ["I2"]
    assert rest[0].problem.code == "customer_unknown"
    confined = Caller("erp", frozenset(), frozenset({"EU"}))
    assert listing(confined, QuarantineFilter(9)) == ([], False)
    with pytest.raises(SegmentUnknownError):
        listing(confined, QuarantineFilter(9, segment_id="main"))
