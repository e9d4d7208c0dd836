"""Whether a manifest holds together: every rule that needs no other file."""

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from app.domain.errors import FieldError
from app.domain.manifests import (
    MANIFEST,
    MODEL_FILES,
    CalibrationMethod,
    FeatureType,
    Manifest,
    ModelFeature,
    PackageFile,
)
from app.domain.scorecard import MAX_SCORE
from app.domain.scorecard_check import SETTING_BOUNDS
from app.domain.scores import RiskClass, TrafficLight

LEAST_GOLDEN: Final = 20
"""So many golden rows at least: one row can be right by accident."""

MOST_FEATURES: Final = 500
MOST_MODEL_BYTES: Final = 8_000_000
"""The largest model file, in bytes, inclusive: some 5,000 shallow trees."""

MOST_ATTACHMENT_BYTES: Final = 8_000_000
MOST_ATTACHMENTS: Final = 50

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}", re.ASCII)
_FEATURE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_REASON: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII)
_FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_RESERVED: Final = frozenset({MANIFEST, "signature.json", *MODEL_FILES.values()})
_LONGEST_TEXT: Final = 200
_BOUNDS: Final = {
    "version": (0, 10**6),
    "late_days": SETTING_BOUNDS["late_days"],
    "horizon_days": SETTING_BOUNDS["horizon_days"],
    "minimum_history": (0, 100),
}
_GRADES: Final = tuple(row for row in RiskClass if row is not RiskClass.N)


def check_manifest(manifest: Manifest) -> None:
    """Insist on every rule.

    Raises:
        FieldError: The first broken one; `field` is its path.

    """
    check_name(manifest.name)
    for name, (least, most) in _BOUNDS.items():
        _within(getattr(manifest, name), name, least, most)
    for name in ("target", "author"):
        _text(getattr(manifest, name), name)
    _check_files(manifest)
    _check_features(manifest.features)
    _check_training(manifest)
    _check_scale(manifest)
    _check_calibration(manifest)
    _check_golden(manifest)


def check_name(name: str) -> None:
    """Insist on a model's name: it is part of paths and URLs.

    Raises:
        FieldError: It is none.

    """
    _need(bool(_NAME.fullmatch(name)), "name", "is a-z, 0-9 and -, a letter first, at most 64")


def _need(holds: bool, field: str, rule: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not holds:
        raise FieldError(f"{field} {rule}", field)


def _within(value: float, field: str, least: float, most: float) -> None:
    _need(least <= value <= most, field, f"must be from {least} to {most}")


def _text(value: str, field: str) -> None:
    fits = 0 < len(value) <= _LONGEST_TEXT and value.isprintable()
    _need(fits, field, f"must be 1 to {_LONGEST_TEXT} printable characters")


def _check_files(manifest: Manifest) -> None:
    wanted = MODEL_FILES[manifest.kind]
    _need(manifest.model.name == wanted, "model.name", f"must be {wanted}")
    _check_file(manifest.model, "model", MOST_MODEL_BYTES)
    _need(len(manifest.attachments) <= MOST_ATTACHMENTS, "attachments", "are too many")
    seen = set(_RESERVED)
    for index, one in enumerate(manifest.attachments):
        path = f"attachments.{index}"
        _check_file(one, path, MOST_ATTACHMENT_BYTES)
        _need(one.name not in seen, f"{path}.name", f"{one.name} is there twice or reserved")
        seen.add(one.name)


def _check_file(one: PackageFile, path: str, most: int) -> None:
    _need(bool(_FILE.fullmatch(one.name)), f"{path}.name", "is no plain file name")
    _within(one.size_bytes, f"{path}.size_bytes", 1, most)
    _need(bool(_SHA256.fullmatch(one.sha256)), f"{path}.sha256", "must be 64 hex digits")


def _check_features(features: Sequence[ModelFeature]) -> None:
    _within(len(features), "features", 1, MOST_FEATURES)
    seen: set[str] = set()
    for index, one in enumerate(features):
        path = f"features.{index}"
        _need(bool(_FEATURE.fullmatch(one.name)), f"{path}.name", "is a-z, 0-9 and _")
        _need(one.name not in seen, f"{path}.name", f"{one.name} is there twice")
        seen.add(one.name)
        _need(one.monotone in {-1, 0, 1}, f"{path}.monotone", "must be -1, 0 or 1")
        reason = one.reason
        _need(reason is None or bool(_REASON.fullmatch(reason)), f"{path}.reason", "is no code")
        if one.lower is not None and one.upper is not None:
            _need(one.lower <= one.upper, f"{path}.upper", "lies below lower")
        if one.type is FeatureType.FLAG:
            _need((one.lower, one.upper) == (0, 1), path, "is a flag, so its bounds are 0 and 1")


def _check_training(manifest: Manifest) -> None:
    data = manifest.training
    _need(data.window_from <= data.window_until, "training.window_until", "lies before the start")
    _need(
        bool(_SHA256.fullmatch(data.data_sha256)), "training.data_sha256", "must be 64 hex digits"
    )
    _need(0 < data.positives < data.rows, "training.positives", "must be above 0 and below rows")
    _within(data.seed, "training.seed", 0, 2**31 - 1)
    for name, value in manifest.metrics.items():
        _need(bool(_FEATURE.fullmatch(name)), f"metrics.{name}", "is a-z, 0-9 and _")
        _need(math.isfinite(value), f"metrics.{name}", "must be finite")
    for name, text in manifest.libraries.items():
        _text(name, "libraries")
        _text(text, f"libraries.{name}")


def _check_scale(manifest: Manifest) -> None:
    for name in ("anchor_score", "anchor_odds", "points_to_double_odds"):
        _within(getattr(manifest.scaling, name), f"scaling.{name}", *SETTING_BOUNDS[name])
    _need(0 < manifest.prior < 1, "prior", "must be above 0 and below 1")
    _bands("classes", [(one.risk_class, one.lower) for one in manifest.classes], _GRADES)
    lights = [(one.traffic_light, one.lower) for one in manifest.lights]
    _bands("lights", lights, tuple(TrafficLight))


def _bands(part: str, bands: Sequence[tuple[str, int]], names: Sequence[str]) -> None:
    found = tuple(name for name, _ in bands)
    _need(found == tuple(names), part, f"must be {', '.join(names)}, each once, in this order")
    lowers = [lower for _, lower in bands]
    _need(
        all(better > worse for better, worse in pairwise(lowers)), part, "must fall from the best"
    )
    _need(lowers[0] <= MAX_SCORE and lowers[-1] == 0, part, f"must end at 0 within {MAX_SCORE}")


def _check_calibration(manifest: Manifest) -> None:
    one = manifest.calibration
    if one.method is CalibrationMethod.PLATT:
        _within(one.slope, "calibration.slope", 0.001, 1000)
        _within(one.intercept, "calibration.intercept", -100, 100)
    if one.method is not CalibrationMethod.POINTS:
        _need(not one.points, "calibration.points", f"does not belong to {one.method}")
        return
    _within(len(one.points), "calibration.points", 2, 1000)
    for point in one.points:
        _need(all(0 <= x <= 1 for x in point), "calibration.points", "must be probabilities")
    rises = all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(one.points))
    _need(rises, "calibration.points", "must rise from pair to pair")


def _check_golden(manifest: Manifest) -> None:
    _within(len(manifest.golden), "golden", LEAST_GOLDEN, 1000)
    for index, row in enumerate(manifest.golden):
        path = f"golden.{index}"
        _need(len(row.values) == len(manifest.features), f"{path}.values", "is a value a feature")
        _within(row.probability, f"{path}.probability", 0, 1)
