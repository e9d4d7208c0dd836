"""A service as one process or several: who answers, who does what is periodic, and who ends first.

One process answers by itself. Several share one socket that listens: what waits in its queue is
taken by whichever is free, and outlives a worker that dies. (With a socket each, by SO_REUSEPORT,
the kernel binds a connection to a worker when it arrives; what waits for one that died is lost.)
"""

import asyncio
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Final

from app.api.operations import OperationsServer, create_operations_app
from app.cli.answer import ApiServer, Door
from app.cli.children import Child, Patience, Program, child_environment, kept
from app.cli.database import Opened
from app.cli.signals import endings
from app.composition import Composition
from app.settings import Settings
from app.store.embedded import LOG, EmbeddedError
from app.telemetry import PROCESSES

FIGURES: Final = "metrics"
"""The directory in the state directory where children count; emptied at every start."""

_LOOK_S: Final = 1.0
"""Between looks whether the embedded database still runs."""

_AFTER_DRAIN_S: Final = 15.0
"""How long a child may take to end after what was in flight was answered or given up."""


@dataclass(frozen=True, slots=True)
class House:
    """What a service stands on: its settings, the open database, where its children count."""

    settings: Settings
    database: Opened
    operations: socket.socket
    figures: Path | None

    def work(self) -> list[Child]:
        """Do what is periodic here, if the database is ours alone; else `aval work` is started.

        The embedded database has this service only, so nobody else would do it.
        """
        if self.settings.database_url is not None:
            return []
        return [self._child(Program("work", "aval work", ["work"], self._environment()))]

    def workers(self, count: int, sock: socket.socket) -> list[Child]:
        """Make the processes that answer on a socket."""
        handle = sock.fileno()
        arguments, environment = ["answer", str(handle)], self._environment()
        return [
            self._child(Program("api", f"worker {number}", arguments, environment, (handle,)))
            for number in range(1, count + 1)
        ]

    def _child(self, program: Program) -> Child:
        return Child(program, Patience(self.settings.shutdown_s + _AFTER_DRAIN_S))

    def _environment(self) -> dict[str, str]:
        return child_environment(self.settings, self.database.url, str(self.figures or ""))


@contextmanager
def figures_folder(settings: Settings, workers: int) -> Iterator[Path | None]:
    """Give an empty directory for what children count: in the state directory if that is ours.

    None where there are no children: a container may have no place to write to.
    """
    if settings.database_url is None:
        place = settings.state_dir.resolve() / FIGURES
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700, exist_ok=True)
        yield place
    elif workers > 1:
        with TemporaryDirectory(prefix="aval-metrics-") as folder:
            yield Path(folder)
    else:
        yield None


async def answer_alone(house: House, parts: Composition, door: Door) -> None:
    """Answer in this process until a signal, with `aval work` beside it if that is ours to run.

    Raises:
        RefusedError: The application did not start.
        GaveUpError: `aval work` could not start.
        EmbeddedError: The embedded database has ended.

    """
    server = ApiServer(parts, door)
    watch = _database_watched(house, server.end)
    async with _figures_shown(house), kept(house.work(), server.end), watch:
        PROCESSES.labels("api").set(1)
        try:
            await server.answer()
        finally:
            ignore_signals()


async def answer_by_workers(
    house: House, count: int, sock: socket.socket, opened: Callable[[], None]
) -> None:
    """Keep workers answering on `sock` until a signal; `opened` hears when all of them do.

    Raises:
        GaveUpError: A worker, or `aval work`, could not start.
        EmbeddedError: The embedded database has ended.

    """
    over = asyncio.Event()
    workers = house.workers(count, sock)
    watch = _database_watched(house, over.set)
    async with _figures_shown(house), kept(house.work(), over.set):
        with _heard(over, workers):
            async with kept(workers, over.set), watch:
                telling = asyncio.create_task(_tell(workers, opened))
                await over.wait()
                telling.cancel()
                sock.close()  # the workers close theirs: then nobody is let in any more
        ignore_signals()


async def _tell(workers: Sequence[Child], opened: Callable[[], None]) -> None:
    for worker in workers:
        await worker.opened.wait()
    opened()


@asynccontextmanager
async def _database_watched(house: House, ended: Callable[[], None]) -> AsyncIterator[None]:
    """Watch the embedded database: `ended` must end the block, as nobody brings it back.

    It starts itself anew when one of its processes is killed; this is for its first one. Whoever
    started the service starts it again, and that recovers the database.

    Raises:
        EmbeddedError: It has ended; the line says how.

    """
    server = house.database.server
    if server is None:
        yield
        return

    left = asyncio.Event()

    async def watch() -> bool:
        while server.alive():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await left.wait()
                    return False
        ended()
        return True

    watching = asyncio.create_task(watch(), name="database")
    try:
        yield
    finally:
        left.set()  # what ends it later is our own stop, or who ends us both
        seen = await watching
    if seen:
        how, said = server.how_it_ended(), house.settings.state_dir / LOG
        raise EmbeddedError(
            f"the embedded PostgreSQL ended ({how}), and so does the service: {said}"
        )


@asynccontextmanager
async def _figures_shown(house: House) -> AsyncIterator[None]:
    folder = None if house.figures is None else str(house.figures)
    server = OperationsServer(create_operations_app(folder), house.operations)
    await server.start()
    try:
        yield
    finally:
        await server.stop()


@contextmanager
def _heard(over: asyncio.Event, workers: Sequence[Child]) -> Iterator[None]:
    """Let the first signal end the block; another SIGINT tells the workers to wait no longer."""
    loop = asyncio.get_running_loop()

    def hear(number: int) -> None:
        if over.is_set() and number == signal.SIGINT:
            for worker in workers:
                worker.send(number)
        over.set()

    def wake(number: int, _: FrameType | None) -> None:
        loop.call_soon_threadsafe(partial(hear, number))

    with signals_restored():
        for number in endings():
            signal.signal(number, wake)
        yield


@contextmanager
def signals_restored() -> Iterator[None]:
    """Leave signals as they were found."""
    before = {number: signal.getsignal(number) for number in endings()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Take no more signals: what is left to do ends by itself, and must not be left half done."""
    for number in endings():
        signal.signal(number, signal.SIG_IGN)
