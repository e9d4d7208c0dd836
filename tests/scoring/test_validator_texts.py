"""What LightGBM itself writes, by settings and versions: taken, or refused by its name."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.domain.errors_models import ModelRefusedError
from app.scoring.loadable import Loadable
from app.scoring.validator import check_text
from app.scoring.verification import ask_child
from tests.scoring.packages import FILES, sample

SOUND = (
    "plain",
    "dart",
    "goss",
    "extra-trees",
    "unbalanced",
    "path-smooth",
    "monotone-advanced",
    "quantized",
    "zero-is-missing",
    "nothing-is-missing",
    "no-average",
    "one-leaf",
)
REFUSED = {
    "random-forest": "a random forest is not taken",
    "linear-leaves": "tree 0 has linear leaves",
    "another-sigmoid": "objective must be binary sigmoid:1",
    "cross-entropy": "objective must be binary sigmoid:1",
    "categories": "categories are not taken",
}


LEFT_OUT = ("pandas", "sklearn", "dask", "distributed", "matplotlib", "pyarrow")
"""What LightGBM imports where it is there: seconds, for nothing."""


def written(folder: Path, *program: str) -> Path:
    command = [sys.executable, "-W", "ignore", *program, str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    left_out = f"import sys; sys.modules.update(dict.fromkeys({LEFT_OUT}))"
    program = f"{left_out}; from tests.scoring.lightgbm_texts import run; run()"
    return written(tmp_path_factory.mktemp("texts"), "-c", program)


def check(data: bytes, *, is_constrained: bool = True) -> str:
    """Check a text against the sample's manifest, and give the part to load."""
    manifest = sample().manifest
    if not is_constrained:
        free = tuple(replace(one, monotone=0) for one in manifest.features)
        manifest = replace(manifest, features=free)
    return check_text(data, manifest).loadable


def predicts(text: str) -> None:
    """Insist that a child loads a text and explains by it the golden rows of another model."""
    told = ask_child(Loadable(sample().manifest, text))
    assert told["sums"] == pytest.approx(told["log_odds"], abs=1e-9)
    assert len({*told["log_odds"]}) > 1


@pytest.mark.parametrize("name", SOUND)
def test_what_lightgbm_writes_is_taken(texts: Path, name: str) -> None:
    data = (texts / f"{name}.txt").read_bytes()
    assert data.startswith(check(data).removesuffix("end of trees\n").encode())


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_served_is_refused_by_its_name(texts: Path, name: str) -> None:
    is_constrained = name not in {"linear-leaves", "categories"}
    with pytest.raises(ModelRefusedError, match=REFUSED[name]):
        check((texts / f"{name}.txt").read_bytes(), is_constrained=is_constrained)


def test_constraints_are_those_of_the_manifest(texts: Path) -> None:
    with pytest.raises(ModelRefusedError, match="monotone_constraints"):
        check((texts / "plain.txt").read_bytes(), is_constrained=False)


def test_the_text_of_an_older_lightgbm_is_taken_and_predicts() -> None:
    """Written by LightGBM 4.0.0, cut after its second tree."""
    predicts(check((FILES / "lightgbm-4.0.0.txt").read_bytes()))


def test_an_older_format_lf_and_no_tree_are_refused_by_name() -> None:
    data = (FILES / "lightgbm-4.0.0.txt").read_bytes()
    for changed, rule in (
        (data.replace(b"version=v4", b"version=v3"), "version must be v4"),
        (data.replace(b"\n", b"\r\n"), "must end in LF alone"),
        (data[: data.index(b"tree_sizes=")] + b"tree_sizes=\n\nend of trees\n", "by a tree"),
    ):
        with pytest.raises(ModelRefusedError, match=rule):
            check(changed)


@pytest.mark.nightly
def test_what_two_workers_train_is_taken_and_predicts(tmp_path: Path) -> None:
    predicts(
        check(
            (written(tmp_path, "-m", "tests.scoring.lightgbm_dask_text") / "dask.txt").read_bytes()
        )
    )
