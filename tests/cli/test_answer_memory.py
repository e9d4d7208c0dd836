"""A service that has grown gives back what is free, and only then looks for it."""

import gc
import subprocess
import sys
import weakref

import pytest

from app.cli.answer_memory import Memory, give_back, resident_bytes

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("now", "grown"),
    [
        pytest.param(108 * MIB, True, id="8-mib-more"),
        pytest.param(108 * MIB - 1, False, id="one-byte-less"),
        pytest.param(90 * MIB, False, id="smaller"),
    ],
)
def test_when_it_is_worth_looking(now: int, *, grown: bool) -> None:
    sizes = iter([100 * MIB, now])
    assert Memory(lambda: next(sizes), lambda: None).untidy(resting=False) == grown


def test_it_counts_from_the_least_it_had_and_from_what_was_left_of_it() -> None:
    sizes, given = iter([100, 90, 98, 98, 105, 106]), list[int]()
    memory = Memory(lambda: next(sizes) * MIB, lambda: given.append(1))
    assert not memory.untidy(resting=False)
    assert memory.untidy(resting=False)  # 8 more than 90
    memory.tidy(resting=False)
    assert not memory.untidy(resting=False)  # 7 more than the 98 that are really in use
    assert memory.untidy(resting=False)
    assert given == [1]


def test_what_was_in_flight_is_given_back_once_nothing_is() -> None:
    sizes = iter([100, 116, 116, 117, 117, 101, 101])
    memory = Memory(lambda: next(sizes) * MIB, lambda: None)
    assert memory.untidy(resting=False)
    memory.tidy(resting=False)
    assert not memory.untidy(resting=False)
    assert memory.untidy(resting=True)
    memory.tidy(resting=True)
    assert not memory.untidy(resting=True)  # once is enough


class Ring:
    """Something that refers to itself."""

    def __init__(self) -> None:
        """Close the ring."""
        self.itself = self


@pytest.mark.parametrize("resting", [True, False], ids=["resting", "busy"])
def test_what_refers_to_itself_goes_where_nobody_waits(*, resting: bool) -> None:
    gc.collect()  # what is younger would be looked at by itself
    left = weakref.ref(Ring())
    Memory(lambda: 0, lambda: None).tidy(resting=resting)
    assert (left() is None) == resting


def test_what_is_free_goes_back() -> None:
    """Holes of 200 KB each, which the C library would keep between what lives on."""
    give_back()
    before = resident_bytes()
    held = [bytearray(b"x" * 100_000) for _ in range(600)]
    kept, held[::2] = held[1::2], [bytearray()] * 300
    full = resident_bytes()
    give_back()
    left = resident_bytes()
    assert full - before > 20 * MIB
    assert full - left > 10 * MIB
    assert len(kept) == 300


def test_threads_take_memory_from_one_place() -> None:
    """What glibc calls an arena, a `<heap>` of its own report; in a process without any thread."""
    program = """if True:
        import ctypes, re, sys, threading
        from app.cli.answer_memory import share_arena
        if sys.argv[1] == "share":
            share_arena()
        kept = []
        for _ in range(4):
            thread = threading.Thread(target=lambda: kept.append(bytearray(100_000)))
            thread.start()
            thread.join()
        libc = ctypes.CDLL(None)
        stdout = ctypes.c_void_p.in_dll(libc, "stdout")
        libc.malloc_info(0, stdout)
        libc.fflush(stdout)
    """
    places = [
        subprocess.run(
            [sys.executable, "-c", program, how], capture_output=True, text=True, check=True
        ).stdout.count("<heap nr=")
        for how in ("share", "each")
    ]
    assert places[0] == 1 < places[1]
