"""Moves of models wait for each other, and see what was decided meanwhile: races made by hand.

The test holds the model's lock as another move would. Who does not wait for it is done too early.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDoneError
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from app.domain.errors_models import ModelStateError
from app.domain.models import ModelState, Move, PromotionStatus
from app.domain.scores import ModelVersion
from app.store import models as store
from app.store.database import Database, Tx
from app.store.ids import IdSource
from app.usecases.registry import ModelPolicy
from tests.conftest import Server
from tests.server import Clock
from tests.usecases.model_room import ANN, BOB, Room, open_room

PATIENCE_S = 20.0
WAITING = """
SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = any(pg_blocking_pids(pid))
"""
"""Who waits for the transaction that asks."""


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[Database]:
    """Make one database for all: each test has a model of its own name."""
    url = server.create("aval_test_models_races", server.template)
    with closing(Database(url)) as database:
        yield database
    server.drop("aval_test_models_races")


@pytest.fixture
def strict(shared: Database, tmp_path: Path, clock: Clock) -> Room:
    """Open a room in which becoming champion takes two."""
    return open_room(shared, tmp_path, clock, ModelPolicy(four_eyes=True))


@pytest.fixture
def room(shared: Database, tmp_path: Path, clock: Clock) -> Room:
    return open_room(shared, tmp_path, clock, ModelPolicy())


@contextmanager
def beside(room: Room, act: Callable[[], object]) -> Iterator[tuple[Tx, "Future[object]"]]:
    """Hold the model's lock until the end of the block, with an act that waits for it."""
    with ThreadPoolExecutor(1) as pool, room.database.begin() as tx:
        store.standing(tx, room.name, lock=True)
        acting = pool.submit(act)
        until = time.monotonic() + PATIENCE_S
        while not tx.execute(text(WAITING)).scalar_one():
            assert time.monotonic() < until, "it did not wait"
            assert not acting.done(), "it did not wait"
            time.sleep(0.01)
        yield tx, acting
        with pytest.raises(NotDoneError):
            acting.result(0)


def champion(tx: Tx, model: ModelVersion, before: ModelVersion) -> None:
    """Let a version be champion in the place of another, as a promotion does."""
    promoted = store.promoted(tx, before)
    assert promoted is not None
    made = replace(promoted, promotion_id=IdSource()(), model=model, replaced=before.version)
    store.add_promotion(tx, made)
    store.set_state(tx, before, ModelState.RETIRED)
    store.set_state(tx, model, ModelState.CHAMPION)


def test_a_promotion_sees_whom_another_one_promoted(room: Room) -> None:
    one, two, three = room.candidates(3)
    room.promote(one)
    with beside(room, lambda: room.promote(three)) as (tx, acting):
        champion(tx, two, one)
    made = acting.result(PATIENCE_S)
    assert getattr(made, "replaced", None) == two.version
    assert room.states() == {1: "RETIRED", 2: "RETIRED", 3: "CHAMPION"}


def test_a_rollback_goes_back_from_the_champion_it_was_meant_for(room: Room) -> None:
    one, two, three = room.candidates(3)
    room.promote(one)
    room.promote(two)
    back = lambda: room.models.move.roll_back(ANN, room.name, "worse")  # noqa: E731
    with beside(room, back) as (tx, acting):
        champion(tx, three, two)
    with pytest.raises(ModelStateError, match="meanwhile"):
        acting.result(PATIENCE_S)
    assert room.states() == {1: "RETIRED", 2: "RETIRED", 3: "CHAMPION"}


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_a_proposal_is_decided_on_once(strict: Room, decision: str) -> None:
    (one,) = strict.candidates(1)
    made = strict.promote(one)
    assert made is not None
    decide = getattr(strict.models.move, decision)
    with beside(strict, lambda: decide(BOB, strict.name, made.promotion_id)) as (tx, acting):
        rejected = replace(made, status=PromotionStatus.REJECTED, decided_by="cat")
        store.write_promotion(tx, replace(rejected, decided_at=made.proposed_at))
    with pytest.raises(ModelStateError, match="REJECTED"):
        acting.result(PATIENCE_S)
    assert strict.states() == {1: "CANDIDATE"}
    (found,) = strict.models.read.promotions(strict.name, None, 9)
    assert (found.status, found.decided_by) == (PromotionStatus.REJECTED, "cat")


def test_a_retired_version_is_not_approved(strict: Room) -> None:
    one, two = strict.candidates(2)
    strict.move(two, Move.SHADOW)
    made = strict.promote(one)
    assert made is not None
    with beside(
        strict, lambda: strict.models.move.approve(BOB, strict.name, made.promotion_id)
    ) as (tx, acting):
        store.set_state(tx, one, ModelState.RETIRED)
    with pytest.raises(ModelStateError, match="retired"):
        acting.result(PATIENCE_S)
    assert strict.states() == {1: "RETIRED", 2: "SHADOW"}
