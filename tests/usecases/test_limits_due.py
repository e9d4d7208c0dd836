"""Limits and covers begin and lapse on their day though nobody asks about their accounts."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from app.domain.covers import CoverTerms
from app.domain.money import Money
from app.domain.scores import TrafficLight
from app.settings import Settings
from app.store import accounts, limits_due
from app.store.database import Database, moment
from app.usecases.limits import LimitAsk
from app.usecases.limits_due import SettleLimits
from app.usecases.portions import Cursor, Portion
from app.usecases.segments import SegmentChange
from app.work import loops
from tests.server import Clock
from tests.usecases.readers import Reader
from tests.usecases.town import ADMIN, Town, at_once


@pytest.fixture
def town(database: Database, clock: Clock) -> Town:
    return Town.found(database, clock)


def passing(town: Town, most: int = 100) -> Iterator[Portion]:
    settle = SettleLimits(town.database, most, lambda _: town.clock())
    after: Cursor | None = None
    while True:
        portion = settle(after)
        yield portion
        after = portion.after
        if after is None:
            return


def run(town: Town, most: int = 100) -> tuple[int, int]:
    """Run a whole pass; returns how many accounts were settled, and how many were left."""
    portions = list(passing(town, most))
    return sum(one.items for one in portions), sum(one.left for one in portions)


def until_today(town: Town, customer_id: str, minor: int, segment_id: str = "main") -> None:
    """Put a base limit in force that ends with the day."""
    limit = Money(minor, "CNY")
    town.propose(customer_id, LimitAsk("base", segment_id, limit, valid_to=town.today))


def effects(town: Town) -> list[str]:
    """List whose limit time alone put in force, in order."""
    query = (
        "SELECT customer_id FROM journal JOIN account USING (account_id)"
        " WHERE kind = 'LIMIT_EFFECTIVE' ORDER BY customer_id"
    )
    with town.database.read() as tx:
        return list(tx.execute(text(query)).scalars())


def test_the_list_goes_by_the_limit_of_today(town: Town) -> None:
    town.put("A")
    until_today(town, "A", 1000)
    town.invoice("A", 500, due=(town.today + timedelta(days=90)).isoformat())
    assert run(town) == (0, 0)
    assert town.with_light(TrafficLight.RED) == []
    town.clock.advance(days=1)
    assert run(town) == (1, 0)
    assert Reader(town.database, town.clock).account("A").traffic_light == TrafficLight.RED
    assert town.with_light(TrafficLight.RED) == ["A"]
    assert (town.account("A").limit_minor, town.account("A").forced) == (None, 500)
    assert run(town) == (0, 0)
    assert effects(town) == ["A"]
    town.exact()


def test_what_begins_and_a_cover_that_ends_are_seen_on_their_day(town: Town) -> None:
    town.put("A")
    town.limit("A", 100)
    terms = CoverTerms("INSURANCE", Decimal(50), 200, "POL-1")
    worth = Money(terms.contribution, "CNY")
    last = town.today + timedelta(days=1)
    town.propose("A", LimitAsk("cover", "main", worth, valid_to=last, cover=terms))
    begins = LimitAsk("base", "main", Money(700, "CNY"), valid_from=last + timedelta(days=2))
    town.propose("A", begins)
    found = [town.account("A").limit_minor]
    for _ in range(4):
        town.clock.advance(days=1)
        run(town)
        found.append(town.account("A").limit_minor)
    assert found == [200, 200, 100, 700, 700]
    town.exact()


def test_each_segment_has_its_own_day(town: Town) -> None:
    town.parties.put_segment(ADMIN, "west", SegmentChange("West", time_zone="America/Los_Angeles"))
    town.put("A")
    for segment_id in ("main", "west"):
        until_today(town, "A", 1000, segment_id)
    town.clock.advance(hours=12)  # tomorrow in Shanghai, today in Los Angeles
    with town.database.read() as tx:
        due = [account_id for _, account_id in limits_due.due(tx, town.clock(), None, 9)]
    assert due == [town.account("A").account_id]  # the other is not even looked at
    assert run(town) == (1, 0)
    assert town.account("A").limit_minor is None
    assert town.account("A", "west").limit_minor == 1000
    town.clock.advance(days=1)
    assert run(town) == (1, 0)
    assert town.account("A", "west").limit_minor is None
    town.exact()


def test_an_account_in_use_is_waited_for_by_the_next_pass_only(town: Town) -> None:
    for name in ("A", "B", "C"):
        town.put(name)
        until_today(town, name, 1000)
    town.clock.advance(days=1)
    with town.database.begin() as tx:
        accounts.lock(tx, [town.account("B").account_id])
        assert run(town, most=1) == (2, 1)
    assert run(town, most=1) == (1, 0)
    assert effects(town) == ["A", "B", "C"]
    town.exact()


def test_passes_at_once_settle_each_account_once(town: Town) -> None:
    names = [f"C-{number}" for number in range(8)]
    for name in names:
        town.put(name)
        until_today(town, name, 1000)
    town.clock.advance(days=1)
    done = at_once(*[lambda: run(town, most=3)] * 3)
    assert sum(one[0] for one in done if isinstance(one, tuple)) == len(names), done
    assert effects(town) == names
    town.exact()


def test_background_work_settles_by_the_databases_clock(database: Database) -> None:
    with database.read() as tx:
        clock = Clock(moment(tx) - timedelta(days=3))
    town = Town.found(database, clock)
    town.put("A")
    last = town.today + timedelta(days=1)
    town.propose("A", LimitAsk("base", "main", Money(1000, "CNY"), valid_to=last))
    settle = {one.name: one.portion for one in loops(Settings(), database)}["settle"]
    assert [settle(None), settle(None)] == [Portion(1), Portion(0)]
    assert town.account("A").limit_minor is None
    town.exact()
