"""Loading models: what is promoted serves, what is spoilt never replaces what is good."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from app.domain.errors_models import ModelRefusedError
from app.domain.manifests_json import manifest_to_bytes
from app.domain.scores import ModelVersion
from app.scoring.shelf import Shelf
from app.scoring.signing import make_key
from app.store.database import Database
from app.store.ids import IdSource
from app.usecases.registry import ModelPolicy, Models
from tests.scoring.packages import points, row, sample
from tests.server import Clock
from tests.usecases.model_room import ANN, BOB, Room, open_room


@pytest.fixture
def room(database: Database, tmp_path: Path, clock: Clock) -> Room:
    return open_room(database, tmp_path, clock, ModelPolicy())


@pytest.fixture
def serving(room: Room) -> Iterator[Room]:
    """Let the scoring process run; nobody looks for changes but the test."""
    room.models.scorer.start()
    yield room
    room.models.scorer.stop()


def test_a_scorecard_is_registered_and_loaded_like_a_model(serving: Room) -> None:
    package = points(serving.name)
    made = serving.register(package)
    serving.promote(made.model)
    assert serving.models.refresh() == 0
    assert serving.models.scorer.predict(made.model, [row(package)])[0].model == made.model


def test_what_is_promoted_serves_and_what_is_rolled_back_serves_again(serving: Room) -> None:
    one, two = serving.constants(0.1, 0.2)
    scorer = serving.models.scorer
    assert (serving.models.refresh(), scorer.places()) == (0, {})
    for model in (one, two):
        serving.promote(model)
        assert serving.models.refresh() == 0
        assert scorer.places() == {serving.champion: model}
    serving.models.move.roll_back(ANN, serving.name, "back")
    assert serving.models.refresh() == 0
    found = scorer.predict(one, [row(sample())])[0]
    assert found.model == one
    assert found.grade.probability == pytest.approx(0.1)


def _metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def _spoil(room: Room, model: ModelVersion, kind: str) -> None:
    """Do to a stored version what disks, hands and attackers do."""
    path = room.file(model, "scorecard.json")
    data = path.read_bytes()
    match kind:
        case "size":
            path.write_bytes(data + b"\n")
        case "sha256":
            path.write_bytes(data.replace(b"80", b"90", 1))
        case "signature":
            key = make_key(path.with_name("other.pem"))
            signed = key.sign(room.file(model, "manifest.json").read_bytes())
            room.file(model, "signature.json").write_bytes(signed)
        case "manifest":
            for name in ("scorecard.json", "manifest.json", "signature.json"):
                older = room.file(ModelVersion(model.name, model.version - 1), name)
                room.file(model, name).write_bytes(older.read_bytes())
        case "another of this version":
            other = points(model.name, 777)
            told = manifest_to_bytes(replace(other.manifest, version=model.version))
            path.write_bytes(other.model)
            room.file(model, "manifest.json").write_bytes(told)
            room.file(model, "signature.json").write_bytes(room.shelf.signer().sign(told))
        case _:
            path.unlink()


@pytest.mark.parametrize(
    "kind",
    ["size", "sha256", "signature", "manifest", "another of this version", "missing"],
)
def test_a_bad_file_never_replaces_a_good_model_and_is_told(serving: Room, kind: str) -> None:
    one, two = serving.candidates(2)
    serving.promote(one)
    serving.models.refresh()
    serving.promote(two)  # loadable at this moment
    _spoil(serving, two, kind)
    check = {"missing": "size", "another of this version": "manifest"}.get(kind, kind)
    before = _metric("aval_models_refused_total", reason=check)
    assert serving.models.refresh() == 1
    assert serving.models.scorer.places() == {serving.champion: one}
    assert serving.models.scorer.predict(one, [row(sample())])[0].model == one
    assert _metric("aval_models_refused_total", reason=check) == before + 1
    assert _metric("aval_models_faulty") == 1
    fault = serving.models.read.version(serving.name, 2).fault
    assert fault is not None
    assert fault.check == check
    assert serving.models.refresh() == 1
    assert _metric("aval_models_refused_total", reason=check) == before + 1  # not once a look


def test_a_spoilt_candidate_is_not_promoted(room: Room) -> None:
    one, two = room.candidates(2)
    room.promote(one)
    _spoil(room, two, "sha256")
    with pytest.raises(ModelRefusedError):
        room.promote(two)
    assert room.states() == {1: "CHAMPION", 2: "CANDIDATE"}
    assert room.models.read.version(room.name, 2).fault is not None


def test_a_spoilt_version_is_not_rolled_back_to(room: Room) -> None:
    one, two = room.candidates(2)
    room.promote(one)
    room.promote(two)
    _spoil(room, one, "sha256")
    with pytest.raises(ModelRefusedError):
        room.models.move.roll_back(ANN, room.name, "worse")
    assert room.states() == {1: "RETIRED", 2: "CHAMPION"}


def test_a_version_that_was_spoilt_since_it_was_proposed_is_not_approved(
    database: Database, tmp_path: Path, clock: Clock
) -> None:
    strict = open_room(database, tmp_path, clock, ModelPolicy(four_eyes=True))
    (one,) = strict.candidates(1)
    made = strict.promote(one)
    assert made is not None
    _spoil(strict, one, "sha256")
    with pytest.raises(ModelRefusedError):
        strict.models.move.approve(BOB, strict.name, made.promotion_id)
    assert strict.states() == {1: "CANDIDATE"}


def test_a_model_of_an_installation_that_is_not_trusted_is_refused(
    serving: Room, tmp_path: Path, clock: Clock
) -> None:
    (one,) = serving.constants(0.1)
    serving.promote(one)
    key = tmp_path / "elsewhere.pem"
    make_key(key)
    shelf = Shelf(serving.shelf.place, key, makes_key=False)
    other = Models.over(serving.database, shelf, ModelPolicy(), clock, IdSource())
    other.scorer.start()
    try:
        assert other.refresh() == 1
        assert other.scorer.places() == {}
        shelf.trusted = (serving.shelf.signer().public,)
        other.refresh.elapsed = lambda: 1e12
        assert other.refresh() == 0
    finally:
        other.scorer.stop()
