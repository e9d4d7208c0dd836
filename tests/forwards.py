"""What stands between a client and the database, and passes everything on."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing

from psycopg.conninfo import conninfo_to_dict


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with closing(writer):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


def forwards(url: str) -> Callable[..., Awaitable[None]]:
    """Give what serves a connection by passing it on to a database's address."""
    told = conninfo_to_dict(url)
    host, port = str(told["host"]), int(told.get("port") or 5432)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if host.startswith("/"):
            behind_reader, behind = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            behind_reader, behind = await asyncio.open_connection(host, port)
        await asyncio.gather(_copy(reader, behind), _copy(behind_reader, writer))

    return forward
