"""How much memory the embedded server may keep pages of tables in."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

_MIB: Final = 1 << 20
_SHARE: Final = 8
_LEAST_MIB: Final = 128
_MOST_MIB: Final = 3072
_STRICT_MIB: Final = 512
_OVERCOMMIT: Final = Path("/proc/sys/vm/overcommit_memory")
_GROUPS: Final = Path("/proc/self/cgroup")
_MOUNT: Final = Path("/sys/fs/cgroup")


def shared_buffers() -> str:
    """Give `shared_buffers` for this machine, or for this container or unit where that has less."""
    groups = ""
    with suppress(OSError):  # absent on other systems
        groups = _GROUPS.read_text()
    return told(buffers_mib(machine_bytes(), limits(groups), most_mib(_OVERCOMMIT)))


def told(mib: int) -> str:
    """Write a size as PostgreSQL shows it: whole gigabytes as such."""
    return f"{mib // 1024}GB" if mib % 1024 == 0 else f"{mib}MB"


def buffers_mib(machine: int, limits: Iterable[Path], most: int = _MOST_MIB) -> int:
    """Take an eighth of the memory, in MiB: PostgreSQL's own default at least, `most` at most.

    Pages are touched only as tables need them; a sixtieth is taken at once to keep the books.
    """
    bounds = []
    for path in limits:
        with suppress(OSError):  # absent where there is no bound, and where one may not look
            bounds.append(path.read_text().strip())
    memory = min([machine, *(int(one) for one in bounds if one.isdecimal())])
    return min(most, max(_LEAST_MIB, memory // _SHARE // _MIB))


def most_mib(overcommit: Path) -> int:
    """Give the bound, in MiB: a low one where the system promises no more memory than it has.

    There even what is never touched may be refused, and the server would not start.
    """
    with suppress(OSError):
        if overcommit.read_text().strip() == "2":
            return _STRICT_MIB
    return _MOST_MIB


def limits(groups: str, mount: Path = _MOUNT) -> Iterator[Path]:
    """Name what may bound a process's memory, from its control group up to the root.

    `groups` is the text of `/proc/self/cgroup`: of the second version, or of the first.
    """
    for line in groups.splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:
            base, name = mount, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = mount / "memory", "memory.limit_in_bytes"
        else:
            continue
        own = PurePosixPath(group.lstrip("/"))
        yield from (base / one / name for one in (own, *own.parents))


def machine_bytes() -> int:
    """Give the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
