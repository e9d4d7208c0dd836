"""A flood of one client keeps no other waiting, and what waits is bounded."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.usecases.queues import FairQueue


def test_clients_take_turns_each_in_its_own_order() -> None:
    queue: FairQueue[str] = FairQueue(10)
    for name in ("a1", "a2", "a3", "b1", "c1", "b2"):
        queue.put(name[0], name)
    assert queue.take(4) == ["a1", "b1", "c1", "a2"]
    assert queue.take(4) == ["b2", "a3"]
    assert queue.take(4) == []


def test_who_had_the_last_turn_waits_for_the_others() -> None:
    queue: FairQueue[str] = FairQueue(10)
    for name in ("a1", "a2", "b1"):
        queue.put(name[0], name)
    assert queue.take(1) == ["a1"]
    assert queue.take(1) == ["b1"]


def test_a_flood_gives_way_to_others_and_not_to_itself() -> None:
    queue: FairQueue[str] = FairQueue(4)
    assert [queue.put("flood", f"f{number}") for number in range(4)] == [None] * 4
    assert not queue.has_room("flood")
    assert queue.put("flood", "f4") == "f4"
    assert [queue.has_room("other"), queue.put("other", "o0")] == [True, "f3"]
    assert [queue.has_room("other"), queue.put("other", "o1")] == [True, "f2"]
    assert [queue.has_room("other"), queue.put("other", "o2")] == [False, "o2"]
    assert [queue.has_room("third"), queue.put("third", "t0")] == [True, "f1"]
    assert [queue.has_room("fourth"), queue.put("fourth", "u0")] == [True, "o1"]
    assert not queue.has_room("fifth")  # each has one
    assert queue.take(9) == ["f0", "o0", "t0", "u0"]


def test_who_is_first_is_taken_for_as_long_as_it_holds() -> None:
    queue: FairQueue[int] = FairQueue(10)
    for client, number in (("a", 1), ("b", 2), ("a", 3), ("a", 5), ("b", 6), ("a", 2)):
        queue.put(client, number)
    assert queue.take_while(lambda number: number < 4) == [1, 3, 2]
    assert [len(queue), queue.take(9)] == [3, [5, 6, 2]]


class Crowd(RuleBasedStateMachine):
    """A queue beside what waits of each client, oldest first; nothing is ever lost of it."""

    @initialize(most=st.integers(1, 9))
    def begin(self, most: int) -> None:
        """Open the queue."""
        self.queue: FairQueue[tuple[str, int]] = FairQueue(most)
        self.held: dict[str, list[tuple[str, int]]] = {client: [] for client in "abcd"}
        self.number = 0

    @rule(client=st.sampled_from("abcd"))
    def put(self, client: str) -> None:
        """Add one: in a full queue the newest of who has the most gives way."""
        room, full = self.queue.has_room(client), len(self.queue) == self.queue.most
        self.number += 1
        self.held[client].append((client, self.number))
        away = self.queue.put(client, (client, self.number))
        assert (away is not None) == full
        assert room == (away != (client, self.number))
        if away is not None:
            counts = {name: len(items) for name, items in self.held.items() if items}
            assert counts[away[0]] == max(counts.values())
            assert counts[away[0]] > self.queue.most // len(counts), "it has more than its share"
            assert self.held[away[0]].pop() == away

    @rule(most=st.integers(1, 9))
    def take(self, most: int) -> None:
        """Take some, each client's oldest."""
        waited = len(self.queue)
        taken = self.queue.take(most)
        assert len(taken) == min(most, waited)
        for item in taken:
            assert self.held[item[0]].pop(0) == item

    @rule(until=st.integers(1, 60))
    def shed(self, until: int) -> None:
        """Take what came before one, of all clients."""
        away = self.queue.take_while(lambda item: item[1] < until)
        assert sorted(away) == sorted(
            item for items in self.held.values() for item in items if item[1] < until
        )
        for item in away:
            self.held[item[0]].remove(item)

    @invariant()
    def bounded(self) -> None:
        """Hold no more than it may, and exactly what was put."""
        assert len(self.queue) == sum(map(len, self.held.values())) <= self.queue.most


TestCrowd = Crowd.TestCase


def test_what_is_taken_before_a_newcomer_is_counted() -> None:
    queue: FairQueue[str] = FairQueue(1000)
    assert queue.ahead_of("new") == 0
    for client, count in (("flood", 100), ("some", 3)):
        for _ in range(count):
            queue.put(client, client)
    assert [queue.ahead_of(client) for client in ("flood", "some", "new")] == [103, 7, 2]
    queue.put("some", "last")
    assert queue.take(8)[-1] == "last"  # behind seven


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99)), max_size=40),
    st.lists(st.integers(1, 9), min_size=40, max_size=40),
)
def test_everything_comes_out_once_and_in_its_clients_order(
    items: list[tuple[str, int]], sizes: list[int]
) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(100)
    for client, number in items:
        queue.put(client, (client, number))
    out: list[tuple[str, int]] = []
    for size in sizes:
        taken = queue.take(size)
        assert len(taken) <= size
        out += taken
        left = items_left(items, out)
        turns = [sum(one[0] == client for one in taken) for client in left]
        assert not turns or max(turns) - min(turns) <= 1, "whoever still waits had equal turns"
    assert len(queue) == 0
    for client in "abc":
        assert [one for one in out if one[0] == client] == [
            one for one in items if one[0] == client
        ]


def items_left(items: list[tuple[str, int]], out: list[tuple[str, int]]) -> set[str]:
    """Name the clients that still wait for something."""
    sent, taken = Counter(one[0] for one in items), Counter(one[0] for one in out)
    return {client for client in sent if sent[client] > taken[client]}
