"""A wire between a service and PostgreSQL that knows how far a decision has come.

It reads the protocol, so the service needs no hook: the named points are found in what any lane,
and any batch of facts, must say and hear. The service must run with `AVAL_PREPARE=off`, or COMMIT
has no text.
"""

import socket
import struct
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Self

from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

Point = Literal["between", "before-commit", "after-commit"]
"""`between`: the locks are held, nothing is written; `before-commit`: all is written, COMMIT is
held back; `after-commit`: it is committed, and the service does not know."""

_BEGINNINGS: Final = (b"INSERT INTO request_key", b"JOIN ledger_event")
"""How decisions and batches of facts begin, their locks aside: they look for what is known."""
_COMMITTED: Final = b"C\x00\x00\x00\x0bCOMMIT\x00"
_READY: Final = b"Z\x00\x00\x00\x05"
_PATIENCE_S: Final = 10.0
_WRITING_S: Final = 0.15
"""What a server is given to work off what came before a COMMIT that is held back."""


@dataclass
class Line:
    """One connection through the wire; `began` once it asked what is known, `loaded` once told."""

    client: socket.socket
    server: socket.socket
    began: bool = False
    loaded: bool = False
    started: bool = False
    rest: bytes = b""

    def close(self) -> None:
        """Break both sides."""
        for one in (self.client, self.server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@dataclass
class Wire:
    """Passes everything on, until a point is armed, or it is told to stall or to cut."""

    url: str
    lines: list[Line] = field(default_factory=list)
    flowing: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)
    down: bool = False
    _armed: tuple[Point, Callable[[], object], bool] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _undo: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Listen."""
        self.flowing.set()
        folder = Path(self._undo.enter_context(tempfile.TemporaryDirectory(prefix="aval-wire-")))
        self._folder = folder
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen(64)
        threading.Thread(target=self._accept, name="wire", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, and break what is open."""
        self.flowing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._undo.close()

    @property
    def address(self) -> str:
        """Where a service finds the database through this wire."""
        through = make_url(self.url).set(host=None, port=None, query={"host": str(self._folder)})
        return through.render_as_string(hide_password=False)

    def arm(self, point: Point, act: Callable[[], object], *, breaks: bool = True) -> None:
        """Do something when a decision reaches a point, once; nothing flows there meanwhile.

        What was held back then never arrives, unless the line is not to break.
        """
        self.reached.clear()
        self._armed = point, act, breaks

    def let_in_all(self) -> None:
        """Let programs of other users through as well."""
        self._folder.chmod(0o755)
        (self._folder / ".s.PGSQL.5432").chmod(0o777)

    def disarm(self) -> None:
        """Wait for no point any more."""
        with self._lock:
            self._armed = None

    def cut(self) -> None:
        """Break every connection."""
        for line in [*self.lines]:
            line.close()
        self.lines.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                line = Line(client, self._connected())
            except OSError:
                client.close()
                continue
            self.lines.append(line)
            for run in (self._up, self._back):
                threading.Thread(target=run, args=(line,), name="wire", daemon=True).start()

    def _connected(self) -> socket.socket:
        if self.down:
            message = "the wire is down"
            raise OSError(message)
        told = conninfo_to_dict(self.url)
        host, port = str(told["host"]), str(told.get("port") or 5432)
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(f"{host}/.s.PGSQL.{port}")
            except OSError:
                server.close()
                raise
            return server
        return socket.create_connection((host, int(port)))

    def _up(self, line: Line) -> None:
        """Pass on what the service says, message by message."""
        with suppress(OSError):
            while data := line.client.recv(1 << 16):
                line.rest += data
                while (message := _next_message(line)) is not None:
                    self._say(line, message)
        line.close()

    def _say(self, line: Line, message: bytes) -> None:
        self.flowing.wait()
        line.began = line.began or any(one in message for one in _BEGINNINGS)
        if line.began and line.loaded and message[:1] in {b"P", b"Q"}:
            self._at("between")
            if b"COMMIT" in message and self._is_armed("before-commit"):
                threading.Event().wait(_WRITING_S)
                self._at("before-commit")
        if b"COMMIT" in message or b"ROLLBACK" in message:
            line.loaded = False
        line.server.sendall(message)

    def _back(self, line: Line) -> None:
        """Pass on what the server answers."""
        with suppress(OSError):
            while data := line.server.recv(1 << 16):
                if line.began and _COMMITTED in data:
                    line.began = False
                    self._at("after-commit")
                elif line.began and _READY in data:
                    line.loaded = True
                self.flowing.wait()
                line.client.sendall(data)
        line.close()

    def _is_armed(self, point: Point) -> bool:
        return self._armed is not None and self._armed[0] == point

    def _at(self, point: Point) -> None:
        with self._lock:
            if not self._is_armed(point) or self._armed is None:
                return
            (_, act, breaks), self._armed = self._armed, None
        self.reached.set()
        act()
        if breaks:
            message = f"the line broke at the point {point}"
            raise BrokenPipeError(message)


def _next_message(line: Line) -> bytes | None:
    """Take one whole message off what has arrived; the first has no type."""
    head = 1 if line.started else 0
    if len(line.rest) < head + 4:
        return None
    (length,) = struct.unpack_from("!i", line.rest, head)
    end = head + length
    if len(line.rest) < end:
        return None
    message, line.rest = line.rest[:end], line.rest[end:]
    line.started = True
    return message
