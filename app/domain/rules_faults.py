"""What is wrong with a rule set, told with its place, as many faults at once as there are."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

MOST_TOLERANCE_PERCENT: Final = 100
"""The largest tolerance above a limit, inclusive."""

ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII)

_LONGEST: Final = 500


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong where: `field` is a path such as `rows[3].when`, `rule_id` its row's."""

    field: str
    message: str
    rule_id: str | None = None

    def __str__(self) -> str:
        """Write it as one line."""
        of_rule = f"rule {self.rule_id}: " if self.rule_id else ""
        return f"{self.field}: {of_rule}{self.message}"


class RuleSetError(ValueError):
    """Data that is no rule set; `faults` has all that was found."""

    def __init__(self, version: int, faults: Sequence[Fault]) -> None:
        """Keep the faults; the message tells the first few."""
        told = "; ".join(str(one) for one in faults[:5])
        super().__init__(f"rule set {version}: {told}")
        self.faults = tuple(faults)


@dataclass(slots=True)
class Faults:
    """What was found so far; a fault is noted, and reading goes on with what makes sense.

    `place` is the path of what is being read, `rule_id` the row's.
    """

    found: list[Fault] = field(default_factory=list)
    place: str = ""
    rule_id: str | None = None

    def note(self, column: str, message: str) -> None:
        """Keep a fault of a column of what is being read; an empty one means all of it."""
        path = f"{self.place}.{column}" if self.place and column else self.place or column
        self.found.append(Fault(path, message, self.rule_id))


def read_tolerance(faults: Faults, given: object) -> Decimal:
    """Read the percentage above a limit, or note that it is none."""
    try:
        tolerance = Decimal(str(given))
    except InvalidOperation:
        tolerance = Decimal("NaN")
    if tolerance.is_finite() and 0 <= tolerance <= MOST_TOLERANCE_PERCENT:
        return tolerance
    faults.note("tolerance_percent", f"{str(given)[:40]} is not 0 to {MOST_TOLERANCE_PERCENT}")
    return Decimal(0)


def need_known_keys(faults: Faults, data: Mapping[str, Any], known: Iterable[str]) -> None:
    """Note every key that nobody knows."""
    for key in data:
        if key not in known:
            faults.note(str(key)[:60], "is not a known field")


def is_list(value: object) -> bool:
    """Tell whether JSON is an array."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def read_text(faults: Faults, data: Mapping[str, Any], key: str) -> str:
    """Read a short text that may be absent."""
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or not value.isprintable() or len(value) > _LONGEST:
        faults.note(key, f"must be a text of at most {_LONGEST} printable characters")
        return ""
    return value
