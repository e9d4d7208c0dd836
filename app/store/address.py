"""Whether an address means the same to all who connect: SQLAlchemy's pool, and libpq in lanes."""

from collections.abc import Mapping
from contextlib import closing

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.exc import ArgumentError

from app.store.database import Database


def is_address(url: str) -> bool:
    """Say whether pool and lanes read the same in it, options too; nobody is called.

    A password with an unencoded `/` is another host to libpq: the service would be ready, and
    every order be refused.
    """
    try:
        with closing(Database(url)) as database:
            engine = database.engine
            _, pool = engine.dialect.create_connect_args(engine.url)
        return _told(pool) == _told(conninfo_to_dict(url))
    except (ArgumentError, ValueError, psycopg.ProgrammingError):
        return False


def _told(options: Mapping[str, object]) -> dict[str, str]:
    """Give what is said, a port in one way of writing it; commas alone are the usual one of each.

    `context` is how psycopg reads types, of which an address says nothing.
    """
    told = {name: str(one) for name, one in options.items() if name != "context" and one}
    port = told.pop("port", "")
    if port.strip(","):
        told["port"] = str(int(port)) if port.isdecimal() else port
    return told
