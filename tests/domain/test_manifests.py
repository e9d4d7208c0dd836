"""Manifests: the same bytes there and back, strict reading, and the scale of a probability."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import FieldError
from app.domain.manifests import (
    Calibration,
    CalibrationMethod,
    grade,
    inputs,
    logistic,
    points_of,
    score_of,
)
from app.domain.manifests_json import (
    MOST_BYTES,
    manifest_from_bytes,
    manifest_from_json,
    manifest_to_bytes,
    manifest_to_json,
)
from app.domain.scorecard import default_probability
from tests.scoring.packages import FILES, row, sample

Json = dict[str, Any]


def test_the_way_there_and_back_changes_no_byte() -> None:
    data = (FILES / "manifest.json").read_bytes()
    assert manifest_to_bytes(manifest_from_bytes(data)) == data


def _set(path: str, value: object) -> Callable[[Json], None]:
    def change(data: Json) -> None:
        *parents, last = path.split(".")
        part: Any = data
        for one in parents:
            part = part[int(one)] if isinstance(part, list) else part[one]
        part[int(last) if isinstance(part, list) else last] = value

    return change


BROKEN: dict[str, tuple[str, Callable[[Json], object]]] = {
    "another-format": ("format", _set("format", 2)),
    "name-with-a-slash": ("name", _set("name", "../late")),
    "unknown-field": ("pickle", _set("pickle", "x")),
    "missing-field": ("prior", lambda data: data.pop("prior")),
    "another-file-name": ("model.name", _set("model.name", "model.pkl")),
    "sha-too-short": ("model.sha256", _set("model.sha256", "00")),
    "empty-model": ("model.size_bytes", _set("model.size_bytes", 0)),
    "no-feature": ("features", _set("features", [])),
    "feature-twice": ("features.1.name", _set("features.1.name", "on_time_rate")),
    "bounds-crossed": ("features.0.upper", _set("features.0.upper", -1)),
    "monotone-of-two": ("features.0.monotone", _set("features.0.monotone", 2)),
    "bounds-are-text": ("features.0.lower", _set("features.0.lower", "0")),
    "one-class": ("training.positives", _set("training.positives", 0)),
    "window-backwards": ("training.window_until", _set("training.window_until", "2020-01-01")),
    "prior-of-one": ("prior", _set("prior", 1)),
    "nan-metric": ("metrics.auc", _set("metrics.auc", math.nan)),
    "slope-of-zero": ("calibration.slope", _set("calibration.slope", 0)),
    "points-without-points": ("calibration.points", _set("calibration.method", "points")),
    "class-out-of-order": ("classes", _set("classes.0.lower", 1)),
    "light-missing": ("lights", lambda data: data["lights"].pop()),
    "golden-too-few": ("golden", _set("golden", [])),
    "golden-too-short": ("golden.3.values", _set("golden.3.values", [1])),
    "golden-above-one": ("golden.3.probability", _set("golden.3.probability", 1.5)),
    "moment-without-offset": ("made_at", _set("made_at", "2026-06-01T00:00:00")),
    "attachment-outside": (
        "attachments.0.name",
        _set("attachments", [{"name": "../x", "size_bytes": 1, "sha256": "0" * 64}]),
    ),
    "attachment-is-the-signature": (
        "attachments.0.name",
        _set("attachments", [{"name": "signature.json", "size_bytes": 1, "sha256": "0" * 64}]),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named(name: str) -> None:
    field, change = BROKEN[name]
    data = manifest_to_json(sample().manifest)
    change(data)
    with pytest.raises(FieldError) as refusal:
        manifest_from_json(data)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"format": 1, "format": 1}',
        b'{"format": NaN}',
        b"[" * 100_000,
        b" " * (MOST_BYTES + 1),
    ],
    ids=["empty", "not-utf-8", "a-list", "key-twice", "nan", "nested", "too-long"],
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(FieldError):
        manifest_from_bytes(data)


ANYTHING = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5)


@given(st.sampled_from(sorted(manifest_to_json(sample().manifest))), ANYTHING)
def test_any_value_in_any_field_is_read_or_refused(name: str, value: object) -> None:
    data = json.loads(json.dumps(manifest_to_json(sample().manifest))) | {name: value}
    try:
        manifest_to_bytes(manifest_from_json(data))
    except FieldError as refusal:
        assert refusal.field  # noqa: PT017 - refused or read, both are fine


def test_a_row_is_put_in_order_within_bounds() -> None:
    manifest = sample().manifest
    named = row(sample()) | {"on_time_rate": 1.5, "mean_days_late": -3.0, "order_habit": math.nan}
    found = inputs(manifest, dict(reversed(named.items())))
    assert (found[0], found[1], found[5]) == (1, 0, None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda named: named | {"phase_of_the_moon": 1.0}, "phase_of_the_moon"),
        (lambda named: {k: v for k, v in named.items() if k != "utilization"}, "utilization"),
        (lambda named: {**dict(list(named.items())[1:]), "x": 1.0}, "x"),
        (lambda named: named | {"utilization": math.inf}, "utilization"),
    ],
    ids=["unknown", "left-out", "swapped", "infinite"],
)
def test_a_row_of_other_features_is_refused(change: Callable[[Json], Json], field: str) -> None:
    with pytest.raises(FieldError) as refusal:
        inputs(sample().manifest, change(row(sample())))
    assert refusal.value.field == field


@given(st.integers(0, 1000))
def test_score_and_probability_are_inverse(score: int) -> None:
    scaling = sample().manifest.scaling
    assert abs(score_of(default_probability(score, scaling), scaling) - score) <= 1


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_risk_is_never_a_better_score(one: float, other: float) -> None:
    manifest = sample().manifest
    low, high = sorted((one, other))
    assert grade(low, manifest).score >= grade(high, manifest).score


@given(st.floats(-800, 800))
def test_log_odds_become_a_probability(log_odds: float) -> None:
    assert 0 <= logistic(log_odds) <= 1


def test_points_are_the_log_odds_on_the_scale() -> None:
    scaling = sample().manifest.scaling
    assert points_of(math.log(2), scaling) == pytest.approx(-scaling.points_to_double_odds)


def test_calibration_by_points_is_straight_between_and_flat_beyond() -> None:
    pairs = ((0.1, 0.2), (0.5, 0.4))
    told = Calibration(CalibrationMethod.POINTS, points=pairs)
    odds = [math.log(p / (1 - p)) for p in (0.05, 0.3, 0.9)]
    assert [told.apply(one) for one in odds] == pytest.approx([0.2, 0.3, 0.4])


def test_a_manifest_says_when_in_utc_or_with_an_offset() -> None:
    moment = datetime.fromisoformat("2026-06-01T08:00:00+08:00")
    data = manifest_to_bytes(replace(sample().manifest, made_at=moment))
    assert manifest_from_bytes(data).made_at == moment


def test_whole_numbers_and_their_floats_are_the_same_bytes() -> None:
    data = manifest_to_json(sample().manifest)
    whole = json.loads(json.dumps(data), parse_float=lambda text: _whole(float(text)))
    assert whole["features"][0]["upper"] == 1
    assert isinstance(whole["features"][0]["upper"], int)
    assert manifest_to_bytes(manifest_from_json(whole)) == manifest_to_bytes(sample().manifest)


def _whole(number: float) -> float:
    return int(number) if number.is_integer() else number
