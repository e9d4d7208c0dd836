"""A scorecard as JSON and back, exactly: how the database keeps a version and a file ships one."""

from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum

from app.domain.json_object import JsonObject
from app.domain.scorecard import (
    Bin,
    Characteristic,
    ClassBand,
    LightBand,
    Scaling,
    Scorecard,
)
from app.domain.scores import RiskClass, TrafficLight

Json = dict[str, object]


def scorecard_to_json(scorecard: Scorecard) -> Json:
    """Write a scorecard as dicts, lists, strings and numbers; keys are the fields' names."""
    return _plain(asdict(scorecard))


def _plain(row: Mapping[str, object]) -> Json:
    # jsonb and XLSX keep sequences as lists and enums as strings; equality after the way back
    # needs the same here.
    return {name: _plain_value(value) for name, value in row.items()}


def _plain_value(value: object) -> object:
    match value:
        case dict():
            return _plain(value)
        case tuple():
            return [_plain_value(one) for one in value]
        case StrEnum():
            return value.value
        case _:
            return value


def scorecard_from_json(data: object) -> Scorecard:
    """Read what `scorecard_to_json` wrote; strict, so that a slip of the pen is not a zero.

    Whether the points make sense is for `validate_scorecard`.

    Raises:
        FieldError: A field is missing, unknown or of the wrong type; its path is named.

    """
    row = JsonObject(data)
    card = Scorecard(
        name=row.text("name"),
        version=row.whole("version"),
        horizon_days=row.whole("horizon_days"),
        late_days=row.whole("late_days"),
        minimum_history=row.whole("minimum_history"),
        start_points=row.whole("start_points"),
        scaling=_scaling(row.part("scaling")),
        classes=row.rows("classes", _class_band),
        lights=row.rows("lights", _light_band),
        characteristics=row.rows("characteristics", _characteristic),
    )
    row.close()
    return card


def _scaling(row: JsonObject) -> Scaling:
    return Scaling(
        row.whole("anchor_score"),
        row.number("anchor_odds"),
        row.number("points_to_double_odds"),
    )


def _class_band(row: JsonObject) -> ClassBand:
    return ClassBand(row.choice("risk_class", RiskClass), row.whole("lower"))


def _light_band(row: JsonObject) -> LightBand:
    return LightBand(row.choice("traffic_light", TrafficLight), row.whole("lower"))


def _characteristic(row: JsonObject) -> Characteristic:
    return Characteristic(
        feature=row.text("feature"),
        reason=row.text("reason"),
        bins=row.rows("bins", _bin),
        missing_points=row.whole("missing_points"),
        missing_reason=row.optional("missing_reason", row.text),
    )


def _bin(row: JsonObject) -> Bin:
    return Bin(
        row.optional("lower", row.number), row.optional("upper", row.number), row.whole("points")
    )
