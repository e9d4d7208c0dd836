"""How lines of the log leave: those of one turn of the event loop together."""

import asyncio
import atexit
from collections.abc import Callable
from threading import RLock
from typing import Any, Final, TextIO

import structlog


class Lines:
    """A stream to which what is said in one turn of the event loop goes in one write.

    A write is a system call, which costs a request more than all of its line. Outside of an event
    loop, and from WARNING on, a line leaves at once, with all that were said before it; so what a
    killed process may lose is the last turn's news of what went well.
    """

    def __init__(self, stream: TextIO) -> None:
        """Gather for a stream; what is left when the interpreter ends leaves then."""
        self._stream = stream
        self._gathered: list[str] = []
        self._due: asyncio.AbstractEventLoop | None = None
        self._one_at_a_time = RLock()
        atexit.register(self.leave)

    def say(self, line: str) -> None:
        """Let a line leave when this turn is over."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.say_at_once(line)
            return
        with self._one_at_a_time:  # threads say something too
            self._gathered.append(line)
            if self._due is not loop:
                self._due = loop
                loop.call_soon(self.leave)

    def say_at_once(self, line: str) -> None:
        """Let a line leave now, behind those before it."""
        with self._one_at_a_time:
            self._gathered.append(line)
            self.leave()

    def leave(self) -> None:
        """Write what was gathered."""
        with self._one_at_a_time:
            gathered, self._gathered, self._due = self._gathered, [], None
            if gathered:
                self._stream.write("\n".join(gathered) + "\n")
                self._stream.flush()


class LineLogger:
    """What structlog hands a rendered line to: the level says how soon it leaves."""

    def __init__(self, lines: Lines) -> None:
        """Say everything to `lines`."""
        self.debug = self.info = self.msg = lines.say
        self.warning = self.error = self.critical = lines.say_at_once


class BoundOnce:
    """A logger for the line of every request: bound anew only where the log was set up anew."""

    def __init__(self, name: str) -> None:
        """Name the module that speaks."""
        self._unbound: Final = structlog.get_logger(name)
        self._processors: object = None
        self._info: Callable[..., Any] = self._unbound.info

    def info(self, event: str, **fields: object) -> None:
        """Say what happened."""
        processors = structlog.get_config()["processors"]
        if processors is not self._processors:
            self._processors, self._info = processors, self._unbound.bind().info
        self._info(event, **fields)
