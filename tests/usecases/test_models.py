"""Models: registered once, moved under a lock, with a reason and, where it says so, by two."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.domain.callers import Caller
from app.domain.errors import CreditError, FieldError, ForbiddenError, FourEyesError, NotFoundError
from app.domain.errors_models import ModelRefusedError, ModelStateError
from app.domain.models import Move, Package, PromotionStatus
from app.domain.scores import ModelVersion
from app.store import models as store
from app.store.database import Database
from app.store.ids import IdSource
from app.usecases.models import Candidate
from app.usecases.models_moves import MoveAsk
from app.usecases.registry import ModelPolicy
from tests.conftest import Server
from tests.scoring.packages import constant, edited, points, renamed, sample, with_model
from tests.server import Clock
from tests.usecases.model_room import ANN, BOB, Room, open_room


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[Database]:
    """Make one database for all: each test has a model of its own name."""
    url = server.create("aval_test_models", server.template)
    with closing(Database(url)) as database:
        yield database
    server.drop("aval_test_models")


@pytest.fixture
def room(shared: Database, tmp_path: Path, clock: Clock) -> Room:
    return open_room(shared, tmp_path, clock, ModelPolicy())


@pytest.fixture
def strict(shared: Database, tmp_path: Path, clock: Clock) -> Room:
    """Open a room in which becoming champion takes two."""
    return open_room(shared, tmp_path, clock, ModelPolicy(four_eyes=True))


def test_a_candidate_gets_a_version_a_signature_and_its_files(room: Room) -> None:
    package = renamed(sample(), room.name)
    made, is_new = room.models.register(ANN, Candidate(package.manifest, package.model))
    assert (is_new, made.manifest.version, made.state) == (True, 1, "CANDIDATE")
    assert (made.client, made.actor) == ("ann", "Ann")
    assert room.file(made.model, "model.txt").read_bytes() == package.model
    assert room.models.read.version(room.name, 1) == made
    assert room.models.read.file(room.name, 1, "model.txt") == package.model
    assert list(room.shelf.trust().keys) == [made.signed_by]


def test_the_same_content_is_registered_once(room: Room) -> None:
    package = points(room.name)
    first = room.register(package)
    again, is_new = room.models.register(BOB, Candidate(package.manifest, package.model))
    assert (again, is_new) == (first, False)
    assert room.register(points(room.name, 501)).manifest.version == 2


def test_the_same_content_at_once_is_registered_once(room: Room) -> None:
    line = threading.Barrier(2)
    package = points(room.name)

    def register(_: int) -> int:
        line.wait()
        return room.register(package).manifest.version

    with ThreadPoolExecutor(2) as pool:
        found = set(pool.map(register, range(2)))
    assert len(found) == 1
    assert list(room.states()) == list(found)


BAD: dict[str, tuple[Callable[[], Package], str]] = {
    "truncated": (lambda: Package(sample().manifest, sample().model[:9000]), "size"),
    "edited": (
        lambda: Package(
            sample().manifest, sample().model.replace(b"shrinkage=0.1", b"shrinkage=0.2")
        ),
        "sha256",
    ),
    "cyclic": (
        lambda: edited(sample(), lambda x: x.replace("\nleft_child=1 ", "\nleft_child=0 ", 1)),
        "structure",
    ),
    "of-another-model": (lambda: Package(sample().manifest, constant(0.2).model), "size"),
    "a-blank-too-many": (
        lambda: with_model(sample(), sample().model.replace(b"shrinkage=0.1", b"shrinkage=0.1 ")),
        "structure",
    ),
    "other-predictions": (
        lambda: replace(
            constant(0.2), manifest=replace(constant(0.2).manifest, golden=sample().manifest.golden)
        ),
        "golden",
    ),
    "a-scorecard-cut-short": (lambda: with_model(points(), points().model[:-5]), "structure"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_not_registered(room: Room, name: str) -> None:
    make, check = BAD[name]
    package = renamed(make(), room.name)
    with pytest.raises(ModelRefusedError) as refusal:
        room.register(package)
    assert refusal.value.check == check
    assert room.name not in [one.name for one in room.models.read.every("", 500)]
    assert not (Path(room.shelf.place)).exists()


def test_a_feature_that_nobody_computes_is_refused(room: Room) -> None:
    package = sample()
    one, *others = package.manifest.features
    other = replace(package.manifest, features=(replace(one, name="star_sign"), *others))
    with pytest.raises(FieldError, match="star_sign"):
        room.register(replace(package, manifest=other))


def test_an_oversized_file_is_refused(room: Room) -> None:
    package = sample()
    with pytest.raises(FieldError, match="size_bytes"):
        room.register(with_model(package, b"tree\n" * 1_700_000))


def test_an_attachment_that_is_not_the_listed_one_is_refused(room: Room) -> None:
    package = sample()
    with pytest.raises(ModelRefusedError):
        room.models.register(ANN, Candidate(package.manifest, package.model, {"card.md": b"x"}))


def test_only_model_admins_register_and_move(room: Room) -> None:
    reader = Caller("reader", frozenset({"model:read"}))
    package = points(room.name)
    (model,) = room.candidates(1)
    for act in (
        lambda: room.models.register(reader, Candidate(package.manifest, package.model)),
        lambda: room.promote(model, reader),
        lambda: room.models.move.roll_back(reader, room.name, "x"),
        lambda: room.models.move.approve(reader, room.name, "x"),
        lambda: room.models.move.reject(reader, room.name, "x"),
    ):
        with pytest.raises(ForbiddenError):
            act()
    assert room.states() == {1: "CANDIDATE"}


def test_versions_move_forward_and_come_back_by_rollback_only(room: Room) -> None:
    one, two, three = room.candidates(3)
    room.move(one, Move.SHADOW)
    assert room.states() == {1: "SHADOW", 2: "CANDIDATE", 3: "CANDIDATE"}
    room.promote(one)
    room.move(three, Move.SHADOW)
    made = room.promote(two)
    assert made is not None
    assert (made.replaced, made.decided_by, made.reason) == (1, "ann", "because")
    assert room.states() == {1: "RETIRED", 2: "CHAMPION", 3: "SHADOW"}
    with pytest.raises(ModelStateError, match="retired"):
        room.promote(one)
    room.promote(three)
    back = room.models.move.roll_back(BOB, room.name, "worse on new customers")
    assert (back.model, back.move, back.replaced) == (two, Move.ROLLBACK, 3)
    assert room.states() == {1: "RETIRED", 2: "CHAMPION", 3: "RETIRED"}
    assert room.models.move.roll_back(BOB, room.name, "and that one, too").model == one
    with pytest.raises(ModelStateError, match="no champion before"):
        room.models.move.roll_back(BOB, room.name, "further")
    assert room.models.read.champion(room.name).model == one
    assert [each.move for each in room.models.read.promotions(room.name, None, 9)] == [
        Move.ROLLBACK,
        Move.ROLLBACK,
        Move.PROMOTE,
        Move.PROMOTE,
        Move.SHADOW,
        Move.PROMOTE,
        Move.SHADOW,
    ]


def test_an_older_version_is_no_promotion(room: Room) -> None:
    one, two = room.candidates(2)
    room.promote(two)
    with pytest.raises(ModelStateError, match="older"):
        room.promote(one)
    assert room.states() == {1: "CANDIDATE", 2: "CHAMPION"}


def test_asking_twice_changes_nothing(room: Room) -> None:
    (one,) = room.candidates(1)
    assert room.promote(one) is not None
    assert room.promote(one) is None
    assert len(room.models.read.promotions(room.name, None, 9)) == 1


@pytest.mark.parametrize("move", [Move.SHADOW, Move.RETIRE])
def test_a_champion_is_replaced_not_removed(room: Room, move: Move) -> None:
    (one,) = room.candidates(1)
    room.promote(one)
    with pytest.raises(ModelStateError, match="champion"):
        room.move(one, move)
    assert room.states() == {1: "CHAMPION"}


def test_a_shadow_that_is_replaced_is_a_candidate_again(room: Room) -> None:
    one, two = room.candidates(2)
    room.move(one, Move.SHADOW)
    room.move(two, Move.SHADOW)
    room.move(two, Move.RETIRE)
    assert room.states() == {1: "CANDIDATE", 2: "RETIRED"}


def test_an_expectation_that_is_not_met_is_refused(room: Room) -> None:
    one, two = room.candidates(2)
    room.promote(one)
    ask = MoveAsk(two, Move.PROMOTE, "because", replaces=7)
    with pytest.raises(ModelStateError):
        room.models.move(ANN, ask)
    room.models.move(ANN, replace(ask, replaces=1))
    assert room.states() == {1: "RETIRED", 2: "CHAMPION"}


@pytest.mark.parametrize("reason", ["", " ", "x" * 501, "a\nb"])
def test_a_move_has_a_reason(room: Room, reason: str) -> None:
    (one,) = room.candidates(1)
    with pytest.raises(FieldError):
        room.models.move(ANN, MoveAsk(one, Move.PROMOTE, reason))
    with pytest.raises(FieldError):
        room.models.move.roll_back(ANN, room.name, reason)


def test_what_is_not_there_is_not_found(room: Room) -> None:
    (one,) = room.candidates(1)
    for act in (
        lambda: room.promote(ModelVersion(room.name, 9)),
        lambda: room.promote(ModelVersion("other", 1)),
        lambda: room.models.move.roll_back(ANN, "other", "x"),
        lambda: room.models.read.champion(room.name),
        lambda: room.models.read.versions("other", None, 9),
        lambda: room.models.read.file(room.name, 1, "card.md"),
        lambda: room.models.move.approve(ANN, room.name, "x"),
    ):
        with pytest.raises(NotFoundError):
            act()
    assert room.states() == {one.version: "CANDIDATE"}


def test_where_four_eyes_hold_another_client_approves(strict: Room) -> None:
    one, two = strict.candidates(2)
    strict.move(two, Move.SHADOW)  # decides nothing, so one pair of eyes will do
    made = strict.promote(one)
    assert made is not None
    assert (made.status, made.decided_by) == (PromotionStatus.PROPOSED, None)
    assert strict.states() == {1: "CANDIDATE", 2: "SHADOW"}
    posing = replace(ANN, actor="Bob")
    for caller in (ANN, posing):
        with pytest.raises(FourEyesError):
            strict.models.move.approve(caller, strict.name, made.promotion_id)
    with pytest.raises(ModelStateError, match="waits"):
        strict.promote(two, BOB)
    done = strict.models.move.approve(BOB, strict.name, made.promotion_id)
    assert (done.status, done.proposed_by, done.decided_by) == ("APPLIED", "ann", "bob")
    assert strict.states() == {1: "CHAMPION", 2: "SHADOW"}
    for decide in (strict.models.move.approve, strict.models.move.reject):
        with pytest.raises(ModelStateError, match="APPLIED"):
            decide(BOB, strict.name, made.promotion_id)


def test_a_rejected_promotion_has_no_effect(strict: Room) -> None:
    (one,) = strict.candidates(1)
    made = strict.promote(one)
    assert made is not None
    assert strict.models.move.reject(ANN, strict.name, made.promotion_id).status == "REJECTED"
    assert strict.states() == {1: "CANDIDATE"}
    assert strict.promote(one, BOB) is not None


def test_a_proposal_overtaken_by_a_newer_champion_cannot_be_approved(strict: Room) -> None:
    one, two = strict.candidates(2)
    made = strict.promote(one)
    assert made is not None
    with strict.database.begin() as tx:  # as an installation without four eyes would
        open_promotion = replace(
            made,
            promotion_id=IdSource()(),
            model=two,
            status=PromotionStatus.APPLIED,
            decided_by="x",
        )
        store.add_promotion(tx, open_promotion)
    with pytest.raises(ModelStateError, match="older"):
        strict.models.move.approve(BOB, strict.name, made.promotion_id)
    assert strict.states() == {1: "CANDIDATE", 2: "CANDIDATE"}


def test_two_promotions_at_once_leave_one_champion(room: Room) -> None:
    versions = room.candidates(4)
    line = threading.Barrier(len(versions))

    def promote(model: ModelVersion) -> Exception | None:
        line.wait()
        try:
            room.promote(model)
        except CreditError as refusal:
            return refusal
        return None

    with ThreadPoolExecutor(len(versions)) as pool:
        refusals = list(pool.map(promote, versions))
    states = list(room.states().values())
    assert states.count("CHAMPION") == 1
    assert room.models.read.champion(room.name).model == versions[-1]
    assert all(isinstance(one, ModelStateError) for one in refusals if one is not None)
    made = room.models.read.promotions(room.name, None, 9)
    assert len(made) == sum(one is None for one in refusals)
    # each promotion replaced the one before it: the chain has no gap
    assert [one.replaced for one in made] == [*(one.model.version for one in made[1:]), None]


def test_the_database_keeps_versions_and_decided_promotions(room: Room) -> None:
    (one,) = room.candidates(1)
    room.promote(one)
    for statement in (
        "UPDATE model_version SET manifest_sha256 = '\\x00'",
        "DELETE FROM model_version",
        "TRUNCATE model_version CASCADE",
        "UPDATE model_promotion SET reason = 'other'",
        "DELETE FROM model_promotion",
    ):
        with pytest.raises(DBAPIError), room.database.begin() as tx:
            tx.execute(text(statement))
    assert room.states() == {1: "CHAMPION"}


def test_a_fault_that_is_mended_is_forgotten(room: Room) -> None:
    one, two = room.candidates(2)
    room.promote(one)
    path = room.file(two, "scorecard.json")
    data = path.read_bytes()
    path.unlink()
    with pytest.raises(ModelRefusedError):
        room.promote(two)
    path.write_bytes(data)
    room.promote(two)
    assert room.models.read.version(room.name, 2).fault is None


def test_names_are_separate_models(room: Room) -> None:
    names = [f"{room.name}-{end}" for end in "ab"]
    for name in names:
        assert room.register(points(name)).manifest.version == 1
    assert [one.name for one in room.models.read.every(f"{room.name}-", 2)] == names
