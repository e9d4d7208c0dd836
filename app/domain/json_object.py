"""A JSON object read field by field: strict, so that a slip of the pen is not a zero.

Every error names the field by its path (`features.3.name`).
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeVar

from app.domain.errors import FieldError

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

MAX_ROWS: Final = 1000
LARGEST: Final = 10**15
"""The largest magnitude of a number, inclusive."""


class JsonObject:
    """A JSON object being read; `close` refuses what was not asked for."""

    def __init__(self, data: object, path: str = "") -> None:
        """Take what was parsed; `path` is where it stands, empty for the whole document.

        Raises:
            FieldError: It is no object.

        """
        if not isinstance(data, dict):
            raise FieldError("must be an object", path or None)
        self._rest: dict[str, object] = dict(data)
        self._path = path

    def at(self, name: str) -> str:
        """Give the path of a field."""
        return f"{self._path}.{name}" if self._path else name

    def take(self, name: str) -> object:
        """Give a field's value as it is; it must be there."""
        if name not in self._rest:
            raise FieldError(f"{self.at(name)} is missing", self.at(name))
        return self._rest.pop(name)

    def refuse(self, name: str, wanted: str) -> FieldError:
        """Make the error that says what a field must be."""
        return FieldError(f"{self.at(name)} must be {wanted}", self.at(name))

    def close(self) -> None:
        """Refuse unknown fields."""
        for name in self._rest:
            raise FieldError(f"{self.at(str(name))} is not known here", self.at(str(name)))

    def names(self) -> list[str]:
        """List the fields not read yet, in the order of their names."""
        return sorted(self._rest)

    def text(self, name: str) -> str:
        """Give a string."""
        value = self.take(name)
        if not isinstance(value, str):
            raise self.refuse(name, "a string")
        return value

    def number(self, name: str) -> float:
        """Give a finite number within `LARGEST`."""
        return self._number(name, self.take(name))

    def _number(self, name: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(name, "a number")
        if not abs(value) <= LARGEST:  # nor is NaN
            raise self.refuse(name, f"from -{LARGEST} to {LARGEST}")
        return value

    def whole(self, name: str) -> int:
        """Give a whole number; 3.0 is one."""
        value = self.number(name)
        if value != int(value):
            raise self.refuse(name, "a whole number")
        return int(value)

    def choice(self, name: str, kind: type[E]) -> E:
        """Give one of an enumeration's values."""
        value = self.text(name)
        if value not in set(kind):
            raise self.refuse(name, f"one of {', '.join(kind)}")
        return kind(value)

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """Give what `read` reads, or None where the field is null; it must be there."""
        if self._rest.get(name, ...) is None:
            self._rest.pop(name)
            return None
        return read(name)

    def part(self, name: str) -> "JsonObject":
        """Give an object within this one; the caller closes it."""
        return JsonObject(self.take(name), self.at(name))

    def rows(self, name: str, read: "Callable[[JsonObject], T]") -> tuple[T, ...]:
        """Give a list of objects, each read and closed."""
        found: list[T] = []
        for index, one in enumerate(self._listed(name)):
            row = JsonObject(one, f"{self.at(name)}.{index}")
            found.append(read(row))
            row.close()
        return tuple(found)

    def numbers(self, name: str) -> tuple[float | None, ...]:
        """Give a list of numbers, null among them."""
        values = self._listed(name)
        return tuple(None if one is None else self._number(name, one) for one in values)

    def _listed(self, name: str) -> list[object]:
        value = self.take(name)
        if not isinstance(value, list) or len(value) > MAX_ROWS:
            raise self.refuse(name, f"a list of at most {MAX_ROWS}")
        return value

    def mapping(self, name: str, read: "Callable[[JsonObject, str], T]") -> dict[str, T]:
        """Give an object of free names, each value read by `read(object, name)`."""
        inner = self.part(name)
        names = inner.names()
        if len(names) > MAX_ROWS:
            raise self.refuse(name, f"an object of at most {MAX_ROWS} fields")
        return {key: read(inner, key) for key in names}
