"""How much write-ahead log the embedded server may let grow between two checkpoints."""

import shutil
from pathlib import Path
from typing import Final

_MIB: Final = 1 << 20
_SHARE: Final = 16
_SHARE_OF_FREE: Final = 4
_LEAST_MIB: Final = 1024
_MOST_MIB: Final = 4096


def max_wal_size(place: Path) -> str:
    """Give `max_wal_size` for a cluster in `place`, a folder that exists.

    Raises:
        OSError: There is no such folder.

    """
    disk = shutil.disk_usage(place)
    return f"{wal_mib(disk.total, disk.free)}MB"


def wal_mib(disk: int, free: int) -> int:
    """Take a sixteenth of the disk, and a quarter of what is free on it at most, in MiB.

    PostgreSQL's own default at least, four times it most.

    The log grows that far under load only, and is replayed after a crash: see decision 83.
    """
    room = min(disk // _SHARE, free // _SHARE_OF_FREE)
    return min(_MOST_MIB, max(_LEAST_MIB, room // _MIB))
