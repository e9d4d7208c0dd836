"""A queue in which nobody's flood keeps the others waiting."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_T = TypeVar("_T")


@dataclass(slots=True)
class FairQueue(Generic[_T]):
    """Items by client: taken in turns of one each, in order of arrival within a client.

    No more than `most` ever wait. Where all places are taken, whoever adds to the most that one
    client has is turned away; for any other the newest of those gives way, so that a flood cannot
    shut the door on others: the longest queue is dropped from, as in fair queueing of packets.
    """

    most: int
    _waiting: dict[str, deque[_T]] = field(default_factory=dict)
    _count: int = 0

    def __len__(self) -> int:
        """Count the items that wait."""
        return self._count

    def has_room(self, client: str) -> bool:
        """Tell whether an item that the client adds now would stay."""
        return self._count < self.most or len(self._waiting.get(client, ())) + 1 < self._longest()

    def _longest(self) -> int:
        return max(map(len, self._waiting.values()), default=0)

    def ahead_of(self, client: str) -> int:
        """Count the items that are taken before one that the client would add now."""
        own = len(self._waiting.get(client, ()))
        others = (len(items) for name, items in self._waiting.items() if name != client)
        return own + sum(min(count, own + 1) for count in others)

    def put(self, client: str, item: _T) -> _T | None:
        """Add an item behind the client's others; return the one that finds no place for it."""
        own = self._waiting.get(client)
        if own is None:
            own = self._waiting[client] = deque()
        own.append(item)
        self._count += 1
        return None if self._count <= self.most else self._give_way(client)

    def _give_way(self, client: str) -> _T:
        """Take out the newest item of who has the most: of the client itself, if none has more."""
        longest = self._longest()
        if len(self._waiting[client]) < longest:
            client = next(one for one, items in self._waiting.items() if len(items) == longest)
        return self._drop(client, deque.pop)

    def _drop(self, client: str, pop: Callable[[deque[_T]], _T]) -> _T:
        own = self._waiting[client]
        item = pop(own)
        if not own:
            del self._waiting[client]
        self._count -= 1
        return item

    def take_while(self, true: Callable[[_T], bool]) -> list[_T]:
        """Take the first items of each client for as long as this holds of them."""
        taken = []
        for client in list(self._waiting):
            while client in self._waiting and true(self._waiting[client][0]):
                taken.append(self._drop(client, deque.popleft))
        return taken

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
