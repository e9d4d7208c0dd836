"""A manifest as JSON and back: read strictly, written to the same bytes every time."""

import json
from datetime import date, datetime
from typing import Final

from app.domain.errors import FieldError
from app.domain.json_object import JsonObject
from app.domain.manifests import (
    FORMAT,
    Calibration,
    CalibrationMethod,
    FeatureType,
    GoldenRow,
    Manifest,
    ModelFeature,
    ModelKind,
    PackageFile,
    TrainingData,
)
from app.domain.manifests_check import check_manifest
from app.domain.scorecard import ClassBand, LightBand, Scaling
from app.domain.scores import RiskClass, TrafficLight

Json = dict[str, object]

MOST_BYTES: Final = 1_000_000
"""The longest manifest that is read, in bytes, inclusive."""


def manifest_to_bytes(manifest: Manifest) -> bytes:
    """Write what is signed and stored: UTF-8, keys in order, a line a field, ends with a newline.

    Raises:
        ValueError: A number is not finite.

    """
    text = json.dumps(
        manifest_to_json(manifest), ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False
    )
    return f"{text}\n".encode()


def manifest_from_bytes(data: bytes) -> Manifest:
    """Read and check a manifest.

    Raises:
        FieldError: Not JSON, or a field is missing, unknown or breaks its rule; its path is named.

    """
    if len(data) > MOST_BYTES:
        raise FieldError(f"the manifest is longer than {MOST_BYTES} bytes", "manifest")
    try:
        parsed = json.loads(data, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise FieldError("the manifest is nested too deeply", "manifest") from None
    except ValueError as error:
        raise FieldError(f"the manifest is not JSON: {error}", "manifest") from None
    return manifest_from_json(parsed)


def _unique(pairs: list[tuple[str, object]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):
        message = "a key is there twice"
        raise ValueError(message)
    return found


def _no_constant(name: str) -> object:
    message = f"{name} is no number of JSON"
    raise ValueError(message)


def manifest_to_json(manifest: Manifest) -> Json:
    """Write a manifest as dicts, lists, strings and numbers; keys are the fields' names."""
    return {
        "format": FORMAT,
        "name": manifest.name,
        "version": manifest.version,
        "kind": manifest.kind.value,
        "model": _file(manifest.model),
        "features": [_feature(one) for one in manifest.features],
        "target": manifest.target,
        "late_days": manifest.late_days,
        "horizon_days": manifest.horizon_days,
        "minimum_history": manifest.minimum_history,
        "training": _training(manifest.training),
        "metrics": {name: float(value) for name, value in manifest.metrics.items()},
        "prior": float(manifest.prior),
        "calibration": _calibration(manifest.calibration),
        "scaling": _scaling(manifest.scaling),
        "classes": [{"risk_class": x.risk_class.value, "lower": x.lower} for x in manifest.classes],
        "lights": [
            {"traffic_light": x.traffic_light.value, "lower": x.lower} for x in manifest.lights
        ],
        "golden": [
            {"values": [_real(value) for value in x.values], "probability": float(x.probability)}
            for x in manifest.golden
        ],
        "libraries": dict(manifest.libraries),
        "author": manifest.author,
        "made_at": manifest.made_at.isoformat(),
        "attachments": [_file(one) for one in manifest.attachments],
    }


def _real(value: float | None) -> float | None:
    """Write 4 as 4.0: the same number is the same bytes, whoever made it."""
    return None if value is None else float(value)


def _file(one: PackageFile) -> Json:
    return {"name": one.name, "size_bytes": one.size_bytes, "sha256": one.sha256}


def _feature(one: ModelFeature) -> Json:
    return {
        "name": one.name,
        "type": one.type.value,
        "lower": _real(one.lower),
        "upper": _real(one.upper),
        "monotone": one.monotone,
        "reason": one.reason,
    }


def _training(one: TrainingData) -> Json:
    return {
        "window_from": one.window_from.isoformat(),
        "window_until": one.window_until.isoformat(),
        "data_sha256": one.data_sha256,
        "rows": one.rows,
        "positives": one.positives,
        "seed": one.seed,
    }


def _calibration(one: Calibration) -> Json:
    return {
        "method": one.method.value,
        "slope": float(one.slope),
        "intercept": float(one.intercept),
        "points": [{"model": float(model), "told": float(told)} for model, told in one.points],
    }


def _scaling(one: Scaling) -> Json:
    return {
        "anchor_score": one.anchor_score,
        "anchor_odds": float(one.anchor_odds),
        "points_to_double_odds": float(one.points_to_double_odds),
    }


def manifest_from_json(data: object) -> Manifest:
    """Read and check what `manifest_to_json` wrote.

    Raises:
        FieldError: A field is missing, unknown or breaks its rule; its path is named.

    """
    row = JsonObject(data)
    if row.whole("format") != FORMAT:
        raise row.refuse("format", f"{FORMAT}")
    manifest = Manifest(
        name=row.text("name"),
        version=row.whole("version"),
        kind=row.choice("kind", ModelKind),
        model=_read_file(row.part("model"), alone=True),
        features=row.rows("features", _read_feature),
        target=row.text("target"),
        late_days=row.whole("late_days"),
        horizon_days=row.whole("horizon_days"),
        minimum_history=row.whole("minimum_history"),
        training=_read_training(row.part("training")),
        metrics=row.mapping("metrics", JsonObject.number),
        prior=row.number("prior"),
        calibration=_read_calibration(row.part("calibration")),
        scaling=_read_scaling(row.part("scaling")),
        classes=row.rows("classes", _read_class),
        lights=row.rows("lights", _read_light),
        golden=row.rows(
            "golden", lambda x: GoldenRow(x.numbers("values"), x.number("probability"))
        ),
        libraries=row.mapping("libraries", JsonObject.text),
        author=row.text("author"),
        made_at=_moment(row, "made_at"),
        attachments=row.rows("attachments", _read_file),
    )
    row.close()
    check_manifest(manifest)
    return manifest


def _read_file(row: JsonObject, *, alone: bool = False) -> PackageFile:
    found = PackageFile(row.text("name"), row.whole("size_bytes"), row.text("sha256"))
    if alone:
        row.close()
    return found


def _read_feature(row: JsonObject) -> ModelFeature:
    return ModelFeature(
        name=row.text("name"),
        type=row.choice("type", FeatureType),
        lower=row.optional("lower", row.number),
        upper=row.optional("upper", row.number),
        monotone=row.whole("monotone"),
        reason=row.optional("reason", row.text),
    )


def _read_training(row: JsonObject) -> TrainingData:
    found = TrainingData(
        window_from=_day(row, "window_from"),
        window_until=_day(row, "window_until"),
        data_sha256=row.text("data_sha256"),
        rows=row.whole("rows"),
        positives=row.whole("positives"),
        seed=row.whole("seed"),
    )
    row.close()
    return found


def _read_calibration(row: JsonObject) -> Calibration:
    found = Calibration(
        method=row.choice("method", CalibrationMethod),
        slope=row.number("slope"),
        intercept=row.number("intercept"),
        points=row.rows("points", lambda x: (x.number("model"), x.number("told"))),
    )
    row.close()
    return found


def _read_scaling(row: JsonObject) -> Scaling:
    found = Scaling(
        row.whole("anchor_score"), row.number("anchor_odds"), row.number("points_to_double_odds")
    )
    row.close()
    return found


def _read_class(row: JsonObject) -> ClassBand:
    return ClassBand(row.choice("risk_class", RiskClass), row.whole("lower"))


def _read_light(row: JsonObject) -> LightBand:
    return LightBand(row.choice("traffic_light", TrafficLight), row.whole("lower"))


def _day(row: JsonObject, name: str) -> date:
    try:
        return date.fromisoformat(row.text(name))
    except ValueError:
        raise row.refuse(name, "a date such as 2026-06-30") from None


def _moment(row: JsonObject, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(row.text(name))
    except ValueError:
        raise row.refuse(name, "a moment such as 2026-06-30T04:00:00+00:00") from None
    if found.tzinfo is None:
        raise row.refuse(name, "a moment with its offset")
    return found
