"""What is periodic, from its settings to its end: `aval work`, or a child of `aval serve`.

Without typer, which the child has no use for.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import Final

from app import telemetry
from app.api.operations import OperationsServer, create_operations_app, listen
from app.cli.database import check_address, say
from app.cli.failures import RefusedError
from app.cli.signals import endings
from app.settings import Settings
from app.store.embedded import running_url
from app.store.revision import require_schema
from app.work import Loop, loops, open_database, rating, run

_COUNTED_ELSEWHERE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Set by a service that shows the figures of its child processes on its own operations port."""


def _nobody() -> None:
    """Tell nobody."""


def work_until_stopped(settings: Settings, opened: Callable[[], None] = _nobody) -> None:
    """Work until a signal, then finish what is under way; any number may work at once.

    `opened` hears when it has begun.

    Raises:
        RefusedError: No database is named, and no service runs on the state directory.
        PortTakenError: The operations port cannot be listened on.
        SchemaOldError: The database is at another revision.
        BusyError: The database was out of reach at the start.

    """
    telemetry.set_up_log(settings.log_level, settings.log_format)
    with ExitStack() as undo:
        operations = None
        if settings.work_ops_port and not os.environ.get(_COUNTED_ELSEWHERE):
            place = settings.ops_host, settings.work_ops_port
            operations = undo.enter_context(closing(listen(*place, "AVAL_WORK_OPS_PORT")))
        database = undo.enter_context(closing(open_database(settings, _url(settings))))
        require_schema(database)
        rater = undo.enter_context(rating(settings, database))
        asyncio.run(_until_signal(loops(settings, database, rater), operations, opened))


def _url(settings: Settings) -> str:
    """Name the database: the direct one, the one of the API, or that of a service here."""
    given = settings.work_database_url or settings.database_url
    if given is not None:
        check_address(given, "AVAL_WORK_DATABASE_URL or AVAL_DATABASE_URL")
        return given
    until = time.monotonic() + settings.work_patience_s
    while (url := running_url(settings.state_dir)) is None:
        if time.monotonic() > until:
            raise RefusedError(
                f"no service runs on {settings.state_dir}: `aval serve` does background work there"
                " itself; AVAL_DATABASE_URL names another database"
            )
        time.sleep(0.1)
    return url


async def _until_signal(
    work: Sequence[Loop], operations: socket.socket | None, opened: Callable[[], None]
) -> None:
    stop = asyncio.Event()
    for number in endings():
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    metrics = operations and OperationsServer(create_operations_app(), operations)
    if metrics:
        await metrics.start()
    say(f"working: {', '.join(loop.name for loop in work)}")
    opened()
    try:
        await run(work, stop)
    finally:
        if metrics:
            await metrics.stop()
