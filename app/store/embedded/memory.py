"""How much memory the embedded server may keep pages of tables in."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_MIB: Final = 1 << 20
_SHARE: Final = 8
_LEAST_MIB: Final = 128
_MOST_MIB: Final = 512
_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where a container says what it may use, of both kinds of control groups."""


def shared_buffers() -> str:
    """Give `shared_buffers` for this machine, or for this container where that has less."""
    return f"{buffers_mib(machine_bytes(), *_LIMITS)}MB"


def buffers_mib(machine: int, *limits: Path) -> int:
    """Take an eighth of the memory, in MiB: PostgreSQL's own default at least, four times it most.

    Pages are touched only as tables need them, so a small ledger takes no more than it did.
    """
    told = []
    for path in limits:
        with suppress(OSError):  # absent on other systems, and where one may not look
            told.append(path.read_text().strip())
    memory = min([machine, *(int(one) for one in told if one.isdecimal())])
    return min(_MOST_MIB, max(_LEAST_MIB, memory // _SHARE // _MIB))


def machine_bytes() -> int:
    """Give the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
