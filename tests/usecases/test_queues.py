"""A flood of one client keeps no other waiting, and what waits is bounded."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

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


def test_a_flood_leaves_room_for_a_newcomer() -> None:
    queue: FairQueue[int] = FairQueue(4)
    for number in range(4):
        assert queue.has_room("flood")
        queue.put("flood", number)
    assert not queue.has_room("flood")
    assert queue.has_room("other")
    queue.put("other", 9)
    assert queue.has_room("other")
    queue.put("other", 9)
    assert not queue.has_room("other")


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
