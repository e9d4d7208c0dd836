"""What was told of versions before the newest: kept the same whatever came first."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.facts import EXPECTED, Held, PaymentBody
from app.domain.facts_retold import Place, kind_of, shown
from tests.domain.facts_world import AT, World, fact, line
from tests.domain.test_facts_any_order import ledgers

Fact = Mapping[str, Any]
MOMENTS = st.integers(-30, 3).map(lambda days: (AT + timedelta(days=days)).isoformat())


def kept(world: World) -> dict[tuple[Place, int], tuple[object, ...]]:
    """Give every version that was told, the newest ones too."""
    book, found = world.clerk.book, dict(world.clerk.changes.retold.versions)
    documents: dict[Place, Held[Any]] = {
        **{("invoice", (name, "")): one for name, one in book.invoices.items()},
        **{("payment", (name, "")): one for name, one in book.payments.items()},
        **{("note", (name, "")): one for name, one in book.notes.items()},
        **{("credit", key): one for key, one in book.credits.items()},
    }
    found |= {
        (place, one.version): one for place, one in documents.items() if one.version > EXPECTED
    }
    return {key: (one.told_at, one.account_id, shown(one.body)) for key, one in found.items()}


def marked(world: World) -> set[tuple[str, str, str]]:
    """Give the invoices that are marked, payments by dishonoured bills too."""
    retold, book = world.clerk.changes.retold, world.clerk.book
    found = {mark[:3] for mark in retold.marks}
    bad = {
        place[1][0]
        for (place, _), (_, _, body) in kept(world).items()
        if place[0] == "note" and body == {"status": "DISHONOURED"}
    }
    for name in retold.noted:
        body = book.payments[name].body
        if body.note and body.note.note_id in bad:
            found |= {(one.invoice_id, "payment", name) for one in body.allocations}
    return found


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_order_of_reports_keeps_the_same_versions(data: st.DataObject) -> None:
    facts = [{**one, "occurred_at": data.draw(MOMENTS)} for one in data.draw(ledgers())]
    more = data.draw(st.lists(st.sampled_from(facts), max_size=5))
    facts += [{**one, "occurred_at": data.draw(MOMENTS)} for one in more]
    straight, shuffled = World(), World()
    straight.apply(*facts)
    shuffled.apply(*data.draw(st.permutations(facts)))
    assert kept(shuffled) == kept(straight)
    assert marked(shuffled) == marked(straight)


@settings(max_examples=80, deadline=None)
@given(st.lists(ledgers(), min_size=1, max_size=1))
def test_whatever_was_told_otherwise_is_marked(drawn: list[list[Fact]]) -> None:
    world = World()
    world.apply(*drawn[0])
    said: dict[Place, set[str]] = {}
    reached: dict[Place, set[str]] = {}
    for (place, _), (_, account, body) in kept(world).items():
        assert isinstance(body, dict)
        said.setdefault(place, set()).add(f"{body} {account if place[0] == 'invoice' else ''}")
        parts = {one[0] for one in body.get("allocations", ())}
        parts |= {body["invoice_id"]} if body.get("invoice_id") else set()
        reached.setdefault(place, set()).update(parts)
    expected = {
        (invoice_id, kind_of(place), place[1][0])
        for place, bodies in said.items()
        if len(bodies) > 1 and place[0] != "note"
        for invoice_id in ({place[1][0]} if place[0] == "invoice" else reached[place])
    }
    bills = {
        place[1][0]
        for (place, _), (_, _, body) in kept(world).items()
        if place[0] == "note" and body == {"status": "DISHONOURED"}
    }
    by_bill = {
        (one.invoice_id, "payment", name)
        for name, held in world.clerk.book.payments.items()
        if held.body.note and held.body.note.note_id in bills
        for one in held.body.allocations
    }
    assert marked(world) == expected | by_bill


def told_at(world: World) -> datetime | None:
    return world.clerk.book.payments["P"].told_at


def test_a_version_counts_from_its_earliest_report_and_at_the_latest_since_it_came() -> None:
    world = World()
    paid: dict[str, Any] = {"amount": "5", "allocations": [line("5", invoice_id="I")]}
    for moment, expected in (
        ("2027-01-01T00:00:00Z", AT),
        ("2026-06-10T00:00:00+08:00", datetime(2026, 6, 9, 16, tzinfo=UTC)),
        ("2026-06-12T00:00:00Z", datetime(2026, 6, 9, 16, tzinfo=UTC)),
    ):
        world.apply(fact("payment", "P", occurred_at=moment, **paid))
        assert told_at(world) == expected
    assert world.clerk.changes.retold.versions == {}
    assert isinstance(world.clerk.book.payments["P"].body, PaymentBody)


@pytest.mark.parametrize("kind", ["delivery", "order", "dispute"])
def test_what_no_feature_of_a_day_asks_is_not_kept(kind: str) -> None:
    world = World()
    more: dict[str, dict[str, Any]] = {
        "dispute": {"open": True},
        "order": {"amount": "1", "status": "OPEN"},
        "delivery": {"amount": "1"},
    }
    for version in (2, 3, 1):
        world.apply(fact(kind, "X", version, **more[kind]))
    assert world.clerk.changes.retold.versions == {}
    assert world.clerk.changes.retold.marks == set()
