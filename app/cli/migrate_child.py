"""`python -m app.cli.migrate_child`: bring the database whose address is on stdin to head.

Not for people. A process of its own, so that what migrating needs ends with it; what goes wrong is
one line on stdout, exit code 1.
"""

import sys

from alembic.util import CommandError
from psycopg import Error as DriverError
from sqlalchemy.exc import SQLAlchemyError

from app.store.migrate import migrate


def run() -> int:
    """Migrate; returns the exit code."""
    try:
        migrate(sys.stdin.readline().strip())
    except (CommandError, DriverError, SQLAlchemyError) as failure:
        print(str(failure).partition("\n")[0])  # noqa: T201 - the parent is the reader
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run())
