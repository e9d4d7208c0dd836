"""What stands between a client and the database, and passes everything on."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import closing

from psycopg.conninfo import conninfo_to_dict

_WHO_ANSWERS = re.compile(rb"(?s)(?<=K\x00\x00\x00\x0c).{4}")
"""The number of the server's process, in the message that tells it (BackendKeyData)."""

Passing = Callable[[bytes], bytes]


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passing: Passing = bytes
) -> None:
    with closing(writer):
        while data := await reader.read(65_536):
            writer.write(passing(data))
            await writer.drain()


def _as(process: int) -> Passing:
    return lambda data: _WHO_ANSWERS.sub(process.to_bytes(4, "big"), data, count=1)


def forwards(url: str, *, process: int = 0) -> Callable[..., Awaitable[None]]:
    """Give what serves a connection by passing it on to a database's address.

    The client is told that `process` answers it (0: the one that does).
    """
    told = conninfo_to_dict(url)
    host, port = str(told["host"]), int(told.get("port") or 5432)

    told_as = _as(process) if process else bytes

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if host.startswith("/"):
            behind_reader, behind = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            behind_reader, behind = await asyncio.open_connection(host, port)
        await asyncio.gather(_copy(reader, behind), _copy(behind_reader, writer, told_as))

    return forward
