"""A wire between a lane and its database that tests cut, also in the middle of an answer."""

import asyncio
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

COMMITTED: Final = b"C\x00\x00\x00\x0bCOMMIT\x00"
"""The server's message that a COMMIT is done."""


@dataclass
class Wire:
    """A socket that passes everything on to the database, until it is told otherwise.

    `cut_at` are bytes of the server at which the connection breaks, once; they and what follows
    never reach the client. While `down`, connections are refused at once.
    """

    url: str
    cut_at: bytes | None = None
    down: bool = False
    connections: int = 0
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="aval-wire-")))
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listen."""
        path = str(self.folder / ".s.PGSQL.5432")
        self._server = await asyncio.start_unix_server(self._serve, path)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks)
        for writer in self._writers:
            with suppress(ConnectionError):
                await writer.wait_closed()
        shutil.rmtree(self.folder)

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.close()

    @property
    def address(self) -> str:
        """Where a lane finds the database through this wire."""
        through = make_url(self.url).set(host=None, port=None, query={"host": str(self.folder)})
        return through.render_as_string(hide_password=False)

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(back)
        if self.down:
            back.close()
            return
        told = conninfo_to_dict(self.url)
        host, port = str(told["host"]), str(told.get("port") or 5432)
        if host.startswith("/"):
            answers, there = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            answers, there = await asyncio.open_connection(host, int(port))
        self._writers.append(there)
        for source, target in ((client, there), (answers, back)):
            passing = self._pass_on(source, target, watched=target is back)
            self._tasks.append(asyncio.create_task(passing))

    async def _pass_on(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, watched: bool
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(1 << 16):
                if watched and self.cut_at is not None and self.cut_at in data:
                    self.cut_at = None
                    self.cut()
                    return
                target.write(data)
                await target.drain()
        target.close()
