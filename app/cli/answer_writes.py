"""An answer leaves in one write: uvicorn writes its head and its body each by itself.

Each write to a socket is a system call that wakes whoever reads, so a small answer cost two of
both. What is written within a turn of the event loop is collected and leaves at its end.
"""

import asyncio
from fcntl import ioctl
from sys import byteorder
from termios import TIOCOUTQ
from typing import Any, Final

_AT_MOST: Final = 65_536
"""More than this does not wait for the end of the turn: a long answer meets flow control."""


class JoinedWrites(asyncio.Transport):
    """A connection that writes once a turn of the event loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """Wrap a connection; whoever is told of its events stays the same."""
        super().__init__()
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._parts: list[Any] = []
        self._size = 0
        self._written = 0

    def write(self, data: Any) -> None:  # noqa: ANN401 - bytes, or what is like them
        """Send before the next turn."""
        self._parts.append(data)
        size = len(data)
        self._size += size
        self._written += size
        if self._size > _AT_MOST:
            self._flush()
        elif len(self._parts) == 1:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        parts, self._parts, self._size = self._parts, [], 0
        if parts and not self._transport.is_closing():  # else the client went away meanwhile
            self._transport.writelines(parts)

    def close(self) -> None:
        """Send what was written, then close."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once; what was written is lost."""
        self._parts, self._size = [], 0
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's
        """Tell about the connection, as asyncio's transports do."""
        return self._transport.get_extra_info(name, default)

    def outstanding(self) -> tuple[int, int]:
        """Count the bytes ever written, and those of them that the client has not taken yet.

        What the system has, but no word from the other end that it arrived, is among these.
        """
        socket = self._transport.get_extra_info("socket")
        system = int.from_bytes(ioctl(socket.fileno(), TIOCOUTQ, bytes(4)), byteorder)
        return self._written, self._size + self._transport.get_write_buffer_size() + system

    def pause_reading(self) -> None:
        """Let the client wait with what it sends."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let somebody else be told of events."""
        self._transport.set_protocol(protocol)
