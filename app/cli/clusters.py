"""Which Dask cluster a command is to work on: an address, or workers of this machine.

Imports nothing heavy: the service's image need not have Dask.
"""

import re
from importlib.util import find_spec
from typing import Final

from app.cli.failures import RefusedError, WrongUseError

_LOCAL: Final = "local:"
_ADDRESS: Final = re.compile(r"(?:tcp|tls)://\S+:\d{1,5}")
_MOST_LOCAL: Final = 64
_NEEDED: Final = ("dask", "distributed")


def check_cluster(where: str) -> None:
    """Insist that `where` can be a cluster; whether a scheduler answers there is not asked.

    Raises:
        WrongUseError: It is neither an address nor local:WORKERS.
        RefusedError: Dask is not installed.

    """
    count = where.removeprefix(_LOCAL)
    if count == where and not _ADDRESS.fullmatch(where):
        raise WrongUseError(f"--dask: {where!r} is no address; say tcp://HOST:PORT or local:2")
    if count != where and not (count.isdecimal() and 0 < int(count) <= _MOST_LOCAL):
        raise WrongUseError(f"--dask: {where!r}: local: takes 1 to {_MOST_LOCAL} workers")
    for name in _NEEDED:
        if find_spec(name) is None:
            raise RefusedError(f"--dask needs {name}: install aval[scale]")
