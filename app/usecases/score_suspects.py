"""Who could not be scored of late is tried after everybody else, and after growing pauses."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

_FIRST: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(seconds=60)


@dataclass(slots=True)
class Suspects:
    """What one worker knows of it; another one, or the next, finds out by a try for each."""

    _ids: dict[str, None] = field(default_factory=dict)
    _pause: timedelta = _FIRST
    _not_before: datetime | None = None

    @property
    def ids(self) -> Collection[str]:
        """Give all of them; whoever was tried last is the last."""
        return self._ids.keys()

    def are_due(self, at: datetime) -> bool:
        """Tell whether it is time to try them again."""
        return self._not_before is None or at >= self._not_before

    def add(self, customer_id: str, at: datetime) -> None:
        """Say that a customer could not be scored; after a pause, the next is twice as long."""
        if self.are_due(at):
            self._not_before = at + self._pause
            self._pause = min(2 * self._pause, _LONGEST)
        self._ids.pop(customer_id, None)
        self._ids[customer_id] = None

    def clear(self, customer_ids: Collection[str]) -> None:
        """Say that customers were scored; if a suspect was among them, pauses are short again."""
        for one in self._ids.keys() & customer_ids:
            del self._ids[one]
            self._pause = _FIRST
