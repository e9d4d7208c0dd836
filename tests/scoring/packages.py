"""Packages of models for tests: one LightGBM text of 15 trees, and texts that say one number."""

import math
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import orjson

from app.domain.manifests import (
    Calibration,
    GoldenRow,
    ModelKind,
    PackageFile,
    inputs,
    logistic,
)
from app.domain.manifests_json import manifest_from_bytes
from app.domain.models import Package
from app.domain.points_model import predict_points
from app.domain.scorecard import Bin, Characteristic, Scorecard
from app.domain.scorecard_json import scorecard_to_json

FILES = Path(__file__).parent / "files"

NAMES = (
    "on_time_rate",
    "mean_days_late",
    "overdue_share",
    "utilization",
    "tenure_days",
    "order_habit",
)
"""The features of every model here."""


def sample() -> Package:
    """Read the trained sample: 15 trees of 7 leaves, calibrated by Platt, 24 golden rows."""
    manifest = manifest_from_bytes((FILES / "manifest.json").read_bytes())
    return Package(manifest, (FILES / "model.txt").read_bytes())


def with_model(package: Package, model: bytes) -> Package:
    """Put another model's file into a package, with a manifest that owns up to it."""
    file = PackageFile(package.manifest.model.name, len(model), sha256(model).hexdigest())
    return Package(replace(package.manifest, model=file), model)


def constant(probability: float, name: str = "late-payment") -> Package:
    """Make a model of one leaf that gives every row the same probability."""
    value = math.log(probability / (1 - probability))
    tree = (
        "Tree=0\nnum_leaves=1\nnum_cat=0\nsplit_feature=\nsplit_gain=\nthreshold=\n"
        "decision_type=\nleft_child=\nright_child=\n"
        f"leaf_value={value!r}\nleaf_weight=\nleaf_count=300\ninternal_value=\n"
        "internal_weight=\ninternal_count=\nis_linear=0\nshrinkage=1\n\n\n"
    )
    before = sample()
    manifest = before.manifest
    monotone = " ".join(str(one.monotone) for one in manifest.features)
    head = (
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
        f"max_feature_idx={len(NAMES) - 1}\nobjective=binary sigmoid:1\n"
        f"feature_names={' '.join(NAMES)}\nmonotone_constraints={monotone}\n"
        f"feature_infos={' '.join('none' for _ in NAMES)}\ntree_sizes={len(tree)}\n\n"
    )
    golden = tuple(replace(row, probability=logistic(value)) for row in manifest.golden)
    told = replace(manifest, name=name, calibration=Calibration(), golden=golden)
    return with_model(Package(told, b""), f"{head}{tree}end of trees\n\n".encode())


def points(name: str = "points-card", start_points: int = 500) -> Package:
    """Make a scorecard of two characteristics as a model; none is tried in a child."""
    manifest = sample().manifest
    card = Scorecard(
        name=name,
        version=1,
        horizon_days=manifest.horizon_days,
        late_days=manifest.late_days,
        minimum_history=3,
        start_points=start_points,
        scaling=manifest.scaling,
        classes=manifest.classes,
        lights=manifest.lights,
        characteristics=(
            _characteristic("on_time_rate", (None, 0.5, 0.9, None), (-60, 0, 80)),
            _characteristic("mean_days_late", (None, 5.0, 20.0, None), (60, 0, -70)),
        ),
    )
    data = orjson.dumps(scorecard_to_json(card))
    told = replace(
        manifest, name=name, kind=ModelKind.SCORECARD, calibration=Calibration(), golden=()
    )
    rows = [row.values for row in manifest.golden]
    golden = tuple(
        GoldenRow(row, predict_points(card, told, row).grade.probability) for row in rows
    )
    file = PackageFile("scorecard.json", len(data), sha256(data).hexdigest())
    return Package(replace(told, golden=golden, model=file), data)


def _characteristic(
    feature: str, bounds: tuple[float | None, ...], worth: tuple[int, ...]
) -> Characteristic:
    bins = tuple(
        Bin(low, high, points) for (low, high), points in zip(pairwise(bounds), worth, strict=True)
    )
    return Characteristic(feature, "ON_TIME_RATE_LOW", bins, 0, None)


def edited(package: Package, edit: Callable[[str], str]) -> Package:
    """Edit a text and own up to it, tree sizes included: as a forger with the key would."""
    text = package.model.decode()
    after = edit(text)
    assert after != text, "the edit changes nothing"
    return with_model(package, resized(after).encode())


def resized(text: str) -> str:
    """Write the sizes of the trees as they are."""
    head, _, rest = text.partition("\n\nTree=0\n")
    trees = ("Tree=0\n" + rest).partition("end of trees")[0].split("Tree=")[1:]
    sizes = " ".join(str(len("Tree=" + tree)) for tree in trees)
    lines = [f"tree_sizes={sizes}" if x.startswith("tree_sizes=") else x for x in head.split("\n")]
    return "\n".join(lines) + "\n\nTree=0\n" + rest


def row(package: Package, number: int = 0) -> dict[str, float | None]:
    """Give a golden row as a row of named features."""
    values = package.manifest.golden[number].values
    named = dict(zip(package.manifest.feature_names, values, strict=True))
    assert inputs(package.manifest, named) == values
    return named


def renamed(package: Package, name: str) -> Package:
    """Give a package of a LightGBM text under another name."""
    return replace(package, manifest=replace(package.manifest, name=name))
