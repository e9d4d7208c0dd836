"""A real PostgreSQL 18 that the service starts and stops itself (docs/decisions/0001).

`programs` finds the binaries and the user who runs them, `leftovers` ends what a killed service
left behind, `server` makes, starts and stops.
"""

from app.store.embedded.disk import max_wal_size
from app.store.embedded.errors import AlreadyRunningError, EmbeddedError
from app.store.embedded.server import DEFAULTS, LOG, EmbeddedPostgres, running_url, start_embedded

__all__ = [
    "DEFAULTS",
    "LOG",
    "AlreadyRunningError",
    "EmbeddedError",
    "EmbeddedPostgres",
    "max_wal_size",
    "running_url",
    "start_embedded",
]
