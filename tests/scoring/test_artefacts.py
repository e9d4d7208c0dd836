"""The model store: written once, the signature last, read with a bound."""

import os
from pathlib import Path

import pytest

from app.domain.errors import BusyError
from app.domain.errors_models import ModelRefusedError, ModelStateError
from app.domain.scores import ModelVersion
from app.scoring.artefacts import ArtefactStore, memory_store, open_store

MODEL = ModelVersion("late-payment", 3)
FILES = {"signature.json": b"{}", "manifest.json": b"{}", "model.txt": b"tree", "card.md": b"#"}


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtefactStore:
    """Open both kinds; S3 is the same code behind another address."""
    return open_store(str(tmp_path / "models")) if request.param == "folder" else memory_store()


def test_what_was_written_is_read(store: ArtefactStore) -> None:
    store.write(MODEL, FILES)
    for name, data in FILES.items():
        assert store.read(MODEL, name, 10) == data


def test_nothing_is_written_over(store: ArtefactStore) -> None:
    store.write(MODEL, FILES)
    with pytest.raises(ModelStateError):
        store.write(MODEL, {"model.txt": b"other"})
    assert store.read(MODEL, "model.txt", 10) == b"tree"


def test_a_file_that_is_too_large_is_not_read(store: ArtefactStore) -> None:
    store.write(MODEL, FILES)
    with pytest.raises(ModelRefusedError) as refusal:
        store.read(MODEL, "model.txt", 3)
    assert refusal.value.check == "size"


def test_a_file_that_is_not_there_is_refused(store: ArtefactStore) -> None:
    with pytest.raises(ModelRefusedError):
        store.read(MODEL, "model.txt", 10)


def test_a_name_cannot_leave_the_store(store: ArtefactStore) -> None:
    for name in ("../../etc/passwd", "..", "a/../../b"):
        with pytest.raises((BusyError, ModelRefusedError)):
            store.read(MODEL, name, 10)


def test_the_signature_is_written_last(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    (tmp_path / "late-payment" / "3").mkdir(parents=True)
    (tmp_path / "late-payment" / "3" / "model.txt").write_bytes(b"in the way")
    with pytest.raises(ModelStateError):
        store.write(MODEL, FILES)
    assert not (tmp_path / "late-payment" / "3" / "signature.json").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BusyError, match="file"):
        open_store(str(tmp_path / "file" / "models"))


@pytest.mark.ops
def test_s3_keeps_what_the_folder_keeps() -> None:
    """Needs `AVAL_TEST_MODEL_STORE=s3://bucket/prefix` and the `AWS_…` variables for it."""
    place = os.environ.get("AVAL_TEST_MODEL_STORE")
    assert place, "AVAL_TEST_MODEL_STORE is not set"
    store = open_store(f"{place}/{os.getpid()}")
    store.write(MODEL, FILES)
    for name, data in FILES.items():
        assert store.read(MODEL, name, 10) == data
    with pytest.raises(ModelStateError):
        store.write(MODEL, FILES)
    with pytest.raises(ModelRefusedError):
        store.read(ModelVersion("late-payment", 4), "model.txt", 10)
    with pytest.raises(ModelRefusedError):
        store.read(MODEL, "model.txt", 3)
