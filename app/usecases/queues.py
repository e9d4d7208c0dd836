"""A queue in which nobody's flood keeps the others waiting."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_T = TypeVar("_T")


@dataclass(slots=True)
class FairQueue(Generic[_T]):
    """Items by client: taken in turns of one each, in order of arrival within a client.

    `most` bounds what waits: each client may fill its share, `most` divided by the clients that
    wait, and who has nothing waiting is let in, however much others have sent.
    """

    most: int
    _waiting: dict[str, deque[_T]] = field(default_factory=dict)
    _count: int = 0

    def __len__(self) -> int:
        """Count the items that wait."""
        return self._count

    def has_room(self, client: str) -> bool:
        """Tell whether a client may add a request now, however many items it has."""
        own = self._waiting.get(client)
        return own is None or len(own) < self.most // len(self._waiting)

    def ahead_of(self, client: str) -> int:
        """Count the items that are taken before one that the client would add now."""
        own = len(self._waiting.get(client, ()))
        others = (len(items) for name, items in self._waiting.items() if name != client)
        return own + sum(min(count, own + 1) for count in others)

    def put(self, client: str, item: _T) -> None:
        """Add an item behind the client's others."""
        own = self._waiting.get(client)
        if own is None:
            own = self._waiting[client] = deque()
        own.append(item)
        self._count += 1

    def take(self, most: int) -> list[_T]:
        """Take up to `most` items, in turns; who had the last turn is first to wait next time."""
        if len(self._waiting) == 1:
            return list(self._one(most))
        taken: list[_T] = []
        while self._waiting and len(taken) < most:
            client = next(iter(self._waiting))
            own = self._waiting.pop(client)
            taken.append(own.popleft())
            if own:
                self._waiting[client] = own
        self._count -= len(taken)
        return taken

    def _one(self, most: int) -> Iterator[_T]:
        """Take from the only client: the usual case, without turns."""
        ((client, own),) = self._waiting.items()
        count = min(len(own), most)
        for _ in range(count):
            yield own.popleft()
        if not own:
            del self._waiting[client]
        self._count -= count
