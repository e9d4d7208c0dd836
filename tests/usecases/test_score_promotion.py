"""Another champion: everybody is due at once, a bounded number ahead, and exactly then."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from app.domain.models import Move, PromotionStatus
from app.domain.rules_standard import STANDARD
from app.domain.scorecard_json import scorecard_to_json
from app.scoring.scorecard_file import standard_scorecard
from app.store.database import Database
from app.usecases.portions import Portion
from app.usecases.registry import ModelPolicy
from app.usecases.score_refresh import LISTED_AHEAD, ListNight
from app.usecases.seeds import SeedDatabase
from tests.conftest import Server
from tests.server import Clock
from tests.usecases.model_room import ANN, BOB, Room, open_room
from tests.usecases.town import Town

IDS = ["C-1", "C-2", "C-3"]


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[Town]:
    url, clock = server.create("aval_test_promotion", server.template), Clock()
    with closing(Database(url)) as database:
        SeedDatabase(database, clock, STANDARD, scorecard_to_json(standard_scorecard()))()
        town = Town.found(database, clock)
        for customer_id in IDS:
            town.put(customer_id)
        yield town
    server.drop("aval_test_promotion")


@pytest.fixture
def town(shared: Town) -> Iterator[Town]:
    """Let nobody be due, and no night be under way."""
    yield shared
    shared.clock.advance(hours=1)
    lists(shared)
    done(shared)


@pytest.fixture
def room(town: Town, tmp_path: Path) -> Room:
    return open_room(town.database, tmp_path, town.clock, ModelPolicy())


def list_some(town: Town, most: int = 2) -> int:
    return ListNight(town.database, 2, most, lambda _: town.clock())().items


def lists(town: Town) -> dict[str, int]:
    """Let the night's loop run until it rests, and say how often it has put whom on the list."""
    portion = Portion(0, ())
    while portion.after is not None:
        portion = ListNight(town.database, 2, 2, lambda _: town.clock())()
    with town.database.read() as tx:
        query = "SELECT customer_id FROM score_due WHERE rank = 2"
        return dict(Counter(tx.execute(text(query)).scalars()))


def done(town: Town) -> None:
    with town.database.begin() as tx:
        tx.execute(text("DELETE FROM score_due"))


def forget_nights(town: Town) -> None:
    """As in a database in which no night has ever come."""
    with town.database.begin() as tx:
        tx.execute(text("DELETE FROM score_night"))


def test_a_promotion_makes_everybody_due_once(town: Town, room: Room) -> None:
    (model,) = room.candidates(1)
    done(town)
    assert lists(town) == {}
    room.promote(model)
    assert lists(town) == dict.fromkeys(IDS, 1)
    done(town)
    assert lists(town) == {}


def test_before_the_first_night_too(town: Town, room: Room) -> None:
    (model,) = room.candidates(1)
    done(town)
    forget_nights(town)
    room.promote(model)
    assert lists(town) == dict.fromkeys(IDS, 1)


def test_a_rollback_does_as_well(town: Town, room: Room) -> None:
    first, second = room.candidates(2)
    for model in (first, second):
        room.promote(model)
        lists(town)
    done(town)
    room.models.move.roll_back(ANN, room.name, "because")
    assert lists(town) == dict.fromkeys(IDS, 1)


def test_with_four_eyes_only_the_approval_does(town: Town, tmp_path: Path) -> None:
    room = open_room(town.database, tmp_path, town.clock, ModelPolicy(four_eyes=True))
    first, second = room.candidates(2)
    done(town)
    for model, act in ((first, room.models.move.reject), (second, room.models.move.approve)):
        proposed = room.promote(model)
        assert proposed is not None
        assert proposed.status is PromotionStatus.PROPOSED
        assert lists(town) == {}
        act(BOB, room.name, proposed.promotion_id)
    assert lists(town) == dict.fromkeys(IDS, 1)


def test_a_shadow_and_a_model_that_scores_nobody_make_nobody_due(
    town: Town, room: Room, tmp_path: Path
) -> None:
    done(town)
    (model,) = room.candidates(1)
    room.move(model, Move.SHADOW)
    policy = ModelPolicy(scores_by="another")
    other = open_room(town.database, tmp_path / "other", town.clock, policy)
    (unused,) = other.candidates(1)
    other.promote(unused)
    assert lists(town) == {}


def test_amid_a_night_it_begins_anew(town: Town, room: Room) -> None:
    """Who was listed before may have been scored by the model before."""
    (model,) = room.candidates(1)
    town.clock.advance(days=1)
    done(town)
    assert list_some(town) == 2
    done(town)  # scored, by the champion of that moment
    room.promote(model)
    assert lists(town) == dict.fromkeys(IDS, 1)


def test_no_more_are_listed_than_the_night_lists(town: Town, room: Room) -> None:
    (model,) = room.candidates(1)
    done(town)
    with town.database.begin() as tx:
        query = "INSERT INTO score_due (customer_id, rank, since) SELECT 'N', 2, now()"
        tx.execute(text(f"{query} FROM generate_series(1, {LISTED_AHEAD - 1})"))
    room.promote(model)
    assert lists(town) == {"N": LISTED_AHEAD - 1, "C-1": 1}
    done(town)
    assert lists(town) == {"C-2": 1, "C-3": 1}
