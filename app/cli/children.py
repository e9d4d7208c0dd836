"""Child processes that are kept running: started again when they end, ended in order."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

import structlog
from prometheus_client.multiprocess import mark_process_dead

from app.cli.failures import RefusedError
from app.settings import PREFIX, Settings
from app.telemetry import PROCESS_RESTARTS, PROCESSES

FIGURES: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Names the directory where a child counts; read when prometheus_client is first imported."""

log = structlog.get_logger(__name__)


class GaveUpError(RefusedError):
    """A child could not start, several times in a row; one line."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a child runs: `arguments` of `app.cli.child`, and the handles it inherits.

    `kind` is the metrics' label, `name` is for people.
    """

    kind: Literal["api", "work"]
    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    handles: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Patience:
    """How a child is started again, and how long its end may take; all in seconds but `starts`.

    The pause doubles from `first_s` to `most_s`, and begins anew after a life of `calm_s`.
    `starts` in a row that did not open are too many.
    """

    stop_s: float
    first_s: float = 0.5
    most_s: float = 30.0
    calm_s: float = 60.0
    starts: int = 3

    def pause_s(self, falls: int) -> float:
        """Say how long to wait after so many deaths, 1 or more, without a calm life between."""
        return min(self.most_s, self.first_s * 2.0 ** min(falls - 1, 16))


def child_environment(settings: Settings, database_url: str, figures: str) -> dict[str, str]:
    """Hand the parent's settings on, as they are in force, on the database that it opened."""
    opened = {"database_url": database_url, "work_database_url": None}
    given = settings.model_copy(update=opened)
    ours = {
        f"{PREFIX}{name.upper()}": str(value)
        for name in given.model_fields_set
        if (value := getattr(given, name)) is not None
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**others, **ours, FIGURES: figures}


@dataclass(slots=True)
class Child:
    """One program and the process that runs it at the moment, if any."""

    program: Program
    patience: Patience
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    _process: asyncio.subprocess.Process | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _keeping: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begin to keep it running.

        The task ends after `stop`, or with GaveUpError when too many starts in a row failed.
        """
        self._keeping = asyncio.create_task(self._keep(), name=self.program.name)
        return self._keeping

    def send(self, number: int) -> None:
        """Send a signal to the process, if there is one."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def stop(self) -> None:
        """Ask it to end, wait, and end it by force when it took too long; never starts again."""
        self._stopping.set()
        self.send(signal.SIGTERM)
        if self._keeping is None:
            return
        _, late = await asyncio.wait([self._keeping], timeout=self.patience.stop_s)
        if late:
            log.error("child_killed", child=self.program.name, after_s=self.patience.stop_s)
            self.send(signal.SIGKILL)
            await asyncio.wait([self._keeping])

    async def _keep(self) -> None:
        unopened = falls = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            opened, how = await self._live()
            if self._stopping.is_set():
                return
            unopened = 0 if opened else unopened + 1
            falls = 1 if time.monotonic() - began >= self.patience.calm_s else falls + 1
            PROCESS_RESTARTS.labels(self.program.kind).inc()
            if unopened >= self.patience.starts:
                told = f"{self.program.name} could not start {unopened} times in a row"
                raise GaveUpError(f"{told} ({how}); the lines above say why")
            pause_s = self.patience.pause_s(falls)
            log.error("child_ended", child=self.program.name, how=how, pause_s=pause_s)
            await self._pause(pause_s)

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _live(self) -> tuple[bool, str]:
        """Run the program once; says whether it opened, and how it ended."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - the standard library takes it by position
        with ours:
            try:
                with theirs:
                    process = await self._spawn(theirs.fileno())
            except OSError as short:  # of memory, of processes
                return False, short.strerror or str(short)
            self._process = process
            if self._stopping.is_set():
                self.send(signal.SIGTERM)
            hearing = asyncio.create_task(self._hear(ours))
            code = await process.wait()
            opened = await hearing
        if opened:
            PROCESSES.labels(self.program.kind).dec()
        folder = self.program.environment[FIGURES]
        mark_process_dead(process.pid, folder)  # type: ignore[no-untyped-call] # theirs
        return opened, f"signal {-code}" if code < 0 else f"exit code {code}"

    async def _spawn(self, line: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # what happens to lie in the working directory is not ours
            "-m",
            "app.cli.child",
            str(line),
            *self.program.arguments,
            env=self.program.environment,
            pass_fds=(line, *self.program.handles),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the parent, which ends its children in order
        )

    async def _hear(self, line: socket.socket) -> bool:
        """Wait for the process to open; False if it ended before."""
        loop = asyncio.get_running_loop()
        try:
            if not await loop.sock_recv(line, 1):
                return False
        except ConnectionError:
            return False
        PROCESSES.labels(self.program.kind).inc()
        self.opened.set()
        log.info("child_open", child=self.program.name, pid=self._process and self._process.pid)
        return True


@asynccontextmanager
async def kept(children: Sequence[Child], given_up: Callable[[], None]) -> AsyncIterator[None]:
    """Keep children running while the block lasts; `given_up` must end it, when one cannot start.

    Raises:
        GaveUpError: One could not; all have ended.

    """

    def look(task: asyncio.Task[None]) -> None:
        if task.exception() is not None:
            given_up()

    tasks = [child.start() for child in children]
    for task in tasks:
        task.add_done_callback(look)
    try:
        yield
    finally:
        await asyncio.gather(*(child.stop() for child in children))
    for task in tasks:
        task.result()
