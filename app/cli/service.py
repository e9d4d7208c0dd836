"""The service, from its address to its end; the options of `aval serve` are read elsewhere.

Without typer, which a process that serves would carry for good.
"""

import asyncio
import os
import resource
import socket
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from app import telemetry
from app.api.operations import listen
from app.cli.answer import Door
from app.cli.database import open_server, read_settings, say
from app.cli.failures import RefusedError
from app.cli.serve_options import DEFAULTS, ServeOptions
from app.cli.workers import (
    House,
    answer_alone,
    answer_by_workers,
    figures_folder,
    signals_restored,
)
from app.composition import Composition, compose, connections_of
from app.settings import Settings
from app.store.writeback import growth_written
from app.usecases.keys import MakeFirstKey

KEY_FILE: Final = "api-key"

MOST_FILES: Final = 65_536
"""Most open files, connections among them, of a process of the service; systems set less."""


def _nothing(_: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to serve, where, and what to do before and after the door opens.

    `before` gets the composition on a seeded database, `after` the service's address.
    """

    settings: Settings
    options: ServeOptions = DEFAULTS
    before: Callable[[Composition], None] = _nothing
    after: Callable[[str], None] = _nothing


def serve(options: ServeOptions) -> None:
    """Serve the API until a signal to stop; the embedded database is brought up and to head.

    Raises:
        SettingsError: A variable does not exist or breaks its rule; and what
            `serve_until_stopped` raises.

    """
    settings = read_settings()
    serve_until_stopped(Plan(settings, options, before=lambda parts: _first_key(settings, parts)))


def _first_key(settings: Settings, parts: Composition) -> None:
    if settings.database_url is None:
        make_first_key(settings, parts)


def make_first_key(settings: Settings, parts: Composition) -> None:
    """Make the first admin key and write it to the state directory, if there never was a key.

    Raises:
        OSError: The file cannot be written; no key is made.

    """
    place = settings.state_dir / KEY_FILE
    if MakeFirstKey(parts.desk.create_key)(lambda token: _write_private(place, token)):
        say(f"the first API key, which may do everything, is in {place}")


def _write_private(place: Path, token: str) -> None:
    new = place.with_name(f"{place.name}.new")
    new.unlink(missing_ok=True)  # its mode would stay
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "w", encoding="ascii") as file:  # noqa: PTH123 - from a handle, not a path
        file.write(token + "\n")
        file.flush()
        os.fsync(handle)
    new.replace(place)


def serve_until_stopped(plan: Plan) -> None:
    """Bring everything up, serve, drain, and take everything down again.

    Raises:
        RefusedError: The address cannot be listened on, or the application did not start.
        GaveUpError: A child process could not start.
        PortTakenError: The operations port cannot be listened on.
        EmbeddedError: The embedded database cannot run here, or ended while it served.
        SchemaOldError: The named database is at another revision.

    """
    settings = plan.settings
    telemetry.set_up_log(settings.log_level, settings.log_format)
    allow_many_files()
    with signals_restored(), ExitStack() as undo:
        # The ports go first: what they refuse must not cost a start of the database.
        sock = undo.enter_context(closing(_bind(plan.options.host, plan.options.port)))
        operations = undo.enter_context(closing(listen(settings.ops_host, settings.ops_port)))
        connections = plan.options.workers * connections_of(settings)
        opened = undo.enter_context(open_server(settings, share=False, connections=connections))
        parts = compose(settings, opened.url)
        undo.callback(parts.database.close)
        parts.prepare()
        plan.before(parts)
        undo.enter_context(growth_written(opened.url, wanted=settings.write_growth == "on"))
        figures = undo.enter_context(figures_folder(settings, plan.options.workers))
        _answer(plan, parts, House(settings, opened, operations, figures), sock)


def allow_many_files(most: int = MOST_FILES) -> None:
    """Let this process and its children have as many open files as the system lets them, or `most`.

    Shells and systemd set 1,024 for the sake of programs that call `select`. As many idle
    connections would be enough to keep everybody out.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(hard, most)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # macOS has another bound, which it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _answer(plan: Plan, parts: Composition, house: House, sock: socket.socket) -> None:
    address = address_of(sock)
    many = f" with {plan.options.workers} workers" if plan.options.workers > 1 else ""

    def opened() -> None:
        say(f"listening on {address}{many}")
        plan.after(address)

    if plan.options.workers > 1:
        parts.database.close()  # the workers have their own connections
        telemetry.set_pool(used=0, size=0)
        asyncio.run(answer_by_workers(house, plan.options.workers, sock, opened))
        return
    door = Door(sock, plan.settings.shutdown_s, opened)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(answer_alone(house, parts, door))


def address_of(sock: socket.socket) -> str:
    """Write the URL of a socket that is bound."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bind(host: str, port: int) -> socket.socket:
    """Take the address without answering on it yet."""
    try:
        family, kind, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind)
    except OSError as wrong:
        raise RefusedError(f"--host {host}: {wrong.strerror}") from None
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError as taken:
        sock.close()
        line = f"{host}:{port} cannot be listened on: {taken.strerror}; --port chooses another"
        raise RefusedError(line) from None
    sock.setblocking(False)  # noqa: FBT003 - the standard library takes it by position
    return sock
