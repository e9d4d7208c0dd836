"""The database a command works on: the one that is named, or the embedded one.

The pattern of a command: `with open_desk(read_settings()) as desk: desk.use_case(…)`.
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

from app.api.desk import Desk
from app.cli.failures import RefusedError
from app.composition import Composition, compose
from app.settings import Settings, SettingsError, load_settings
from app.store.address import is_address
from app.store.database import Database
from app.store.embedded import (
    DEFAULTS,
    AlreadyRunningError,
    EmbeddedPostgres,
    running_url,
    start_embedded,
)
from app.store.revision import (
    head_revision,
    known_revisions,
    require_schema,
    revision_of,
    unfit,
)
from app.telemetry import set_up_log

log = logging.getLogger(__name__)

_STARTING_S: Final = 60.0
"""How long a command waits for a service that holds the state directory but does not answer yet."""

_FOR_COMMANDS: Final = 45
"""Connections of an embedded database for `aval work`, imports and people."""


def read_settings() -> Settings:
    """Read the settings of this process.

    Raises:
        SettingsError: A variable does not exist or breaks its rule.

    """
    return load_settings(os.environ)


def say(line: str) -> None:
    """Tell the person at the terminal; what a command is asked for goes to stdout instead."""
    print(f"aval: {line}", file=sys.stderr, flush=True)  # noqa: T201 - the terminal is the reader


@dataclass(frozen=True, slots=True)
class Opened:
    """The address of a database, and its server where this process has started it."""

    url: str
    server: EmbeddedPostgres | None = None


@contextmanager
def open_server(
    settings: Settings, *, share: bool = True, connections: int = 0
) -> Iterator[Opened]:
    """Yield where the database is; the embedded one runs and is at head while inside.

    Where a service runs on the same state directory, its database is shared, if `share` says so.
    An embedded one that is started lets at least `connections` in, besides a few for commands.

    Raises:
        SettingsError: `AVAL_DATABASE_URL` is no address, or not given beside the one for work.
        AlreadyRunningError: A service runs on the state directory and is not to be shared.
        EmbeddedError: The embedded database cannot run here.
        RefusedError: The embedded database cannot be brought to head.

    """
    if settings.database_url is not None:
        check_address(settings.database_url, "AVAL_DATABASE_URL")
        yield Opened(settings.database_url)
        return
    if settings.work_database_url is not None:
        raise SettingsError(
            "AVAL_DATABASE_URL: must be given where AVAL_WORK_DATABASE_URL is, which is for jobs"
            " and migrations alone"
        )
    try:
        most = max(int(DEFAULTS["max_connections"]), connections + _FOR_COMMANDS)
        options = {"max_connections": str(most)}
        embedded = start_embedded(settings.state_dir, options=options, say=say)
    except AlreadyRunningError:
        if not share:
            raise
        yield Opened(_shared_url(settings))
        return
    with embedded:
        _bring_to_head(embedded.url)
        yield Opened(embedded.url, embedded)


def _bring_to_head(url: str) -> None:
    """Migrate where there is something to migrate, in a child: what it needs ends with it.

    Raises:
        RefusedError: It failed; the line says why.

    """
    with closing(Database(url)) as database, database.engine.connect() as connection:
        has, why = revision_of(connection), unfit(connection)
    if why is None:
        return
    if has is not None and has not in known_revisions().revisions:
        raise RefusedError(why)
    command = [sys.executable, "-P", "-m", "app.cli.migrate_child"]
    done = subprocess.run(  # noqa: S603 - our own module
        command,
        input=url,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        start_new_session=True,  # Ctrl-C ends it through us
    )
    if done.returncode != 0:
        why = done.stdout.strip() or "what is above says why"
        raise RefusedError(f"the database cannot be migrated to {head_revision()}: {why}")
    log.info("the schema went from %s to %s", has or "none", head_revision())


def check_address(url: str, variable: str) -> None:
    """Refuse what cannot be read as an address, or is read in two ways; nobody is called.

    Raises:
        SettingsError: Names the variable it came from; what libpq says would repeat the password.

    """
    if not is_address(url):
        raise SettingsError(
            f"{variable}: must be an address such as postgresql://user@host:5432/name, user and"
            " password percent-encoded (/ is %2F, % is %25, @ is %40), with options that libpq has,"
            " several hosts and ports in them"
        )


def _shared_url(settings: Settings) -> str:
    until = time.monotonic() + _STARTING_S
    while (url := running_url(settings.state_dir)) is None:
        if time.monotonic() > until:
            raise AlreadyRunningError(
                f"another command holds {settings.state_dir} and its database does not answer"
            )
        time.sleep(0.1)
    return url


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """Yield the database, which is at head.

    Raises:
        SchemaOldError: The named database is at another revision.
        SettingsError: `AVAL_DATABASE_URL` is no address.
        EmbeddedError: The embedded database cannot run here.

    """
    prepare = settings.prepare == "on"
    with (
        open_server(settings) as opened,
        closing(Database(opened.url, prepare=prepare)) as database,
    ):
        require_schema(database)
        yield database


@contextmanager
def open_composition(settings: Settings) -> Iterator[Composition]:
    """Yield everything put together on the database, which is at head and seeded; no lane runs.

    Raises:
        SchemaOldError: The named database is at another revision.
        SettingsError: `AVAL_DATABASE_URL` is no address.
        EmbeddedError: The embedded database cannot run here.

    """
    with open_server(settings) as opened:
        parts = compose(settings, opened.url)
        with closing(parts.database):
            parts.prepare()
            yield parts


@contextmanager
def open_desk(settings: Settings) -> Iterator[Desk]:
    """Yield the use cases on the database; raises what `open_composition` does."""
    with open_composition(settings) as parts:
        yield parts.desk


@contextmanager
def open_seeded(settings: Settings) -> Iterator[Database]:
    """Yield the database with what ships in it; people are told in words, not in log lines.

    Raises what `open_composition` does.
    """
    set_up_log("warning", "console")
    with open_composition(settings) as parts:
        yield parts.database
