"""Models in and out: packages as folders, and MLflow's LightGBM flavour."""

import json
import math
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml

from app.cli.model import read_origin
from app.domain.errors import FieldError, NotFoundError
from app.domain.errors_models import ModelRefusedError
from app.domain.manifests_json import manifest_to_bytes
from app.scoring.mlflow_folder import read_mlflow
from app.scoring.scorecard_file import standard_scorecard
from app.store import scores
from app.store.database import Database
from app.usecases.models import Candidate
from app.usecases.models_exchange import Origin, read_package
from app.usecases.registry import ModelPolicy
from tests.conftest import Server
from tests.scoring.packages import NAMES, points, renamed, row, sample
from tests.server import Clock
from tests.usecases.model_room import ANN, Room, open_room

AT = datetime(2026, 6, 1, tzinfo=UTC)
ORIGIN = Origin("foreign", "bank", 30, 180, date(2025, 1, 1), date(2025, 12, 31), 1000, 200)


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[Database]:
    """Make one database for all, with a scorecard in use: each test has a name of its own."""
    url = server.create("aval_test_exchange", server.template)
    with closing(Database(url)) as database:
        with database.begin() as tx:
            scores.activate_scorecard(tx, standard_scorecard())
        yield database
    server.drop("aval_test_exchange")


@pytest.fixture
def room(shared: Database, tmp_path: Path, clock: Clock) -> Room:
    return open_room(shared, tmp_path / "state", clock, ModelPolicy())


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def foreign(folder: Path, *, text: bytes | None = None, flavor: object = None) -> Path:
    """Write a folder as MLflow 3 does."""
    inputs = [{"type": "double", "name": name, "required": True} for name in NAMES]
    described = {
        "artifact_path": "model",
        "flavors": {
            "lightgbm": flavor
            or {
                "code": None,
                "data": "model.lgb",
                "lgb_version": "4.7.0",
                "model_class": "lightgbm.basic.Booster",
            },
            "python_function": {"loader_module": "mlflow.lightgbm"},
        },
        "mlflow_version": "3.17.0",
        "signature": {"inputs": json.dumps(inputs), "outputs": None, "params": None},
    }
    data = sample().model if text is None else text
    return write(folder, {"MLmodel": yaml.safe_dump(described).encode(), "model.lgb": data})


def test_what_was_exported_comes_back_whole(room: Room, tmp_path: Path) -> None:
    package = renamed(sample(), room.name)
    made = room.register(package)
    files = dict(room.models.exchange.export(room.name, 1))
    assert files["model.lgb"] == package.model
    assert files == dict(room.models.exchange.export(room.name, 1))
    brought = room.models.exchange.read(write(tmp_path / "out", files), None, AT)
    assert brought == Candidate(package.manifest, package.model)
    again, is_new = room.models.register(ANN, brought)
    assert (again, is_new) == (made, False)
    described = yaml.safe_load(files["MLmodel"])
    assert described["flavors"]["lightgbm"]["model_class"] == "lightgbm.basic.Booster"
    assert read_mlflow(tmp_path / "out").inputs == NAMES


def test_a_foreign_model_is_a_candidate_with_its_own_golden_rows(
    room: Room, tmp_path: Path
) -> None:
    brought = room.models.exchange.read(foreign(tmp_path / "in"), ORIGIN, AT)
    golden = brought.manifest.golden
    assert len({one.probability for one in golden}) > 10
    assert brought.manifest.prior == 0.2
    assert [one.monotone for one in brought.manifest.features] == [-1, 1, 1, 1, -1, 0]
    made, is_new = room.models.register(ANN, brought)
    assert (is_new, made.state, made.signed_by) == (True, "CANDIDATE", room.shelf.signer().key_id)


FLAVOR = {"data": "model.lgb", "model_class": "lightgbm.basic.Booster"}
BAD: dict[str, Callable[[Path], Path]] = {
    "pickled": lambda to: foreign(to, flavor={**FLAVOR, "data": "model.pkl"}),
    "sklearn": lambda to: foreign(to, flavor={**FLAVOR, "model_class": "lightgbm.LGBMClassifier"}),
    "outside": lambda to: foreign(to, flavor={**FLAVOR, "data": "../model.lgb"}),
    "no-flavour": lambda to: write(to, {"MLmodel": b"flavors: {sklearn: {}}"}),
    "not-yaml": lambda to: write(to, {"MLmodel": b"{"}),
    "runs-python": lambda to: write(
        to, {"MLmodel": b"flavors: !!python/object/apply:os.system ['touch /tmp/x']"}
    ),
    "a-list": lambda to: write(to, {"MLmodel": b"- 1"}),
    "cut": lambda to: foreign(to, text=sample().model[:5000]),
    "no-text": lambda to: foreign(to, text=b"tree\n"),
    "of-other-names": lambda to: foreign(
        to, text=sample().model.replace(b"order_habit", b"overdue_days")
    ),
    "too-large": lambda to: foreign(to, text=b"x" * 8_000_001),
}


