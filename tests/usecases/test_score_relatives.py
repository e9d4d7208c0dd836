"""Who pays moves the scores of children and siblings: these are due behind everybody else."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

import pytest
from sqlalchemy import text

from app.domain.feature_catalogue import RELATED_NAMES
from app.domain.manifests import Manifest
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.domain.scores_refresh import Urgency
from app.scoring.scorecard_file import standard_scorecard
from app.store import score_due
from app.store.database import Database, Tx
from app.store.scores import Subject
from app.usecases.score_raters import RateByCard, Rated, Rater
from app.usecases.score_refresh import RefreshScores
from app.usecases.scoring import COMMITTED, score_customers
from app.usecases.seeds import SeedDatabase
from tests.conftest import Server
from tests.scoring.packages import sample
from tests.server import Clock
from tests.usecases.town import Town

REST = timedelta(seconds=60)
_number = count(1)


@dataclass(frozen=True)
class Family(RateByCard):
    """Rates as the scorecard does, and says that it looks at relatives, as a model may."""

    looks: bool = True

    def __call__(self, tx: Tx, subjects: Sequence[Subject], at: datetime) -> Mapping[str, Rated]:
        rated = RateByCard.__call__(self, tx, subjects, at)
        return {key: replace(one, scale=scale(looks=self.looks)) for key, one in rated.items()}


def scale(*, looks: bool) -> Manifest:
    manifest = sample().manifest
    own = tuple(one for one in manifest.features if one.name not in RELATED_NAMES)
    if not looks:
        return replace(manifest, features=own)
    return replace(manifest, features=(*own, replace(own[0], name="siblings_late_rate")))


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[Town]:
    """Make one town for all; each test has families of its own."""
    name, clock = "aval_test_relatives", Clock()
    url = server.create(name, server.template)
    with closing(Database(url)) as database:
        SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
        yield Town.found(database, clock)
    server.drop(name)


@pytest.fixture
def town(shared: Town) -> Town:
    with shared.database.begin() as tx:
        tx.execute(text("DELETE FROM score_due"))
    return shared


def family(town: Town, size: int = 3) -> list[str]:
    """Put a parent and its children, in this order, who were scored long ago; the last has one."""
    name = f"F{next(_number)}"
    ids = [f"{name}-{number}" for number in range(size + 1)]
    grandchild = f"{name}-grandchild"
    for one, parent in [(ids[0], None), *((one, ids[0]) for one in ids[1:]), (grandchild, ids[-1])]:
        town.put(one, parent_id=parent)
    with town.database.begin() as tx:
        score_customers(tx, [*ids, grandchild], town.clock(), RateByCard())
        tx.execute(text("DELETE FROM score_due"))
    town.clock.advance(days=1)
    return [*ids, grandchild]


def pay(town: Town, who: str) -> None:
    paid = {"amount": 500, "paid_date": "2026-06-01"}
    town.fact("payment", who, payment_id=f"P{town.next()}", **paid)


def run(town: Town, rater: Rater | None = None) -> int:
    made = RefreshScores(town.database, rater or Family(), REST, lambda _: town.clock())
    return made().items


def due(town: Town) -> list[tuple[str, int]]:
    with town.database.read() as tx:
        query = "SELECT customer_id, rank FROM score_due ORDER BY customer_id, due_id"
        return [(row[0], row[1]) for row in tx.execute(text(query))]


def test_children_and_siblings_are_due_once_who_paid_was_scored(town: Town) -> None:
    parent, first, second, third, grandchild = family(town)
    pay(town, third)
    assert due(town) == [(parent, 1), (third, 1)]  # the group's account is its children's
    assert run(town) == 2
    assert due(town) == [(first, 3), (second, 3), (grandchild, 3)]
    assert run(town) == 3
    assert due(town) == []  # theirs are not due in turn


def test_they_rest_and_come_after_the_night(town: Town) -> None:
    _, first, second, *_ = family(town, 2)
    at, scored = town.clock(), "SELECT customer_id FROM customer_score WHERE scored_at = :at"
    with town.database.begin() as tx:
        score_due.add(tx, [first], Urgency.RELATIVE, at)
        score_due.add(tx, [second], Urgency.NIGHT, at)
        assert score_due.take(tx, at, REST, 1) == [second]
    assert run(town) == 2
    with town.database.begin() as tx:
        assert sorted(tx.execute(text(scored), {"at": at}).scalars()) == [first, second]
        score_due.add(tx, [first], Urgency.RELATIVE, at)
        assert score_due.take(tx, at + REST - timedelta(seconds=1), REST, 9) == []
        assert score_due.take(tx, at + REST, REST, 9) == [first]


@pytest.mark.parametrize(
    "rater", [RateByCard(), Family(looks=False)], ids=["scorecard", "model-of-ones-own-ways"]
)
def test_nobody_is_due_of_whom_nothing_is_seen(town: Town, rater: Rater) -> None:
    *_, last, _ = family(town)
    pay(town, last)
    assert run(town, rater) == 2
    assert due(town) == []


@pytest.mark.parametrize("urgency", [Urgency.NIGHT, Urgency.RELATIVE])
def test_who_is_scored_without_that_anything_came_makes_nobody_due(
    town: Town, urgency: Urgency
) -> None:
    _, first, *_ = family(town)
    with town.database.begin() as tx:
        score_due.add(tx, [first], urgency, town.clock())
    assert run(town) == 1
    assert due(town) == []


@pytest.mark.parametrize(
    ("size", "expected"),
    [(score_due.FAMILY_AT_MOST, score_due.FAMILY_AT_MOST - 1), (score_due.FAMILY_AT_MOST + 1, 0)],
    ids=["largest", "one-too-many"],
)
def test_a_large_family_is_left_to_the_night(town: Town, size: int, expected: int) -> None:
    parent, first, *_ = family(town, 3)
    with town.database.begin() as tx:  # who was scored long ago, too
        many = "generate_series(4, :size) AS g"
        named = f"'{parent}-' || g"
        add = f"INSERT INTO customer (customer_id, name, parent_id) SELECT {named}, 'x', '{parent}'"
        tx.execute(text(f"{add} FROM {many}"), {"size": size})
        old = f"INSERT INTO customer_score (customer_id, scored_at) SELECT {named}, '2020-01-01'"
        tx.execute(text(f"{old} FROM {many}"), {"size": size})
    pay(town, first)
    assert run(town) == 2
    assert len([one for one in due(town) if one[1] == 3]) == expected


def test_they_are_due_once_unless_somebody_works_one_off(town: Town) -> None:
    _, first, second, third, grandchild = family(town)

    def add() -> list[tuple[str, int]]:
        with town.database.begin() as tx:
            score_due.add_relatives(tx, [third], town.clock(), town.clock())
        return due(town)

    once = [(first, 3), (second, 3), (grandchild, 3)]
    assert add() == add() == once
    with town.database.begin() as holder:
        assert score_due.take(holder, town.clock(), REST, 1) == [first]
        assert add() == [(first, 3), *once]  # whoever holds the first may have read of before


def test_who_was_scored_since_is_not_due(town: Town) -> None:
    _, first, second, third, _ = family(town)
    came = town.clock()
    pay(town, third)
    with town.database.begin() as tx:
        score_customers(tx, [first], came + COMMITTED, Family())
        score_customers(tx, [second], came + COMMITTED + timedelta(seconds=1), Family())
    town.clock.advance(minutes=5)
    assert run(town) == 2
    assert [one for one, rank in due(town) if rank == 3 and one in {first, second}] == [first]
