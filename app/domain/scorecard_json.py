"""A scorecard as JSON and back, exactly: how the database keeps a version and a file ships one."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Final, TypeVar

from app.domain.errors import FieldError
from app.domain.scorecard import (
    Bin,
    Characteristic,
    ClassBand,
    LightBand,
    Scaling,
    Scorecard,
)
from app.domain.scores import RiskClass, TrafficLight

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

Json = dict[str, object]

_MAX_ROWS: Final = 1000
_LARGEST: Final = 10**15


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
    row = _Object(data, "")
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


def _scaling(row: "_Object") -> Scaling:
    return Scaling(
        row.whole("anchor_score"),
        row.number("anchor_odds"),
        row.number("points_to_double_odds"),
    )


def _class_band(row: "_Object") -> ClassBand:
    return ClassBand(row.choice("risk_class", RiskClass), row.whole("lower"))


def _light_band(row: "_Object") -> LightBand:
    return LightBand(row.choice("traffic_light", TrafficLight), row.whole("lower"))


def _characteristic(row: "_Object") -> Characteristic:
    return Characteristic(
        feature=row.text("feature"),
        reason=row.text("reason"),
        bins=row.rows("bins", _bin),
        missing_points=row.whole("missing_points"),
        missing_reason=row.optional("missing_reason", row.text),
    )


def _bin(row: "_Object") -> Bin:
    return Bin(
        row.optional("lower", row.number), row.optional("upper", row.number), row.whole("points")
    )


class _Object:
    """A JSON object being read field by field; `close` refuses what was not asked for."""

    def __init__(self, data: object, path: str) -> None:
        if not isinstance(data, dict):
            raise FieldError("must be an object", path or None)
        self._rest: dict[str, object] = dict(data)
        self._path = path

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _take(self, name: str) -> object:
        if name not in self._rest:
            raise FieldError(f"{self._at(name)} is missing", self._at(name))
        return self._rest.pop(name)

    def _refuse(self, name: str, wanted: str) -> FieldError:
        return FieldError(f"{self._at(name)} must be {wanted}", self._at(name))

    def close(self) -> None:
        """Refuse unknown fields."""
        for name in self._rest:
            raise FieldError(f"{self._at(str(name))} is not known here", self._at(str(name)))

    def text(self, name: str) -> str:
        value = self._take(name)
        if not isinstance(value, str):
            raise self._refuse(name, "a string")
        return value

    def number(self, name: str) -> float:
        value = self._take(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refuse(name, "a number")
        if not abs(value) <= _LARGEST:  # nor is NaN
            raise self._refuse(name, f"from -{_LARGEST} to {_LARGEST}")
        return value

    def whole(self, name: str) -> int:
        value = self.number(name)
        if value != int(value):
            raise self._refuse(name, "a whole number")
        return int(value)

    def choice(self, name: str, kind: type[E]) -> E:
        value = self.text(name)
        if value not in set(kind):
            raise self._refuse(name, f"one of {', '.join(kind)}")
        return kind(value)

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        if self._rest.get(name, ...) is None:
            self._rest.pop(name)
            return None
        return read(name)

    def part(self, name: str) -> "_Object":
        return _Object(self._take(name), self._at(name))

    def rows(self, name: str, read: "Callable[[_Object], T]") -> tuple[T, ...]:
        value = self._take(name)
        if not isinstance(value, list) or len(value) > _MAX_ROWS:
            raise self._refuse(name, f"a list of at most {_MAX_ROWS}")
        found: list[T] = []
        for index, one in enumerate(value):
            row = _Object(one, f"{self._at(name)}.{index}")
            found.append(read(row))
            row.close()
        return tuple(found)