@pytest.mark.parametrize("name", BAD)
def test_a_folder_that_is_no_such_model_is_refused(room: Room, tmp_path: Path, name: str) -> None:
    folder = BAD[name](tmp_path / "in")
    with pytest.raises(ModelRefusedError):
        room.models.exchange.read(folder, ORIGIN, AT)


def test_a_foreign_model_needs_its_origin(room: Room, tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="origin"):
        room.models.exchange.read(foreign(tmp_path / "in"), None, AT)
    nobody = replace(ORIGIN, positives=0)
    with pytest.raises(FieldError, match="positives"):
        room.models.exchange.read(foreign(tmp_path / "in"), nobody, AT)


def test_what_cannot_be_exported_is_told(room: Room) -> None:
    room.register(points(room.name))
    with pytest.raises(ModelRefusedError, match="scorecard"):
        room.models.exchange.export(room.name, 1)
    with pytest.raises(NotFoundError):
        room.models.exchange.export(room.name, 2)


def test_a_package_is_read_whatever_its_version(tmp_path: Path) -> None:
    package = sample()
    told = manifest_to_bytes(replace(package.manifest, version=7))
    folder = write(tmp_path / "p", {"manifest.json": told, "model.txt": package.model})
    assert read_package(folder) == Candidate(package.manifest, package.model)


def test_an_origin_is_read_strictly() -> None:
    told = {
        "name": "foreign",
        "author": "bank",
        "late_days": 30,
        "horizon_days": 180,
        "trained_from": "2025-01-01",
        "trained_until": "2025-12-31",
        "rows": 1000,
        "positives": 200,
    }
    assert read_origin(json.dumps(told).encode()) == ORIGIN
    for wrong in ({**told, "rows": "many"}, {**told, "more": 1}, {**told, "trained_from": "May"}):
        with pytest.raises(FieldError):
            read_origin(json.dumps(wrong).encode())
    with pytest.raises(FieldError):
        read_origin(b"{")


MLFLOW = """
import json, pathlib, sys, warnings
warnings.simplefilter("ignore")
import mlflow.lightgbm, mlflow.pyfunc, pandas
folder, saved, rows = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
frame = pandas.DataFrame(rows, dtype="float64")
booster = mlflow.lightgbm.load_model(folder)
found = mlflow.pyfunc.load_model(folder).predict(frame)
signature = mlflow.models.infer_signature(frame, found)
mlflow.lightgbm.save_model(booster, saved, signature=signature)
print(json.dumps([float(one) for one in found]))
"""


@pytest.mark.ops
def test_mlflow_itself_loads_and_writes_what_is_exchanged(room: Room, tmp_path: Path) -> None:
    """Needs `AVAL_TEST_MLFLOW_PYTHON`: a Python that has mlflow and lightgbm."""
    python = os.environ.get("AVAL_TEST_MLFLOW_PYTHON")
    assert python, "AVAL_TEST_MLFLOW_PYTHON is not set"
    package = renamed(sample(), room.name)
    made = room.register(package)
    out = write(tmp_path / "out", dict(room.models.exchange.export(room.name, 1)))
    rows = [row(package, number) for number in range(24)]
    arguments = [python, "-c", MLFLOW, str(out), str(tmp_path / "saved"), json.dumps(rows)]
    ended = subprocess.run(arguments, capture_output=True, check=True, cwd=tmp_path)
    found = json.loads(ended.stdout.decode().strip().splitlines()[-1])
    calibration = made.manifest.calibration
    told = [calibration.apply(math.log(one / (1 - one))) for one in found]
    golden = [one.probability for one in package.manifest.golden]
    assert told == pytest.approx(golden, abs=1e-9)
    origin = replace(ORIGIN, name=f"{room.name}-back")
    brought = room.models.exchange.read(tmp_path / "saved", origin, AT)
    again, is_new = room.models.register(ANN, brought)
    assert (is_new, again.state) == (True, "CANDIDATE")
