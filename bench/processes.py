"""What processes cost: CPU time and memory, as Linux counts them in /proc."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
_KIB: Final = 1024
_PARENT, _USER, _SYSTEM, _ENDED_USER, _ENDED_SYSTEM = 1, 11, 12, 13, 14  # in stat, after the name


@dataclass(frozen=True, slots=True)
class Group:
    """A process with its descendants, leaving out the subtrees below `without`.

    `ended`: what descendants used that have ended counts too (PostgreSQL's backends).
    """

    root: int
    without: tuple[int, ...] = ()
    ended: bool = False

    def pids(self) -> list[int]:
        """List its processes that live now, the root first."""
        below: dict[int, list[int]] = {}
        for pid, fields in _all():
            below.setdefault(int(fields[_PARENT]), []).append(pid)
        found, open_ = [], [self.root]
        while open_:
            pid = open_.pop()
            if pid not in self.without:
                found.append(pid)
                open_ += below.get(pid, [])
        return found

    def cpu_s(self) -> float:
        """Add up user and system time of its processes."""
        living = sum(own_cpu_s(pid) for pid in self.pids())
        fields = _stat(self.root) if self.ended else []
        gone = int(fields[_ENDED_USER]) + int(fields[_ENDED_SYSTEM]) if fields else 0
        return living + gone * _TICK_S

    def busiest(self) -> int:
        """Say which of its processes used most CPU: of a service, one that serves."""
        return max(self.pids(), key=own_cpu_s)


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes of a process, at its peak and now."""

    peak: int
    now: int


def own_cpu_s(pid: int) -> float:
    """Read a process's user and system time, without its children's; 0 once it has ended."""
    fields = _stat(pid)
    return (int(fields[_USER]) + int(fields[_SYSTEM])) * _TICK_S if fields else 0.0


def memory_of(pid: int) -> Memory:
    """Read a process's resident memory, shared pages included; zeros once it has ended."""
    found = dict.fromkeys(("VmHWM", "VmRSS"), 0)
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0]) * _KIB
    return Memory(found["VmHWM"], found["VmRSS"])


def together(pids: Iterable[int]) -> int:
    """Add up the resident bytes of processes, each shared page counted once (Pss)."""
    total = 0
    for pid in pids:
        for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * _KIB
    return total


def apart(pids: Sequence[int]) -> int:
    """Count the processes that may not run on all processors that the first of them may run on."""
    found = [one for pid in pids if (one := _processors(pid))]
    return sum(one < found[0] for one in found)


def _processors(pid: int) -> set[int]:
    with suppress(ProcessLookupError):
        return os.sched_getaffinity(pid)
    return set()


def parent_of(pid: int) -> int | None:
    """Name a process's parent; None where there is no such process here."""
    fields = _stat(pid)
    return int(fields[_PARENT]) if fields else None


def name_of(pid: int) -> str:
    """Give the name of a process's program, empty where there is none."""
    return _read(Path(f"/proc/{pid}/comm")).strip()


def _all() -> Iterator[tuple[int, list[str]]]:
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            fields = _stat(int(place.name))
            if fields:
                yield int(place.name), fields


def _stat(pid: int) -> list[str]:
    # the name may hold blanks and brackets: fields are counted from behind it
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def _read(place: Path) -> str:
    try:
        return place.read_text(encoding="utf-8", errors="replace")
    except OSError:  # it ended meanwhile, or is not ours to look into
        return ""
