"""Whether an address means the same to all who connect: SQLAlchemy's pool, and libpq in lanes."""

from contextlib import closing
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.exc import ArgumentError

from app.store.database import Database

_PLACE: Final = ("host", "port", "user", "password", "dbname")


def is_address(url: str) -> bool:
    """Say whether pool and lanes read the same place, user and password in it; nobody is called.

    A password with an unencoded `/` is another host to libpq: the service would be ready, and
    every order be refused.
    """
    try:
        with closing(Database(url)) as database:
            engine = database.engine
            _, pool = engine.dialect.create_connect_args(engine.url)
        lane = conninfo_to_dict(url)
    except (ArgumentError, ValueError, psycopg.ProgrammingError):
        return False
    if not str(lane.get("port", "")).strip(","):  # several hosts, each at the usual port
        lane.pop("port", None)
    return all(str(pool.get(name, "")) == str(lane.get(name, "")) for name in _PLACE)
