"""The service's memory in large pages: what it needs for one request lies all over its heap.

With pages of 4 KiB the processor cannot remember where all of them are, and looks that up again
and again, on a virtual machine twice over. Linux puts 2 MiB into one page where it is asked to.
"""

import ctypes
import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LARGE_BYTES: Final = 2 * 1024 * 1024
_SMALL_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_SMALL: Final = LARGE_BYTES // _SMALL_BYTES

_COLLAPSE: Final = 25
"""`MADV_COLLAPSE`, since Linux 6.1: at once, and whatever the machine does by itself."""

_DENSE: Final = _SMALL * 7 // 8
"""How many small pages there must be where a large one comes: what is missing becomes memory."""

_THERE: Final = 1 << 63
_MYSELF: Final = Path("/proc/self")


def use_large_pages(told: Path = _MYSELF) -> int:
    """Ask for large pages wherever this process has memory of its own; give how many bytes it got.

    `told` is where the system tells of this process. What it holds stays as it is. 0 where the
    system does not know of large pages, or gives none.
    """
    advise = getattr(ctypes.CDLL(None), "madvise", None)
    if advise is None:
        return 0
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    got = 0
    try:
        for start in _dense(told):
            got += advise(start, LARGE_BYTES, _COLLAPSE) == 0
    except OSError:  # not Linux, or it does not tell
        pass
    return got * LARGE_BYTES


def _dense(told: Path) -> Iterator[int]:
    """Find where large pages would hold little but what is there."""
    with (told / "pagemap").open("rb", buffering=0) as pages:
        for line in (told / "maps").read_text().splitlines():
            addresses, access, _, _, number, *name = line.split()
            named = bool(name) and not name[0].startswith(("[heap]", "[anon"))
            if named or not access.startswith("rw-p") or number != "0":
                continue
            first, end = (int(address, 16) for address in addresses.split("-"))
            after = end - LARGE_BYTES + 1
            for start in range(-(-first // LARGE_BYTES) * LARGE_BYTES, after, LARGE_BYTES):
                pages.seek(start // _SMALL_BYTES * 8)
                found = array("Q", pages.read(_SMALL * 8))
                if sum(map(_THERE.__le__, found)) >= _DENSE:
                    yield start
