"""What a service holds lies in large pages, where its system gives them."""

import ctypes
import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.cli.answer_memory import resident_bytes
from app.cli.answer_pages import LARGE_BYTES, use_large_pages

_SIZE = 4 * LARGE_BYTES  # whole ones are among it, wherever it begins
_PAGE = mmap.PAGESIZE
_PATTERN = bytes(range(256)) * (_PAGE // 256)


def large_pages(held: mmap.mmap) -> int:
    """Read from the system how many bytes around a mapping lie in large pages."""
    address, inside = ctypes.addressof(ctypes.c_char.from_buffer(held)), False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        if head:
            inside = int(head[1], 16) <= address < int(head[2], 16)
        elif inside and line.startswith("AnonHugePages:"):
            return int(line.split()[1]) * 1024
    raise LookupError(address)


@contextmanager
def holding(*, of_eight: int) -> Iterator[mmap.mmap]:
    """Hold memory of which so many pages of eight are there."""
    with mmap.mmap(-1, _SIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        for page in range(_SIZE // _PAGE):
            if page % 8 < of_eight:
                held[page * _PAGE : (page + 1) * _PAGE] = _PATTERN
        yield held


def given() -> bool:
    """Find out whether this system puts small pages together when it is asked to: 25 asks."""
    with holding(of_eight=8) as held:
        address = ctypes.addressof(ctypes.c_char.from_buffer(held))
        whole = ctypes.c_void_p(-(-address // LARGE_BYTES) * LARGE_BYTES)
        return bool(ctypes.CDLL(None).madvise(whole, ctypes.c_size_t(LARGE_BYTES), 25) == 0)


@pytest.mark.parametrize("there", [8, 7], ids=["all-of-it", "seven-eighths"])
def test_what_is_nearly_full_moves_and_stays_what_it_is(there: int) -> None:
    least = _SIZE - LARGE_BYTES if given() else 0
    with holding(of_eight=there) as held:
        got = use_large_pages()
        assert got >= least
        assert bool(got) == bool(least)
        assert large_pages(held) >= least
        filled = [page for page in range(_SIZE // _PAGE) if page % 8 < there]
        assert all(held[page * _PAGE : (page + 1) * _PAGE] == _PATTERN for page in filled)


def test_holes_do_not_become_memory() -> None:
    use_large_pages()
    with holding(of_eight=6):
        before = resident_bytes()
        use_large_pages()
        assert resident_bytes() - before < _SIZE // 16


def test_a_system_that_does_not_tell_gives_none(tmp_path: Path) -> None:
    assert use_large_pages(tmp_path) == 0
