"""The child process that answers the API: what `aval serve --workers N` starts N of."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import closing

from app import telemetry
from app.cli.answer import ApiServer, Door
from app.cli.database import read_settings
from app.cli.failures import WrongUseError
from app.composition import compose


def answer(handle: int, opened: Callable[[], None]) -> None:
    """Answer the API on an inherited socket that listens, until SIGTERM or SIGINT.

    `opened` hears when it has begun.

    Raises:
        RefusedError: The application did not start.
        SchemaOldError: The database is at another revision.
        BusyError: The database was out of reach.

    """
    settings = read_settings()
    if settings.database_url is None:
        raise WrongUseError("a worker is started by `aval serve --workers N` only")
    telemetry.set_up_log(settings.log_level, settings.log_format)
    os.set_inheritable(handle, False)  # noqa: FBT003 - the standard library's positional
    with closing(socket.socket(fileno=handle)) as sock:
        parts = compose(settings, settings.database_url)
        with closing(parts.database):
            parts.prepare()
            server = ApiServer(parts, Door(sock, settings.shutdown_s, opened))
            with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
                runner.run(server.answer())
