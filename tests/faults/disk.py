"""A disk on which nothing more can be written, for one process alone."""

import os
import resource
from pathlib import Path


def let_write_nothing(pid: int) -> None:
    """Keep a process from making any file longer; only its own user may do that."""
    mine, owner = (os.getuid(), os.getgid()), Path(f"/proc/{pid}").stat()
    if mine[0] != owner.st_uid:
        os.setresgid(owner.st_gid, owner.st_gid, mine[1])
        os.setresuid(owner.st_uid, owner.st_uid, mine[0])
    try:
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
    finally:
        if mine[0] != owner.st_uid:
            os.setresuid(mine[0], mine[0], mine[0])
            os.setresgid(mine[1], mine[1], mine[1])
